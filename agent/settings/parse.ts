import * as v from "valibot";
import type { JsonFault } from "../json.ts";
import { truncated } from "../text.ts";
import { parseDuration, parseWatermark } from "../units.ts";
import { DEFAULT_HIGH_WATERMARK, DEFAULT_UNTIL, settingsSchema } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** One thing wrong with the settings: where, what stood there as JSON (shortened), what may stand there. */
export type Problem = JsonFault;

export type Parsed =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Unknown JSON -> Settings, or all that is wrong with it. Pure. */
export function parseSettings(raw: unknown): Parsed {
  const result = v.safeParse(settingsSchema, raw);
  const problems = [...(result.issues ?? []).map(problemOf), ...inheritedNames(raw), ...reversedMarks(raw)];
  if (!result.success || problems.length > 0) return { ok: false, problems };
  return { ok: true, settings: result.output };
}

/** What no single key shows; asked of the raw document, so that it is told together with everything else. */
function reversedMarks(raw: unknown): Problem[] {
  const { disk, cache, prune } = Object(raw) as Record<string, unknown>;
  const { lowWatermark, highWatermark = DEFAULT_HIGH_WATERMARK } = Object(disk) as Record<string, unknown>;
  const { until } = Object(cache) as Record<string, unknown>;
  const { emergency, ...ages } = Object(prune) as Record<string, unknown>;
  const { at, until: shorter } = Object(emergency) as Record<string, unknown>;
  const than = (path: string, found: unknown, room: "more" | "less") => ({
    ...{ path, found: show(found), expected: `a mark that leaves ${room} room than disk.highWatermark` },
  });
  return [
    ...(leavesMore(lowWatermark, highWatermark) ? [] : [than("disk.lowWatermark", lowWatermark, "more")]),
    ...(leavesMore(until, highWatermark) ? [] : [than("cache.until", until, "more")]),
    ...(leavesMore(highWatermark, at) ? [] : [than("prune.emergency.at", at, "less")]),
    ...(isShorter(shorter, ages) ? [] : [notShorter(shorter)]),
  ];
}

/** Whether the first mark leaves more room; marks of two kinds, or of none, are not compared. */
function leavesMore(one: unknown, other: unknown): boolean {
  if (typeof one !== "string" || typeof other !== "string") return true;
  const [low, high] = [parseWatermark(one), parseWatermark(other)];
  return !(
    (low?.kind === "used-percent" && high?.kind === "used-percent" && low.percent >= high.percent) ||
    (low?.kind === "free-bytes" && high?.kind === "free-bytes" && low.bytes <= high.bytes)
  );
}

/** Whether the age limit of an emergency is shorter than each that it stands in for. */
function isShorter(written: unknown, { until = DEFAULT_UNTIL, ...prune }: Record<string, unknown>): boolean {
  const seconds = (text: unknown) => (typeof text === "string" ? parseDuration(text) : undefined);
  const shorter = seconds(written);
  const replaced = ["containers", "images", "buildCache"]
    .map((kind) => prune[kind])
    .filter((own) => own !== false)
    .map((own) => seconds((Object(own) as Record<string, unknown>).until ?? until));
  return shorter === undefined || replaced.every((limit) => limit === undefined || shorter < limit);
}

const notShorter = (found: unknown): Problem => ({
  path: "prune.emergency.until",
  found: show(found),
  expected: "an age limit shorter than prune.until, and than those of prune.containers and prune.images",
});

/** Below a folder of which a service with `PrivateTmp=` has its own. */
export const isTemporary = (path: string): boolean => /^\/(?:var\/)?tmp\//.test(path);

/** What is valid, and would not work in the service: for `validate`, which judges files before they are installed. */
export function unfitForService({ lockFile }: Settings): Problem[] {
  if (lockFile === null || !isTemporary(lockFile)) return [];
  const expected =
    "a path outside /tmp and /var/tmp: services have their own, so no launcher would see the lock";
  return [{ path: "lockFile", found: show(lockFile), expected }];
}

/** Keys that every object inherits: valibot 1.5 passes over them, so they would be without effect, unseen. */
function inheritedNames(raw: unknown, path = ""): Problem[] {
  if (Array.isArray(raw)) return raw.flatMap((item, index) => inheritedNames(item, `${path}[${index}]`));
  if (typeof raw !== "object" || raw === null) return [];
  return Object.entries(raw).flatMap(([key, value]) => {
    const at = path === "" ? key : `${path}.${key}`;
    return ["__proto__", "constructor", "prototype"].includes(key)
      ? [{ path: at, found: show(value), expected: "no such key" }]
      : inheritedNames(value, at);
  });
}

export function problemOf(issue: v.BaseIssue<unknown>): Problem {
  const keys = issue.path?.map((item) => item.key) ?? [];
  const path = keys.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${key}`,
    "",
  );
  // What was written: the issue's own input may be parsed by now, with defaults filled in.
  const found = issue.path === undefined ? issue.input : issue.path.at(-1)?.value;
  return { path, found: found === undefined ? "nothing" : show(found), expected: issue.message };
}

function show(value: unknown): string {
  return truncated(JSON.stringify(value) ?? String(value), 80);
}
