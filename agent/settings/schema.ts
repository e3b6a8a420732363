import * as v from "valibot";
import { PRESETS, type PresetName } from "../gates/presets.ts";
import { parseDuration, parseWatermark } from "../units.ts";
import { parseLabelRule } from "./labels.ts";

/**
 * The settings contract, as data. Each schema's message says what was expected; parse.ts adds path and finding.
 * Every key is optional. Durations become seconds, watermarks `Watermark`, patterns `RegExp`.
 */

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

const absolutePath = text('an absolute path such as "/var/lib/docker"', (raw) =>
  raw.startsWith("/") && !raw.includes("\0") ? raw : undefined,
);

const watermark = text('used space such as "80%", or available space such as "20GiB free"', parseWatermark);

const durationOf = (min: number, max: number, expected: string) =>
  text(expected, (raw) => {
    const seconds = parseDuration(raw);
    return seconds === undefined || seconds < min || seconds > max ? undefined : seconds;
  });

/** A pattern, and the text the operator wrote, which is what the log shows. */
const pattern = text('a regular expression such as "^ci-[0-9]+_"', (raw) => {
  if (raw === "") return undefined;
  try {
    return new RegExp(raw, "u");
  } catch {
    return undefined;
  }
});

const label = text('a label "key" or "key=value"', parseLabelRule);

const list = <T extends v.GenericSchema>(item: T) => v.array(item, "a list");

const presetNames = Object.keys(PRESETS) as [PresetName, ...PresetName[]];

/** An object whose unknown keys are each an issue of their own (`strictObject` stops at the first). */
function section<T extends v.ObjectEntries>(entries: T) {
  const known = Object.keys(entries).join(", ");
  return v.optional(
    v.pipe(
      // Valibot takes a list for an object; an empty one would pass as a section without keys.
      v.custom<object>((raw) => !Array.isArray(raw), "an object"),
      v.objectWithRest(entries, v.never(`no such key; the keys here are: ${known}`), "an object"),
    ),
    {} as never,
  );
}

/** Accepted for the shape of the contract; anything in it would be silently without effect, so it is refused. */
const reserved = v.pipe(
  v.array(v.unknown(), "an empty list"),
  v.maxLength(0, "an empty list: this version has no such rules yet"),
);

export const DEFAULT_HIGH_WATERMARK = "80%";
/** The run stacks of a Co-op Cloud recipe CI: `<up to 4 characters>-<6 hex>_ci_commoninternet_net_…`. */
export const DEFAULT_RUN_SERVICES = "^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_";

/** BuildKit and Go parse `until` as nanoseconds in 64 bits: about 292 years; a century is enough. */
const CENTURY = 100 * 365 * 86_400;

export const settingsSchema = section({
  engine: section({
    socketPath: v.optional(absolutePath, "/run/docker.sock"),
    timeout: v.optional(durationOf(0.1, 3600, 'a time from "100ms" to "1h"'), "60s"),
    deleteTimeout: v.optional(durationOf(0.1, 86_400, 'a time from "100ms" to "24h"'), "10m"),
  }),
  disk: section({
    paths: v.optional(v.pipe(list(absolutePath), v.minLength(1, "at least one path"))),
    highWatermark: v.optional(watermark, DEFAULT_HIGH_WATERMARK),
    lowWatermark: v.optional(v.nullable(watermark), null),
    inodes: v.optional(flag, true),
  }),
  liveRuns: section({
    services: v.optional(list(pattern), [DEFAULT_RUN_SERVICES]),
    containers: v.optional(list(pattern), []),
    labels: v.optional(list(label), []),
    presets: v.optional(list(v.picklist(presetNames, `one of: ${presetNames.join(", ")}`)), []),
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
  }),
  deferrals: section({
    warnAfterPasses: v.optional(
      v.pipe(
        v.number("a whole number from 1"),
        v.integer("a whole number from 1"),
        v.minValue(1, "a whole number from 1"),
      ),
      7,
    ),
    warnAfter: v.optional(durationOf(60, CENTURY, 'a time from "1m" such as "7d"'), "7d"),
  }),
  retention: v.optional(reserved, []),
  orphans: v.optional(reserved, []),
  lockFile: v.optional(v.nullable(absolutePath), null),
  stateDir: v.optional(v.nullable(absolutePath), null),
  metrics: section({
    textfile: v.optional(v.null("null: this version writes no metrics yet"), null),
  }),
});
