/**
 * Environments in which the agent finds its host at another time: the wall clock, the time since the boot and what the
 * engine says of its own clock agree. For nobody else anything changes.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchDir } from "./agent.ts";

function clock(now: string, set = 0): Record<string, string> {
  const dir = scratchDir();
  const file = join(dir, "clock.cjs");
  const uptime = JSON.stringify(join(dir, "uptime"));
  writeFileSync(
    file,
    `const fs = require("node:fs");
const real = Date.now, start = real(), { readFileSync, writeFileSync, openSync } = fs, { parse } = JSON;
const later = () => (${now}) - real();
Date.now = () => real() + later();
fs.openSync = (path, ...rest) => {
  if (path !== "/proc/uptime") return openSync(path, ...rest);
  const seconds = Number.parseFloat(readFileSync(path, "utf8")) + later() / 1000 - ${set};
  writeFileSync(${uptime}, Math.max(0, seconds).toFixed(2) + " 0.00\\n");
  return openSync(${uptime}, ...rest);
};
JSON.parse = (...args) => {
  const value = parse(...args);
  const told = Date.parse(value?.SystemTime);
  if (!Number.isNaN(told)) value.SystemTime = new Date(told + later()).toISOString();
  return value;
};
`,
  );
  return { NODE_OPTIONS: `--require ${file}` };
}

/** So many seconds later. @param set of them, so many by a clock that somebody set: no time has gone by */
export const ahead = (seconds: number, set = 0) => clock(`real() + ${seconds * 1000}`, set);

/** The agent starts at this moment (milliseconds since 1970); its clock goes on from there. */
export const startingAt = (milliseconds: number) => clock(`${milliseconds} + real() - start`);
