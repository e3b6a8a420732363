// The engine tests on every engine there is, one after the other; then one line that adds it all up.
// Engines that cannot be had here are named with the reason and counted as skipped.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tsImport } from "tsx/esm/api";

const { ENGINE_NAMES, engineAvailable } = await tsImport("../tests/support/engines.ts", import.meta.url);
const report = join(tmpdir(), `ci-docker-prune-engines-${process.pid}.json`);
const wanted = process.argv.slice(2).filter((word) => ENGINE_NAMES.includes(word));
let passed = 0;
let failed = 0;
let skipped = 0;

for (const engine of wanted.length > 0 ? wanted : ENGINE_NAMES) {
  console.log(`\n=== engine ${engine} ===`);
  const available = engineAvailable(engine);
  if (!available.ok) {
    console.log(`skipped: engine ${engine}: ${available.reason}`);
    skipped++;
    continue;
  }
  spawnSync(
    "npx",
    [
      "vitest",
      "run",
      "--project",
      "engine",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ],
    { stdio: "inherit", env: { ...process.env, CDP_ENGINE: engine } },
  );
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    const broken = result.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.every(({ status }) => status !== "failed"),
    );
    passed += result.numPassedTests;
    failed += result.numFailedTests + broken.length;
    skipped += result.numPendingTests + result.numTodoTests;
  } catch (error) {
    console.log(`FAILED: vitest left no report for ${engine}: ${error.message}`);
    failed++;
  }
  rmSync(report, { force: true });
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;
