// The test command: types, lint, every vitest project; then one line that adds it all up.
// What takes longer (npm run test:engines, npm run test:monitoring) is not among them.
// Parts that this machine cannot run are named with the reason, and counted as skipped.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const report = join(tmpdir(), `ci-docker-prune-tests-${process.pid}.json`);
let passed = 0;
let failed = 0;
let skipped = 0;

function check(name, command, args) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status === 0) passed++;
  else {
    failed++;
    console.log(`FAILED: ${name}`);
  }
}

check("types", "npx", ["tsc", "--noEmit"]);
check("lint and format", "npx", ["biome", "check", "--error-on-warnings", "."]);

const vitest = spawnSync(
  "npx",
  [
    "vitest",
    "run",
    "--project=!monitoring-week",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit" },
);
try {
  const result = JSON.parse(readFileSync(report, "utf8"));
  passed += result.numPassedTests;
  failed += result.numFailedTests;
  const tests = result.testResults.flatMap((file) => file.assertionResults);
  const left = tests.filter(({ status }) => ["skipped", "pending", "todo"].includes(status));
  skipped += left.length;
  for (const { fullName } of left) console.log(`skipped: ${fullName}`);
  // A file that breaks before its first test counts no failed test.
  const broken = result.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every(({ status }) => status !== "failed"),
  );
  for (const { name, message } of broken) console.log(`FAILED as a whole: ${name}: ${message}`);
  failed += broken.length;
  if (vitest.status !== 0 && result.numFailedTests + broken.length === 0) failed++;
} catch (error) {
  console.log(`FAILED: vitest left no report: ${error.message}`);
  failed++;
}
rmSync(report, { force: true });
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;
