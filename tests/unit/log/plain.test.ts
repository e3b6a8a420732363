import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import type { Checked } from "../../../agent/auth/check.ts";
import type { GateName } from "../../../agent/gates/verdict.ts";
import {
  type AuditEvent,
  EVENTS,
  event as eventOf,
  type FieldsOf,
  factUnknown,
  gateVerdict,
  objectEvent,
  objectFields,
  prunePlanned,
} from "../../../agent/log/events.ts";
import { plainJournal, sentence } from "../../../agent/log/journal.ts";
import { bar, journalSentence } from "../../../agent/log/line.ts";
import { type Judged, NONE_OF_EACH } from "../../../agent/plan/plan.ts";
import { shortId } from "../../../agent/text.ts";
import { DAY, filesystem, finished, GiB, HOUR, imageId } from "../support.ts";

const PRUNE = { containers: true, images: true };
const OBJECT: Judged = {
  kind: "image",
  id: imageId("a"),
  names: [],
  sizeBytes: 1536,
  ageSeconds: 2 * DAY,
  ageBasis: "last-tagged",
  action: "remove",
  because: "expired",
  reason: "dangling and older than prune.until",
};
const ID = shortId(OBJECT.id);

const FINISHED = finished({
  outcome: "pruned",
  reason: "the plan is done",
  freedBytes: 3 * GiB,
  claimedBytes: 4 * GiB,
  durationSeconds: 61,
  filesystems: [filesystem({ usedPercent: 40 })],
  removed: { ...NONE_OF_EACH, container: 1, image: 2 },
  kept: 3,
});

const DISK = "  ████████░░░░░░░░░░░░ 40% of /, 50.0 GiB left, 10% of inodes";

const CHECKED: Checked = {
  registry: "docker.io",
  username: "alice",
  result: "accepted",
  reason: "the credentials work",
  rateLimit: null,
  rateLimitReason: null,
};

const start = (changes: Partial<FieldsOf<"pass.started">>) =>
  eventOf("pass.started", {
    version: "1",
    dryRun: false,
    withoutPressure: false,
    scope: "prune-and-rules",
    filesystems: [],
    ...changes,
  });
const step = (changes: Partial<FieldsOf<"step.finished">>) =>
  eventOf("step.finished", {
    by: "prune",
    kind: "image",
    removed: 2,
    kept: 1,
    gone: 0,
    failed: 0,
    claimedBytes: 1536,
    durationSeconds: 1,
    ...changes,
  });
const gate = (name: GateName, verdict: "open" | "closed" | "unknown", reason: string) =>
  gateVerdict({ gate: name, verdict, reason, facts: {} });
const AUTH = { target: "/c.json", added: [], changed: [], removed: [], left: [], closedToOthers: false };

/** What a person reads: at least one row an event, and one a branch. */
const SENTENCES: readonly (readonly [AuditEvent, string])[] = [
  [
    start({
      filesystems: [
        {
          ...filesystem({ usedPercent: 40, inodesUsedPercent: null }),
          mount: { device: "/dev/sda1", type: "ext4", mountPoint: "/" },
        },
      ],
    }),
    "A pass starts\n  ████████░░░░░░░░░░░░ 40% of / (ext4 on /dev/sda1), 50.0 GiB left",
  ],
  [start({ dryRun: true }), "A dry run starts"],
  [start({ scope: "rules" }), "A pass starts for the rules that wait for no disk pressure"],
  [gate("live-run", "closed", "a CI run is live: service x"), "■ live runs: a CI run is live: service x"],
  [gate("disk-pressure", "open", "under pressure"), "✓ disk pressure: under pressure"],
  [gate("converging", "unknown", "timeout"), "? services: timeout"],
  [
    factUnknown("gate converging", "no quorum"),
    "? could not tell whether the gate for services is open: no quorum",
  ],
  [factUnknown("whether the pass helped", "EIO"), "? could not tell whether the pass helped: EIO"],
  [factUnknown("the engine", "no socket"), "? could not read the engine: no socket"],
  [
    eventOf("service.ignored", { service: "web", why: "0 of 1 tasks run", busySeconds: 3 * DAY }),
    "! service web has been stuck for 3d (0 of 1 tasks run) and no longer blocks",
  ],
  [
    prunePlanned({ remove: [OBJECT], keep: [] }, { ...PRUNE, until: DAY }, "forecast"),
    "Plan: remove 1 image (1.5 KiB), keep nothing; age limit 1d",
  ],
  [
    prunePlanned({ remove: [], keep: [OBJECT, OBJECT] }, { ...PRUNE, until: HOUR }, "engine-decides"),
    "Plan: remove nothing, keep 2 images; age limit 1h; build cache by the engine, same age limit",
  ],
  [
    prunePlanned(
      { remove: [], keep: [OBJECT] },
      { until: HOUR, containers: { until: 2 * DAY }, images: { until: DAY } },
      "off",
    ),
    "Plan: remove nothing, keep 1 image; age limit 1h, containers 2d, images 1d",
  ],
  [
    objectEvent("planned", OBJECT),
    `  − would remove image ${ID}, 1.5 KiB, last tagged 2d ago: dangling and older than prune.until`,
  ],
  [
    objectEvent("removed", OBJECT),
    `  − removed image ${ID}, 1.5 KiB, last tagged 2d ago: dangling and older than prune.until`,
  ],
  [
    objectEvent("removed", {
      ...OBJECT,
      kind: "container",
      names: ["job-1", "b"],
      sizeBytes: null,
      ageSeconds: null,
    }),
    `  − removed container job-1, b (${ID}), age not known: dangling and older than prune.until`,
  ],
  [
    objectEvent("removed", { ...OBJECT, kind: "build-cache", ageSeconds: null, ageBasis: "none" }),
    `  − removed cache record ${ID}, 1.5 KiB: dangling and older than prune.until`,
  ],
  [
    objectEvent("removed", {
      ...OBJECT,
      kind: "build-cache",
      names: ["1", "2", "3", "4", "5"],
      ageBasis: "last-used",
    }),
    `  − removed cache record 1, 2, 3 and 2 more names (${ID}), 1.5 KiB, last used 2d ago: dangling and older than prune.until`,
  ],
  [
    objectEvent("kept", {
      ...OBJECT,
      ageSeconds: -60,
      ageBasis: "created",
      reason: "younger than prune.until",
    }),
    `  = kept image ${ID}, 1.5 KiB, created 1m in the future: younger than prune.until`,
  ],
  [
    objectEvent("removed", {
      ...OBJECT,
      because: "over-count",
      reason: "beyond the 5 of keepCount",
      rule: "retention/w",
      references: ["w:1"],
    }),
    `  − removed image ${ID}, 1.5 KiB, last tagged 2d ago: beyond the 5 of keepCount (retention/w)`,
  ],
  [
    objectEvent("untagged", { ...OBJECT, names: ["w:1", "w:2"], rule: "retention/w", references: ["w:1"] }),
    `  − took w:1 off image w:1, w:2 (${ID}), 1.5 KiB, last tagged 2d ago: ${OBJECT.reason} (retention/w); the image stays, by other names or under one built on it`,
  ],
  [
    eventOf("container.stopped", {
      ...objectFields({ ...OBJECT, kind: "container", names: ["job-1"], sizeBytes: null, rule: "orphans/w" }),
      ageBasis: "started",
      timeoutSeconds: 10,
    }),
    `  − stopped container job-1 (${ID}), started 2d ago: ${OBJECT.reason} (orphans/w)`,
  ],
  [objectEvent("gone", OBJECT), `  = gone before its turn came: image ${ID}, 1.5 KiB, last tagged 2d ago`],
  [
    eventOf("object.failed", {
      ...objectFields(OBJECT),
      error: "500 disk error",
      status: 500,
      removed: "no",
    }),
    `  ✗ could not remove image ${ID}, 1.5 KiB, last tagged 2d ago: 500 disk error`,
  ],
  [
    eventOf("object.failed", {
      ...objectFields(OBJECT),
      error: "no answer",
      status: null,
      removed: "unknown",
    }),
    `  ✗ not known whether it removed image ${ID}, 1.5 KiB, last tagged 2d ago: no answer`,
  ],
  [
    eventOf("step.skipped", { kind: "build-cache", reason: "no such thing here" }),
    "  = build cache skipped: no such thing here",
  ],
  [step({}), "  images: 2 removed, 1 kept; the engine says 1.5 KiB, in 1s"],
  [
    step({ by: "retention", gone: 4, failed: 3 }),
    "  retention, images: 2 removed, 1 kept, 4 gone before, 3 failed; the engine says 1.5 KiB, in 1s",
  ],
  [
    eventOf("pass.ended-early", { reason: "told to stop", left: 4, stepsLeft: [] }, "warn"),
    "The pass ends before its plan is done, 4 left: told to stop",
  ],
  [
    eventOf(
      "pass.ended-early",
      { reason: "a run is live", left: 4, stepsLeft: ["image", "build-cache"] },
      "warn",
    ),
    "The pass ends before its plan is done, 4 left, images and build cache not come to: a run is live",
  ],
  [
    eventOf("pass.ineffective", {
      cause: "pressure-remains",
      reason: "under pressure: / is 91% full",
      removed: 0,
      holders: [
        {
          what: "images",
          bytes: 5 * GiB,
          count: 20,
          note: "the cache",
          largest: [{ name: "app", bytes: GiB, note: "none in use" }],
          wayOut: "a rule",
        },
        { what: "outside-docker", bytes: 1, count: null, note: "logs", largest: [], wayOut: null },
      ],
    }),
    "Not enough: the disk is still under pressure: / is 91% full\n    5.0 GiB  images (20): the cache\n             1.0 GiB app: none in use\n             -> a rule\n        1 B  outside-docker: logs",
  ],
  [
    eventOf("pass.ineffective", {
      cause: "pressure-remains",
      reason: "/ is full",
      removed: 0,
      holders: "not known: timeout",
    }),
    "Not enough: the disk is still / is full\n  what holds the space: not known: timeout",
  ],
  [
    eventOf("pass.ineffective", {
      cause: "labels-match-nothing",
      reason: "no dangling image carries a label of prune.labels",
      labels: ["ci"],
      unselectedImages: 2,
      unselectedBytes: 3 * GiB,
    }),
    "A rule without effect: no dangling image carries a label of prune.labels\n  2 images without, 3.0 GiB",
  ],
  [
    eventOf("pass.ineffective", {
      cause: "rule-matches-nothing",
      reason: 'no image carries a label of the rule "w"',
      policy: "retention/w",
      labels: ["ci"],
      unlabelledImages: 1,
      unlabelledBytes: GiB,
      labelledContainers: 1,
    }),
    'A rule without effect: no image carries a label of the rule "w"\n  1 image without, 1.0 GiB',
  ],
  [
    eventOf("pass.finished", FINISHED, "info"),
    `pruned: the plan is done\n  removed 1 container, 2 images in 1m 1s, kept 3\n  the disk gained 3.0 GiB (the engine says 4.0 GiB)\n${DISK}`,
  ],
  [
    eventOf(
      "pass.finished",
      { ...FINISHED, outcome: "deferred", reason: "a run", deferralsInARow: 7, deferredForSeconds: 2 * DAY },
      "warn",
    ),
    `deferred: a run\n  deferred 7 times in a row, for 2d\n${DISK}`,
  ],
  [
    eventOf(
      "pass.finished",
      { ...FINISHED, outcome: "below-watermark", reason: "below the high watermark" },
      "info",
    ),
    `below-watermark: below the high watermark\n${DISK}`,
  ],
  [
    eventOf("state.damaged", { reason: "not JSON", setAside: "/x" }),
    "! the state file was damaged (not JSON); the pass starts from nothing; the old one: /x",
  ],
  [
    eventOf("state.unwritable", { reason: "EROFS" }),
    "! the state could not be written, the next pass will not know of this: EROFS",
  ],
  [
    eventOf("metrics.unwritable", { file: "/a.prom", reason: "EROFS" }),
    "! the metrics could not be written, /a.prom: EROFS",
  ],
  [
    eventOf("auth.applied", {
      ...AUTH,
      added: ["docker.io", "ghcr.io"],
      removed: ["r"],
      left: ["s"],
      closedToOthers: true,
    }),
    "✓ registry credentials in /c.json: added docker.io, ghcr.io; removed r; left s; closed to other users",
  ],
  [
    eventOf("auth.unchanged", { target: "/c.json", registries: 1, left: [] }),
    "✓ registry credentials in /c.json: nothing to change",
  ],
  [
    eventOf("auth.unchanged", { target: "/c.json", registries: 1, left: ["r.example"] }),
    "✓ registry credentials in /c.json: nothing to change; left r.example",
  ],
  [
    eventOf("auth.shadowed", { target: "/c.json", registry: "docker.io", by: "credsStore", helper: "pass" }),
    '! docker.io: credsStore in /c.json names the helper "pass", which the Docker client asks instead',
  ],
  [
    eventOf("auth.failed", { target: "/c.json", reason: "the file is empty" }),
    "✗ registry credentials: the file is empty",
  ],
  [
    eventOf("auth.checked", {
      ...CHECKED,
      rateLimit: { limit: 200, remaining: 193, windowSeconds: 21_600, source: null },
    }),
    "✓ docker.io as alice: the credentials work; 193 of 200 pulls in 6h left",
  ],
  [
    eventOf("auth.checked", { ...CHECKED, rateLimitReason: "no answer within 15 s" }),
    "✓ docker.io as alice: the credentials work; pull allowance: no answer within 15 s",
  ],
  [
    eventOf("auth.checked", { ...CHECKED, username: null, result: "no-credentials", reason: "none" }),
    "✗ docker.io: none",
  ],
];

const read = (event: AuditEvent) => stripVTControlCharacters(sentence(event));

describe("an event as a sentence", () => {
  it.each(SENTENCES)("$event", (event, text) => {
    expect(read(event)).toBe(text);
  });

  it("is there for every event that the log can say", () => {
    expect([...new Set(SENTENCES.map(([{ event }]) => event))].sort()).toEqual(Object.keys(EVENTS).sort());
  });

  it("and as a message that never holds variable text", () => {
    for (const [{ event, msg }] of SENTENCES) expect(msg).toBe(EVENTS[event].msg);
  });

  it("with its own fields: others do not compile", () => {
    // @ts-expect-error a field that is missing
    eventOf("state.damaged", { reason: "not JSON" });
    // @ts-expect-error a field that this event does not have
    eventOf("state.unwritable", { reason: "EROFS", file: "/x" });
    // @ts-expect-error no such event
    expect(() => eventOf("no.such", {})).toThrow();
  });
});

describe("an event as a sentence of the journal", () => {
  it.each(SENTENCES)("is one line, without signs, colours and bars: $event", (event, text) => {
    const said = journalSentence(event);
    expect(said).toMatch(/^[A-Za-z]/);
    expect(said).toMatch(/^[^\p{Cc}✓■✗−█░]+$/u);
    // It says no less: each name, id, size and reason of the terminal's sentence is there.
    const words = text.split(/[^\p{L}\p{N}./]+/u).filter((word) => word.length > 3);
    expect(words.filter((word) => !said.includes(word.replace(/[.,]$/, "")))).toEqual([]);
  });

  it.each([
    [
      start({ withoutPressure: true, filesystems: [filesystem({ usedPercent: 40 })] }),
      "A pass starts, whatever the disk says; / 40% full, 50.0 GiB left, 10% of inodes",
    ],
    [gate("live-run", "closed", "service x"), "Gate closed, live runs: service x"],
    [gate("disk-pressure", "open", "under pressure"), "Gate open, disk pressure: under pressure"],
    [gate("converging", "unknown", "timeout"), "Gate not known, services: timeout"],
    [
      eventOf("pass.finished", FINISHED, "info"),
      "pruned: the plan is done; removed 1 container, 2 images in 1m 1s, kept 3; the disk gained 3.0 GiB (the engine says 4.0 GiB); / 40% full, 50.0 GiB left, 10% of inodes",
    ],
  ])("$event", (event, text) => {
    expect(journalSentence(event)).toBe(text);
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
      objectEvent("removed", { ...OBJECT, names: ["\u001b]0;x\u0007\u001b[2J\nforged"] }),
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
    journal.emit(
      eventOf("pass.ended-early", { reason: "told to stop", left: 3, stepsLeft: ["build-cache"] }, "warn"),
    );
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
    [50, 10],
    [100, 20],
    [250, 20],
    [-5, 0],
  ])("of %i %% has %i full cells of 20", (percent, full) => {
    expect(bar(percent)).toBe(`${"█".repeat(full)}${"░".repeat(20 - full)}`);
  });
});
