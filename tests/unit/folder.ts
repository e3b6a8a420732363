import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder, which is gone after the test. @param after of the context of a test that runs beside others */
export function testFolder(after: (clean: () => void) => void = onTestFinished): string {
  const dir = mkdtempSync(join(tmpdir(), "cdp-unit-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
