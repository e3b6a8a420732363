import * as v from "valibot";
import type { JsonFault } from "../json.ts";
import { truncated } from "../text.ts";
import { parseWatermark } from "../units.ts";
import { DEFAULT_HIGH_WATERMARK, settingsSchema } from "./schema.ts";
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
  const { disk, cache } = Object(raw) as Record<string, unknown>;
  const { lowWatermark, highWatermark = DEFAULT_HIGH_WATERMARK } = Object(disk) as Record<string, unknown>;
  const { until } = Object(cache) as Record<string, unknown>;
  return [
    ...reversed("disk.lowWatermark", lowWatermark, highWatermark),
    ...reversed("cache.until", until, highWatermark),
  ];
}

function reversed(path: string, written: unknown, highWatermark: unknown): Problem[] {
  if (typeof written !== "string" || typeof highWatermark !== "string") return [];
  const [low, high] = [parseWatermark(written), parseWatermark(highWatermark)];
  const wrong =
    (low?.kind === "used-percent" && high?.kind === "used-percent" && low.percent >= high.percent) ||
    (low?.kind === "free-bytes" && high?.kind === "free-bytes" && low.bytes <= high.bytes);
  const expected = "a mark that leaves more room than disk.highWatermark";
  return wrong ? [{ path, found: show(written), expected }] : [];
}

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

function problemOf(issue: v.BaseIssue<unknown>): Problem {
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
