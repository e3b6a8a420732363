/**
 * Environments in which the agent finds its host at another time: the wall clock, the clocks that only run on, what the
 * engine says of its own clock and when its events were agree. For nobody else anything changes.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchDir } from "./agent.ts";

interface ClockOptions {
  /** Of the seconds ahead, so many by a clock that somebody set: no time has gone by. */
  readonly set?: number;
  /** What the engine dates from now on is dated by this clock as well; else objects are as much older. */
  readonly dates?: boolean;
  /** The clock that only runs on is as late; else it says how long things really take. */
  readonly elapsed?: boolean;
}

/** @param offset expression: so many milliseconds later than it is, at the moment `at` (milliseconds since 1970) */
function clock(
  offset: string,
  { set = 0, dates = false, elapsed = false }: ClockOptions = {},
): Record<string, string> {
  const dir = scratchDir();
  const file = join(dir, "clock.cjs");
  const uptime = JSON.stringify(join(dir, "uptime"));
  const keys = dates ? "SystemTime|Created|StartedAt|FinishedAt|LastTagTime|LastUsedAt" : "SystemTime";
  writeFileSync(
    file,
    `const fs = require("node:fs");
const real = Date.now, start = real(), { readFileSync, writeFileSync, openSync } = fs, { parse } = JSON;
const later = (at = real()) => ${offset};
Date.now = () => real() + later();
const ticks = process.hrtime.bigint;
if (${elapsed}) process.hrtime.bigint = () => ticks() + BigInt(Math.round(later())) * 1000000n;
fs.openSync = (path, ...rest) => {
  if (path !== "/proc/uptime") return openSync(path, ...rest);
  const seconds = Number.parseFloat(readFileSync(path, "utf8")) + later() / 1000 - ${set};
  writeFileSync(${uptime}, Math.max(0, seconds).toFixed(2) + " 0.00\\n");
  return openSync(${uptime}, ...rest);
};
const date = (value) => {
  const at = typeof value === "number" ? 1000 * value : Date.parse(value);
  if (!(at > ${Date.now() - 60_000})) return value;
  return typeof value === "number" ? (at + later(at)) / 1000 : new Date(at + later(at)).toISOString();
};
const dated = (value, key = "") => {
  if (key === "timeNano") return value + 1e6 * later(value / 1e6);
  if (/^(${keys})$/.test(key)) return date(value);
  if (typeof value === "object") for (const name in value) value[name] = dated(value[name], name);
  return value;
};
JSON.parse = (...args) => dated(parse(...args));
`,
  );
  return { NODE_OPTIONS: `--require ${file}` };
}

/** So many seconds later. @param set of them, so many by a clock that somebody set: no time has gone by */
export const ahead = (seconds: number, set = 0) => clock(`${seconds * 1000}`, { set });

/** The agent starts at this moment (milliseconds since 1970); its clock goes on from there. */
export const startingAt = (milliseconds: number) => clock(`${milliseconds} - start`);

/** From now on a second is so many: to the agent, and by what the engine dates. How long it waits stays as it is. */
export const faster = (times: number) =>
  clock(`at > ${Date.now()} ? ${times - 1} * (at - ${Date.now()}) : 0`, { dates: true });

/** A clock that a test puts forward while the agent runs; in between it goes on at its usual pace. */
export class SteppedClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #steps = join(scratchDir(), "steps");
  #offset = 0;

  constructor() {
    writeFileSync(this.#steps, "");
    const lines = `readFileSync(${JSON.stringify(this.#steps)}, "utf8").split("\\n")`;
    const last = `(by, line) => { const [from, to] = line.split(" "); return line && from <= at ? +to : by }`;
    this.env = clock(`${lines}.reduce(${last}, 0)`, { dates: true, elapsed: true });
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return Date.now() + this.#offset;
  }

  /** From now on it is this late, unless it is later already. */
  forwardTo(milliseconds: number): void {
    const now = Date.now();
    if (milliseconds <= now + this.#offset) return;
    this.#offset = milliseconds - now;
    appendFileSync(this.#steps, `${now} ${this.#offset}\n`);
  }
}
