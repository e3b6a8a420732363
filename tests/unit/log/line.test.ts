import { describe, expect, it } from "vitest";
import {
  type AuditEvent,
  event,
  factUnknown,
  gateVerdict,
  objectEvent,
  objectFields,
  type PassFinished,
} from "../../../agent/log/events.ts";
import { auditLine, priority } from "../../../agent/log/line.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { fromLine } from "../../support/audit-record.ts";
import { imageId } from "../support.ts";

const OBJECT: Judged = {
  kind: "image",
  id: imageId("a"),
  names: [],
  sizeBytes: 1536,
  ageSeconds: 90_000,
  ageBasis: "last-tagged",
  action: "remove",
  because: "expired",
  reason: "dangling and older than prune.until",
};
const STEP = {
  by: "prune",
  kind: "image",
  removed: 1,
  kept: 0,
  gone: 0,
  claimedBytes: 1,
  durationSeconds: 1,
} as const;
const AUTH = { target: "/c.json", added: [], changed: [], removed: [], left: [], closedToOthers: true };
const finished = (outcome: PassFinished["outcome"], level: AuditEvent["level"]) =>
  event("pass.finished", { outcome } as PassFinished, level);

describe("the priority of an event", () => {
  it.each([
    ["an error", factUnknown("a", "b"), 3],
    ["a pass that failed", finished("failed", "error"), 3],
    [
      "a failure",
      event("object.failed", { ...objectFields(OBJECT), error: "x", status: null, removed: "no" }),
      3,
    ],
    ["a step in which something failed", event("step.finished", { ...STEP, failed: 1 }), 4],
    ["a warning", event("state.unwritable", { reason: "EROFS" }), 4],
    ["a gate that is not known", gateVerdict({ gate: "lock", verdict: "unknown", reason: "", facts: {} }), 4],
    ["a pass that is deferred once again", finished("deferred", "warn"), 4],
    ["a removal", objectEvent("removed", OBJECT), 5],
    ["a name that was taken off", objectEvent("untagged", OBJECT), 5],
    [
      "a container that was stopped",
      event("container.stopped", { ...objectFields(OBJECT), timeoutSeconds: 10 }),
      5,
    ],
    ["credentials put in place", event("auth.applied", AUTH), 5],
    ["a pass that removed something", finished("pruned", "info"), 5],
    ["a pass that was deferred", finished("deferred", "info"), 5],
    ["a pass that found no pressure", finished("below-watermark", "info"), 6],
    ["an object that stays", objectEvent("kept", OBJECT), 6],
    ["a step", event("step.finished", { ...STEP, failed: 0 }), 6],
    ["a gate", gateVerdict({ gate: "lock", verdict: "closed", reason: "", facts: {} }), 6],
    ["credentials that were there", event("auth.unchanged", { target: "", registries: 1, left: [] }), 6],
  ] as const)("of %s", (_, event, expected) => {
    expect(priority(event)).toBe(expected);
  });
});

describe("an entry of the journal", () => {
  /** journald cuts a line there, of which the `<N>` is a part (LineMax=, systemd 252 and 257). */
  const LINE_MAX = 48 * 1024;
  const line = (event: AuditEvent) => auditLine(event, "0123", 0, true);
  const read = (event: AuditEvent) => fromLine(line(event))!.fields;

  it.each([
    [
      "many names",
      objectEvent("removed", { ...OBJECT, names: Array.from({ length: 5000 }, (_, n) => `name-${n}`) }),
    ],
    ["one long name", objectEvent("removed", { ...OBJECT, names: ["x".repeat(100_000)] })],
    [
      "long names that are written out",
      objectEvent("removed", { ...OBJECT, names: ["\u0001".repeat(100_000)] }),
    ],
    ["names of many bytes", objectEvent("removed", { ...OBJECT, names: Array(200).fill("𝄞".repeat(999)) })],
    ["a long reason", factUnknown("the engine", "y".repeat(60_000))],
    [
      "a list of lists",
      gateVerdict({
        gate: "lock",
        verdict: "open",
        reason: "",
        facts: { list: Array(100).fill({ names: Array(100).fill("z".repeat(100)) }) },
      }),
    ],
  ])("is never cut in two by journald: %s", (_, event) => {
    expect(Buffer.byteLength(line(event))).toBeLessThan(LINE_MAX);
    expect(read(event)).toMatchObject({ cut: [expect.any(String)] });
  });

  it("says what was cut, and keeps the rest", () => {
    const fields = read(
      objectEvent("removed", {
        ...OBJECT,
        names: Array.from({ length: 5000 }, (_, n) => `n${n}`),
        reason: "why",
      }),
    );
    expect(fields).toMatchObject({ id: OBJECT.id, sizeBytes: 1536, reason: "why", cut: ["names"] });
    expect((fields.names as string[]).slice(0, 2)).toEqual(["n0", "n1"]);
    expect(read(factUnknown("the engine", "y".repeat(60_000))).reason).toMatch(/^y+… \(60000 characters\)$/);
  });

  it("keeps a pair of surrogates together, or shows that it was parted", () => {
    const { reason } = read(factUnknown("a", `x${"𝄞".repeat(20_000)}`)) as { reason: string };
    expect(reason).toMatch(/\\ud834… \(40001 characters\)$/);
  });

  it("is whole where it fits, and on a pipe always", () => {
    const short = objectEvent("removed", { ...OBJECT, names: Array(200).fill("name") });
    expect(read(short)).toMatchObject({ names: short.fields.names });
    expect(read(short)).not.toHaveProperty("cut");
    const long = objectEvent("removed", { ...OBJECT, names: ["x".repeat(100_000)] });
    expect(fromLine(auditLine(long, "0123", 0))!.fields).toEqual(long.fields);
  });
});
