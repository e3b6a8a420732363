/** Environments in which the agent's wall clock, and nobody else's, tells another time. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchDir } from "./agent.ts";

function clock(now: string): Record<string, string> {
  const file = join(scratchDir(), "clock.cjs");
  writeFileSync(file, `const real = Date.now, start = real();\nDate.now = () => ${now};\n`);
  return { NODE_OPTIONS: `--require ${file}` };
}

/** So many seconds ahead. */
export const ahead = (seconds: number) => clock(`real() + ${seconds * 1000}`);

/** The agent starts at this moment (milliseconds since 1970); its clock goes on from there. */
export const startingAt = (milliseconds: number) => clock(`${milliseconds} + real() - start`);
