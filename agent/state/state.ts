import { join } from "node:path";
import { exclusively } from "../host/exclusive.ts";
import { readFile, replaceFile } from "../host/files.ts";
import { makeFolder, renameFile, TooLarge } from "../host/paths.ts";
import { appendPasses } from "./pass-log.ts";
import { countQuietPass, withQuietPasses } from "./quiet-count.ts";
import { isTotals, NO_TOTALS } from "./totals.ts";
import type { ClockMark, Core, Memory, PassRecord, State } from "./types.ts";
import type { Warmth } from "./warmth.ts";

export type * from "./types.ts";

export const NO_DEFERRALS: State["deferrals"] = { count: 0, since: null };

const EMPTY_CORE: Core = {
  engineRoot: null,
  containerdRoot: null,
  engineAskedAt: null,
  engineVersion: null,
  clock: null,
  deferrals: NO_DEFERRALS,
  totals: NO_TOTALS,
  cache: null,
};
const EMPTY_MEMORY: Memory = { dangling: {}, busy: {}, undated: {}, uses: {} };
export const EMPTY_STATE: State = { ...EMPTY_CORE, ...EMPTY_MEMORY };

const FILE = "state.json";
const MEMORY_FILE = "sightings.json";
const MEMORY_KEYS = ["dangling", "busy", "undated", "uses"] as const;

export interface Damage {
  readonly reason: string;
  /** `unreadable`: the file may be as good as ever. `not-understood`: it may be moved out of the way. */
  readonly kind: "unreadable" | "not-understood";
}

export interface LoadedState {
  readonly state: State;
  /** Why a file says nothing; `null` where all were understood, or are not there yet. */
  readonly damage: Damage | null;
  /** Passes that a version before 0.2 kept in the state itself, not looked at. */
  readonly earlier: readonly unknown[];
}

/** Never throws: no file is the empty state, and so is one that cannot be understood. */
export function loadState(dir: string): LoadedState {
  const core = load(join(dir, FILE), EMPTY_FILE, toCore);
  const kept = core.value.memory;
  const memory =
    kept === null ? load(join(dir, MEMORY_FILE), EMPTY_MEMORY, toMemory) : { value: kept, damage: null };
  return {
    state: { ...withQuietPasses(dir, core.value.core), ...memory.value },
    damage: core.damage ?? memory.damage,
    earlier: core.value.earlier,
  };
}

/** The small part alone, for a quiet pass; `null` where the whole state must be looked at. Never throws. */
export function loadCore(dir: string): Core | null {
  const written = loadWritten(dir);
  return written === null ? null : withQuietPasses(dir, written);
}

function loadWritten(dir: string): Core | null {
  const { value, damage } = load(join(dir, FILE), EMPTY_FILE, toCore, CORE_BYTES);
  return damage === null && value.memory === null ? value.core : null;
}

/** A version before 0.2 kept everything in one file: that is not parsed in a quiet pass. */
const CORE_BYTES = 64 * 1024;
const MOST_BYTES = 64 * 1024 * 1024;

interface CoreFile {
  readonly core: Core;
  /** Versions before 0.2 kept these in the same file; `null`: this one does not. */
  readonly memory: Memory | null;
  readonly earlier: readonly unknown[];
}

const EMPTY_FILE: CoreFile = { core: EMPTY_CORE, memory: null, earlier: [] };

function load<T>(
  path: string,
  empty: T,
  read: (document: Record<string, unknown>) => T,
  maxBytes = MOST_BYTES,
): { readonly value: T; readonly damage: Damage | null } {
  const damaged = (error: unknown, kind: Damage["kind"]) => {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === "ENOENT" || code === "ENOTDIR";
    return { value: empty, damage: absent ? null : { reason: message, kind } };
  };
  let text: string;
  try {
    const { bytes, stats } = readFile(path, { maxBytes });
    if ((stats.mode & 0o002) !== 0)
      return damaged(new Error(`${path} is not trusted: every user may write to it`), "not-understood");
    text = bytes.toString("utf8");
  } catch (error) {
    return damaged(error, error instanceof TooLarge ? "not-understood" : "unreadable");
  }
  try {
    return { value: read(JSON.parse(text)), damage: null };
  } catch (error) {
    return damaged(new Error(`${path}: ${(error as Error).message}`), "not-understood");
  }
}

/** By hand, not by a schema: every quiet pass reads this, and a schema takes it as long as all the rest. */
function toCore(document: Record<string, unknown>): CoreFile {
  const { version, engineRoot, containerdRoot = null, engineVersion = null, clock = null } = document;
  const { engineAskedAt = null, deferrals, totals = NO_TOTALS, cache = null } = document;
  if (version !== 1 && version !== 2) throw new Error(`it is of version ${version}`);
  const { count, since } = Object(deferrals) as Record<string, unknown>;
  check("engineRoot", engineRoot === null || typeof engineRoot === "string");
  check("containerdRoot", containerdRoot === null || typeof containerdRoot === "string");
  check("engineAskedAt", engineAskedAt === null || isTime(engineAskedAt));
  check("engineVersion", engineVersion === null || typeof engineVersion === "string");
  check("clock", clock === null || isClockMark(clock));
  check("deferrals", isTime(count) && (since === null || isTime(since)));
  check("totals", isTotals(totals));
  check("cache", cache === null || isWarmth(cache));
  const asked = { engineRoot, containerdRoot, engineAskedAt, engineVersion };
  const core = { ...asked, clock, deferrals, totals, cache } as Core;
  if (version === 2) return { core, memory: null, earlier: [] };
  check("passes", Array.isArray(document.passes));
  return { core, memory: toMemory(document), earlier: document.passes as unknown[] };
}

const FIGURES: readonly (keyof Warmth)[] = [
  ...(["at", "uses", "warmUses", "evictions", "regrets", "since", "gapSeconds"] as const),
  "workingSetBytes",
];
const isWarmth = (value: unknown): boolean => FIGURES.every((key) => isTime(Object(value)[key]));

function toMemory(document: Record<string, unknown>): Memory {
  const { dangling, busy, undated = {}, uses = {} } = document;
  for (const [key, sightings] of Object.entries({ dangling, busy, undated })) {
    check(
      key,
      isEach(sightings, (one) => isTime(Object(one).since) && isTime(Object(one).lastSeen)),
    );
  }
  check("uses", isEach(uses, isTime));
  return { dangling, busy, undated, uses } as Memory;
}

function check(key: string, holds: boolean): void {
  if (!holds) throw new Error(`"${key}" is not what it should be`);
}

const isTime = (value: unknown): boolean => Number.isFinite(value);

const isEach = (value: unknown, test: (one: unknown) => boolean): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(test);

function isClockMark(value: unknown): value is ClockMark {
  const { at, bootId, uptime } = Object(value) as Record<string, unknown>;
  return Number.isFinite(at) && Number.isFinite(uptime) && typeof bootId === "string";
}

/** Moves what is damaged out of the way; its new path, or `null` where it could not be moved. */
export function setAside(dir: string, now: number): string | null {
  const time = new Date(now).toISOString().replace(/[:.]/g, "");
  const damaged = [
    load(join(dir, FILE), EMPTY_FILE, toCore),
    load(join(dir, MEMORY_FILE), EMPTY_MEMORY, toMemory),
  ];
  const at = damaged.findIndex(({ damage }) => damage?.kind === "not-understood");
  const name = [FILE, MEMORY_FILE][at];
  if (name === undefined) return null;
  const to = name.replace(".json", `.damaged-${time}.json`);
  try {
    renameFile(join(dir, name), to);
    return join(dir, to);
  } catch {
    return null;
  }
}

/**
 * Changes the state as it stands now, which another pass may have changed meanwhile, and adds the pass to those that
 * reports read. Throws what the filesystem says, and where the state is damaged: that is not replaced.
 * @returns the new state
 */
export function updateState(dir: string, pass: PassRecord, change: (before: State) => State): State {
  return update(dir, () => {
    const { state: before, damage, earlier } = loadState(dir);
    if (damage !== null) throw new Error(damage.reason);
    const next = change(before);
    if (earlier.length > 0 || MEMORY_KEYS.some((key) => next[key] !== before[key])) {
      const { dangling, busy, undated, uses } = next;
      write(join(dir, MEMORY_FILE), { dangling, busy, undated, uses }, true);
    }
    writeCore(dir, next, pass, true);
    appendPasses(dir, [...earlier, pass]);
    return next;
  });
}

/**
 * The same for a quiet pass, which learnt nothing. It does not wait for the disk: after a power failure one quiet pass
 * less is remembered.
 */
export function updateCore(dir: string, pass: PassRecord, change: (before: Core) => Core): Core {
  return update(dir, () => {
    const written = loadWritten(dir);
    if (written === null) throw new Error("the state is not what it was a moment ago");
    const before = withQuietPasses(dir, written);
    const next = change(before);
    if (!countQuietPass(dir, written, before, next)) writeCore(dir, next, pass, false);
    appendPasses(dir, [pass]);
    return next;
  });
}

function update<T>(dir: string, work: () => T): T {
  makeFolder(dir);
  return exclusively(join(dir, ".state.lock"), work);
}

/** `passes` holds the last one, for whoever looks into the file; nothing here reads it. */
function writeCore(dir: string, core: Core, pass: PassRecord, durable: boolean): void {
  const { engineRoot, containerdRoot, engineAskedAt, engineVersion, clock, deferrals, totals, cache } = core;
  const asked = { engineRoot, containerdRoot, engineAskedAt, engineVersion };
  const document = { version: 2, ...asked, clock, deferrals, totals, cache };
  write(join(dir, FILE), { ...document, passes: [pass] }, durable);
}

/** Readable by all and the folder's owner's, so that a pass by hand as root leaves it to the service. */
function write(path: string, document: object, durable: boolean): void {
  replaceFile(path, JSON.stringify(document), { mode: 0o644, owner: "folder", durable });
}
