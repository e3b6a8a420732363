import { describe, expect, it } from "vitest";
import { Glob } from "../../../agent/settings/globs.ts";
import { type Problem, parseSettings, unfitForService } from "../../../agent/settings/parse.ts";
import { settingsOf } from "../support.ts";

function problemsOf(raw: unknown): readonly Problem[] {
  const parsed = parseSettings(raw);
  expect(parsed.ok).toBe(false);
  return parsed.ok ? [] : parsed.problems;
}

const problemAt = (raw: unknown) => {
  const problems = problemsOf(raw);
  expect(problems).toHaveLength(1);
  return problems[0];
};

const GLOB_OF = (repository: string, tag?: string) => ({
  repository: new Glob(repository),
  tag: tag === undefined ? null : new Glob(tag),
  text: tag === undefined ? repository : `${repository}:${tag}`,
});

/** `nested("disk.highWatermark", 1)` -> `{disk: {highWatermark: 1}}` */
const nested = (path: string, value: unknown): unknown =>
  path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value);

describe("the defaults", () => {
  it("are these, in the units of the program", () => {
    expect(settingsOf({})).toEqual({
      engine: { socketPath: "/run/docker.sock", timeout: 60, deleteTimeout: 600 },
      disk: {
        paths: ["/", "/var/lib/docker", "/var/lib/containerd"],
        pathsNamed: false,
        highWatermark: { kind: "used-percent", percent: 80 },
        lowWatermark: null,
        inodes: true,
      },
      liveRuns: {
        services: ["^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_"],
        containers: [],
        labels: [],
        presets: [],
        ignoreOlderThan: null,
      },
      convergence: { settle: 3, ignoreStuckAfter: null, onWorker: "defer" },
      prune: {
        until: 86_400,
        containers: true,
        images: true,
        buildCache: true,
        emergency: null,
        labels: [],
        keepLabels: [{ key: "ci-docker-prune.keep", value: undefined, text: "ci-docker-prune.keep" }],
        keepImages: [],
        networksAbove: 20,
      },
      deferrals: { warnAfterPasses: 7, warnAfter: 7 * 86_400, failAfter: null },
      retention: [],
      orphans: [],
      snapshots: { ttl: 86_400, keepCount: 5, maxTotalSize: 10e9, when: "pressure" },
      cache: { evict: "never", until: null, unusedFor: 3600, keep: [], local: "keep", groupLabels: [] },
      lockFile: null,
      stateDir: null,
      metrics: { textfile: null },
    });
  });

  it.each(["engine", "disk", "liveRuns", "convergence", "prune", "deferrals", "snapshots", "metrics"])(
    "fill an empty section: %s",
    (section) => {
      expect(settingsOf({ [section]: {} })).toEqual(settingsOf({}));
    },
  );

  it("stand beside what is set", () => {
    const { prune } = settingsOf({ prune: { until: "1h" } });
    expect([prune.until, prune.images, prune.keepLabels.length]).toEqual([3600, true, 1]);
  });
});

describe("what is set", () => {
  it.each<readonly [string, unknown, unknown]>([
    ["engine.timeout", "100ms", 0.1],
    ["engine.timeout", "1h", 3600],
    ["disk.highWatermark", "82.5%", { kind: "used-percent", percent: 82.5 }],
    ["disk.lowWatermark", "1.5 TB free", { kind: "free-bytes", bytes: 1.5e12 }],
    ["disk.inodes", false, false],
    ["disk.inodes", "250000 free", 250_000],
    ["convergence.settle", "0s", 0],
    ["convergence.ignoreStuckAfter", "2d12h", 216_000],
    ["convergence.onWorker", "local-tasks", "local-tasks"],
    ["prune.until", "1s", 1],
    ["prune.until", "2w", 1_209_600],
    ["prune.containers", false, false],
    ["prune.containers", { until: "48h" }, { until: 172_800 }],
    ["prune.images", { until: "1s" }, { until: 1 }],
    [
      "prune.labels",
      ["a", "b=c", "d="],
      [
        { key: "a", value: undefined, text: "a" },
        { key: "b", value: "c", text: "b=c" },
        { key: "d", value: "", text: "d=" },
      ],
    ],
    [
      "prune.emergency",
      { at: "5GiB free", until: "90m" },
      { at: { kind: "free-bytes", bytes: 5 * 2 ** 30 }, until: 5400 },
    ],
    ["prune.keepLabels", [], []],
    ["prune.keepImages", ["acme/**:v?"], [GLOB_OF("acme/**", "v?")]],
    ["prune.keepImages", ["**"], [GLOB_OF("**")]],
    ["prune.networksAbove", 0, 0],
    ["prune.networksAbove", null, null],
    ["liveRuns.presets", ["gitlab-runner", "buildx"], ["gitlab-runner", "buildx"]],
    ["liveRuns.containers", ["^job-"], ["^job-"]],
    ["liveRuns.ignoreOlderThan", "1m", 60],
    ["deferrals.warnAfterPasses", 1, 1],
    ["deferrals.failAfter", "3d", 259_200],
    ["snapshots.keepCount", null, null],
    ["snapshots.maxTotalSize", "20 GiB", 20 * 2 ** 30],
    ["snapshots.when", "always", "always"],
    ["metrics.textfile", "/run/node-exporter/ci.prom", "/run/node-exporter/ci.prom"],
    ["lockFile", "/run/lock/ci", "/run/lock/ci"],
    ["stateDir", "/var/lib/x", "/var/lib/x"],
  ])("%s: %j is understood", (path, raw, expected) => {
    const found = path
      .split(".")
      .reduce<unknown>(
        (value, key) => (value as Record<string, unknown>)[key],
        settingsOf(nested(path, raw)),
      );
    expect(found).toEqual(expected);
  });

  it("names the paths, even where they are the default ones", () => {
    expect(settingsOf({ disk: { paths: ["/"] } }).disk).toMatchObject({ paths: ["/"], pathsNamed: true });
  });
});

describe("what is refused, and why", () => {
  const FLAG_OR_AGE = 'true, false, or an age limit of its own such as {"until": "48h"}';
  const EMERGENCY = 'null, or a mark and a shorter age limit such as {"at": "95%", "until": "1h"}';
  const INODES = 'true, false, or free inodes such as "250000 free"';
  const WATERMARK = 'used space such as "80%", or available space such as "20GiB free"';
  const REFUSED: readonly (readonly [string, unknown, string])[] = [
    ["engine.socketPath", "tcp://h:2375", 'an absolute path such as "/var/lib/docker"'],
    ["engine.socketPath", null, 'an absolute path such as "/var/lib/docker"'],
    ["engine.timeout", "0s", 'a time from "100ms" to "1h"'],
    ["engine.timeout", "61m", 'a time from "100ms" to "1h"'],
    ["engine.timeout", 60, 'a time from "100ms" to "1h"'],
    ["disk.paths", [], "at least one path"],
    ["disk.paths", "/", "a list"],
    ["disk.highWatermark", 80, WATERMARK],
    ["disk.highWatermark", "101%", WATERMARK],
    ["disk.highWatermark", null, WATERMARK],
    ["disk.inodes", "yes", INODES],
    ["disk.inodes", "0 free", INODES],
    ["disk.inodes", 250_000, INODES],
    ["liveRuns.ignoreOlderThan", "59s", 'a time from "1m", or null'],
    ["convergence.settle", "6m", 'a time from "0s" to "5m"'],
    ["convergence.ignoreStuckAfter", "59s", 'a time from "1m", or null'],
    ["convergence.onWorker", "ignore", '"defer" or "local-tasks"'],
    ["prune.until", "999ms", 'a time from "1s" such as "24h"'],
    ["prune.until", "36501d", 'a time from "1s" such as "24h"'],
    ["prune.until", `${"9".repeat(400)}w`, 'a time from "1s" such as "24h"'],
    ["prune.until", null, 'a time from "1s" such as "24h"'],
    ["prune.containers", { until: "999ms" }, FLAG_OR_AGE],
    ["prune.containers", {}, FLAG_OR_AGE],
    ["prune.containers", "48h", FLAG_OR_AGE],
    ["prune.images", { until: "48h", unused: "1d" }, FLAG_OR_AGE],
    ["prune.images", [], FLAG_OR_AGE],
    ["prune.images", null, FLAG_OR_AGE],
    ["prune.buildCache", { until: "48h" }, "true or false"],
    ["prune.emergency", true, EMERGENCY],
    ["prune.emergency", "95%", EMERGENCY],
    ["prune.networksAbove", -1, "a whole number from 0"],
    ["deferrals.warnAfterPasses", 0, "a whole number from 1"],
    ["deferrals.warnAfterPasses", 1.5, "a whole number from 1"],
    ["deferrals.warnAfterPasses", "7", "a whole number from 1"],
    ["retention", null, "a list"],
    ["orphans", {}, "a list"],
    ["snapshots", [], "an object"],
    ["snapshots.ttl", "0s", 'a time from "1s" such as "24h"'],
    ["snapshots.keepCount", 0, "a whole number from 1"],
    ["snapshots.maxTotalSize", "10", 'a size such as "10GB" or "20GiB"'],
    ["snapshots.when", "never", '"always" or "pressure"'],
    ["metrics.textfile", "ci.prom", 'an absolute path that ends in ".prom", or null'],
    ["metrics.textfile", "/x\0.prom", 'an absolute path that ends in ".prom", or null'],
    ["metrics.textfile", "/x.prom.tmp", 'an absolute path that ends in ".prom", or null'],
    ["lockFile", "", 'an absolute path such as "/var/lib/docker"'],
    ["stateDir", "/a\0b", 'an absolute path such as "/var/lib/docker"'],
    ["engine", null, "an object"],
    ["prune", "24h", "an object"],
  ];

  it.each(REFUSED)("%s: %j", (path, raw, expected) => {
    const problem = problemAt(nested(path, raw));
    expect([problem?.path, problem?.expected]).toEqual([path, expected]);
    expect(problem?.found).toBe(
      JSON.stringify(raw).length > 80 ? `${JSON.stringify(raw).slice(0, 79)}…` : JSON.stringify(raw),
    );
  });

  it.each<readonly [string, unknown, string, string]>([
    ["disk.paths", ["/", "data"], "disk.paths[1]", '"data"'],
    ["liveRuns.services", ["^a", "("], "liveRuns.services[1]", '"("'],
    ["liveRuns.services", [""], "liveRuns.services[0]", '""'],
    ["liveRuns.containers", [7], "liveRuns.containers[0]", "7"],
    ["liveRuns.labels", ["=x"], "liveRuns.labels[0]", '"=x"'],
    ["liveRuns.presets", ["jenkins"], "liveRuns.presets[0]", '"jenkins"'],
    ["liveRuns.presets", ["constructor"], "liveRuns.presets[0]", '"constructor"'],
    ["prune.keepLabels", ["a", " b"], "prune.keepLabels[1]", '" b"'],
    ["prune.keepLabels", ["a=*"], "prune.keepLabels[0]", '"a=*"'],
    ["liveRuns.labels", ["ci.?"], "liveRuns.labels[0]", '"ci.?"'],
    ["prune.keepImages", ["Acme"], "prune.keepImages[0]", '"Acme"'],
  ])("an item of a list by its place: %s %j", (path, raw, at, found) => {
    expect(problemAt(nested(path, raw))).toMatchObject({ path: at, found });
  });

  it.each<readonly [string, unknown]>([
    ["null", null],
    ["a list", []],
    ["a text", "{}"],
    ["a number", 1],
  ])("a document that is %s", (_, raw) => {
    expect(problemAt(raw)).toMatchObject({ path: "", expected: "an object" });
  });

  it.each([
    ["", "engnie"],
    ["disk", "high-watermark"],
    ["convergence", "Settle"],
    ["prune", "volumes"],
    ["snapshots", "olderThan"],
  ])("a key that is not one of its section: %s %s", (section, key) => {
    const path = section === "" ? key : `${section}.${key}`;
    const problem = problemAt(nested(path, true));
    expect(problem).toMatchObject({ path, found: "true" });
    expect(problem?.expected).toMatch(/^no such key; the keys here are: \w/);
  });
});

/** A rule that is valid, with changes; a key whose value is `undefined` is not there. */
const changed = (rule: object, changes: object): unknown =>
  JSON.parse(JSON.stringify({ ...rule, ...changes }));
/** `at(rule, "match.labels")`, of a rule as it was parsed. */
const at = (rule: unknown, path: string): unknown =>
  path.split(".").reduce((value, key) => (value as Record<string, unknown>)[key], rule);

const DURATION = (such: string) => `a time from "1s" such as "${such}"`;
const NAME = 'a name such as "ci-snapshots": small letters, digits and inner hyphens, up to 63';
const SIZE = 'a size such as "10GB" or "20GiB"';
const WHEN = '"always" or "pressure"';

describe("a rule of retention", () => {
  const RULE = { name: "workers", match: { repositories: ["acme/worker"] }, olderThan: "24h" };
  const parsed = (changes: object) => settingsOf({ retention: [changed(RULE, changes)] }).retention[0];
  const problems = (changes: object) =>
    problemsOf({ retention: [changed(RULE, changes)] }).map(
      ({ path, found, expected }) => `${path}: found ${found}, expected ${expected}`,
    );

  it("needs a name, a family and one limit; the rest is filled in", () => {
    expect(parsed({})).toEqual({
      name: "workers",
      match: { repositories: [GLOB_OF("acme/worker")], labels: [] },
      olderThan: 86_400,
      keepNewest: 0,
      keepCount: null,
      maxTotalSize: null,
      perGroup: null,
      ttlLabel: null,
      unusedFor: null,
      grace: 3600,
      when: "always",
    });
  });

  const LABEL = { key: "ci.managed", value: "true", text: "ci.managed=true" };
  const GLOB = "an image name";
  const SHOWN = 'an image name as "docker image ls" shows it';
  it.each<readonly [string, object, unknown]>([
    ["name", { name: "7-days" }, "7-days"],
    ["name", { name: "a".repeat(63) }, "a".repeat(63)],
    [
      "match.repositories",
      { match: { repositories: ["localhost:5000/ci/*", "**:build-*", `??????:${"?".repeat(32)}`] } },
      [GLOB_OF("localhost:5000/ci/*"), GLOB_OF("**", "build-*"), GLOB_OF("??????", "?".repeat(32))],
    ],
    ["match.labels", { match: { repositories: ["**"], labels: ["ci.managed=true"] } }, [LABEL]],
    ["match.labels", { match: { repositories: [], labels: ["ci.managed=true"] } }, [LABEL]],
    ["olderThan", { olderThan: "3w" }, 1_814_400],
    ["olderThan", { olderThan: null, keepCount: 1 }, null],
    ["keepNewest", { keepNewest: 3, keepCount: 3 }, 3],
    ["keepCount", { olderThan: undefined, keepCount: 5 }, 5],
    ["maxTotalSize", { olderThan: undefined, maxTotalSize: "1B" }, 1],
    ["maxTotalSize", { maxTotalSize: "1.5 GiB" }, 1.5 * 2 ** 30],
    ["perGroup", { perGroup: "ci.project" }, "ci.project"],
    ["ttlLabel", { olderThan: undefined, ttlLabel: "ci.ttl" }, "ci.ttl"],
    ["unusedFor", { olderThan: undefined, unusedFor: "30d" }, 2_592_000],
    ["grace", { grace: "2h" }, 7200],
    ["when", { when: "pressure" }, "pressure"],
  ])("%s is understood: %j", (path, changes, expected) => {
    expect(at(parsed(changes), path)).toEqual(expected);
  });

  it.each<readonly [string, object, string, string]>([
    ["name", { name: undefined }, "nothing", NAME],
    ["name", { name: "Workers" }, '"Workers"', NAME],
    ["name", { name: "workers-" }, '"workers-"', NAME],
    ["name", { name: "workers\n" }, '"workers\\n"', NAME],
    ["name", { name: "a".repeat(64) }, `"${"a".repeat(64)}"`, NAME],
    ["name", { name: "snapshots" }, '"snapshots"', 'a name other than "snapshots"'],
    ["match", { match: undefined }, "nothing", "an object with repositories, labels or both"],
    ["match", { match: [] }, "[]", "an object with repositories, labels or both"],
    ["match", { match: {} }, "{}", "a family that is named"],
    ["match", { match: { repositories: ["**"] } }, '{"repositories":["**"]}', "a family that is named"],
    [
      "match",
      { match: { repositories: ["acme/*", "*:lat*"] } },
      '{"repositories":["acme/*","*:lat*"]}',
      "a family that is named",
    ],
    ["match.repositories[0]", { match: { repositories: [7] } }, "7", GLOB],
    ["match.repositories[1]", { match: { repositories: ["acme/a", "Acme"] } }, '"Acme"', GLOB],
    [
      "match.repositories[0]",
      { match: { repositories: ["index.docker.io/acme/*"] } },
      '"index.docker.io/acme/*"',
      SHOWN,
    ],
    ["match.repositories[0]", { match: { repositories: ["library/redis"] } }, '"library/redis"', SHOWN],
    ["match.labels[0]", { match: { labels: ["=x"] } }, '"=x"', 'a label "key" or "key=value"'],
    ["match.labels[0]", { match: { labels: ["ci=*"] } }, '"ci=*"', "a label without * and ?"],
    ["match.repository", { match: { repository: ["a"] } }, '["a"]', "no such key; the keys here are: repos"],
    ["olderThan", { olderThan: "0s" }, '"0s"', DURATION("24h")],
    ["unusedFor", { unusedFor: 30 }, "30", DURATION("30d")],
    ["keepNewest", { keepNewest: -1 }, "-1", "a whole number from 0"],
    ["keepNewest", { keepNewest: null }, "null", "a whole number from 0"],
    ["keepNewest", { keepNewest: 3, keepCount: 2 }, "3", "a number that is not above keepCount"],
    ["keepCount", { keepCount: 0 }, "0", "a whole number from 1"],
    ["maxTotalSize", { maxTotalSize: "10" }, '"10"', SIZE],
    ["maxTotalSize", { maxTotalSize: "0.4B" }, '"0.4B"', SIZE],
    ["maxTotalSize", { maxTotalSize: `${"9".repeat(20)}TB` }, `"${"9".repeat(20)}TB"`, SIZE],
    ["perGroup", { perGroup: "ci.project=" }, '"ci.project="', "the key of a label"],
    ["perGroup", { perGroup: "ci.*" }, '"ci.*"', "a label without * and ?"],
    ["ttlLabel", { ttlLabel: " ci.ttl" }, '" ci.ttl"', "the key of a label"],
    ["grace", { grace: null }, "null", DURATION("1h")],
    ["when", { when: "never" }, '"never"', WHEN],
    ["olderThen", { olderThen: "1h" }, '"1h"', "no such key; the keys here are: name, match, olderThan,"],
  ])("%s is refused: %j", (path, changes, found, expected) => {
    const told = `retention[0].${path}: found ${found}, expected ${expected}`;
    expect(problems(changes).map((text) => text.slice(0, told.length))).toEqual([told]);
  });

  it.each<readonly [string, object]>([
    ["no key", { olderThan: undefined }],
    ["null", { olderThan: null }],
    ["nulls", { olderThan: null, keepCount: null, maxTotalSize: null, ttlLabel: null, unusedFor: null }],
    ["what only keeps", { olderThan: undefined, keepNewest: 3, grace: "2h", perGroup: "ci.project" }],
  ])("without a limit is refused, as it was written: %s", (_, changes) => {
    const { found, ...problem } = problemAt({ retention: [changed(RULE, changes)] }) ?? {};
    expect(problem).toEqual({
      path: "retention[0]",
      expected: "a rule with a limit: olderThan, keepCount, maxTotalSize, ttlLabel or unusedFor",
    });
    expect(found?.slice(0, 77)).toBe(JSON.stringify(changed(RULE, changes)).slice(0, 77));
  });

  it("with a limit that is wrong has one", () => {
    expect(problems({ olderThan: undefined, maxTotalSize: "10" })).toEqual([
      `retention[0].maxTotalSize: found "10", expected ${SIZE}`,
    ]);
  });

  it.each<readonly [string, unknown]>([
    ["a text", "workers"],
    ["null", null],
    ["a number", 7],
    ["a list", []],
  ])("that is %s is refused", (_, rule) => {
    expect(problemAt({ retention: [rule] })).toMatchObject({ path: "retention[0]", expected: "an object" });
  });

  it("is told by its place, with everything that is wrong in it", () => {
    const bad = {
      name: "A",
      match: { repositories: ["a//b"], labels: [" x"] },
      keepCount: 0,
      grace: 1,
      x: 1,
    };
    const limitless = { name: "b", match: {} };
    const found = problemsOf({ retention: [RULE, bad, limitless] }).map(({ path }) => path);
    expect(found.sort()).toEqual([
      ...["retention[1].grace", "retention[1].keepCount", "retention[1].match.labels[0]"],
      ...["retention[1].match.repositories[0]", "retention[1].name", "retention[1].x", "retention[2]"],
      ...["retention[2].match"],
    ]);
  });
});

describe("a rule for orphans", () => {
  const RULE = { name: "workers", label: "cascade.managed=true", runningLongerThan: "6h" };
  const problems = (changes: object) => problemsOf({ orphans: [changed(RULE, changes)] });

  it("needs a name, a label and one limit; the rest is filled in", () => {
    expect(settingsOf({ orphans: [RULE] }).orphans).toEqual([
      {
        name: "workers",
        label: { key: "cascade.managed", value: "true", text: "cascade.managed=true" },
        runningLongerThan: 21_600,
        stoppedLongerThan: null,
        stopTimeout: 10,
        when: "always",
      },
    ]);
  });

  it.each<readonly [string, object, unknown]>([
    ["label", { label: "ci" }, { key: "ci", value: undefined, text: "ci" }],
    ["runningLongerThan", { runningLongerThan: null, stoppedLongerThan: "1h" }, null],
    ["stoppedLongerThan", { runningLongerThan: undefined, stoppedLongerThan: "1s" }, 1],
    ["stopTimeout", { stopTimeout: "0s" }, 0],
    ["when", { when: "pressure" }, "pressure"],
  ])("%s is understood: %j", (path, changes, expected) => {
    const [rule] = settingsOf({ orphans: [changed(RULE, changes)] }).orphans;
    expect(at(rule, path)).toEqual(expected);
  });

  it.each<readonly [string, object, string, string]>([
    ["name", { name: "snapshots" }, '"snapshots"', 'a name other than "snapshots"'],
    ["label", { label: undefined }, "nothing", 'a label "key" or "key=value"'],
    ["label", { label: "=true" }, '"=true"', 'a label "key" or "key=value"'],
    ["runningLongerThan", { runningLongerThan: 6 }, "6", DURATION("6h")],
    ["stoppedLongerThan", { stoppedLongerThan: "0ms" }, '"0ms"', DURATION("1h")],
    ["stopTimeout", { stopTimeout: "61m" }, '"61m"', 'a time from "0s" to "1h"'],
    ["labels", { labels: ["ci"] }, '["ci"]', "no such key; the keys here are: name, label,"],
  ])("%s is refused: %j", (path, changes, found, expected) => {
    expect(problems(changes)).toEqual([
      { path: `orphans[0].${path}`, found, expected: expect.stringContaining(expected) },
    ]);
  });

  it.each<readonly [string, object]>([
    ["no key", { runningLongerThan: undefined }],
    ["null", { runningLongerThan: null }],
    ["what is no limit", { runningLongerThan: undefined, stopTimeout: "1h" }],
  ])("without a limit is refused, as it was written: %s", (_, changes) => {
    expect(problems(changes)).toEqual([
      {
        path: "orphans[0]",
        found: JSON.stringify(changed(RULE, changes)),
        expected: "a rule with a limit: runningLongerThan or stoppedLongerThan",
      },
    ]);
  });
});

describe("rules of one list", () => {
  const image = (name: string) => ({ name, match: { labels: ["ci"] }, keepCount: 1 });
  const orphan = (name: string) => ({ name, label: "ci", stoppedLongerThan: "1h" });

  it.each<readonly [string, (name: string) => object]>([
    ["retention", image],
    ["orphans", orphan],
  ])("have a name each: %s", (list, rule) => {
    const expected = "a name that no other rule in the list has";
    expect(problemsOf({ [list]: ["a", "b", "a", "b"].map(rule) })).toEqual([
      { path: `${list}[2].name`, found: '"a"', expected },
      { path: `${list}[3].name`, found: '"b"', expected },
    ]);
  });

  it("have a name each, also beside rules that are wrong in another way", () => {
    const paths = problemsOf({ retention: [image("a"), null, "a", { name: "a", match: 1 }, { name: 1 }] });
    expect(paths.map(({ path }) => path)).toEqual(expect.arrayContaining(["retention[3].name"]));
    expect(paths.filter(({ expected }) => expected.includes("no other rule"))).toHaveLength(1);
  });

  it("may share a name with one of the other list", () => {
    expect(parseSettings({ retention: [image("ci")], orphans: [orphan("ci")] }).ok).toBe(true);
  });
});

describe("all problems are told at once", () => {
  it("each with its path, what was found and what is expected", () => {
    const problems = problemsOf({
      engine: { socketPath: "x", timeout: "never", tls: true },
      disk: { paths: ["/", 3, "y"], highWatermark: 80 },
      liveRuns: { services: ["("], presets: ["jenkins", "drone"] },
      prune: { until: "1 day", volumes: true, images: "no" },
      autoPrune: {},
    });
    expect(problems.map(({ path, found }) => `${path}: ${found}`).sort()).toEqual([
      ...["autoPrune: {}", "disk.highWatermark: 80", "disk.paths[1]: 3", 'disk.paths[2]: "y"'],
      ...['engine.socketPath: "x"', 'engine.timeout: "never"', "engine.tls: true"],
      ...['liveRuns.presets[0]: "jenkins"', 'liveRuns.services[0]: "("', 'prune.images: "no"'],
      ...['prune.until: "1 day"', "prune.volumes: true"],
    ]);
    expect(problems.every(({ expected }) => expected.length > 3)).toBe(true);
  });
});

describe("the low watermark", () => {
  it.each([
    ["80%", "80%"],
    ["80%", "90%"],
    ["20GiB free", "20GiB free"],
    ["20GiB free", "10GiB free"],
  ])("must leave more room than the high one: %s and %s", (highWatermark, lowWatermark) => {
    expect(problemAt({ disk: { highWatermark, lowWatermark } })).toEqual({
      path: "disk.lowWatermark",
      found: JSON.stringify(lowWatermark),
      expected: "a mark that leaves more room than disk.highWatermark",
    });
  });

  it.each([
    ["80%", "79.9%"],
    ["20GiB free", "21GiB free"],
    ["80%", "50GiB free"],
    ["20GiB free", "70%"],
  ])("may stand beside it: %s and %s", (highWatermark, lowWatermark) => {
    expect(parseSettings({ disk: { highWatermark, lowWatermark } }).ok).toBe(true);
  });

  it("is compared with the default, too", () => {
    expect(problemAt({ disk: { lowWatermark: "85%" } })?.path).toBe("disk.lowWatermark");
    expect(problemAt({ cache: { until: "85%" } })?.path).toBe("cache.until");
  });
});

describe("a lock that launchers are to see", () => {
  it.each([
    ["/tmp/ci.lock", ["lockFile"]],
    ["/var/tmp/a/ci.lock", ["lockFile"]],
    ["/run/lock/tmp/ci.lock", []],
    [null, []],
  ])("is not put where services have a folder of their own: %s", (lockFile, paths) => {
    expect(unfitForService(settingsOf({ lockFile })).map(({ path }) => path)).toEqual(paths);
  });
});

describe("what no single key shows", () => {
  it("is told together with everything else that is wrong", () => {
    const problems = problemsOf({ disk: { highWatermark: "70%", lowWatermark: "75%" }, x: 1 });
    expect(problems.map(({ path }) => path).sort()).toEqual(["disk.lowWatermark", "x"]);
  });

  it.each(["__proto__", "constructor", "prototype"])("the inherited name %s is no key", (name) => {
    const rule = `{"name": "a", "${name}": 1, "match": {"labels": ["ci"], "${name}": {}}, "keepCount": 1}`;
    const document = JSON.parse(`{"${name}": 1, "disk": {"${name}": {}}, "retention": [${rule}]}`);
    expect(
      problemsOf(document)
        .map(({ path, expected }) => `${path}: ${expected}`)
        .sort(),
    ).toEqual(
      [name, `disk.${name}`, `retention[0].${name}`, `retention[0].match.${name}`]
        .map((path) => `${path}: no such key`)
        .sort(),
    );
  });
});
