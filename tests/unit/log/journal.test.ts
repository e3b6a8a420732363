import { spawnSync } from "node:child_process";
import { type BigIntStats, closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AuditEvent, event, gateVerdict } from "../../../agent/log/events.ts";
import { auditLine } from "../../../agent/log/line.ts";
import { fromLine } from "../../support/audit-record.ts";
import { program } from "../program.ts";

const FORGED = 'a\t{"event":"forged"}\n<3>{"forged":1}';
const EVENTS: readonly AuditEvent[] = [
  gateVerdict({ gate: "lock", verdict: "open", reason: "nobody holds the lock", facts: { n: 1 } }),
  event("pass.ended-early", { reason: FORGED, left: 3, stepsLeft: [] }, "warn"),
  event("pass.ineffective", { cause: "pressure-remains", reason: "x", removed: 0, holders: [] }),
];
const PROGRAM = program(`import { jsonJournal } from "./agent/log/journal.ts";
  const journal = jsonJournal("0123", (error) => { process.stderr.write("broken " + error.code); process.exit(9); });
  for (const event of ${JSON.stringify(EVENTS)}) journal.emit(event);
  // Out at once: nothing that is still pending would survive this.
  process.kill(process.pid, "SIGKILL");`);

/** What a program that logs three events wrote to a file, when JOURNAL_STREAM says this of it. */
function written(journalStream: (out: BigIntStats) => string | undefined): string[] {
  const dir = mkdtempSync(join(tmpdir(), "journal-"));
  const out = openSync(join(dir, "out"), "w");
  const { JOURNAL_STREAM: _, ...env } = process.env;
  const says = journalStream(fstatSync(out, { bigint: true }));
  spawnSync(process.execPath, [PROGRAM], {
    stdio: ["ignore", out, "inherit"],
    env: says === undefined ? env : { ...env, JOURNAL_STREAM: says },
  });
  closeSync(out);
  const lines = readFileSync(join(dir, "out"), "utf8").trimEnd().split("\n");
  rmSync(dir, { recursive: true });
  return lines;
}

const plain = written(() => undefined);
/** Where the journal listens at standard output. */
const inJournal = written(({ dev, ino }) => `${dev}:${ino}`);

describe("when the journal listens at standard output", () => {
  it("each line has the priority of its level, and a sentence, in front of the object", () => {
    const lines = inJournal.map((line) => line.split("\t"));
    expect(lines.map(([front]) => front)).toEqual([
      "<6>Gate open, lock: nobody holds the lock",
      expect.stringMatching(/^<4>The pass ends before its plan is done, 3 left: a/),
      "<3>Not enough: the disk is still x",
    ]);
    expect(lines.map((line) => line.length)).toEqual([2, 2, 2]);
    expect(JSON.parse(lines[2]![1]!)).toMatchObject({ event: "pass.ineffective", level: "error" });
  });

  it("no name forges a line, a priority or an object", () => {
    expect(inJournal).toHaveLength(3);
    expect(fromLine(inJournal[1]!)).toMatchObject({
      event: "pass.ended-early",
      fields: { reason: 'a\\u0009{"event":"forged"}\\u000a<3>{"forged":1}' },
    });
  });
});

describe("when it listens somewhere else, as in a pipe of a unit", () => {
  it("lines are plain JSON", () => {
    expect(written(() => "1:1").map((line) => JSON.parse(line).level)).toEqual(["info", "warn", "error"]);
  });
});

describe("a line", () => {
  it("has event, pass, msg, time and level beside its facts", () => {
    expect(JSON.parse(plain[0]!)).toEqual({
      event: "gate.verdict",
      pass: "0123",
      msg: "a gate was asked",
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      gate: "lock",
      verdict: "open",
      reason: "nobody holds the lock",
      n: 1,
    });
  });

  it("cannot be forged by a name with a line end in it", () => {
    expect(plain).toHaveLength(3);
    expect(JSON.parse(plain[1]!).reason).toBe('a\\u0009{"event":"forged"}\\u000a<3>{"forged":1}');
  });
});

describe("the line of a quiet pass, which is written without pino", () => {
  const own = (lines: readonly string[], forJournal: boolean) =>
    EVENTS.map((event, index) => auditLine(event, "0123", fromLine(lines[index]!)!.time, forJournal));

  it("is the very line that pino writes", () => {
    expect(own(plain, false)).toEqual(plain.map((line) => `${line}\n`));
  });

  it("also in the journal", () => {
    expect(own(inJournal, true)).toEqual(inJournal.map((line) => `${line}\n`));
  });
});
