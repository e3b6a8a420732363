// The test command: types, lint, every vitest project; then one line that adds it all up.
// What takes longer (npm run test:engines, npm run test:monitoring) is not among them.
// Parts that this machine cannot run are named with the reason, and counted as skipped.
import { spawnSync } from "node:child_process";
import { Sum } from "./vitest-sum.mjs";

const sum = new Sum();
for (const [name, ...args] of [
  ["types", "tsc", "--noEmit"],
  ["lint and format", "biome", "check", "--error-on-warnings", "."],
]) {
  if (spawnSync("npx", args, { stdio: "inherit" }).status === 0) sum.passed++;
  else sum.fail(name);
}
sum.vitest("the tests", ["--project=!monitoring-week", ...process.argv.slice(2)]);
sum.finish();
