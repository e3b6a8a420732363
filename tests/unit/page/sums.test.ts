import { beforeAll, describe, expect, it } from "vitest";
import {
  deferralsByGate,
  largest,
  removedOverTime,
  roundUp,
  rulesOverTime,
} from "../../../agent/page/sums.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { pass, week } from "../history/support.ts";
import { DAY, GiB, NOW } from "../support.ts";

beforeAll(() => {
  process.env.TZ = "UTC";
});
const MS = DAY * 1000;

describe("what was removed over time", () => {
  it("is by days, empty ones included, each pass in the day it began", () => {
    const buckets = removedOverTime(week(), NOW - 7 * MS, NOW);
    expect(buckets).toHaveLength(8);
    expect(buckets.map(({ objects }) => objects)).toEqual([0, 0, 0, 0, 183, 0, 0, 0]);
    expect(buckets[4]).toMatchObject({
      from: Date.UTC(2026, 6, 29),
      to: Date.UTC(2026, 6, 30),
      bytes: { container: GiB, image: 15 * GiB, "build-cache": 8 * GiB },
      untold: 0,
    });
  });

  it("is by weeks from Monday on where days would be too many", () => {
    const buckets = removedOverTime([pass(0.1, { removed: { image: 3 } })], NOW - 100 * MS, NOW);
    expect(buckets.length).toBeLessThan(17);
    expect(buckets.every(({ from }) => new Date(from).getUTCDay() === 1)).toBe(true);
    expect(buckets.at(-1)?.objects).toBe(3);
    expect(removedOverTime([], NOW - 62 * MS, NOW)).toHaveLength(63);
  });

  it("counts passes that told no kinds by themselves", () => {
    const { removedBytes: _, ...old } = pass(0, { claimedBytes: 7, removed: { image: 1 } });
    expect(removedOverTime([old], NOW, NOW)).toMatchObject([{ untold: 7, objects: 1, bytes: { image: 0 } }]);
  });
});

describe("why passes were put off", () => {
  it("is by gate, with how often each reason, whatever the time it names", () => {
    const converging = (seconds: string) =>
      pass(1, {
        outcome: "deferred",
        gate: "converging",
        reason: `a service is converging: web (0 of 1 tasks run, for ${seconds})`,
      });
    const found = deferralsByGate([
      ...week(),
      ...["5h", "2d 4h", "800ms"].map(converging),
      pass(0.5, {
        outcome: "deferred",
        gate: "converging",
        reason: "a service is converging: db (update paused)",
      }),
    ]);
    expect(found.map(({ gate, count }) => [gate, count])).toEqual([
      ["converging", 5],
      ["live-run", 1],
    ]);
    expect(found[0]?.reasons).toEqual([
      { reason: "a service is converging: web (0 of 1 tasks run)", count: 4 },
      { reason: "a service is converging: db (update paused)", count: 1 },
    ]);
    expect(found[0]?.last).toBe(NOW - 0.5 * MS);
  });

  it("counts a pass that a run ended, and none below the watermark", () => {
    expect(
      deferralsByGate([
        pass(1),
        pass(1, { outcome: "incomplete", gate: "live-run", reason: "ended in mid-pass: x" }),
      ]),
    ).toMatchObject([{ gate: "live-run", count: 1 }]);
  });
});

it("a rule's passes are added up; what it names, and holds, is the last one's", () => {
  const rule = (matched: number, removed: number, keptBytes: number | null) =>
    ({ list: "retention", name: "ci", matched, removed, failed: 1, keptBytes }) as const;
  expect(
    rulesOverTime([pass(2, { rules: [rule(9, 4, 5)] }), pass(1), pass(0, { rules: [rule(5, 1, null)] })]),
  ).toEqual([{ policy: "retention/ci", removed: 5, failed: 2, matched: 5, keptBytes: null }]);
});

it("the largest are the largest, each once, and none whose size is not known", () => {
  const object = (id: string, sizeBytes: number | null) =>
    ({ kind: "image", id, sizeBytes }) as unknown as Judged;
  const found = largest(
    [object("a", 5), object("b", null), object("c", 9), object("a", 5), object("d", 0), object("e", 7)],
    2,
  );
  expect(found.map(({ id }) => id)).toEqual(["c", "e"]);
});

it.each([
  [0, 1],
  [1, 1],
  [3, 4],
  [1000, 1024],
  [1025, 2 * 1024],
  [24 * GiB, 30 * GiB],
  [1023 * GiB, 1024 * GiB],
])("a scale for %i bytes ends at %i", (bytes, top) => {
  expect(roundUp(bytes)).toBe(top);
});
