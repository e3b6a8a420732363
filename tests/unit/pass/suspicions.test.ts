import { describe, expect, it } from "vitest";
import { event, factUnknown } from "../../../agent/log/events.ts";
import { type Seen, suspicions } from "../../../agent/pass/suspicions.ts";
import type { Judged, ReasonCode } from "../../../agent/plan/plan.ts";
import type { PassRecord } from "../../../agent/state/state.ts";
import { pass } from "../past-passes.ts";
import { filesystem, GiB, settingsOf } from "../support.ts";

const SEEN: Seen = { filesystems: [filesystem()], swarm: true, passes: [], plan: null, metricsFolder: null };
const PRESSED = [filesystem({ usedPercent: 90 })];
const FAMILY = { name: "ci", match: { repositories: ["ci/*"] }, keepCount: 3 };

/** The settings that are suspected. */
const suspected = (raw: object, seen: Partial<Seen> = {}) =>
  suspicions(settingsOf(raw), { ...SEEN, ...seen }).map(({ setting }) => setting);

const records = (...changes: readonly object[]) =>
  changes.map((change) => pass(1, change)) as unknown as PassRecord[];
const rules = (...matched: readonly number[]) =>
  records(
    ...matched.map((count) => ({
      rules: [{ list: "retention", name: "ci", matched: count, removed: 0, failed: 0, keptBytes: 0 }],
    })),
  );
const plan = (...reasons: readonly ReasonCode[]) => {
  const objects = reasons.map(
    (because) =>
      ({ kind: "image", action: because === "expired" ? "remove" : "keep", because }) as unknown as Judged,
  );
  const remove = objects.filter(({ action }) => action === "remove");
  return {
    plan: { remove, keep: objects.filter((object) => !remove.includes(object)) },
    rules: [],
    idle: [],
    unread: [],
  };
};
const remains = { outcome: "pressure-remains", exitCode: 10 };
const vain = { outcome: "nothing-eligible", exitCode: 10 };

it("the defaults on a swarm are not suspected, under pressure or not", () => {
  expect(suspected({})).toEqual([]);
  expect(suspected({}, { filesystems: PRESSED })).toEqual([]);
});

describe("suspected", () => {
  it.each<readonly [string, object, Partial<Seen>, string[]]>([
    ["a mark that comes late", { disk: { highWatermark: "95%" } }, {}, ["disk.highWatermark"]],
    [
      "one in bytes, where that is little",
      { disk: { highWatermark: "1GiB free" } },
      {},
      ["disk.highWatermark"],
    ],
    [
      "passes that never get below it",
      {},
      { passes: records(remains, vain, remains) },
      ["disk.highWatermark"],
    ],
    ["no rule for runs", { liveRuns: { services: [] } }, {}, ["liveRuns"]],
    ["rules for services alone, without a swarm", {}, { swarm: false }, ["liveRuns"]],
    [
      "a deploy taken for stuck at once",
      { convergence: { ignoreStuckAfter: "5m" } },
      {},
      ["convergence.ignoreStuckAfter"],
    ],
    ["everything off", { prune: { containers: false, images: false, buildCache: false } }, {}, ["prune"]],
    ["images off, under pressure", { prune: { images: false } }, { filesystems: PRESSED }, ["prune.images"]],
    [
      "two off, under pressure",
      { prune: { images: false, buildCache: false } },
      { filesystems: PRESSED },
      ["prune.images, prune.buildCache"],
    ],
    ["a limit within a pipeline's length", { prune: { until: "59m" } }, {}, ["prune.until"]],
    ["no label that protects", { prune: { keepLabels: [] } }, {}, ["prune.keepLabels"]],
    ["a lock where nobody sees it", { lockFile: "/var/tmp/ci.lock" }, {}, ["lockFile"]],
    [
      "a rule that names nothing, three passes long",
      { retention: [FAMILY] },
      { passes: rules(4, 0, 0, 0) },
      ["retention/ci"],
    ],
    [
      "no folder for metrics",
      { metrics: { textfile: "/x/y.prom" } },
      { metricsFolder: false },
      ["metrics.textfile"],
    ],
  ])("%s", (_, raw, seen, expected) => {
    expect(suspected(raw, seen)).toEqual(expected);
    for (const { why } of suspicions(settingsOf(raw), { ...SEEN, ...seen }))
      expect(why).toMatch(/^\S.*[^.]$/);
  });

  it("the rules of retention, where a size limit of theirs cannot be judged", () => {
    const idle = [factUnknown("the size of retention families", "image a cannot be read")];
    expect(suspicions(settingsOf({}), { ...SEEN, plan: { ...plan(), idle } })).toEqual([
      { setting: "retention", why: "image a cannot be read" },
    ]);
  });

  it("a rule that the plan finds idle, once, in the plan's words", () => {
    const idle = [
      event("pass.ineffective", {
        cause: "rule-matches-nothing",
        reason: "no image carries it",
        policy: "retention/ci",
        labels: ["ci"],
        unlabelledImages: 1,
        unlabelledBytes: 1,
        labelledContainers: 0,
      }),
    ];
    const seen = { ...SEEN, plan: { ...plan(), idle }, passes: rules(0, 0, 0) };
    expect(suspicions(settingsOf({ retention: [FAMILY] }), seen)).toEqual([
      { setting: "retention/ci", why: "no image carries it" },
    ]);
  });
});

describe("not suspected", () => {
  it.each<readonly [string, object, Partial<Seen>]>([
    ["a mark just below", { disk: { highWatermark: "94%" } }, {}],
    [
      "bytes enough",
      { disk: { highWatermark: "20GiB free" } },
      { filesystems: [filesystem({ availableBytes: 50 * GiB })] },
    ],
    ["two passes that did not get below it", {}, { passes: records(remains, remains) }],
    [
      "three, and then one that did",
      {},
      { passes: records(remains, remains, remains, { outcome: "pruned" }) },
    ],
    [
      "deferrals and quiet passes between them do not count",
      {},
      { passes: records(remains, { outcome: "deferred" }, { outcome: "below-watermark" }, remains) },
    ],
    [
      "a lock that launchers hold instead of rules",
      { lockFile: "/run/lock/x", liveRuns: { services: [] } },
      { swarm: false },
    ],
    ["a preset without a swarm", { liveRuns: { presets: ["drone"] } }, { swarm: false }],
    ["an engine that was not reached", {}, { swarm: null }],
    ["images off, without pressure", { prune: { images: false } }, {}],
    [
      "everything off but a rule",
      { prune: { containers: false, images: false, buildCache: false }, retention: [FAMILY] },
      {},
    ],
    ["an hour", { prune: { until: "1h" } }, {}],
    ["ten minutes", { convergence: { ignoreStuckAfter: "10m" } }, {}],
    [
      "everything off but snapshots that do not wait",
      { prune: { containers: false, images: false, buildCache: false }, snapshots: { when: "always" } },
      {},
    ],
    ["a rule that named something lately", { retention: [FAMILY] }, { passes: rules(0, 0, 1, 0, 0) }],
    ["a rule that is new", { retention: [FAMILY] }, { passes: rules(0, 0) }],
    ["a folder for metrics", { metrics: { textfile: "/x/y.prom" } }, { metricsFolder: true }],
  ])("%s", (_, raw, seen) => {
    expect(suspected(raw, seen)).toEqual([]);
  });
});
