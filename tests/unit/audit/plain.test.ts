import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import {
  type AuditEvent,
  authApplied,
  authChecked,
  authFailed,
  authShadowed,
  authUnchanged,
  containerStopped,
  factUnknown,
  gateVerdict,
  MESSAGES,
  objectFailed,
  objectGone,
  objectKept,
  objectPlanned,
  objectRemoved,
  objectUntagged,
  type PassFinished,
  passEndedEarly,
  passFinished,
  passIneffective,
  passStarted,
  prunePlanned,
  serviceIgnored,
  stateDamaged,
  stateUnwritable,
  stepFinished,
  stepSkipped,
} from "../../../agent/audit/events.ts";
import { bar, plainJournal, sentence, shortId } from "../../../agent/audit/plain.ts";
import type { Checked } from "../../../agent/auth/check.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { DAY, filesystem, GiB, HOUR, imageId } from "../support.ts";

const OBJECT: Judged = {
  kind: "image",
  id: imageId("a"),
  names: [],
  sizeBytes: 1536,
  ageSeconds: 2 * DAY,
  ageBasis: "last-tagged",
  action: "remove",
  rule: "expired",
  reason: "dangling and older than prune.until",
};
const ID = shortId(OBJECT.id);

const FINISHED: PassFinished = {
  outcome: "pruned",
  exitCode: 0,
  reason: "the plan is done",
  freedBytes: 3 * GiB,
  claimedBytes: 4 * GiB,
  durationSeconds: 61,
  filesystems: [{ ...filesystem({ usedPercent: 40 }), highWatermarkPercent: 80 }],
  removed: { container: 1, image: 2, "build-cache": 0 },
  removedBytes: { container: GiB, image: 3 * GiB, "build-cache": 0 },
  kept: 3,
  gone: 0,
  objects: [],
  rules: [],
  failed: 0,
  deferralsInARow: 0,
  deferredForSeconds: null,
  engineRequests: 9,
  gate: null,
};

const DISK = "  ████████░░░░░░░░░░░░ 40% of /, 50.0 GiB left, 10% of inodes";

/** One row an event: what a person reads. */
const CHECKED: Checked = {
  registry: "docker.io",
  username: "alice",
  result: "accepted",
  reason: "the credentials work",
  rateLimit: null,
  rateLimitReason: null,
};

const SENTENCES: readonly (readonly [AuditEvent, string])[] = [
  [
    passStarted({
      version: "1",
      dryRun: false,
      withoutPressure: false,
      scope: "prune-and-rules",
      filesystems: [
        {
          ...filesystem({ usedPercent: 40, inodesUsedPercent: null }),
          mount: { device: "/dev/sda1", type: "ext4", mountPoint: "/" },
        },
      ],
    }),
    "A pass starts\n  ████████░░░░░░░░░░░░ 40% of / (ext4 on /dev/sda1), 50.0 GiB left",
  ],
  [
    passStarted({
      version: "1",
      dryRun: true,
      withoutPressure: false,
      scope: "prune-and-rules",
      filesystems: [],
    }),
    "A dry run starts",
  ],
  [
    gateVerdict({ gate: "live-run", verdict: "closed", reason: "a CI run is live: service x", facts: {} }),
    "■ live runs: a CI run is live: service x",
  ],
  [
    gateVerdict({ gate: "disk-pressure", verdict: "open", reason: "under pressure", facts: {} }),
    "✓ disk pressure: under pressure",
  ],
  [
    gateVerdict({ gate: "converging", verdict: "unknown", reason: "timeout", facts: {} }),
    "? services: timeout",
  ],
  [factUnknown("the engine", "no socket"), "? the engine could not be read: no socket"],
  [
    serviceIgnored({ service: "web", why: "0 of 1 tasks run", busySeconds: 3 * DAY }),
    "! service web has been stuck for 3d (0 of 1 tasks run) and no longer blocks",
  ],
  [
    prunePlanned({ remove: [OBJECT], keep: [] }, DAY, "forecast"),
    "Plan: remove 0 containers, 1 image, 0 cache records, keep 0 containers, 0 images, 0 cache records; older than 1d",
  ],
  [
    prunePlanned({ remove: [], keep: [OBJECT, OBJECT] }, HOUR, "engine-decides"),
    "Plan: remove 0 containers, 0 images, 0 cache records, keep 0 containers, 2 images, 0 cache records; older than 1h; build cache by the engine, same age",
  ],
  [objectPlanned(OBJECT), `  − would remove image ${ID}, 1.5 KiB, last tagged 2d ago`],
  [objectRemoved(OBJECT), `  − removed image ${ID}, 1.5 KiB, last tagged 2d ago`],
  [
    objectRemoved({ ...OBJECT, kind: "container", names: ["job-1", "b"], sizeBytes: null, ageSeconds: null }),
    `  − removed container job-1, b (${ID})`,
  ],
  [
    objectRemoved({
      ...OBJECT,
      rule: "over-count",
      reason: "beyond the 5 of keepCount",
      policy: "retention/w",
      references: ["w:1"],
    }),
    `  − removed image ${ID}, 1.5 KiB, last tagged 2d ago: beyond the 5 of keepCount (retention/w)`,
  ],
  [
    objectUntagged({ ...OBJECT, names: ["w:1", "w:2"], policy: "retention/w", references: ["w:1"] }),
    `  − took w:1 off image w:1, w:2 (${ID}), 1.5 KiB, last tagged 2d ago: ${OBJECT.reason} (retention/w); the image stays, by other names or under one built on it`,
  ],
  [
    containerStopped(
      {
        ...OBJECT,
        kind: "container",
        names: ["job-1"],
        ageBasis: "started",
        sizeBytes: null,
        policy: "orphans/w",
      },
      10,
    ),
    `  − stopped container job-1 (${ID}), started 2d ago: ${OBJECT.reason} (orphans/w)`,
  ],
  [
    objectKept({ ...OBJECT, rule: "young", reason: "younger than prune.until" }),
    `  = kept image ${ID}, 1.5 KiB, last tagged 2d ago: younger than prune.until`,
  ],
  [objectGone(OBJECT), `  = image ${ID}, 1.5 KiB, last tagged 2d ago was gone already`],
  [
    objectFailed(OBJECT, "500 disk error", 500, "no"),
    `  ✗ could not remove image ${ID}, 1.5 KiB, last tagged 2d ago: 500 disk error`,
  ],
  [
    objectFailed(OBJECT, "no answer", null, "unknown"),
    `  ✗ not known whether it removed image ${ID}, 1.5 KiB, last tagged 2d ago: no answer`,
  ],
  [stepSkipped("build-cache", "no such thing here"), "a step does not apply here: no such thing here"],
  [
    stepFinished({
      by: "prune",
      kind: "image",
      removed: 2,
      kept: 1,
      gone: 0,
      failed: 0,
      claimedBytes: 1,
      durationSeconds: 1,
    }),
    "  image: 2 removed, 1 kept",
  ],
  [
    stepFinished({
      by: "prune",
      kind: "image",
      removed: 2,
      kept: 1,
      gone: 0,
      failed: 3,
      claimedBytes: 1,
      durationSeconds: 1,
    }),
    "  image: 2 removed, 1 kept, 3 failed",
  ],
  [
    passEndedEarly("told to stop", 4, [], "warn"),
    "The pass ends before its plan is done, 4 left: told to stop",
  ],
  [
    passIneffective({
      cause: "pressure-remains",
      reason: "/ is 91% full",
      holders: [
        { what: "images", bytes: 5 * GiB, count: 20, note: "the cache" },
        { what: "outside-docker", bytes: 0, count: null, note: "logs" },
      ],
    }),
    "Not enough: / is 91% full\n    5.0 GiB  images (20): the cache\n        0 B  outside-docker: logs",
  ],
  [
    passIneffective({ cause: "pressure-remains", reason: "/ is full", holders: "not known: timeout" }),
    "Not enough: / is full",
  ],
  [
    passFinished(FINISHED, "info"),
    `pruned: the plan is done\n  removed 1 container, 2 images, 0 cache records in 1m 1s; the disk gained 3.0 GiB (the engine says 4.0 GiB)\n${DISK}`,
  ],
  [
    passFinished(
      { ...FINISHED, outcome: "deferred", reason: "a run", deferralsInARow: 7, deferredForSeconds: 2 * DAY },
      "warn",
    ),
    `deferred: a run\n  deferred 7 times in a row, for 2d\n${DISK}`,
  ],
  [
    passFinished({ ...FINISHED, outcome: "below-watermark", reason: "below the high watermark" }, "info"),
    `below-watermark: below the high watermark\n${DISK}`,
  ],
  [stateDamaged("not JSON", "/x"), "! the state file was damaged and set aside: not JSON"],
  [stateUnwritable("EROFS"), "! the state could not be written: EROFS"],
  [
    authApplied({
      target: "/c.json",
      added: ["docker.io", "ghcr.io"],
      changed: [],
      removed: ["r.example"],
      left: ["s.example"],
      closedToOthers: true,
    }),
    "✓ /c.json: added docker.io, ghcr.io; removed r.example; left s.example; closed to other users",
  ],
  [authUnchanged({ target: "/c.json", registries: 1, left: [] }), "✓ /c.json: nothing to change"],
  [
    authShadowed({ target: "/c.json", registry: "docker.io", by: "credsStore", helper: "pass" }),
    '! docker.io: credsStore in /c.json names the helper "pass", which the Docker client asks instead',
  ],
  [authFailed({ target: "/c.json", reason: "the file is empty" }), "✗ the file is empty"],
  [
    authChecked({
      ...CHECKED,
      rateLimit: { limit: 200, remaining: 193, windowSeconds: 21_600, source: null },
    }),
    "✓ docker.io as alice: the credentials work; 193 of 200 pulls in 6h left",
  ],
  [
    authChecked({ ...CHECKED, rateLimitReason: "no answer within 15 s" }),
    "✓ docker.io as alice: the credentials work; pull allowance: no answer within 15 s",
  ],
  [
    authChecked({ ...CHECKED, username: null, result: "no-credentials", reason: "none" }),
    "✗ docker.io: none",
  ],
];

const read = (event: AuditEvent) => stripVTControlCharacters(sentence(event));

describe("an event as a sentence", () => {
  it.each(SENTENCES)("$event", (event, text) => {
    expect(read(event)).toBe(text);
  });

  it("is there for every event that the log can say", () => {
    expect([...new Set(SENTENCES.map(([{ event }]) => event))].sort()).toEqual(Object.keys(MESSAGES).sort());
  });

  it("and as a message that never holds variable text", () => {
    for (const [{ event, msg }] of SENTENCES) expect(msg).toBe(MESSAGES[event]);
  });
});

describe("the levels of events", () => {
  it.each([
    [gateVerdict({ gate: "lock", verdict: "unknown", reason: "", facts: {} }), "warn"],
    [gateVerdict({ gate: "lock", verdict: "closed", reason: "", facts: {} }), "info"],
    [factUnknown("a", "b"), "error"],
    [passIneffective({ cause: "labels-match-nothing", reason: "" }), "error"],
    [objectFailed(OBJECT, "x", null, "no"), "error"],
    [stateDamaged("a", "b"), "warn"],
    [serviceIgnored({ service: "a", why: "b", busySeconds: 1 }), "warn"],
    [objectRemoved(OBJECT), "info"],
  ] as const)("$event: %s", ({ level }, expected) => {
    expect(level).toBe(expected);
  });
});

describe("a terminal", () => {
  const screen = (isTTY: boolean) => {
    const out = new PassThrough() as PassThrough & NodeJS.WriteStream;
    out.isTTY = isTTY;
    const read = () => String(out.read() ?? "");
    return { out, read };
  };

  it("shows no escape that a name brought along", () => {
    const { out, read } = screen(true);
    plainJournal(out, () => {}).emit(
      objectRemoved({ ...OBJECT, names: ["\u001b]0;x\u0007\u001b[2J\nforged"] }),
    );
    const shown = stripVTControlCharacters(read());
    expect(shown).toContain("\\u001b]0;x\\u0007\\u001b[2J\\u000aforged");
    expect(shown.trimEnd().split("\n")).toHaveLength(1);
  });

  it("shows a progress line, and wipes it before the next sentence", () => {
    const { out, read } = screen(true);
    const journal = plainJournal(out, () => {});
    journal.progress(1, 4);
    expect(stripVTControlCharacters(read())).toBe("  █████░░░░░░░░░░░░░░░ 1 of 4");
    journal.emit(passEndedEarly("told to stop", 3, ["build-cache"], "warn"));
    expect(read()).toMatch(/^\r\u001b\[K/);
  });

  it("is left without one when all is done, and so is what is no terminal", () => {
    const end = screen(true);
    plainJournal(end.out, () => {}).progress(4, 4);
    const file = screen(false);
    plainJournal(file.out, () => {}).progress(1, 4);
    expect([end.read(), file.read()]).toEqual(["", ""]);
  });

  it("that goes away is told", () => {
    const { out } = screen(true);
    const broken: string[] = [];
    plainJournal(out, ({ message }) => broken.push(message));
    out.emit("error", new Error("EPIPE"));
    expect(broken).toEqual(["EPIPE"]);
  });
});

describe("a bar", () => {
  it.each([
    [0, "░░░░░░░░░░"],
    [50, "█████░░░░░"],
    [100, "██████████"],
    [250, "██████████"],
    [-5, "░░░░░░░░░░"],
  ])("of %i %%", (percent, text) => {
    expect(bar(percent, 10)).toBe(text);
  });
});
