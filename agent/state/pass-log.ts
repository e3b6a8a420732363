import { join } from "node:path";
import { appendLine, readFile, replaceFile } from "../host/files.ts";
import { exists, statLink } from "../host/paths.ts";
import { STATE_FILE } from "./types.ts";

/** One pass a line, oldest first; read by reports alone (passes.ts). */
const PASSES_FILE = "passes.jsonl";

/** So many passes are there to be read, at least: the file is cut to them when it has grown beyond its limit. */
export const KEPT_PASSES = 200;
const MOST_BYTES = 1024 * 1024;
/** No file of ours: what is larger is not read, and gives way. */
const READABLE_BYTES = 64 * MOST_BYTES;

/** Throws what the filesystem says. Nobody else may be at it meanwhile. */
export function appendPasses(dir: string, passes: readonly unknown[]): void {
  const path = join(dir, PASSES_FILE);
  const added = passes.map((pass) => JSON.stringify(pass));
  appendLine(path, added.join("\n"), STATE_FILE);
  const bytes = statLink(path)?.size ?? 0;
  if (bytes <= MOST_BYTES) return;
  const lines = bytes > READABLE_BYTES ? added : readLines(dir).slice(-KEPT_PASSES);
  // Half of the limit, so that it is not cut in every pass.
  while (Buffer.byteLength(lines.join("\n")) > MOST_BYTES / 2 && lines.length > 1) lines.shift();
  replaceFile(path, `${lines.join("\n")}\n`, STATE_FILE);
}

/** None where there is no such file yet. Throws what the filesystem says. */
export function readLines(dir: string): string[] {
  const path = join(dir, PASSES_FILE);
  const text = exists(path) ? readFile(path, { maxBytes: READABLE_BYTES }).bytes.toString("utf8") : "";
  return text.split("\n").filter((line) => line !== "");
}
