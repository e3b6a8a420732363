import { describe, expect, it } from "vitest";
import { objectRemoved } from "../../../agent/audit/events.ts";
import { auditLine } from "../../../agent/audit/line.ts";
import { type AuditRecord, fromJournalEntry, fromLine } from "../../../agent/audit/record.ts";
import { imageId } from "../support.ts";

const TIME = Date.parse("2026-11-21T09:39:06.432Z");
const OBJECT = {
  kind: "image",
  id: imageId("a"),
  names: ["é\n\tforged"],
  sizeBytes: 1536,
  ageSeconds: 90_000,
  ageBasis: "last-tagged",
  rule: "expired",
  reason: "dangling and older than prune.until",
} as const;
const LINE = auditLine(objectRemoved({ ...OBJECT, action: "remove" }), "0123", TIME).trimEnd();
const RECORD: AuditRecord = {
  event: "object.removed",
  level: "info",
  time: TIME,
  pass: "0123",
  fields: { ...OBJECT, names: ["é\\u000a\\u0009forged"] },
};

/** As journalctl gives them: `{"__REALTIME_TIMESTAMP":"…","PRIORITY":"6","MESSAGE":…}`. */
const entry = (MESSAGE: unknown) => ({
  __REALTIME_TIMESTAMP: "1795253946432001",
  PRIORITY: "6",
  SYSLOG_IDENTIFIER: "ci-docker-prune",
  MESSAGE,
});

describe("what the agent logged is read back", () => {
  it.each([
    ["from a sentence, a tab and the object", `removed image x\t${LINE}`],
    ["from the object alone, as versions before 0.2 wrote it", LINE],
    ["from bytes, where journalctl gives those", [...Buffer.from(`removed image é\u0007\t${LINE}`)]],
    ["though a name in the sentence looks like an object", `removed {"event":"x"}\t${LINE}`],
  ])("%s", (_, message) => {
    expect(fromJournalEntry(entry(message))).toEqual(RECORD);
  });

  it("from a line of standard output, with its line end", () => {
    expect(fromLine(`${LINE}\n`)).toEqual(RECORD);
  });
});

describe("what the agent did not log is nothing", () => {
  const without = (key: string) => JSON.stringify({ ...JSON.parse(LINE), [key]: undefined });
  it.each([
    ["a line of systemd", "Starting ci-docker-prune.service - Prune Docker under disk pressure..."],
    ["a message that journalctl left out, for want of --all", null],
    ["a field that is there twice", [LINE, LINE]],
    ["numbers that are no bytes", [1.5]],
    ["an object of somebody else", '{"event":"x"}'],
    ["JSON that is no object", "3"],
    ["JSON null", "null"],
    ["a line that was cut off", LINE.slice(0, -1)],
    ["an object without an event", without("event")],
    ["an object without a pass", without("pass")],
    ["an object without a time", without("time")],
    ["a time that is none", JSON.stringify({ ...JSON.parse(LINE), time: "yesterday" })],
    ["a level that is none", JSON.stringify({ ...JSON.parse(LINE), level: "trace" })],
    ["an empty message", ""],
  ])("%s", (_, message) => {
    expect(fromJournalEntry(entry(message))).toBeNull();
  });

  it.each([[null], [undefined], ["text"], [{}], [[]]])("nor is %j an entry", (value) => {
    expect(fromJournalEntry(value)).toBeNull();
  });
});
