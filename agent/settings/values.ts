import * as v from "valibot";
import { parseBytes, parseDuration, parseFreeCount, parseWatermark } from "../units.ts";
import { parseNameGlob } from "./globs.ts";
import { parseLabelRule } from "./labels.ts";

/** What a single value of the settings may be, and how objects and lists are put together from such. */

/** BuildKit and Go parse `until` as nanoseconds in 64 bits: about 292 years; a century is enough. */
export const CENTURY = 100 * 365 * 86_400;

/** Reads text with `read`; `undefined` from it becomes an issue that says what was expected. */
export function text<T>(expected: string, read: (raw: string) => T | undefined) {
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

export const flag = v.boolean("true or false");

const INODES = 'true, false, or free inodes such as "250000 free"';
export const inodes = v.union([v.boolean(INODES), text(INODES, parseFreeCount)], INODES);

export const absolutePath = text('an absolute path such as "/var/lib/docker"', (raw) =>
  raw.startsWith("/") && !raw.includes("\0") ? raw : undefined,
);

/** node_exporter's textfile collector reads files of this suffix alone. */
export const promFile = text('an absolute path that ends in ".prom", or null', (raw) =>
  raw.startsWith("/") && raw.endsWith(".prom") && !raw.includes("\0") ? raw : undefined,
);

export const watermark = text(
  'used space such as "80%", or available space such as "20GiB free"',
  parseWatermark,
);

export const durationOf = (min: number, max: number, expected: string) =>
  text(expected, (raw) => {
    const seconds = parseDuration(raw);
    return seconds === undefined || seconds < min || seconds > max ? undefined : seconds;
  });

/** An age limit in seconds, from one on. */
export const age = (such: string) => durationOf(1, CENTURY, `a time from "1s" such as "${such}"`);

/** What may be `null`, which is the default. */
export const orNull = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema), null);

/** The same age; `null`: there is none. */
export const noLimitOr = (such: string) =>
  orNull(durationOf(1, CENTURY, `a time from "1s" such as "${such}", or null`));

/** After so many seconds, from a minute on; `null`: never. */
export const neverOr = orNull(durationOf(60, CENTURY, 'a time from "1m", or null'));

const FLAG_OR_AGE = 'true, false, or an age limit of its own such as {"until": "48h"}';

/** Whether a kind of object is pruned; an object: it is, with an age limit of its own, in seconds. */
export const flagOrAge = v.union(
  [v.boolean(FLAG_OR_AGE), v.strictObject({ until: age("48h") }, FLAG_OR_AGE)],
  FLAG_OR_AGE,
);

const EMERGENCY = 'null, or a mark and a shorter age limit such as {"at": "95%", "until": "1h"}';

/** Above which mark a shorter age limit holds, in seconds; `null`: none does. */
export const emergency = v.nullable(v.strictObject({ at: watermark, until: age("1h") }, EMERGENCY));

/** A pattern as text: patterns.ts, which the front does not load, compiles it for RE2. */
export const pattern = v.pipe(
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
    [
      "a regular expression that is matched in linear time (RE2):",
      "without look-around, back references, [\\b] and names of scripts",
    ].join(" "),
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

export const label = v.pipe(
  text('a label "key" or "key=value"', parseLabelRule),
  v.check(({ text }) => hasNoWildcard(text), WITHOUT_WILDCARD),
);

export const list = <T extends v.GenericSchema>(item: T) => v.array(item, "a list");

type Entries<T extends v.ObjectEntries> = v.GenericSchema<
  unknown,
  v.InferOutput<v.ObjectSchema<T, undefined>>
>;

/** An object whose unknown keys are each an issue of their own (`strictObject` stops at the first). */
export function entriesOf<T extends v.ObjectEntries>(entries: T, expected = "an object"): Entries<T> {
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

export const section = <T extends v.ObjectEntries>(entries: T) => v.optional(entriesOf(entries), {} as never);

export const countFrom = (min: number) => {
  const expected = `a whole number from ${min}`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(min, expected));
};

export const size = text('a size such as "10GB" or "20GiB"', (raw) => parseBytes(raw) || undefined);
export const when = v.picklist(["always", "pressure"], '"always" or "pressure"');

export const nameGlob = v.pipe(
  text(
    [
      'an image name such as "ci/app", "snapshot-*" or "ghcr.io/acme/worker:sha-*":',
      "small letters, ** across slashes, no digest",
    ].join(" "),
    parseNameGlob,
  ),
  // The engine leaves these out (distribution/reference: the familiar name), so such a rule would never match.
  v.check(
    ({ text }) => !/^(?:(?:index\.)?docker\.io|library)\//.test(text),
    'an image name as "docker image ls" shows it, without "docker.io/" and "library/"',
  ),
);

export const labelKey = v.pipe(
  text('the key of a label such as "ci.project"', (raw) =>
    parseLabelRule(raw)?.value === undefined && parseLabelRule(raw) !== undefined ? raw : undefined,
  ),
  v.check(hasNoWildcard, WITHOUT_WILDCARD),
);
