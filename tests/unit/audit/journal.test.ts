import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditEvent } from "../../../agent/audit/events.ts";
import { auditLine } from "../../../agent/audit/line.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const EVENTS = [
  { event: "pass.started", level: "info", msg: "a pass starts", fields: { n: 1 } },
  { event: "pass.ended-early", level: "warn", msg: "early", fields: { reason: 'a\n<3>{"forged":1}' } },
  { event: "pass.ineffective", level: "error", msg: "bad", fields: { reason: "x" } },
];
const PROGRAM = `import { jsonJournal } from "./agent/audit/journal.ts";
  const journal = jsonJournal("0123", (error) => { process.stderr.write("broken " + error.code); process.exit(9); });
  for (const event of ${JSON.stringify(EVENTS)}) journal.emit(event);
  // Out at once: nothing that is still pending would survive this.
  process.kill(process.pid, "SIGKILL");`;

let dir: string;
let out: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "journal-"));
  out = openSync(join(dir, "out"), "w");
});

afterEach(() => {
  closeSync(out);
  rmSync(dir, { recursive: true });
});

/** What a program that logs three events wrote to a file, when JOURNAL_STREAM says this. */
function written(journalStream: string | undefined): string[] {
  const { JOURNAL_STREAM: _, ...env } = process.env;
  spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", PROGRAM], {
    cwd: ROOT,
    stdio: ["ignore", out, "inherit"],
    env: journalStream === undefined ? env : { ...env, JOURNAL_STREAM: journalStream },
  });
  return readFileSync(join(dir, "out"), "utf8").trimEnd().split("\n");
}

describe("when the journal listens at standard output", () => {
  it("each line has the priority of its level in front", () => {
    const { dev, ino } = fstatSync(out, { bigint: true });
    const lines = written(`${dev}:${ino}`);
    expect(lines.map((line) => line.slice(0, 4))).toEqual(["<6>{", "<4>{", "<3>{"]);
    expect(JSON.parse(lines[2]!.slice(3))).toMatchObject({ event: "pass.ineffective", level: "error" });
  });
});

describe("when it does not", () => {
  it.each([
    ["no journal", undefined],
    ["the journal listens somewhere else, as in a pipe of a unit", "1:1"],
    ["nonsense", "journal"],
    ["nothing in it", ""],
  ])("lines are plain JSON: %s", (_, stream) => {
    const lines = written(stream);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(["info", "warn", "error"]);
  });
});

describe("a line", () => {
  it("has event, pass, msg, time and level beside its facts", () => {
    const [first] = written(undefined).map((line) => JSON.parse(line));
    expect(first).toEqual({
      event: "pass.started",
      pass: "0123",
      msg: "a pass starts",
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      n: 1,
    });
  });

  it("cannot be forged by a name with a line end in it", () => {
    const lines = written(undefined);
    expect(lines).toHaveLength(3);
    expect(JSON.parse(lines[1]!).reason).toBe('a\\u000a<3>{"forged":1}');
  });
});

describe("the line of a quiet pass, which is written without pino", () => {
  it("is the very line that pino writes", () => {
    const lines = written(undefined);
    const own = EVENTS.map((event, index) =>
      auditLine(event as AuditEvent, "0123", Date.parse(JSON.parse(lines[index]!).time)),
    );
    expect(own).toEqual(lines.map((line) => `${line}\n`));
  });
});
