// Runs vitest, then reads its JSON report: what passed, failed and was skipped, with the names of the latter two.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Adds up what several runs came to; `exitCode` is 0 when nothing failed. */
export class Sum {
  passed = 0;
  failed = 0;
  skipped = 0;

  fail(name) {
    this.failed++;
    console.log(`FAILED: ${name}`);
  }

  skip(name) {
    this.skipped++;
    console.log(`skipped: ${name}`);
  }

  /** Runs vitest with these arguments and adds what its report says. A file that breaks before its first test counts as one failure. */
  vitest(name, args, env = process.env) {
    const file = join(tmpdir(), `ci-docker-prune-tests-${process.pid}.json`);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const { status } = spawnSync("npx", ["vitest", "run", ...reporters, ...args], { stdio: "inherit", env });
    try {
      const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, "utf8"));
      this.passed += numPassedTests;
      this.failed += numFailedTests;
      const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
      const left = tests.filter((test) => ["skipped", "pending", "todo"].includes(test.status));
      for (const { fullName } of left) this.skip(fullName);
      const broken = testResults.filter(
        (result) =>
          result.status === "failed" && result.assertionResults.every((test) => test.status !== "failed"),
      );
      for (const result of broken) this.fail(`${result.name} as a whole: ${result.message}`);
      if (status !== 0 && numFailedTests + broken.length === 0)
        this.fail(`vitest ended with ${status}: ${name}`);
    } catch (error) {
      this.fail(`vitest left no report of ${name}: ${error.message}`);
    }
    rmSync(file, { force: true });
  }

  /** The last line, and the exit code. */
  finish() {
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : "";
    console.log(`${this.passed} passed, ${this.failed} failed${skipped}`);
    process.exitCode = this.failed === 0 ? 0 : 1;
  }
}
