import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds a TypeScript program into one file and returns its path, for tests that need a process of their own: node starts
 * that in a fraction of the time it takes with tsx. Imports are relative to the repository ("./agent/…").
 */
export function program(source: string): string {
  const outfile = join(mkdtempSync(join(tmpdir(), "cdp-program-")), "program.cjs");
  buildSync({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    platform: "node",
    format: "cjs",
    outfile,
    logLevel: "error",
  });
  return outfile;
}
