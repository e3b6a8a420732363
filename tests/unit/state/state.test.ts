import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { appendPasses, readLines } from "../../../agent/state/pass-log.ts";
import { loadPasses } from "../../../agent/state/passes.ts";
import {
  type Core,
  EMPTY_STATE,
  loadCore,
  loadState,
  NO_DEFERRALS,
  type PassRecord,
  type State,
  setAside,
  updateCore,
  updateState,
} from "../../../agent/state/state.ts";
import { NO_TOTALS } from "../../../agent/state/totals.ts";
import { testFolder } from "../folder.ts";
import { program } from "../program.ts";
import { NOW } from "../support.ts";

let dir: string;

beforeEach(() => {
  dir = testFolder();
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
  containerdRoot: null,
  engineAskedAt: 5,
  clock: { at: 1, bootId: "b", uptime: 2 },
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
  cache: {
    ...{ at: NOW, uses: 5, warmUses: 4, evictions: 3, regrets: 2 },
    ...{ since: 1, gapSeconds: 0, workingSetBytes: 9 },
  },
};

const path = (name: string) => join(dir, name);
const put = (text: string, name = "state.json") => writeFileSync(path(name), text);
const save = (state: State, pass = whole("2")) => updateState(dir, pass, () => state);
const passes = () => loadPasses(dir).passes.map(({ pass }) => pass);
/** As versions before 0.2 kept it: one file for all. */
const inOneFile = (changes: object = {}) =>
  JSON.stringify({ version: 1, ...FULL, passes: [record("1"), whole("2")], ...changes });

describe("what one pass saves", () => {
  it("the next one loads", () => {
    save(FULL);
    expect(loadState(dir)).toEqual({ state: FULL, damage: null, earlier: [] });
    expect(loadPasses(dir)).toEqual({ passes: [whole("2")], unreadable: null });
  });

  it("lies in a folder that other users cannot open, since it is also the default lock", () => {
    const made = join(dir, "made");
    updateState(made, whole("1"), () => FULL);
    expect((statSync(made).mode & 0o777).toString(8)).toBe("750");
  });

  it("is changed as it stands by then, and what nobody changed stays", () => {
    save(FULL);
    const after = updateState(dir, record("3"), (before) => ({ ...before, uses: { c: 8 } }));
    expect(after).toEqual({ ...FULL, uses: { c: 8 } });
    expect(loadState(dir).state).toEqual(after);
    expect(passes()).toEqual(["2", "3"]);
  });

  it("is for a quiet pass a small file, whatever there is on the host", () => {
    const dangling = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, at) => [`sha256:${at}`, { since: 1, lastSeen: 2 }]),
    );
    save({ ...FULL, dangling });
    const before = statSync(path("sightings.json"));
    expect(statSync(path("state.json")).size).toBeLessThan(2048);
    const { dangling: _, busy: __, undated: ___, uses: ____, ...core } = FULL;
    expect(loadCore(dir)).toEqual(core);
    const next = updateCore(dir, record("3"), (old) => ({ ...old, engineRoot: "/new" }));
    expect(loadState(dir).state).toEqual({ ...FULL, ...next, dangling });
    expect(statSync(path("sightings.json")).ino).toBe(before.ino);
    expect(passes()).toEqual(["2", "3"]);
  });

  it("is for a quiet pass after others one line that is overwritten, and nothing is lost when the state is written", () => {
    const count = (state: State) => [state.totals.passes["below-watermark"], state.totals.lastSuccessAt];
    const quiet = (endedAt: number) => (before: Core) => ({
      ...before,
      totals: {
        ...before.totals,
        passes: {
          ...before.totals.passes,
          "below-watermark": (before.totals.passes["below-watermark"] ?? 0) + 1,
        },
        lastSuccessAt: endedAt,
      },
    });
    save({ ...FULL, deferrals: NO_DEFERRALS });
    const { ino } = statSync(path("state.json"));
    for (let time = 1; time <= 3; time++) updateCore(dir, record(`q${time}`), quiet(NOW + time));
    expect(statSync(path("state.json")).ino).toBe(ino);
    expect(statSync(path("quiet-passes")).size).toBe(64);
    expect(count(loadState(dir).state)).toEqual([3, NOW + 3]);
    expect(loadCore(dir)?.totals).toEqual(loadState(dir).state.totals);
    // Another pass writes the state, with those in it.
    expect(count(updateState(dir, record("r"), (before) => ({ ...before, uses: {} })))).toEqual([3, NOW + 3]);
    expect(statSync(path("state.json")).ino).not.toBe(ino);
    expect(count(loadState(dir).state)).toEqual([3, NOW + 3]);
    updateCore(dir, record("q4"), quiet(NOW + 4));
    updateCore(dir, record("q5"), quiet(NOW + 5));
    expect(count(loadState(dir).state)).toEqual([5, NOW + 5]);
    // What cannot be understood counts nothing.
    put("damaged\n", "quiet-passes");
    expect(count(loadState(dir).state)).toEqual([3, NOW + 3]);
    updateCore(dir, record("q6"), quiet(NOW + 6));
    expect(count(loadState(dir).state)).toEqual([4, NOW + 6]);
    // Deferrals that end are written.
    save(FULL);
    updateCore(dir, record("q7"), (before) => ({ ...quiet(NOW + 7)(before), deferrals: NO_DEFERRALS }));
    expect(loadState(dir).state.deferrals).toEqual(NO_DEFERRALS);
  });

  it("makes the folder when it is absent, and leaves no other files", () => {
    updateState(path("a/b"), record("1"), () => FULL);
    updateState(path("a/b"), record("2"), () => EMPTY_STATE);
    expect(loadState(path("a/b")).state).toEqual(EMPTY_STATE);
    expect(readdirSync(path("a/b")).sort()).toEqual(["passes.jsonl", "sightings.json", "state.json"]);
  });

  it("is replaced whole or not at all: when that fails, the old one stands and nothing is left lying", () => {
    mkdirSync(path("state.json"));
    expect(() => save(FULL)).toThrow(/state.json is a folder/);
    expect(readdirSync(dir)).toEqual(["state.json"]);
  });

  it("throws what the filesystem says where nothing can be written", () => {
    put("", "file");
    expect(() => updateState(path("file/state"), record("1"), () => FULL)).toThrow("ENOTDIR");
  });

  it.runIf(process.getuid?.() === 0)("as root with a strict umask is the service's to read and write", () => {
    chownSync(dir, 65_534, 65_534);
    const umask = process.umask(0o077);
    try {
      save(FULL);
    } finally {
      process.umask(umask);
    }
    for (const name of readdirSync(dir)) {
      const { uid, mode } = statSync(path(name));
      expect([name, uid, (mode & 0o777).toString(8)]).toEqual([name, 65_534, "644"]);
    }
  });

  it("is complete after passes that end together", async () => {
    const file = program(`
      import { updateState } from "./agent/state/state.ts";
      const [, , dir, name, record] = process.argv;
      for (let k = 0; k < 20; k++) updateState(dir, { ...JSON.parse(record), pass: name + k },
        (state) => ({ ...state, totals: { ...state.totals, freedBytes: state.totals.freedBytes + 1 } }));`);
    const run = (name: string) =>
      new Promise((resolve) =>
        spawn(process.execPath, [file, dir, name, JSON.stringify(record(""))], {
          stdio: "inherit",
        }).once("exit", resolve),
      );
    expect(await Promise.all(["a", "b"].map(run))).toEqual([0, 0]);
    expect(loadState(dir).state.totals.freedBytes).toBe(40);
    expect(new Set(passes()).size).toBe(40);
  });
});

describe("the passes that reports read", () => {
  it("are the last 200, and the file does not grow for ever", () => {
    const fat = (pass: string) => ({ ...record(pass), reason: "x".repeat(10_000) });
    const ten = (from: number) => Array.from({ length: 10 }, (_, nth) => `${from + nth}`);
    for (let at = 0; at < 230; at += 10) appendPasses(dir, ten(at).map(fat));
    expect(statSync(path("passes.jsonl")).size).toBeLessThan(1024 * 1024 + 110_000);
    expect(passes().at(-1)).toBe("229");
    for (let at = 230; at < 500; at += 10) appendPasses(dir, ten(at).map(record));
    expect([passes().length, passes()[0], passes().at(-1)]).toEqual([200, "300", "499"]);
  });

  it("gives way where it is larger than any of ours, and is as long as before with the next pass", () => {
    writeFileSync(path("passes.jsonl"), "");
    truncateSync(path("passes.jsonl"), 300 * 1024 * 1024);
    appendPasses(dir, [record("1")]);
    appendPasses(dir, [record("2")]);
    expect(readLines(dir).map((line) => JSON.parse(line).pass)).toEqual(["1", "2"]);
  });

  it("leave out lines that nobody understands", () => {
    save(FULL, record("1"));
    const lines = [{ ...record("x"), reason: 1 }, [null], { pass: "x" }].map((line) => JSON.stringify(line));
    writeFileSync(path("passes.jsonl"), `${lines.join("\n")}\n{"pass":"cut off`, { flag: "a" });
    updateState(dir, record("2"), (state) => state);
    expect(passes()[0]).toBe("1");
    updateState(dir, record("3"), (state) => state);
    expect(passes()).toEqual(["1", "3"]);
  });

  it("say why where they cannot be read", () => {
    mkdirSync(path("passes.jsonl"));
    expect(loadPasses(dir)).toMatchObject({ passes: [], unreadable: expect.stringMatching(/is a folder/) });
  });
});

describe("a state of a version before 0.2", () => {
  it("is read as it is, and its passes too", () => {
    put(inOneFile());
    expect(loadState(dir)).toMatchObject({ state: FULL, damage: null });
    expect(passes()).toEqual(["1", "2"]);
    put(inOneFile({ totals: undefined, engineVersion: undefined, undated: undefined, uses: undefined }));
    const { state, damage } = loadState(dir);
    expect(damage).toBeNull();
    expect(state).toEqual({
      ...FULL,
      totals: NO_TOTALS,
      engineVersion: null,
      undated: {},
      uses: {},
    });
  });

  it("is divided by the next pass, which is not a quiet one; nothing is lost", () => {
    put(inOneFile());
    expect(loadCore(dir)).toBeNull();
    expect(updateState(dir, record("3"), (before) => before)).toEqual(FULL);
    expect(readdirSync(dir).sort()).toEqual(["passes.jsonl", "sightings.json", "state.json"]);
    expect(loadState(dir)).toEqual({ state: FULL, damage: null, earlier: [] });
    expect(passes()).toEqual(["1", "2", "3"]);
    expect(loadCore(dir)).not.toBeNull();
  });
});

describe("a state that is not there", () => {
  it("is empty, and that is no damage", () => {
    for (const where of [dir, path("absent")]) {
      expect(loadState(where)).toEqual({ state: EMPTY_STATE, damage: null, earlier: [] });
      expect(loadPasses(where)).toEqual({ passes: [], unreadable: null });
    }
  });
});

describe("a state that cannot be understood", () => {
  const saved = (name = "state.json") => {
    save(FULL);
    return readFileSync(path(name), "utf8");
  };
  const changed = (changes: object) => JSON.stringify({ ...JSON.parse(saved()), ...changes });
  const totals = (changes: object) => changed({ totals: { ...FULL.totals, ...changes } });

  it.each<readonly [string, () => string]>([
    ["empty", () => ""],
    ["cut off", () => saved().slice(0, -20)],
    ["full of zeros, as after a power cut", () => "\0".repeat(500)],
    ["not an object", () => "[]"],
    ["null", () => "null"],
    ["of another version", () => changed({ version: 3 })],
    ["without its version", () => changed({ version: undefined })],
    ["an old one without its passes", () => inOneFile({ passes: undefined })],
    ["an old one with a time that is none", () => inOneFile({ dangling: { a: { since: "yesterday" } } })],
    ["with deferrals that are no numbers", () => changed({ deferrals: { count: "3", since: null } })],
    ["with an engine root that is no path", () => changed({ engineRoot: 7 })],
    ["with an engine version that is none", () => changed({ engineVersion: 28 })],
    ["with totals that are a list", () => changed({ totals: [] })],
    ["with totals that are null", () => changed({ totals: null })],
    ["with totals without bytes", () => totals({ freedBytes: undefined })],
    ["with totals below zero", () => totals({ claimedBytes: -1 })],
    ["with a count that is a text", () => totals({ passes: { pruned: "2" } })],
    ["with a gate below zero", () => totals({ deferralsInARow: { lock: -1 } })],
    ["with objects without a kind", () => totals({ objects: [{ count: 1 }] })],
    ["with a rule without its counts", () => totals({ rules: [{ name: "a" }] })],
    ["with a success at no time", () => totals({ lastSuccessAt: "now" })],
    ["with a number too large", () => saved().replace(/"freedBytes":7/, '"freedBytes":1e999')],
  ])("is read as empty, and said to be damaged: %s", (_, text) => {
    put(text());
    rmSync(path("sightings.json"), { force: true });
    const { state, damage } = loadState(dir);
    expect(state).toEqual(EMPTY_STATE);
    expect(damage).toMatchObject({ kind: "not-understood", reason: expect.stringMatching(/state\.json/) });
    expect(loadCore(dir)).toBeNull();
    expect(() => updateState(dir, record("1"), () => FULL)).toThrow(damage?.reason);
  });

  it.each([
    ["cut off", (text: string) => text.slice(0, -5)],
    ["with a missing time", () => JSON.stringify({ dangling: {}, busy: { a: { since: 1 } } })],
    ["with sightings that are a list", () => JSON.stringify({ dangling: [], busy: {} })],
    ["with uses at no time", () => JSON.stringify({ dangling: {}, busy: {}, uses: { a: "now" } })],
  ])("nor its sightings: %s", (_, spoil) => {
    put(spoil(saved("sightings.json")), "sightings.json");
    const { state, damage } = loadState(dir);
    expect(damage).toMatchObject({
      kind: "not-understood",
      reason: expect.stringMatching(/sightings\.json/),
    });
    expect(state).toEqual({ ...FULL, dangling: {}, busy: {}, undated: {}, uses: {} });
    expect(setAside(dir, NOW)).toBe(path("sightings.damaged-2026-08-01T120000000Z.json"));
    expect(loadState(dir).damage).toBeNull();
  });

  it("is set aside under a name with the time, and stays readable there", () => {
    put("{damaged");
    const to = setAside(dir, NOW);
    expect(to).toBe(path("state.damaged-2026-08-01T120000000Z.json"));
    expect(readFileSync(to ?? "", "utf8")).toBe("{damaged");
    expect(loadState(dir)).toEqual({ state: EMPTY_STATE, damage: null, earlier: [] });
  });

  it("and cannot be set aside is no reason to stop", () => {
    expect(setAside(path("absent"), NOW)).toBeNull();
  });

  it("never throws, whatever stands in the file", () => {
    const inner = fc.oneof(fc.jsonValue(), fc.constant(FULL), fc.constant({ ...FULL, version: 2 }));
    const text = fc.oneof(
      fc.string(),
      inner.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, text, (one, two) => {
        put(one);
        put(two, "sightings.json");
        put(two, "passes.jsonl");
        expect(() => [loadState(dir), loadPasses(dir), loadCore(dir)]).not.toThrow();
      }),
      { numRuns: 50 },
    );
  });

  it("is one that every user may write to, and it is not trusted", () => {
    save(FULL);
    chmodSync(path("state.json"), 0o666);
    expect(loadState(dir).damage).toMatchObject({
      kind: "not-understood",
      reason: expect.stringMatching(/every user may write/),
    });
    expect(loadCore(dir)).toBeNull();
  });

  it("is left where it is where it is no file, or a link", () => {
    mkdirSync(path("state.json"));
    expect(loadState(dir).damage).toMatchObject({
      kind: "unreadable",
      reason: expect.stringMatching(/is a folder/),
    });
    expect(setAside(dir, NOW)).toBeNull();
    rmSync(path("state.json"), { recursive: true });
    symlinkSync("/etc/passwd", path("state.json"));
    expect(loadState(dir).damage).toMatchObject({
      kind: "unreadable",
      reason: expect.stringMatching(/ELOOP/),
    });
    rmSync(path("state.json"));
    execFileSync("mkfifo", [path("state.json")]);
    expect(loadState(dir).damage).toMatchObject({
      kind: "unreadable",
      reason: expect.stringMatching(/is a FIFO/),
    });
  });
});
