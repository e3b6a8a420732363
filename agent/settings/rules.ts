import type { Watermark } from "../units.ts";
import { type NameGlob, parseNameGlob } from "./globs.ts";
import { CACHE_RULE, SNAPSHOT_RULE } from "./rule-names.ts";
import type { OrphanRule, RetentionRule, Settings, When } from "./settings.ts";

/**
 * On every snapshot; what makes one is this label *and* the repository: labels are handed down to images built on it.
 */
export const SNAPSHOT_LABEL = "ci-docker-prune.snapshot";
export const SNAPSHOT_PROJECT_LABEL = `${SNAPSHOT_LABEL}.project`;
export const SNAPSHOT_WORK_ITEM_LABEL = `${SNAPSHOT_LABEL}.work-item`;
/** Seconds to live as a duration such as `"24h"`. */
export const SNAPSHOT_TTL_LABEL = "ci-docker-prune.snapshot.ttl";
/** Repositories of snapshots are `ci-snapshot/<name>`. */
export const SNAPSHOT_NAMESPACE = "ci-snapshot";

const NO_LIMIT = {
  ...{ olderThan: null, keepNewest: 0, keepCount: null, maxTotalSize: null },
  ...{ perGroup: null, ttlLabel: null, unusedFor: null },
};

/** The rule for what `snapshots commit` makes, from `settings.snapshots`. */
export function snapshotRule({ ttl, keepCount, maxTotalSize, when }: Settings["snapshots"]): RetentionRule {
  return {
    name: SNAPSHOT_RULE,
    match: {
      repositories: [parseNameGlob(`${SNAPSHOT_NAMESPACE}/*`) as NameGlob],
      labels: [{ key: SNAPSHOT_LABEL, value: undefined, text: SNAPSHOT_LABEL }],
    },
    ...NO_LIMIT,
    ...{ olderThan: ttl, keepCount, maxTotalSize, ttlLabel: SNAPSHOT_TTL_LABEL },
    grace: Math.min(3600, ttl),
    when,
    madeHere: true,
  };
}

/** All named images; which of them go, and in which order, plan/cache.ts decides. */
function cacheRule({ unusedFor }: Settings["cache"]): RetentionRule {
  return {
    name: CACHE_RULE,
    match: { repositories: [parseNameGlob("**") as NameGlob], labels: [] },
    ...NO_LIMIT,
    unusedFor,
    grace: unusedFor,
    when: "pressure",
  };
}

/** Every rule in force, the operator's own first: an image belongs to the first that names it. */
export function retentionRules({ retention, snapshots, cache }: Settings): readonly RetentionRule[] {
  return [...retention, snapshotRule(snapshots), ...(cache.evict === "never" ? [] : [cacheRule(cache)])];
}

/** The mark that the last tier reaches: `cache.until`, else the low watermark, else a little below the high one. */
export function cacheMark({ cache, disk }: Pick<Settings, "cache" | "disk">): Watermark {
  const { highWatermark: high } = disk;
  const mark = cache.until ?? disk.lowWatermark;
  if (mark !== null) return mark;
  return high.kind === "used-percent"
    ? { kind: "used-percent", percent: Math.max(1, high.percent - 2) }
    : { kind: "free-bytes", bytes: 1.1 * high.bytes };
}

/** A rule of the settings by the list it stands in; what `snapshots` says is one of retention. */
export interface ListedRule {
  readonly list: "retention" | "orphans";
  readonly name: string;
  readonly when: When;
}

export function allRules(settings: Settings): readonly ListedRule[] {
  // The last tier is no rule of the settings' own.
  const retention = retentionRules(settings).filter(({ name }) => name !== CACHE_RULE);
  return [
    ...retention.map(({ name, when }) => ({ list: "retention" as const, name, when })),
    ...settings.orphans.map(({ name, when }) => ({ list: "orphans" as const, name, when })),
  ];
}

/** Those that do not wait for disk pressure: a pass goes by them whenever its other gates are open. */
export const rulesWithoutPressure = (settings: Settings): readonly ListedRule[] =>
  allRules(settings).filter(({ when }) => when === "always");

/** The part of the settings by which a quiet pass goes: plain data, which can be kept as JSON. */
export type QuietSettings = Pick<Settings, "disk" | "metrics"> & { readonly rules: readonly ListedRule[] };

export const quietSettings = (settings: Settings): QuietSettings => ({
  disk: settings.disk,
  metrics: settings.metrics,
  rules: allRules(settings),
});

/** Every rule, and whether those that wait for pressure are in force. */
export interface Rules {
  readonly retention: readonly RetentionRule[];
  readonly orphans: readonly OrphanRule[];
  readonly pressed: boolean;
}

/** The rules that a pass goes by. Pure. @param pressed without pressure, those that wait for it are not in force */
export function rulesOf(settings: Settings, pressed: boolean): Rules {
  return { retention: retentionRules(settings), orphans: settings.orphans, pressed };
}

export const inForce = ({ pressed }: Pick<Rules, "pressed">, { when }: { readonly when: When }): boolean =>
  pressed || when === "always";

export const anyInForce = (rules: Rules): boolean =>
  [...rules.retention, ...rules.orphans].some((rule) => inForce(rules, rule));

/** Whether both are labels of snapshots of the same work item. Pure. */
export function sameWorkItem(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>) {
  return [SNAPSHOT_LABEL, SNAPSHOT_PROJECT_LABEL, SNAPSHOT_WORK_ITEM_LABEL].every(
    (label) => one[label] !== undefined && one[label] === other[label],
  );
}
