import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";

/** Where a journal is read from: asked of journald now, standard input, or a file. */
export type JournalSource =
  | { readonly kind: "journald"; readonly since: number | null }
  | { readonly kind: "stdin" }
  | { readonly kind: "file"; readonly path: string };

/** The journal could not be read; the message says why. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

/** The agent's longest line is cut at 48 KiB by journald (LineMax=), and journalctl may write each byte as a number. */
const LONGEST_LINE = 2 ** 20;

/** Line by line; `null` for one that is too long to be ours, which is passed over unread. Throws JournalError. */
export async function* journalLines(
  source: JournalSource,
  longest = LONGEST_LINE,
): AsyncGenerator<string | null> {
  if (source.kind === "journald") yield* ofJournald(source.since, longest);
  else {
    const stream = source.kind === "stdin" ? process.stdin : createReadStream(source.path);
    try {
      yield* splitLines(stream, longest);
    } catch (error) {
      throw new JournalError((error as Error).message);
    }
  }
}

/** `--all`: without it journalctl gives no message of more than 4 KiB (systemd 252, 257). */
async function* ofJournald(since: number | null, longest: number): AsyncGenerator<string | null> {
  const args = ["--unit=ci-docker-prune.service", "--output=json", "--all", "--no-pager", "--quiet"];
  if (since !== null) args.push(`--since=@${Math.floor(since / 1000)}`);
  const child = spawn("journalctl", args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-1000);
  });
  const ended = new Promise<string | null>((resolve) => {
    child.once("error", (error) => resolve(`journalctl could not be run: ${error.message}`));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? null : `journalctl ended with ${code ?? signal}: ${said.trim()}`),
    );
  });
  let whole = false;
  try {
    yield* splitLines(child.stdout, longest);
    whole = true;
  } finally {
    if (!whole) child.kill();
  }
  const trouble = await ended;
  if (trouble !== null) throw new JournalError(trouble);
}

async function* splitLines(stream: Readable, longest: number): AsyncGenerator<string | null> {
  let parts: Buffer[] = [];
  let length = 0;
  /** The rest of the line is to be passed over. */
  let over = false;
  const add = (part: Buffer) => {
    length += part.length;
    over ||= length > longest;
    if (over) parts = [];
    else parts.push(part);
  };
  const line = () => {
    const text = over ? null : Buffer.concat(parts).toString("utf8");
    parts = [];
    length = 0;
    over = false;
    return text;
  };
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, end));
      yield line();
      from = end + 1;
    }
    add(chunk.subarray(from));
  }
  if (length > 0) yield line();
}
