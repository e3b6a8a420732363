import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { ObjectCount, RuleReport } from "../log/events.ts";
import type { Outcome } from "../log/outcome.ts";
import type { Sightings } from "./sightings.ts";
import { isTotals, NO_TOTALS, type Totals } from "./totals.ts";

/**
 * What one pass leaves for the next: the last passes, the deferrals in a row, and when things were first seen that
 * the engine does not date. One JSON file, replaced whole by rename. Times are milliseconds since the epoch.
 */
export interface State {
  /** Where the engine keeps its data, as it said last: watched from then on, before it is asked again. */
  readonly engineRoot: string | null;
  /** Of the engine, as it said last. */
  readonly engineVersion: string | null;
  /** Dangling images, by id. */
  readonly dangling: Sightings;
  /** Busy services, by id. */
  readonly busy: Sightings;
  /** Images of retention families that the engine does not date, by id. */
  readonly undated: Sightings;
  /** When a pass last saw a container or a service use an image of a retention family, by id. */
  readonly uses: Readonly<Record<string, number>>;
  readonly deferrals: { readonly count: number; readonly since: number | null };
  readonly totals: Totals;
  /** Oldest first. */
  readonly passes: readonly PassRecord[];
}

export interface PassRecord {
  readonly pass: string;
  readonly startedAt: number;
  readonly durationSeconds: number;
  readonly outcome: Outcome;
  readonly exitCode: number;
  readonly reason: string;
  readonly gate: string | null;
  readonly filesystems: readonly {
    readonly path: string;
    readonly usedPercent: number;
    readonly availableBytes: number;
    readonly totalBytes: number;
    readonly inodesUsedPercent: number | null;
    /** Absent in what versions before 0.2 wrote. */
    readonly highWatermarkPercent?: number;
    readonly lowWatermarkPercent?: number;
    /** At the start; absent where the pass looked once, and in what versions before 0.2 wrote. */
    readonly before?: {
      readonly usedPercent: number;
      readonly availableBytes: number;
      readonly inodesUsedPercent: number | null;
    };
  }[];
  readonly freedBytes: number;
  readonly claimedBytes: number;
  readonly removed: Readonly<Record<string, number>>;
  /** Absent in what versions before 0.2 wrote. */
  readonly removedBytes?: Readonly<Record<string, number>>;
  readonly kept: number;
  readonly failed: number;
  /** Absent in what versions before 0.2 wrote. */
  readonly objects?: readonly ObjectCount[];
  readonly rules?: readonly RuleReport[];
}

export const NO_DEFERRALS: State["deferrals"] = { count: 0, since: null };

export const EMPTY_STATE: State = {
  engineRoot: null,
  engineVersion: null,
  dangling: {},
  busy: {},
  undated: {},
  uses: {},
  deferrals: NO_DEFERRALS,
  totals: NO_TOTALS,
  passes: [],
};

const KEPT_PASSES = 200;
const FILE = "state.json";

const sightings = v.record(v.string(), v.object({ since: v.number(), lastSeen: v.number() }));
const schema = v.object({
  version: v.literal(1),
  engineRoot: v.nullable(v.string()),
  dangling: sightings,
  busy: sightings,
  // Not in what versions before 0.2 wrote.
  undated: v.optional(sightings, {}),
  uses: v.optional(v.record(v.string(), v.number()), {}),
  deferrals: v.object({ count: v.number(), since: v.nullable(v.number()) }),
  engineVersion: v.optional(v.nullable(v.string()), null),
  // By hand, as are the passes: valibot takes 1 ms, and 4 ms and 5 MB for the 200 of them, in each quiet pass.
  totals: v.optional(v.custom<Totals>(isTotals), NO_TOTALS as never),
  passes: v.custom<PassRecord[]>((list) => Array.isArray(list) && list.every(isPassRecord)),
});

const TEXTS = ["pass", "outcome", "reason"] as const;
const NUMBERS = [
  "startedAt",
  "durationSeconds",
  "exitCode",
  "freedBytes",
  "claimedBytes",
  "kept",
  "failed",
] as const;

export function isPassRecord(value: unknown): value is PassRecord {
  const record = value as Record<string, unknown> | null;
  return (
    typeof record === "object" &&
    record !== null &&
    TEXTS.every((key) => typeof record[key] === "string") &&
    NUMBERS.every((key) => typeof record[key] === "number") &&
    (record.gate === null || typeof record.gate === "string") &&
    areNumbers(record.removed) &&
    (record.removedBytes === undefined || areNumbers(record.removedBytes)) &&
    (record.objects === undefined || areRecords(record.objects, ["kind", "fate", "reason"], ["count"])) &&
    (record.rules === undefined ||
      (areRecords(record.rules, ["list", "name"], RULE_NUMBERS) && record.rules.every(saysKeptBytes))) &&
    Array.isArray(record.filesystems) &&
    record.filesystems.every(isFilesystemRecord)
  );
}

const RULE_NUMBERS = ["matched", "removed", "failed"] as const;

const areNumbers = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.values(value).every((inner) => typeof inner === "number");

const saysKeptBytes = ({ keptBytes }: Record<string, unknown>) =>
  keptBytes === null || typeof keptBytes === "number";

function areRecords(
  value: unknown,
  texts: readonly string[],
  numbers: readonly string[],
): value is Record<string, unknown>[] {
  return (
    Array.isArray(value) &&
    value.every(
      (item: Record<string, unknown> | null) =>
        typeof item === "object" &&
        item !== null &&
        texts.every((key) => typeof item[key] === "string") &&
        numbers.every((key) => typeof item[key] === "number"),
    )
  );
}

function isFilesystemRecord(value: unknown): boolean {
  const record = value as Record<string, unknown> | null;
  return (
    isMeasured(record) &&
    typeof record.path === "string" &&
    typeof record.totalBytes === "number" &&
    ["highWatermarkPercent", "lowWatermarkPercent"].every(
      (key) => record[key] === undefined || typeof record[key] === "number",
    ) &&
    (record.before === undefined || isMeasured(record.before))
  );
}

function isMeasured(value: unknown): value is Record<string, unknown> {
  const record = value as Record<string, unknown> | null;
  return (
    typeof record === "object" &&
    record !== null &&
    typeof record.usedPercent === "number" &&
    typeof record.availableBytes === "number" &&
    (record.inodesUsedPercent === null || typeof record.inodesUsedPercent === "number")
  );
}

export interface LoadedState {
  readonly state: State;
  /** Why the file says nothing; `null` where it was understood, or is not there yet. */
  readonly damage: { readonly reason: string; readonly kind: "unreadable" | "not-understood" } | null;
}

/** Never throws: no file is the empty state, and so is one that cannot be understood. */
export function loadState(dir: string): LoadedState {
  let text: string;
  try {
    text = readFileSync(join(dir, FILE), "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === "ENOENT" || code === "ENOTDIR";
    return { state: EMPTY_STATE, damage: absent ? null : { reason: message, kind: "unreadable" } };
  }
  try {
    const { version: _, ...state } = v.parse(schema, JSON.parse(text));
    return { state, damage: null };
  } catch (error) {
    return { state: EMPTY_STATE, damage: { reason: (error as Error).message, kind: "not-understood" } };
  }
}

/** Moves a damaged file out of the way; its new path, or `null` where it could not be moved. */
export function setAside(dir: string, now: number): string | null {
  const to = join(dir, `state.damaged-${new Date(now).toISOString().replace(/[:.]/g, "")}.json`);
  try {
    renameSync(join(dir, FILE), to);
    return to;
  } catch {
    return null;
  }
}

/**
 * Makes a folder and those above it. Not `recursive: true`: node 20 spins for ever where the kernel answers ENOENT to
 * any mkdir, as below /proc.
 */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o755 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(dir) === dir) throw error;
    makeFolder(dirname(dir));
    mkdirSync(dir, { mode: 0o755 });
  }
}

/** Replaces the file as a whole. Throws what the filesystem says. */
export function saveState(dir: string, state: State): void {
  makeFolder(dir);
  const temporary = join(dir, `.${FILE}.new`);
  try {
    writeFileSync(
      temporary,
      JSON.stringify({ version: 1, ...state, passes: state.passes.slice(-KEPT_PASSES) }),
    );
    renameSync(temporary, join(dir, FILE));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
