import { join } from "node:path";
import { appendLine, readFile, replaceFile } from "../host/files.ts";
import { exists, statLink } from "../host/paths.ts";
import { STATE_FILE } from "./types.ts";

/** One pass a line, oldest first; read by reports alone (passes.ts). */
const PASSES_FILE = "passes.jsonl";

/** So many passes are there to be read, at least: the file is cut to them when it has grown beyond its limit. */
export const KEPT_PASSES = 200;
const MOST_BYTES = 1024 * 1024;

/** Throws what the filesystem says. Nobody else may be at it meanwhile. */
export function appendPasses(dir: string, passes: readonly unknown[]): void {
  const path = join(dir, PASSES_FILE);
  appendLine(path, passes.map((pass) => JSON.stringify(pass)).join("\n"), STATE_FILE);
  if ((statLink(path)?.size ?? 0) <= MOST_BYTES) return;
  const lines = readLines(dir).slice(-KEPT_PASSES);
  // Half of the limit, so that it is not cut in every pass.
  while (Buffer.byteLength(lines.join("\n")) > MOST_BYTES / 2 && lines.length > 1) lines.shift();
  replaceFile(path, `${lines.join("\n")}\n`, STATE_FILE);
}

/** None where there is no such file yet. Throws what the filesystem says. */
export function readLines(dir: string): string[] {
  const path = join(dir, PASSES_FILE);
  const text = exists(path) ? readFile(path, { maxBytes: 64 * MOST_BYTES }).bytes.toString("utf8") : "";
  return text.split("\n").filter((line) => line !== "");
}
