import * as v from "valibot";
import { namesEverything } from "./globs.ts";
import { SNAPSHOT_RULE } from "./rule-names.ts";
import * as is from "./values.ts";

/**
 * The settings contract, as data. Each schema's message says what was expected; parse.ts adds path and finding.
 * Every key is optional. Durations become seconds, sizes bytes, watermarks `Watermark`, globs `NameGlob`.
 */

/** The rows of gates/presets.ts. */
export const PRESET_NAMES = [
  "gitlab-runner",
  "drone",
  "woodpecker",
  "gitea-act-runner",
  "forgejo-runner",
  "github-actions",
  "testcontainers",
  "buildx",
] as const;

const RULE_NAME = 'a name such as "ci-snapshots": small letters, digits and inner hyphens, up to 63';

/** Names a rule in the log and in metrics, so its form is bounded. */
const ruleName = v.pipe(
  v.string(RULE_NAME),
  v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, RULE_NAME),
  v.check((name) => name !== SNAPSHOT_RULE, `a name other than "${SNAPSHOT_RULE}", which the snapshots use`),
);

const retentionRule = v.pipe(
  is.entriesOf({
    name: ruleName,
    match: v.pipe(
      is.entriesOf(
        { repositories: v.optional(is.list(is.nameGlob), []), labels: v.optional(is.list(is.label), []) },
        "an object with repositories, labels or both",
      ),
      v.check(
        ({ repositories, labels }) =>
          labels.length > 0 || (repositories.length > 0 && !repositories.some(namesEverything)),
        "a family that is named, by a repository, a tag or a label: this one would hold every image",
      ),
    ),
    olderThan: is.noLimitOr("24h"),
    keepNewest: v.optional(is.countFrom(0), 0),
    keepCount: is.orNull(is.countFrom(1)),
    maxTotalSize: is.orNull(is.size),
    perGroup: is.orNull(is.labelKey),
    ttlLabel: is.orNull(is.labelKey),
    unusedFor: is.noLimitOr("30d"),
    grace: v.optional(is.age("1h"), "1h"),
    when: v.optional(is.when, "always"),
  }),
  v.partialCheck(
    [["olderThan"], ["keepCount"], ["maxTotalSize"], ["ttlLabel"], ["unusedFor"]],
    ({ olderThan, keepCount, maxTotalSize, ttlLabel, unusedFor }) =>
      [olderThan, keepCount, maxTotalSize, ttlLabel, unusedFor].some((limit) => limit !== null),
    "a rule with a limit: olderThan, keepCount, maxTotalSize, ttlLabel or unusedFor",
  ),
  v.forward(
    v.partialCheck(
      [["keepCount"], ["keepNewest"]],
      ({ keepCount, keepNewest }) => keepCount === null || keepNewest <= keepCount,
      "a number that is not above keepCount",
    ),
    ["keepNewest"],
  ),
);

const orphanRule = v.pipe(
  is.entriesOf({
    name: ruleName,
    label: is.label,
    runningLongerThan: is.noLimitOr("6h"),
    stoppedLongerThan: is.noLimitOr("1h"),
    stopTimeout: v.optional(is.durationOf(0, 3600, 'a time from "0s" to "1h"'), "10s"),
    when: v.optional(is.when, "always"),
  }),
  v.partialCheck(
    [["runningLongerThan"], ["stoppedLongerThan"]],
    ({ runningLongerThan, stoppedLongerThan }) => runningLongerThan !== null || stoppedLongerThan !== null,
    "a rule with a limit: runningLongerThan or stoppedLongerThan",
  ),
);

/** Rules of one kind, each with a name of its own. */
function rulesOf<T extends { name: string }>(rule: v.GenericSchema<unknown, T>) {
  return v.optional(v.pipe(is.list(rule), v.rawCheck<T[]>(ownNames)), []);
}

/** A list that is wrong elsewhere is looked at as well: all problems are told at once. */
function ownNames<T>({ dataset: { value }, addIssue }: v.RawCheckContext<T[]>): void {
  if (!Array.isArray(value)) return;
  const names: unknown[] = value.map((rule) => Object(rule).name);
  for (const [index, name] of names.entries()) {
    if (typeof name !== "string" || names.indexOf(name) === index) continue;
    addIssue({
      message: "a name that no other rule in the list has",
      path: [
        { type: "array", origin: "value", input: value, key: index, value: value[index] },
        { type: "object", origin: "value", input: value[index], key: "name", value: name },
      ],
    });
  }
}

const DEFAULT_PATHS: readonly string[] = ["/", "/var/lib/docker", "/var/lib/containerd"];
export const DEFAULT_HIGH_WATERMARK = "80%";
export const DEFAULT_UNTIL = "24h";
/** The run stacks of a Co-op Cloud recipe CI: `<up to 4 characters>-<6 hex>_ci_commoninternet_net_…`. */
const DEFAULT_RUN_SERVICES = "^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_";

export const settingsSchema = is.section({
  engine: is.section({
    socketPath: v.optional(is.absolutePath, "/run/docker.sock"),
    timeout: v.optional(is.durationOf(0.1, 3600, 'a time from "100ms" to "1h"'), "60s"),
    deleteTimeout: v.optional(is.durationOf(0.1, 86_400, 'a time from "100ms" to "24h"'), "10m"),
  }),
  disk: v.pipe(
    is.section({
      paths: v.optional(v.pipe(is.list(is.absolutePath), v.minLength(1, "at least one path"))),
      highWatermark: v.optional(is.watermark, DEFAULT_HIGH_WATERMARK),
      lowWatermark: is.orNull(is.watermark),
      inodes: v.optional(is.inodes, true),
    }),
    /** `pathsNamed`: each must be readable. Of the defaults, those that exist are watched. */
    v.transform(({ paths, ...marks }) => ({
      ...marks,
      paths: paths ?? DEFAULT_PATHS,
      pathsNamed: paths !== undefined,
    })),
  ),
  liveRuns: is.section({
    services: v.optional(is.list(is.pattern), [DEFAULT_RUN_SERVICES]),
    containers: v.optional(is.list(is.pattern), []),
    labels: v.optional(is.list(is.label), []),
    presets: v.optional(is.list(v.picklist(PRESET_NAMES, `one of: ${PRESET_NAMES.join(", ")}`)), []),
    ignoreOlderThan: is.neverOr,
  }),
  convergence: is.section({
    settle: v.optional(is.durationOf(0, 300, 'a time from "0s" to "5m"'), "3s"),
    ignoreStuckAfter: is.neverOr,
    onWorker: v.optional(v.picklist(["defer", "local-tasks"], '"defer" or "local-tasks"'), "defer"),
  }),
  prune: is.section({
    until: v.optional(is.age(DEFAULT_UNTIL), DEFAULT_UNTIL),
    containers: v.optional(is.flagOrAge, true),
    images: v.optional(is.flagOrAge, true),
    buildCache: v.optional(is.flag, true),
    emergency: v.optional(is.emergency, null),
    labels: v.optional(is.list(is.label), []),
    keepLabels: v.optional(is.list(is.label), ["ci-docker-prune.keep"]),
    keepImages: v.optional(is.list(is.nameGlob), []),
    networksAbove: v.optional(v.nullable(is.countFrom(0)), 20),
  }),
  deferrals: is.section({
    warnAfterPasses: v.optional(is.countFrom(1), 7),
    warnAfter: v.optional(is.durationOf(60, is.CENTURY, 'a time from "1m" such as "7d"'), "7d"),
    failAfter: is.neverOr,
  }),
  retention: rulesOf(retentionRule),
  orphans: rulesOf(orphanRule),
  snapshots: is.section({
    ttl: v.optional(is.age("24h"), "24h"),
    keepCount: v.optional(v.nullable(is.countFrom(1)), 5),
    maxTotalSize: v.optional(v.nullable(is.size), "10GB"),
    when: v.optional(is.when, "pressure"),
  }),
  cache: is.section({
    evict: v.optional(v.picklist(["never", "under-pressure"], '"never" or "under-pressure"'), "never"),
    until: is.orNull(is.watermark),
    unusedFor: v.optional(is.durationOf(60, is.CENTURY, 'a time from "1m" such as "1h"'), "1h"),
    keep: v.optional(is.list(is.nameGlob), []),
    local: v.optional(v.picklist(["keep", "evict"], '"keep" or "evict"'), "keep"),
    groupLabels: v.optional(is.list(is.labelKey), []),
  }),
  lockFile: is.orNull(is.absolutePath),
  stateDir: is.orNull(is.absolutePath),
  metrics: is.section({
    textfile: is.orNull(is.promFile),
  }),
});
