import * as v from "valibot";
import { NONE_OF_EACH, type ObjectKind } from "../plan/plan.ts";
import { parseDuration } from "../units.ts";
import { KEPT_PASSES, readLines } from "./pass-log.ts";
import { type PassRecord, passRecord } from "./pass-record.ts";
import { loadState } from "./state.ts";

/** The last passes that a state folder remembers, oldest first, and why not where they cannot be read. Never throws. */
export function loadPasses(dir: string) {
  const { earlier, damage } = loadState(dir);
  try {
    const found = [...earlier, ...readLines(dir).map(parse)].filter(isPassRecord);
    return { passes: found.slice(-KEPT_PASSES), unreadable: damage?.reason ?? null };
  } catch (error) {
    return { passes: [] as PassRecord[], unreadable: (error as Error).message };
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

export const isPassRecord = (value: unknown): value is PassRecord =>
  v.is(passRecord, value) && isPlausible(value);

export const KINDS = Object.keys(NONE_OF_EACH) as readonly ObjectKind[];

/**
 * Where history begins: `"7d"` before now, or a day or moment, `"2026-11-01"`, `"2026-11-01 03:00"` (in this machine's
 * time zone) or `"2026-11-01T03:00:00Z"` -> milliseconds; `undefined` for anything else, or a moment to come.
 */
export function parseSince(text: string, now: number): number | undefined {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return now - seconds * 1000;
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, day, time = "00:00", zone = ""] = match;
  const at = Date.parse(`${day}T${time}${zone}`);
  // 02-31 is the 3rd of March to Date.parse, in some engines.
  const real = new Date(Date.parse(`${day}T00:00Z`));
  if (Number.isNaN(at) || Number.isNaN(real.getTime()) || !real.toISOString().startsWith(day ?? ""))
    return undefined;
  return at <= now ? at : undefined;
}

/** Not so where a clock or a file is wrong beyond use: no chart or screen has room for such a moment. */
function isPlausible(pass: PassRecord): boolean {
  return pass.startedAt > 0 && pass.durationSeconds >= 0 && endOf(pass) < LAST_MOMENT;
}

/** The year 3000. */
const LAST_MOMENT = 32_503_680_000_000;

/** Those that ended after this moment, oldest first. */
export function passesSince(passes: readonly PassRecord[], since: number | null): PassRecord[] {
  return passes
    .filter((pass) => since === null || endOf(pass) >= since)
    .sort((a, b) => a.startedAt - b.startedAt);
}

const endOf = ({ startedAt, durationSeconds }: PassRecord) => startedAt + durationSeconds * 1000;

export function summarize(passes: readonly PassRecord[]) {
  const outcomes: Partial<Record<PassRecord["outcome"], number>> = {};
  for (const { outcome } of passes) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const sum = (read: (pass: PassRecord) => number | undefined) =>
    passes.reduce((total, pass) => total + (read(pass) ?? 0), 0);
  const byKind = (read: (pass: PassRecord, kind: ObjectKind) => number | undefined) =>
    Object.fromEntries(KINDS.map((kind) => [kind, sum((pass) => read(pass, kind))])) as Record<
      ObjectKind,
      number
    >;
  return {
    passes: passes.length,
    from: passes[0]?.startedAt ?? null,
    to: passes.at(-1)?.startedAt ?? null,
    outcomes,
    removed: byKind(({ removed }, kind) => removed[kind]),
    /** By the engine's own account; of the passes that told it by kind. */
    removedBytes: byKind(({ removedBytes }, kind) => removedBytes?.[kind]),
    /** Measured, over the passes that removed something. */
    freedBytes: sum((pass) => (removedCount(pass) > 0 ? pass.freedBytes : 0)),
    claimedBytes: sum(({ claimedBytes }) => claimedBytes),
  };
}

export const removedCount = ({ removed }: Pick<PassRecord, "removed">): number =>
  Object.values(removed).reduce((sum, count) => sum + count, 0);

/** What a pass came to, at a glance; the same five everywhere. */
export type Mark = "removed" | "quiet" | "deferred" | "pressure" | "failed";

export function markOf(pass: PassRecord): Mark {
  switch (pass.outcome) {
    case "below-watermark":
    case "dry-run":
      return "quiet";
    case "deferred":
      return pass.exitCode === 0 ? "deferred" : "failed";
    case "failed":
      return "failed";
    case "incomplete":
      // Ended by a run that started is no failure.
      return pass.exitCode === 0 ? (removedCount(pass) > 0 ? "removed" : "deferred") : "failed";
    case "pressure-remains":
      return "pressure";
    default:
      return pass.exitCode !== 0 ? "pressure" : removedCount(pass) > 0 ? "removed" : "quiet";
  }
}

/** The reason tells what the outcome does not. */
export const saysMore = ({ outcome }: PassRecord): boolean =>
  !["below-watermark", "pruned", "dry-run"].includes(outcome);

/** A moment and how full the filesystem was. */
export interface Point {
  readonly at: number;
  readonly percent: number;
}

export interface Curve {
  readonly path: string;
  /** Unbroken stretches; between two of them passes are missing. */
  readonly stretches: readonly (readonly Point[])[];
  readonly marks: { readonly high: readonly Point[]; readonly low: readonly Point[] };
  readonly last: PassRecord["filesystems"][number];
}

/** One curve a filesystem, the fullest now first. */
export function curves(passes: readonly PassRecord[]): Curve[] {
  const paths = [...new Set(passes.flatMap(({ filesystems }) => filesystems.map(({ path }) => path)))];
  return paths
    .map((path) => curveOf(passes, path))
    .sort((a, b) => b.last.usedPercent - a.last.usedPercent || (a.path < b.path ? -1 : 1));
}

function curveOf(passes: readonly PassRecord[], path: string): Curve {
  const looks = passes.flatMap((pass) => {
    const filesystem = pass.filesystems.find((one) => one.path === path);
    return filesystem === undefined ? [] : [{ pass, filesystem }];
  });
  const limit = gapLimit(looks.map(({ pass }) => pass.startedAt));
  const stretches: Point[][] = [];
  let before = 0;
  for (const { pass, filesystem } of looks) {
    if (stretches.length === 0 || pass.startedAt - before > limit) stretches.push([]);
    before = pass.startedAt;
    const { before: start } = filesystem;
    const points = start === undefined ? [] : [{ at: pass.startedAt, percent: start.usedPercent }];
    const end = start === undefined ? pass.startedAt : endOf(pass);
    stretches.at(-1)?.push(...points, { at: end, percent: filesystem.usedPercent });
  }
  const steps = (read: (filesystem: PassRecord["filesystems"][number]) => number | undefined) =>
    looks.flatMap(({ pass, filesystem }) => {
      const percent = read(filesystem);
      return percent === undefined ? [] : [{ at: pass.startedAt, percent }];
    });
  return {
    path,
    stretches,
    marks: {
      high: steps(({ highWatermarkPercent }) => highWatermarkPercent),
      low: steps(({ lowWatermarkPercent }) => lowWatermarkPercent),
    },
    // There is one: the path comes from a pass.
    last: (looks.at(-1) as (typeof looks)[number]).filesystem,
  };
}

/**
 * Passes that lie farther apart than this have others missing between them: two and a half times what all but the
 * widest tenth of the distances stay below (some passes are started by hand, minutes apart).
 */
export function gapLimit(times: readonly number[]): number {
  const distances = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? time))
    .sort((a, b) => a - b);
  const usual = distances[Math.floor(0.9 * (distances.length - 1))];
  return usual === undefined || distances.length < 2 ? Number.POSITIVE_INFINITY : 2.5 * usual;
}

/** The value that held at this moment: that of the last step before it, or of the first. */
export function stepAt(steps: readonly Point[], at: number): number | null {
  let value = steps[0]?.percent ?? null;
  for (const step of steps) {
    if (step.at > at) break;
    value = step.percent;
  }
  return value;
}
