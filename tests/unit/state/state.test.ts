import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  EMPTY_STATE,
  loadState,
  type PassRecord,
  type State,
  saveState,
  setAside,
} from "../../../agent/state/state.ts";
import { NO_TOTALS } from "../../../agent/state/totals.ts";
import { NOW } from "../support.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "state-"));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const record = (pass: string): PassRecord => ({
  pass,
  startedAt: NOW,
  durationSeconds: 1.5,
  outcome: "pruned",
  exitCode: 0,
  reason: "the plan is done",
  gate: null,
  filesystems: [{ path: "/", usedPercent: 70, availableBytes: 30, totalBytes: 100, inodesUsedPercent: null }],
  freedBytes: -5,
  claimedBytes: 7,
  removed: { container: 1, image: 2, "build-cache": 0 },
  kept: 3,
  failed: 0,
});

/** As this version writes it; `record` is what versions before 0.2 wrote. */
const whole = (pass: string): PassRecord => ({
  ...record(pass),
  filesystems: [
    {
      ...record(pass).filesystems[0]!,
      highWatermarkPercent: 80,
      before: { usedPercent: 90, availableBytes: 10, inodesUsedPercent: 7 },
    },
  ],
  removedBytes: { container: 3, image: 4, "build-cache": 0 },
  objects: [{ kind: "image", fate: "kept", reason: "tagged", count: 3 }],
  rules: [{ list: "retention", name: "ci", matched: 4, removed: 1, failed: 0, keptBytes: null }],
});

const FULL: State = {
  engineRoot: "/var/lib/docker",
  engineVersion: "28.5.1",
  dangling: { "sha256:a": { since: NOW - 1000, lastSeen: NOW } },
  busy: { s1: { since: NOW - 2000, lastSeen: NOW } },
  undated: { "sha256:b": { since: 5, lastSeen: 6 } },
  uses: { "sha256:b": 7 },
  deferrals: { count: 3, since: NOW - 3000 },
  totals: {
    passes: { pruned: 2, deferred: 3 },
    deferred: { lock: 3 },
    deferralsInARow: { lock: 3 },
    objects: [{ kind: "image", fate: "removed", reason: "expired", count: 5 }],
    freedBytes: 7,
    claimedBytes: 9,
    rules: [
      {
        list: "retention",
        name: "snapshots",
        matched: 1,
        removed: 2,
        failed: 3,
        keptBytes: null,
        passes: 4,
        matchedPasses: 3,
      },
    ],
    lastSuccessAt: NOW - 9000,
  },
  passes: [record("1"), whole("2")],
};

const put = (text: string) => writeFileSync(join(dir, "state.json"), text);

describe("what one pass saves", () => {
  it("the next one loads", () => {
    saveState(dir, FULL);
    expect(loadState(dir)).toEqual({ state: FULL, damage: null });
  });

  it("also where it was saved before there were totals", () => {
    const { totals: _, engineVersion: __, ...before } = FULL;
    put(JSON.stringify({ version: 1, ...before }));
    const { state, damage } = loadState(dir);
    expect(damage).toBeNull();
    expect(state).toEqual({ ...FULL, totals: NO_TOTALS, engineVersion: null });
  });

  it("leaves one file and no other", () => {
    saveState(dir, FULL);
    saveState(dir, EMPTY_STATE);
    expect(readdirSync(dir)).toEqual(["state.json"]);
  });

  it("makes the folder when it is absent", () => {
    saveState(join(dir, "a", "b"), FULL);
    expect(loadState(join(dir, "a", "b")).state).toEqual(FULL);
  });

  it("is the last 200 passes, and the oldest go", () => {
    const passes = Array.from({ length: 205 }, (_, at) => record(`${at}`));
    saveState(dir, { ...FULL, passes });
    const { state } = loadState(dir);
    expect([state.passes.length, state.passes[0]?.pass, state.passes.at(-1)?.pass]).toEqual([
      200,
      "5",
      "204",
    ]);
  });

  it("is replaced whole or not at all: when that fails, the old one stands and nothing is left lying", () => {
    // A folder in the place of the file cannot be replaced by one.
    mkdirSync(join(dir, "state.json"));
    writeFileSync(join(dir, "state.json", "x"), "");
    expect(() => saveState(dir, FULL)).toThrow();
    expect(readdirSync(dir)).toEqual(["state.json"]);
  });

  it("throws what the filesystem says where nothing can be written", () => {
    writeFileSync(join(dir, "file"), "");
    expect(() => saveState(join(dir, "file", "state"), FULL)).toThrow("ENOTDIR");
  });
});

describe("a state that is not there", () => {
  it("is empty, and that is no damage", () => {
    expect(loadState(dir)).toEqual({ state: EMPTY_STATE, damage: null });
    expect(loadState(join(dir, "absent"))).toEqual({ state: EMPTY_STATE, damage: null });
  });
});

describe("a state that cannot be understood", () => {
  const saved = () => {
    saveState(dir, FULL);
    return readFileSync(join(dir, "state.json"), "utf8");
  };
  const changed = (changes: object) => JSON.stringify({ ...JSON.parse(saved()), ...changes });

  it.each<readonly [string, () => string]>([
    ["empty", () => ""],
    ["cut off", () => saved().slice(0, -20)],
    ["full of zeros, as after a power cut", () => "\0".repeat(500)],
    ["not an object", () => "[]"],
    ["null", () => "null"],
    ["of another version", () => changed({ version: 2 })],
    ["without its version", () => changed({ version: undefined })],
    ["without its passes", () => changed({ passes: undefined })],
    ["with passes of another shape", () => changed({ passes: [{ pass: "1" }] })],
    ["with a pass that is null", () => changed({ passes: [null] })],
    ["with a pass without its counts", () => changed({ passes: [{ ...record("1"), removed: undefined }] })],
    ["with a pass whose counts are a text", () => changed({ passes: [{ ...record("1"), removed: "3" }] })],
    [
      "with a pass without a filesystem's path",
      () => changed({ passes: [{ ...record("1"), filesystems: [{}] }] }),
    ],
    [
      "with a pass without its reason",
      () => changed({ passes: [record("0"), { ...record("1"), reason: 1 }] }),
    ],
    ...(
      [
        [
          "a watermark in words",
          { filesystems: [{ ...whole("1").filesystems[0], highWatermarkPercent: "80%" }] },
        ],
        ["a start that was not measured", { filesystems: [{ ...whole("1").filesystems[0], before: {} }] }],
        ["a start that is null", { filesystems: [{ ...whole("1").filesystems[0], before: null }] }],
        ["removed bytes that are texts", { removedBytes: { image: "4" } }],
        ["removed bytes that are null", { removedBytes: null }],
        ["counts that are no list", { objects: {} }],
        ["a count without its reason", { objects: [{ kind: "image", fate: "kept", count: 1 }] }],
        ["a count that is null", { objects: [null] }],
        ["a rule without a name", { rules: [{ ...whole("1").rules![0], name: undefined }] }],
        ["a rule whose bytes are a text", { rules: [{ ...whole("1").rules![0], keptBytes: "4" }] }],
      ] as const
    ).map(
      ([what, changes]) =>
        [`with a pass with ${what}`, () => changed({ passes: [{ ...whole("1"), ...changes }] })] as const,
    ),
    ["with a time that is none", () => changed({ dangling: { a: { since: "yesterday", lastSeen: 1 } } })],
    ["with a missing time", () => changed({ busy: { a: { since: 1 } } })],
    ["with deferrals that are no numbers", () => changed({ deferrals: { count: "3", since: null } })],
    ["with an engine root that is no path", () => changed({ engineRoot: 7 })],
    ["with an engine version that is none", () => changed({ engineVersion: 28 })],
    ["with totals that are a list", () => changed({ totals: [] })],
    ["with totals that are null", () => changed({ totals: null })],
    ["with totals without bytes", () => changed({ totals: { ...FULL.totals, freedBytes: undefined } })],
    ["with totals below zero", () => changed({ totals: { ...FULL.totals, claimedBytes: -1 } })],
    ["with a count that is a text", () => changed({ totals: { ...FULL.totals, passes: { pruned: "2" } } })],
    ["with a gate below zero", () => changed({ totals: { ...FULL.totals, deferralsInARow: { lock: -1 } } })],
    ["with objects without a kind", () => changed({ totals: { ...FULL.totals, objects: [{ count: 1 }] } })],
    ["with a rule without its counts", () => changed({ totals: { ...FULL.totals, rules: [{ name: "a" }] } })],
    ["with a success at no time", () => changed({ totals: { ...FULL.totals, lastSuccessAt: "now" } })],
    ["with a number too large", () => saved().replace(/"freedBytes":7/, '"freedBytes":1e999')],
  ])("is read as empty, and said to be damaged: %s", (_, text) => {
    put(text());
    const { state, damage } = loadState(dir);
    expect(state).toEqual(EMPTY_STATE);
    expect(damage).toMatchObject({ kind: "not-understood", reason: expect.stringMatching(/./) });
  });

  it("is set aside under a name with the time, and stays readable there", () => {
    put("{damaged");
    const to = setAside(dir, NOW);
    expect(to).toBe(join(dir, "state.damaged-2026-08-01T120000000Z.json"));
    expect(readFileSync(to ?? "", "utf8")).toBe("{damaged");
    expect(loadState(dir)).toEqual({ state: EMPTY_STATE, damage: null });
  });

  it("and cannot be set aside is no reason to stop", () => {
    expect(setAside(join(dir, "absent"), NOW)).toBeNull();
  });

  it("never throws, whatever stands in the file", () => {
    const inner = fc.oneof(fc.jsonValue(), fc.constant(FULL), fc.constant({ ...FULL, version: 1 }));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          inner.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          put(text);
          const { state, damage } = loadState(dir);
          expect(damage === null ? state : EMPTY_STATE).toEqual(state);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("that is a folder is damage as well", () => {
    mkdirSync(join(dir, "state.json"));
    expect(loadState(dir).damage).toMatchObject({
      kind: "unreadable",
      reason: expect.stringContaining("EISDIR"),
    });
  });
});
