import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../../agent/settings/load.ts";
import { type Problem, parseSettings } from "../../../agent/settings/parse.ts";
import { settingsOf } from "../support.ts";

/** The document of the contract, as other people's scripts have it. */
const CONTRACT = `
{ "engine": { "socketPath": "/run/docker.sock", "timeout": "60s", "deleteTimeout": "10m" },
  "disk": { "paths": ["/", "/var/lib/docker", "/var/lib/containerd"], "highWatermark": "80%", "lowWatermark": null, "inodes": true },
  "liveRuns": { "services": ["^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_"], "containers": [], "labels": [], "presets": [] },
  "convergence": { "settle": "3s", "ignoreStuckAfter": null, "onWorker": "defer" },
  "prune": { "until": "24h", "containers": true, "images": true, "buildCache": true,
             "labels": [], "keepLabels": ["ci-docker-prune.keep"] },
  "retention": [], "orphans": [],
  "snapshots": { "ttl": "24h", "keepCount": 5, "maxTotalSize": "10GB", "when": "pressure" },
  "lockFile": null, "stateDir": null, "metrics": { "textfile": null } }`;

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

/** `nested("disk.highWatermark", 1)` -> `{disk: {highWatermark: 1}}` */
const nested = (path: string, value: unknown): unknown =>
  path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value);

describe("the defaults", () => {
  it("are the document of the contract, but for knowing that nobody named the paths", () => {
    const written = settingsOf(JSON.parse(CONTRACT));
    const defaults = settingsOf({});
    expect({ ...written, disk: { ...written.disk, pathsNamed: false } }).toEqual(defaults);
    expect([written.disk.pathsNamed, defaults.disk.pathsNamed]).toEqual([true, false]);
  });

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
        services: [/^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_/u],
        containers: [],
        labels: [],
        presets: [],
      },
      convergence: { settle: 3, ignoreStuckAfter: null, onWorker: "defer" },
      prune: {
        until: 86_400,
        containers: true,
        images: true,
        buildCache: true,
        labels: [],
        keepLabels: [{ key: "ci-docker-prune.keep", value: undefined, text: "ci-docker-prune.keep" }],
      },
      deferrals: { warnAfterPasses: 7, warnAfter: 7 * 86_400 },
      retention: [],
      orphans: [],
      snapshots: { ttl: 86_400, keepCount: 5, maxTotalSize: 10e9, when: "pressure" },
      lockFile: null,
      stateDir: null,
      metrics: { textfile: null },
    });
  });

  it.each(["engine", "disk", "liveRuns", "convergence", "prune", "deferrals", "metrics"])(
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
    ["engine.socketPath", "/tmp/d.sock", "/tmp/d.sock"],
    ["engine.timeout", "100ms", 0.1],
    ["engine.timeout", "1h", 3600],
    ["disk.highWatermark", "82.5%", { kind: "used-percent", percent: 82.5 }],
    ["disk.highWatermark", "20GiB free", { kind: "free-bytes", bytes: 20 * 2 ** 30 }],
    ["disk.highWatermark", "1.5 TB free", { kind: "free-bytes", bytes: 1.5e12 }],
    ["disk.lowWatermark", "70%", { kind: "used-percent", percent: 70 }],
    ["disk.lowWatermark", "50 GiB free", { kind: "free-bytes", bytes: 50 * 2 ** 30 }],
    ["disk.inodes", false, false],
    ["convergence.settle", "0s", 0],
    ["convergence.settle", "5m", 300],
    ["convergence.ignoreStuckAfter", "1m", 60],
    ["convergence.ignoreStuckAfter", "2d12h", 216_000],
    ["convergence.onWorker", "local-tasks", "local-tasks"],
    ["prune.until", "1s", 1],
    ["prune.until", "1h30m", 5400],
    ["prune.until", "2w", 1_209_600],
    [
      "prune.labels",
      ["a", "b=c", "d="],
      [
        { key: "a", value: undefined, text: "a" },
        { key: "b", value: "c", text: "b=c" },
        { key: "d", value: "", text: "d=" },
      ],
    ],
    ["prune.keepLabels", [], []],
    ["liveRuns.presets", ["gitlab-runner", "buildx"], ["gitlab-runner", "buildx"]],
    ["liveRuns.containers", ["^job-"], [/^job-/u]],
    ["deferrals.warnAfterPasses", 1, 1],
    ["deferrals.warnAfter", "1d", 86_400],
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
  const WATERMARK = 'used space such as "80%", or available space such as "20GiB free"';
  const REFUSED: readonly (readonly [string, unknown, string])[] = [
    ["engine.socketPath", "run/docker.sock", 'an absolute path such as "/var/lib/docker"'],
    ["engine.socketPath", "tcp://h:2375", 'an absolute path such as "/var/lib/docker"'],
    ["engine.socketPath", null, 'an absolute path such as "/var/lib/docker"'],
    ["engine.timeout", "0s", 'a time from "100ms" to "1h"'],
    ["engine.timeout", "61m", 'a time from "100ms" to "1h"'],
    ["engine.timeout", 60, 'a time from "100ms" to "1h"'],
    ["disk.paths", [], "at least one path"],
    ["disk.paths", "/", "a list"],
    ["disk.highWatermark", "80", WATERMARK],
    ["disk.highWatermark", 80, WATERMARK],
    ["disk.highWatermark", 0.8, WATERMARK],
    ["disk.highWatermark", "0%", WATERMARK],
    ["disk.highWatermark", "101%", WATERMARK],
    ["disk.highWatermark", "-1%", WATERMARK],
    ["disk.highWatermark", "20GiB", WATERMARK],
    ["disk.highWatermark", "20 free", WATERMARK],
    ["disk.highWatermark", "0B free", WATERMARK],
    ["disk.highWatermark", "80% free", WATERMARK],
    ["disk.highWatermark", null, WATERMARK],
    ["disk.lowWatermark", "", WATERMARK],
    ["disk.inodes", "yes", "true or false"],
    ["disk.inodes", 1, "true or false"],
    ["liveRuns.services", "^a", "a list"],
    ["convergence.settle", "6m", 'a time from "0s" to "5m"'],
    ["convergence.settle", "-1s", 'a time from "0s" to "5m"'],
    ["convergence.ignoreStuckAfter", "59s", 'a time from "1m", or null'],
    ["convergence.onWorker", "ignore", '"defer" or "local-tasks"'],
    ["prune.until", "0s", 'a time from "1s" such as "24h"'],
    ["prune.until", "999ms", 'a time from "1s" such as "24h"'],
    ["prune.until", "", 'a time from "1s" such as "24h"'],
    ["prune.until", "24", 'a time from "1s" such as "24h"'],
    ["prune.until", "1d1w", 'a time from "1s" such as "24h"'],
    ["prune.until", "101w1w", 'a time from "1s" such as "24h"'],
    ["prune.until", "36501d", 'a time from "1s" such as "24h"'],
    ["prune.until", `${"9".repeat(400)}w`, 'a time from "1s" such as "24h"'],
    ["prune.until", null, 'a time from "1s" such as "24h"'],
    ["prune.containers", null, "true or false"],
    ["deferrals.warnAfterPasses", 0, "a whole number from 1"],
    ["deferrals.warnAfterPasses", 1.5, "a whole number from 1"],
    ["deferrals.warnAfterPasses", "7", "a whole number from 1"],
    ["orphans", null, "a list"],
    ["metrics.textfile", "/x", 'an absolute path that ends in ".prom", or null'],
    ["lockFile", "", 'an absolute path such as "/var/lib/docker"'],
    ["stateDir", "state", 'an absolute path such as "/var/lib/docker"'],
    ["stateDir", "/a\0b", 'an absolute path such as "/var/lib/docker"'],
    ["engine", null, "an object"],
    ["disk", [], "an object"],
    ["prune", "24h", "an object"],
  ];

  it.each(REFUSED)("%s: %j", (path, raw, expected) => {
    const problem = problemAt(nested(path, raw));
    expect([problem?.path, problem?.expected]).toEqual([path, expected]);
    expect(problem?.found).toBe(
      JSON.stringify(raw).length > 80 ? `${JSON.stringify(raw).slice(0, 77)}...` : JSON.stringify(raw),
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
    ["", "pruning"],
    ["engine", "socket"],
    ["disk", "high-watermark"],
    ["liveRuns", "service"],
    ["convergence", "Settle"],
    ["prune", "volumes"],
    ["prune", "all"],
    ["deferrals", "max"],
    ["metrics", "port"],
  ])("a key that is not one of its section: %s %s", (section, key) => {
    const path = section === "" ? key : `${section}.${key}`;
    const problem = problemAt(nested(path, true));
    expect(problem).toMatchObject({ path, found: "true" });
    expect(problem?.expected).toMatch(/^no such key; the keys here are: \w/);
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
      "autoPrune: {}",
      "disk.highWatermark: 80",
      "disk.paths[1]: 3",
      'disk.paths[2]: "y"',
      'engine.socketPath: "x"',
      'engine.timeout: "never"',
      "engine.tls: true",
      'liveRuns.presets[0]: "jenkins"',
      'liveRuns.services[0]: "("',
      'prune.images: "no"',
      'prune.until: "1 day"',
      "prune.volumes: true",
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
  });
});

describe("whatever JSON is handed in", () => {
  const KEYS = [
    ...["engine", "disk", "liveRuns", "convergence", "prune", "deferrals", "metrics", "retention", "orphans"],
    ...["socketPath", "timeout", "paths", "highWatermark", "lowWatermark", "services", "labels", "presets"],
    ...["settle", "until", "keepLabels", "lockFile", "warnAfterPasses", "textfile", "__proto__", "toString"],
  ];
  const leaf = fc.oneof(
    fc.constantFrom(null, true, 0, -1, 1e308, "", "80%", "24h", "20GiB free", "/", "^a", "(", "a=b", "defer"),
    fc.string(),
    fc.double(),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), fc.string()), tie("tree"), { maxKeys: 6 }),
    ),
  }));

  it("the answer is settings or problems, never an exception", () => {
    const seen = { ok: 0, problems: 0 };
    fc.assert(
      fc.property(fc.oneof(tree, fc.jsonValue()), (raw) => {
        const parsed = parseSettings(raw);
        seen[parsed.ok ? "ok" : "problems"]++;
        expect(parsed.ok || parsed.problems.length > 0).toBe(true);
      }),
      { numRuns: 3000, seed: 20260801, examples: [[{}], [{ prune: {} }]] },
    );
    expect(seen.ok).toBeGreaterThan(0);
    expect(seen.problems).toBeGreaterThan(1000);
  });

  it("every problem says where, what and what instead, in short", () => {
    fc.assert(
      fc.property(tree, (raw) => {
        const parsed = parseSettings({ prune: raw, disk: 1 });
        const problems = parsed.ok ? [] : parsed.problems;
        expect(problems.length).toBeGreaterThan(0);
        for (const { found, expected } of problems) {
          expect(found.length).toBeLessThanOrEqual(80);
          expect(expected).not.toBe("");
        }
      }),
    );
  });
});

describe("a settings file", () => {
  const withFile = (content: string | Buffer, look: (path: string) => void) => {
    const dir = mkdtempSync(join(tmpdir(), "settings-"));
    try {
      writeFileSync(join(dir, "s.json"), content);
      look(join(dir, "s.json"));
    } finally {
      rmSync(dir, { recursive: true });
    }
  };

  it("that nobody named gives the defaults", () => {
    expect(loadSettings(undefined)).toEqual(parseSettings({}));
  });

  it("is read, also with a byte order mark in front", () => {
    withFile('\uFEFF{"prune": {"until": "2h"}}', (path) => {
      expect(loadSettings(path)).toMatchObject({ ok: true, settings: { prune: { until: 7200 } } });
    });
  });

  it.each([
    ["empty", ""],
    ["not JSON", "{prune: {}}"],
    ["cut off", '{"prune": {"until": "2h"'],
    ["nested beyond all measure", "[".repeat(200_000)],
  ])("that is %s is a problem, not an exception", (_, content) => {
    withFile(content, (path) => {
      expect(loadSettings(path)).toMatchObject({
        ok: false,
        problems: [{ path: "", expected: "a JSON document" }],
      });
    });
  });

  it("that is not there is a problem which names it", () => {
    const loaded = loadSettings("/nowhere/settings.json");
    expect(loaded).toMatchObject({ ok: false, problems: [{ path: "", expected: "a readable file" }] });
    expect(JSON.stringify(loaded)).toContain("/nowhere/settings.json");
  });

  it("that is a folder is a problem", () => {
    expect(loadSettings("/")).toMatchObject({ ok: false, problems: [{ expected: "a readable file" }] });
  });
});

describe("what no single key shows", () => {
  const problemsOf = (document: unknown) => {
    const parsed = parseSettings(document);
    return parsed.ok ? [] : parsed.problems.map(({ path }) => path).sort();
  };

  it("is told together with everything else that is wrong", () => {
    expect(problemsOf({ disk: { highWatermark: "70%", lowWatermark: "75%" }, x: 1 })).toEqual([
      "disk.lowWatermark",
      "x",
    ]);
  });

  it.each(["__proto__", "constructor", "prototype"])("the inherited name %s is no key", (name) => {
    expect(problemsOf(JSON.parse(`{"${name}": 1, "disk": {"${name}": {}}}`))).toEqual(
      [`${name}`, `disk.${name}`].sort(),
    );
  });
});
