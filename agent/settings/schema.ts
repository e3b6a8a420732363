import * as v from "valibot";
import { parseBytes, parseDuration, parseFreeCount, parseWatermark } from "../units.ts";
import { namesEverything, parseNameGlob } from "./globs.ts";
import { parseLabelRule } from "./labels.ts";
import { PRESET_NAMES } from "./presets.ts";

/**
 * The settings contract, as data. Each schema's message says what was expected; parse.ts adds path and finding.
 * Every key is optional. Durations become seconds, watermarks `Watermark`, patterns `RegExp`.
 */

/** BuildKit and Go parse `until` as nanoseconds in 64 bits: about 292 years; a century is enough. */
const CENTURY = 100 * 365 * 86_400;

/** The name of the rule for what `snapshots commit` makes. */
export const SNAPSHOT_RULE = "snapshots";
const RULE_NAME = 'a name such as "ci-snapshots": small letters, digits and inner hyphens, up to 63';

/** Reads text with `read`; `undefined` from it becomes an issue that says what was expected. */
function text<T>(expected: string, read: (raw: string) => T | undefined) {
  return v.pipe(
    v.string(expected),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value === undefined) {
        addIssue({ message: expected });
        return NEVER;
      }
      return value;
    }),
  );
}

const flag = v.boolean("true or false");
const INODES = 'true, false, or free inodes such as "250000 free"';

const absolutePath = text('an absolute path such as "/var/lib/docker"', (raw) =>
  raw.startsWith("/") && !raw.includes("\0") ? raw : undefined,
);

/** node_exporter's textfile collector reads files of this suffix alone. */
const promFile = text('an absolute path that ends in ".prom", or null', (raw) =>
  raw.startsWith("/") && raw.endsWith(".prom") && !raw.includes("\0") ? raw : undefined,
);

const watermark = text('used space such as "80%", or available space such as "20GiB free"', parseWatermark);

const durationOf = (min: number, max: number, expected: string) =>
  text(expected, (raw) => {
    const seconds = parseDuration(raw);
    return seconds === undefined || seconds < min || seconds > max ? undefined : seconds;
  });

/** A pattern as text: patterns.ts, which the front does not load, compiles it for RE2. */
const pattern = v.pipe(
  text('a regular expression such as "^ci-[0-9]+_"', (raw) => {
    if (raw === "") return undefined;
    try {
      new RegExp(raw, "u");
      return raw;
    } catch {
      return undefined;
    }
  }),
  v.check(
    (raw) => isForRe2(raw),
    "a regular expression that is matched in linear time (RE2): without look-around, back references, [\\b] and names of scripts",
  ),
);

/** In a regular expression: a class of Unicode, another escape, a set, the opening of a look-around. */
const TOKEN =
  /\\[pP]\{(?<property>.*?)\}|\\(?<escaped>.)|\[(?<set>(?:\\.|[^\]\\])*)\]|\(\?(?<look><?[=!])/gsu;

/** Leaves out what RE2 does not have; what it finds too large is seen when it is compiled. */
function isForRe2(source: string, inSet = false): boolean {
  return [...source.matchAll(TOKEN)].every(
    ({ groups: { property = "L", escaped = "", set, look } = {} as NodeJS.Dict<string> }) =>
      /^[A-Z][a-z]?$/.test(property) &&
      !(inSet ? /b/ : /[1-9k]/).test(escaped) &&
      (set === undefined || isForRe2(set, true)) &&
      (look === undefined || inSet),
  );
}

/** Labels are compared as they stand: one with a wildcard would fit nothing, unseen. */
const WITHOUT_WILDCARD =
  "a label without * and ?, which would be compared as they stand: the key alone means any value";
const hasNoWildcard = (raw: string) => !/[*?]/.test(raw);

const label = v.pipe(
  text('a label "key" or "key=value"', parseLabelRule),
  v.check(({ text }) => hasNoWildcard(text), WITHOUT_WILDCARD),
);

const list = <T extends v.GenericSchema>(item: T) => v.array(item, "a list");

type Entries<T extends v.ObjectEntries> = v.GenericSchema<
  unknown,
  v.InferOutput<v.ObjectSchema<T, undefined>>
>;

/** An object whose unknown keys are each an issue of their own (`strictObject` stops at the first). */
function entriesOf<T extends v.ObjectEntries>(entries: T, expected = "an object"): Entries<T> {
  const known = Object.keys(entries).join(", ");
  return v.pipe(
    // Valibot takes a list for an object; an empty one would pass as a section without keys.
    v.custom<object>((raw) => !Array.isArray(raw), expected),
    v.objectWithRest(entries, v.never(`no such key; the keys here are: ${known}`), ({ path }) => {
      // Valibot tells a key that must be there and is not in the words of the object; its own say what to write.
      const missing = entries[String(path?.[0]?.key)];
      return missing === undefined
        ? expected
        : (v.safeParse(missing, undefined).issues?.[0].message ?? expected);
    }),
  ) as unknown as Entries<T>;
}

const section = <T extends v.ObjectEntries>(entries: T) => v.optional(entriesOf(entries), {} as never);

const countFrom = (min: number) => {
  const expected = `a whole number from ${min}`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(min, expected));
};

const size = text('a size such as "10GB" or "20GiB"', (raw) => parseBytes(raw) || undefined);
const when = v.picklist(["always", "pressure"], '"always" or "pressure"');

const nameGlob = v.pipe(
  text(
    'an image name such as "ci/app", "snapshot-*" or "ghcr.io/acme/worker:sha-*": small letters, ** across slashes, no digest',
    parseNameGlob,
  ),
  // The engine leaves these out (distribution/reference: the familiar name), so such a rule would never match.
  v.check(
    ({ text }) => !/^(?:(?:index\.)?docker\.io|library)\//.test(text),
    'an image name as "docker image ls" shows it, without "docker.io/" and "library/"',
  ),
);

/** Names a rule in the log and in metrics, so its form is bounded. */
const ruleName = v.pipe(
  v.string(RULE_NAME),
  v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, RULE_NAME),
  v.check((name) => name !== SNAPSHOT_RULE, `a name other than "${SNAPSHOT_RULE}", which the snapshots use`),
);

const labelKey = v.pipe(
  text('the key of a label such as "ci.project"', (raw) =>
    parseLabelRule(raw)?.value === undefined && parseLabelRule(raw) !== undefined ? raw : undefined,
  ),
  v.check(hasNoWildcard, WITHOUT_WILDCARD),
);

const retentionRule = v.pipe(
  entriesOf({
    name: ruleName,
    match: v.pipe(
      entriesOf(
        { repositories: v.optional(list(nameGlob), []), labels: v.optional(list(label), []) },
        "an object with repositories, labels or both",
      ),
      v.check(
        ({ repositories, labels }) =>
          labels.length > 0 || (repositories.length > 0 && !repositories.some(namesEverything)),
        "a family that is named, by a repository, a tag or a label: this one would hold every image",
      ),
    ),
    olderThan: v.optional(
      v.nullable(durationOf(1, CENTURY, 'a time from "1s" such as "24h", or null')),
      null,
    ),
    keepNewest: v.optional(countFrom(0), 0),
    keepCount: v.optional(v.nullable(countFrom(1)), null),
    maxTotalSize: v.optional(v.nullable(size), null),
    perGroup: v.optional(v.nullable(labelKey), null),
    ttlLabel: v.optional(v.nullable(labelKey), null),
    unusedFor: v.optional(
      v.nullable(durationOf(1, CENTURY, 'a time from "1s" such as "30d", or null')),
      null,
    ),
    grace: v.optional(durationOf(1, CENTURY, 'a time from "1s" such as "1h"'), "1h"),
    when: v.optional(when, "always"),
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
  entriesOf({
    name: ruleName,
    label,
    runningLongerThan: v.optional(
      v.nullable(durationOf(1, CENTURY, 'a time from "1s" such as "6h", or null')),
      null,
    ),
    stoppedLongerThan: v.optional(
      v.nullable(durationOf(1, CENTURY, 'a time from "1s" such as "1h", or null')),
      null,
    ),
    stopTimeout: v.optional(durationOf(0, 3600, 'a time from "0s" to "1h"'), "10s"),
    when: v.optional(when, "always"),
  }),
  v.partialCheck(
    [["runningLongerThan"], ["stoppedLongerThan"]],
    ({ runningLongerThan, stoppedLongerThan }) => runningLongerThan !== null || stoppedLongerThan !== null,
    "a rule with a limit: runningLongerThan or stoppedLongerThan",
  ),
);

/** Rules of one kind, each with a name of its own. */
function rulesOf<T extends { name: string }>(rule: v.GenericSchema<unknown, T>) {
  return v.optional(v.pipe(list(rule), v.rawCheck<T[]>(ownNames)), []);
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

export const DEFAULT_PATHS: readonly string[] = ["/", "/var/lib/docker", "/var/lib/containerd"];
export const DEFAULT_HIGH_WATERMARK = "80%";
/** The run stacks of a Co-op Cloud recipe CI: `<up to 4 characters>-<6 hex>_ci_commoninternet_net_…`. */
export const DEFAULT_RUN_SERVICES = "^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_";

export const settingsSchema = section({
  engine: section({
    socketPath: v.optional(absolutePath, "/run/docker.sock"),
    timeout: v.optional(durationOf(0.1, 3600, 'a time from "100ms" to "1h"'), "60s"),
    deleteTimeout: v.optional(durationOf(0.1, 86_400, 'a time from "100ms" to "24h"'), "10m"),
  }),
  disk: v.pipe(
    section({
      paths: v.optional(v.pipe(list(absolutePath), v.minLength(1, "at least one path"))),
      highWatermark: v.optional(watermark, DEFAULT_HIGH_WATERMARK),
      lowWatermark: v.optional(v.nullable(watermark), null),
      inodes: v.optional(v.union([v.boolean(INODES), text(INODES, parseFreeCount)], INODES), true),
    }),
    /** `pathsNamed`: each must be readable. Of the defaults, those that exist are watched. */
    v.transform(({ paths, ...marks }) => ({
      ...marks,
      paths: paths ?? DEFAULT_PATHS,
      pathsNamed: paths !== undefined,
    })),
  ),
  liveRuns: section({
    services: v.optional(list(pattern), [DEFAULT_RUN_SERVICES]),
    containers: v.optional(list(pattern), []),
    labels: v.optional(list(label), []),
    presets: v.optional(list(v.picklist(PRESET_NAMES, `one of: ${PRESET_NAMES.join(", ")}`)), []),
    ignoreOlderThan: v.optional(v.nullable(durationOf(60, CENTURY, 'a time from "1m", or null')), null),
  }),
  convergence: section({
    settle: v.optional(durationOf(0, 300, 'a time from "0s" to "5m"'), "3s"),
    ignoreStuckAfter: v.optional(v.nullable(durationOf(60, CENTURY, 'a time from "1m", or null')), null),
    onWorker: v.optional(v.picklist(["defer", "local-tasks"], '"defer" or "local-tasks"'), "defer"),
  }),
  prune: section({
    until: v.optional(durationOf(1, CENTURY, 'a time from "1s" such as "24h"'), "24h"),
    containers: v.optional(flag, true),
    images: v.optional(flag, true),
    buildCache: v.optional(flag, true),
    labels: v.optional(list(label), []),
    keepLabels: v.optional(list(label), ["ci-docker-prune.keep"]),
    keepImages: v.optional(list(nameGlob), []),
    networksAbove: v.optional(v.nullable(countFrom(0)), 20),
  }),
  deferrals: section({
    warnAfterPasses: v.optional(countFrom(1), 7),
    warnAfter: v.optional(durationOf(60, CENTURY, 'a time from "1m" such as "7d"'), "7d"),
    failAfter: v.optional(v.nullable(durationOf(60, CENTURY, 'a time from "1m", or null')), null),
  }),
  retention: rulesOf(retentionRule),
  orphans: rulesOf(orphanRule),
  snapshots: section({
    ttl: v.optional(durationOf(1, CENTURY, 'a time from "1s" such as "24h"'), "24h"),
    keepCount: v.optional(v.nullable(countFrom(1)), 5),
    maxTotalSize: v.optional(v.nullable(size), "10GB"),
    when: v.optional(when, "pressure"),
  }),
  cache: section({
    evict: v.optional(v.picklist(["never", "under-pressure"], '"never" or "under-pressure"'), "never"),
    until: v.optional(v.nullable(watermark), null),
    unusedFor: v.optional(durationOf(60, CENTURY, 'a time from "1m" such as "1h"'), "1h"),
    keep: v.optional(list(nameGlob), []),
    local: v.optional(v.picklist(["keep", "evict"], '"keep" or "evict"'), "keep"),
    groupLabels: v.optional(list(labelKey), []),
  }),
  lockFile: v.optional(v.nullable(absolutePath), null),
  stateDir: v.optional(v.nullable(absolutePath), null),
  metrics: section({
    textfile: v.optional(v.nullable(promFile), null),
  }),
});
