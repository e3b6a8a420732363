import { describe, expect, it } from "vitest";
import {
  curves,
  gapLimit,
  isPassRecord,
  markOf,
  parseSince,
  passesSince,
  stepAt,
  summarize,
} from "../../../agent/state/passes.ts";
import { disk, emptied, pass, week } from "../past-passes.ts";
import { DAY, GiB, HOUR, NOW } from "../support.ts";

describe("since when", () => {
  process.env.TZ = "UTC";
  it.each([
    ["7d", NOW - 7 * DAY * 1000],
    ["1h30m", NOW - 1.5 * HOUR * 1000],
    ["2026-07-31", Date.UTC(2026, 6, 31)],
    ["2026-07-31 03:00", Date.UTC(2026, 6, 31, 3)],
    ["2026-07-31T03:00:05Z", Date.UTC(2026, 6, 31, 3, 0, 5)],
    ["2026-07-31T03:00+02:00", Date.UTC(2026, 6, 31, 1)],
    ["2024-02-29", Date.UTC(2024, 1, 29)],
  ])("%s", (text, at) => {
    expect(parseSince(text, NOW)).toBe(at);
  });

  it.each(
    [
      ["", "yesterday", "7", "2026-13-01", "2026-02-31", "2026-02-29", "2026-8-1", "2026-08-02", "-7d"],
      ["2026-07-31T25:00", "1785542400000", "2026-07-31 03:00 CEST"],
    ].flat(),
  )("not %j", (text) => {
    expect(parseSince(text, NOW)).toBeUndefined();
  });

  it("keeps a pass that had begun before, and sorts by start", () => {
    const long = pass(2, { durationSeconds: 1.5 * DAY });
    const found = passesSince([pass(0.5), long, pass(2)], NOW - DAY * 1000);
    expect(found.map(({ startedAt }) => (NOW - startedAt) / DAY / 1000)).toEqual([2, 0.5]);
  });

  it.each([
    ["before 1970", { startedAt: -1 }],
    ["after the year 3000", { startedAt: 1e15 }],
    ["without an end", { durationSeconds: 1e300 }],
    ["that ends before it starts", { durationSeconds: -1 }],
  ])("leaves out a pass %s, wherever passes are shown", (_, changes) => {
    expect([pass(1), pass(1, changes)].map(isPassRecord)).toEqual([true, false]);
  });
});

describe("what a pass came to, at a glance", () => {
  const some = { container: 1, image: 0, "build-cache": 0 };
  it.each([
    ["quiet", { outcome: "below-watermark" }],
    ["quiet", { outcome: "nothing-eligible" }],
    ["quiet", { outcome: "dry-run" }],
    ["removed", { outcome: "pruned", removed: some }],
    ["deferred", { outcome: "deferred" }],
    ["failed", { outcome: "deferred", exitCode: 69 }],
    ["pressure", { outcome: "pressure-remains", exitCode: 10, removed: some }],
    ["pressure", { outcome: "nothing-eligible", exitCode: 10 }],
    ["failed", { outcome: "failed", exitCode: 69 }],
    ["failed", { outcome: "incomplete", exitCode: 75, removed: some }],
    ["removed", { outcome: "incomplete", exitCode: 0, removed: some }],
    ["deferred", { outcome: "incomplete", exitCode: 0 }],
  ] as const)("%s: %o", (mark, changes) => {
    expect(markOf(pass(1, changes))).toBe(mark);
  });
});

describe("a curve", () => {
  it("breaks where passes are missing, and falls within a pass that removed", () => {
    const [curve, ...others] = curves(week());
    expect(others).toEqual([]);
    expect(curve?.stretches.map((points) => points.map(({ percent }) => percent))).toEqual([
      [52, 66, 79, 84, 84, 88, 88, 91, 58, 73, 82],
    ]);
    const withHole = week().filter(({ startedAt }) => startedAt !== NOW - DAY * 1000);
    expect(curves(withHole)[0]?.stretches.map(({ length }) => length)).toEqual([9, 1]);
  });

  it("is one a filesystem, the fullest now first", () => {
    const [first, second] = [disk(90, { path: "/data" }), disk(20)];
    const found = curves([pass(2, { filesystems: [second] }), pass(1, { filesystems: [second, first] })]);
    expect(found.map(({ path, last }) => [path, last.usedPercent])).toEqual([
      ["/data", 90],
      ["/", 20],
    ]);
  });

  it("has the watermarks that were in force, and none where records are older than that", () => {
    const { highWatermarkPercent: _, ...old } = disk(40);
    const [curve] = curves([
      pass(3, { filesystems: [old] }),
      pass(2, { filesystems: [disk(40)] }),
      pass(1, { filesystems: [disk(40, { highWatermarkPercent: 70, lowWatermarkPercent: 50 })] }),
    ]);
    const at = (daysAgo: number) => NOW - daysAgo * DAY * 1000;
    expect(curve?.marks.high).toEqual([
      { at: at(2), percent: 80 },
      { at: at(1), percent: 70 },
    ]);
    expect([3, 2, 1.5, 1, 0].map((days) => stepAt(curve?.marks.high ?? [], at(days)))).toEqual([
      80, 80, 80, 70, 70,
    ]);
    expect(curve?.marks.low).toEqual([{ at: at(1), percent: 50 }]);
    expect(stepAt([], NOW)).toBeNull();
  });
});

describe("distances between passes", () => {
  const limit = (...days: readonly number[]) => gapLimit(days);
  it("of one day make three a gap, and two none", () => {
    expect(limit(0, 1, 2, 3)).toBe(2.5);
    expect(limit(0, 1, 2, 5)).toBe(2.5);
  });
  it("of minutes, by hand, make no gaps of the days between the others", () => {
    expect(limit(0, 1, 1.01, 1.02, 1.03, 2, 3)).toBeGreaterThan(1);
  });
  it("are too few to tell", () => {
    expect([limit(), limit(0), limit(0, 9)]).toEqual([Infinity, Infinity, Infinity]);
  });
});

describe("the sums", () => {
  it("count outcomes, objects and bytes; what was measured counts for passes that removed", () => {
    expect(summarize([...week(), pass(0, { freedBytes: -3 * GiB })])).toMatchObject({
      passes: 9,
      outcomes: { "below-watermark": 5, deferred: 2, pruned: 1, failed: 1 },
      removed: { container: 12, image: 31, "build-cache": 140 },
      removedBytes: { container: GiB, image: 15 * GiB, "build-cache": 8 * GiB },
      freedBytes: 21 * GiB,
      claimedBytes: 24 * GiB,
    });
  });

  it("hold for passes that never told bytes by kind", () => {
    const { removedBytes: _, ...old } = pass(1, { removed: { image: 2 } });
    expect(summarize([old])).toMatchObject({
      removed: { container: 0, image: 2, "build-cache": 0 },
      removedBytes: { image: 0 },
    });
  });

  it("of nothing are nothing", () => {
    expect(summarize([])).toMatchObject({ passes: 0, from: null, to: null, outcomes: {} });
  });
});

it("a disk that a pass emptied is one pass with two points", () => {
  const [curve] = curves([pass(1, { durationSeconds: HOUR, filesystems: [emptied(90, 60)] })]);
  expect(curve?.stretches).toEqual([
    [
      { at: NOW - DAY * 1000, percent: 90 },
      { at: NOW - (DAY - HOUR) * 1000, percent: 60 },
    ],
  ]);
});
