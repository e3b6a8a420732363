import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The finished bundle, which is what users run: engine tests never import the agent's sources. */
export const BUNDLE = fileURLToPath(new URL("../../dist/ci-docker-prune.cjs", import.meta.url));

export interface AgentResult {
  /** Exit code; `null` when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON lines of stdout, parsed; empty for plain output. */
  readonly events: readonly AgentEvent[];
  readonly seconds: number;
}

/** One line of the audit. */
export interface AgentEvent {
  readonly event: string;
  readonly level: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of many shapes and assert on each
  readonly [field: string]: any;
}

export interface AgentOptions {
  readonly args: readonly string[];
  /** Written to a file and handed over with --settings; absent: no such option. */
  readonly settings?: unknown;
  readonly stateDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the child once it runs, to signal it or to wait for a line. */
  readonly whileRunning?: (child: ChildProcess, events: readonly AgentEvent[]) => void;
}

/**
 * Copies the bundle to where any user may read it, which the checkout need not be, and returns the copy's path. Its
 * folder holds nothing else.
 */
export function copyBundle(): string {
  const from = dirname(BUNDLE);
  const to = mkdtempSync(join(tmpdir(), "cdp-bundle-"));
  chmodSync(to, 0o755);
  for (const file of readdirSync(from)) copyFileSync(join(from, file), join(to, file));
  return join(to, basename(BUNDLE));
}

/** A folder for one test's settings and state. */
export function scratchDir(): string {
  return mkdtempSync(join(tmpdir(), "cdp-agent-"));
}

/** Runs the bundle to its end with a bare environment (PATH only) and reads what it said. */
export function runAgent(options: AgentOptions): Promise<AgentResult> {
  const dir = scratchDir();
  const args = [...options.args];
  // Tests read events; sentences are asked for by name.
  if (args[0] === "run" && !args.includes("--plain") && !args.includes("--json")) args.push("--json");
  if (options.settings !== undefined) {
    const file = join(dir, `settings-${randomUUID()}.json`);
    writeFileSync(file, JSON.stringify(options.settings));
    args.push("--settings", file);
  }
  if (["run", "plan", "status", "history", "report", "snapshots"].includes(args[0] ?? "")) {
    args.push("--state-dir", options.stateDir ?? join(dir, "state"));
  }
  return new Promise((resolve, reject) => {
    const startedAt = process.hrtime.bigint();
    const child = spawn(process.execPath, [BUNDLE, ...args], {
      cwd: dir,
      env: { PATH: process.env.PATH ?? "", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const events: AgentEvent[] = [];
    let stdout = "";
    let stderr = "";
    let partial = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith('{"')) events.push(JSON.parse(line) as AgentEvent);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
      resolve({ code, stdout, stderr, events, seconds });
    });
    options.whileRunning?.(child, events);
  });
}

/** The passes that a state folder remembers, oldest first. */
export function recordedPasses(stateDir: string): AgentEvent[] {
  const lines = readFileSync(join(stateDir, "passes.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as AgentEvent);
}

/** The single event of this name; throws when there is none or more than one. */
export function only(events: readonly AgentEvent[], name: string): AgentEvent {
  const found = events.filter(({ event }) => event === name);
  if (found.length !== 1 || found[0] === undefined) {
    throw new Error(
      `expected one ${name}, found ${found.length} among ${events.map(({ event }) => event).join(", ")}`,
    );
  }
  return found[0];
}

/** Ids of the objects of this kind that the log says were removed (or kept, …). */
export function idsOf(events: readonly AgentEvent[], name: string, kind: string): string[] {
  return events.filter((line) => line.event === name && line.kind === kind).map((line) => String(line.id));
}
