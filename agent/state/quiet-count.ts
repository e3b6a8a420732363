import { join } from "node:path";
import { overwriteLine, readFile } from "../host/files.ts";
import { type Core, STATE_FILE } from "./types.ts";

/**
 * Quiet passes since state.json was written last. Most hosts have nothing else to remember, and replacing a file makes
 * the filesystem write at once, which takes as long as all else that a quiet pass does: so one line of fixed length is
 * overwritten instead, `<quiet passes in state.json> <those since> <when the last one ended>`.
 */
const FILE = "quiet-passes";
const LENGTH = 63;

/** The state with the quiet passes that were counted since it was written. Never throws. */
export function withQuietPasses(dir: string, core: Core): Core {
  const counted = read(dir);
  // Counted on another state: that one has been written since, and holds them.
  if (counted === null || counted.base !== quietOf(core)) return core;
  return added(core, counted.count, counted.lastAt);
}

/**
 * Counts a quiet pass, where it changed nothing else. Throws what the filesystem says.
 * @param written what state.json holds
 * @param before the same with those that were counted already
 * @returns whether it did; `false`: the state is to be written
 */
export function countQuietPass(dir: string, written: Core, before: Core, next: Core): boolean {
  const { lastSuccessAt } = next.totals;
  if (lastSuccessAt === null || JSON.stringify(added(before, 1, lastSuccessAt)) !== JSON.stringify(next))
    return false;
  const base = quietOf(written);
  const line = `${base} ${quietOf(next) - base} ${lastSuccessAt}`.padEnd(LENGTH);
  overwriteLine(join(dir, FILE), line, STATE_FILE);
  return true;
}

const quietOf = ({ totals }: Core): number => totals.passes["below-watermark"] ?? 0;

const added = (core: Core, count: number, lastAt: number): Core => ({
  ...core,
  totals: {
    ...core.totals,
    passes: { ...core.totals.passes, "below-watermark": quietOf(core) + count },
    lastSuccessAt: lastAt,
  },
});

function read(dir: string) {
  try {
    const text = readFile(join(dir, FILE), { maxBytes: 4096 }).bytes.toString("latin1");
    const [, base, count, lastAt] = /^(\d+) (\d+) (\d+(?:\.\d+)?) *\n$/.exec(text) ?? [];
    return lastAt === undefined ? null : { base: Number(base), count: Number(count), lastAt: Number(lastAt) };
  } catch {
    return null;
  }
}
