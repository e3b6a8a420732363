// The engine tests on every engine there is, one after the other, or on those named; then one line that adds it all up.
// Engines that cannot be had here are named with the reason and counted as skipped.
import { tsImport } from "tsx/esm/api";
import { Sum } from "./vitest-sum.mjs";

const { engineNames, engineAvailable } = await tsImport("../tests/support/engines.ts", import.meta.url);
const named = process.argv.slice(2);
const sum = new Sum();
for (const engine of named.length > 0 ? named : engineNames()) {
  console.log(`\n=== engine ${engine} ===`);
  const available = engineAvailable(engine);
  if (available.ok)
    sum.vitest(`engine ${engine}`, ["--project=engine"], { ...process.env, CDP_ENGINE: engine });
  else sum.skip(`engine ${engine}: ${available.reason}`);
}
sum.finish();
