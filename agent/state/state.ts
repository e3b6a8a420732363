import { join } from "node:path";
import { exclusively } from "../host/exclusive.ts";
import { readFile, replaceFile } from "../host/files.ts";
import { makeFolder, renameFile, TooLarge } from "../host/paths.ts";
import { appendPasses } from "./pass-log.ts";
import { countQuietPass, withQuietPasses } from "./quiet-count.ts";
import {
  CORE,
  type Core,
  MEMORY,
  type Memory,
  type Parts,
  type PassRecord,
  STATE_FILE,
  type State,
  type Taken,
} from "./types.ts";

export * from "./types.ts";

/** These parts of a document; an absent one is empty. Throws where one is not of its form. */
function take<T extends Parts>(document: Readonly<Record<string, unknown>>, parts: T): Taken<T> {
  const entries = Object.entries(parts).map(([key, [empty, is]]) => {
    const { [key]: value = empty } = document;
    if (!is(value)) throw new Error(`"${key}" is not what it should be`);
    return [key, value];
  });
  return Object.fromEntries(entries);
}

const EMPTY_CORE = take({}, CORE);
const EMPTY_MEMORY = take({}, MEMORY);
export const EMPTY_STATE: State = { ...EMPTY_CORE, ...EMPTY_MEMORY };

const FILE = "state.json";
const MEMORY_FILE = "sightings.json";

interface Damage {
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

function toCore(document: Record<string, unknown>): CoreFile {
  const { version, passes } = document;
  if (version !== 1 && version !== 2) throw new Error(`it is of version ${version}`);
  const core = take(document, CORE);
  if (version === 2) return { core, memory: null, earlier: [] };
  if (!Array.isArray(passes)) throw new Error('"passes" is not a list');
  return { core, memory: toMemory(document), earlier: passes };
}

const toMemory = (document: Record<string, unknown>): Memory => take(document, MEMORY);

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
 */
export function updateState(dir: string, pass: PassRecord, change: (before: State) => State): State {
  return update(dir, () => {
    const { state: before, damage, earlier } = loadState(dir);
    if (damage !== null) throw new Error(damage.reason);
    const next = change(before);
    const memory = take({ ...next }, MEMORY);
    if (
      earlier.length > 0 ||
      Object.entries(memory).some(([key, part]) => part !== before[key as keyof State])
    )
      write(join(dir, MEMORY_FILE), memory, true);
    writeCore(dir, next, pass, true);
    appendPasses(dir, [...earlier, pass]);
    return next;
  });
}

/** The same for a quiet pass, which learnt nothing and does not wait for the disk: a power failure may cost one. */
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
  write(join(dir, FILE), { version: 2, ...take({ ...core }, CORE), passes: [pass] }, durable);
}

function write(path: string, document: object, durable: boolean): void {
  replaceFile(path, JSON.stringify(document), { ...STATE_FILE, durable });
}
