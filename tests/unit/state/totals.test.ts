import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PassFinished } from "../../../agent/log/events.ts";
import { NONE_OF_EACH } from "../../../agent/plan/plan.ts";
import { allRules } from "../../../agent/settings/rules.ts";
import { NO_DEFERRALS } from "../../../agent/state/state.ts";
import { addToTotals, isTotals, NO_TOTALS, type Totals } from "../../../agent/state/totals.ts";
import { finished, GiB, NOW, settingsOf } from "../support.ts";

const SETTINGS = settingsOf({
  retention: [{ name: "sha-tags", match: { repositories: ["ci/app"] }, keepCount: 3 }],
  orphans: [{ name: "workers", label: "ci.worker", stoppedLongerThan: "1h" }],
});

/** Adds passes one after the other, each a minute after the one before. */
function totalled(...passes: readonly Partial<PassFinished>[]): Totals {
  let deferrals = 0;
  return passes.reduce<Totals>((totals, changes, at) => {
    const pass = finished(changes);
    const next = addToTotals(
      { totals, deferrals: { count: deferrals } },
      pass,
      allRules(SETTINGS),
      NOW + at * 60_000,
    );
    deferrals = pass.deferralsInARow;
    return next;
  }, NO_TOTALS);
}

const deferred = (gate: PassFinished["gate"], deferralsInARow: number): Partial<PassFinished> => ({
  outcome: "deferred",
  gate,
  deferralsInARow,
});

describe("totals count over passes", () => {
  it("what each came to", () => {
    const { passes } = totalled({}, { outcome: "failed", exitCode: 69 }, {}, { outcome: "pruned" });
    expect(passes).toEqual({ "below-watermark": 2, failed: 1, pruned: 1 });
  });

  it("removed and failed objects by kind and rule, and none that stayed", () => {
    const { objects } = totalled(
      {
        objects: [
          { kind: "image", fate: "removed", reason: "expired", count: 2 },
          { kind: "image", fate: "kept", reason: "young", count: 9 },
          { kind: "container", fate: "removed", reason: "expired", count: 1 },
        ],
      },
      {
        objects: [
          { kind: "image", fate: "removed", reason: "expired", count: 3 },
          { kind: "image", fate: "failed", reason: "refused", count: 1 },
          { kind: "image", fate: "gone", reason: "expired", count: 4 },
        ],
      },
    );
    expect(objects).toEqual([
      { kind: "image", fate: "removed", reason: "expired", count: 5 },
      { kind: "container", fate: "removed", reason: "expired", count: 1 },
      { kind: "image", fate: "failed", reason: "refused", count: 1 },
    ]);
  });

  it("the space gained, when something was removed and there was a gain", () => {
    const removed = { ...NONE_OF_EACH, image: 1 };
    const { freedBytes, claimedBytes } = totalled(
      { freedBytes: GiB, claimedBytes: 2 * GiB, removed },
      // Others wrote more than went: a counter never goes back.
      { freedBytes: -5 * GiB, claimedBytes: GiB, removed },
      // Nothing was removed: whatever came free is not ours.
      { freedBytes: 7 * GiB },
    );
    expect([freedBytes, claimedBytes]).toEqual([GiB, 3 * GiB]);
  });

  it("deferrals by gate: all there ever were, and those in a row", () => {
    const { deferred: ever, deferralsInARow } = totalled(
      deferred("lock", 1),
      {},
      deferred("live-run", 1),
      deferred("live-run", 2),
      // Says nothing about the row.
      { outcome: "failed", exitCode: 69, deferralsInARow: 2 },
      deferred("converging", 3),
    );
    expect(ever).toEqual({ lock: 1, "live-run": 2, converging: 1 });
    expect(deferralsInARow).toEqual({ "live-run": 2, converging: 1 });
  });

  it("a deferral without pressure, which is no part of the row, only among all", () => {
    const { deferred: ever, deferralsInARow } = totalled(deferred("lock", 0));
    expect([ever, deferralsInARow]).toEqual([{ lock: 1 }, {}]);
  });

  it("a row ends with a pass that was not deferred", () => {
    expect(totalled(deferred("lock", 1), deferred("lock", 2), {}).deferralsInARow).toEqual({});
  });
});

describe("the last success", () => {
  it.each<readonly [string, Partial<PassFinished>, boolean]>([
    ["nothing to do", {}, true],
    ["pruned", { outcome: "pruned" }, true],
    ["nothing eligible, without pressure", { outcome: "nothing-eligible" }, true],
    ["nothing eligible under pressure", { outcome: "nothing-eligible", exitCode: 10 }, false],
    ["deferred", { outcome: "deferred", gate: "lock", deferralsInARow: 1 }, false],
    ["cut short by a run that started", { outcome: "incomplete", gate: "live-run" }, false],
    ["failed", { outcome: "failed", exitCode: 69 }, false],
  ])("%s: %s", (_, changes, success) => {
    expect(totalled({}, changes).lastSuccessAt).toBe(success ? NOW + 60_000 : NOW);
  });

  it("is none before there was one", () => {
    expect(totalled({ outcome: "failed", exitCode: 69 }).lastSuccessAt).toBeNull();
  });
});

describe("rules", () => {
  const report = (changes: Partial<PassFinished["rules"][number]> = {}) => ({
    list: "retention" as const,
    name: "sha-tags",
    matched: 0,
    removed: 0,
    failed: 0,
    keptBytes: null,
    ...changes,
  });

  it("have one entry each, in the order of the settings, snapshots included, before a pass went by them", () => {
    const unseen = { matched: null, keptBytes: null, passes: 0, matchedPasses: 0, removed: 0, failed: 0 };
    expect(totalled({}).rules).toEqual([
      { list: "retention", name: "sha-tags", ...unseen },
      { list: "retention", name: "snapshots", ...unseen },
      { list: "orphans", name: "workers", ...unseen },
    ]);
  });

  it("keep what they matched last, and count passes, matches, removals and failures", () => {
    const { rules } = totalled(
      { rules: [report({ matched: 5, removed: 2, failed: 1, keptBytes: 3 * GiB })] },
      { rules: [report()] },
      { rules: [report({ matched: 4, removed: 1, keptBytes: GiB })] },
      // Below the watermark no rule is looked at.
      {},
    );
    expect(rules[0]).toEqual({
      list: "retention",
      name: "sha-tags",
      matched: 4,
      keptBytes: GiB,
      passes: 3,
      matchedPasses: 2,
      removed: 3,
      failed: 1,
    });
    expect(rules[1]).toMatchObject({ passes: 0 });
  });

  it("of one name in two lists are two", () => {
    const settings = settingsOf({
      retention: [{ name: "ci", match: { labels: ["ci"] }, keepCount: 3 }],
      orphans: [{ name: "ci", label: "ci", stoppedLongerThan: "1h" }],
    });
    const pass = finished({ rules: [report({ list: "orphans", name: "ci", matched: 1 })] });
    const { rules } = addToTotals(
      { totals: NO_TOTALS, deferrals: NO_DEFERRALS },
      pass,
      allRules(settings),
      NOW,
    );
    expect(rules.map(({ list, passes }) => [list, passes])).toEqual([
      ["retention", 0],
      ["retention", 0],
      ["orphans", 1],
    ]);
  });

  it("that the settings no longer have are forgotten", () => {
    const before = totalled({ rules: [report({ matched: 5 })] });
    const { rules } = addToTotals(
      { totals: before, deferrals: NO_DEFERRALS },
      finished(),
      allRules(settingsOf({})),
      NOW,
    );
    expect(rules.map(({ name }) => name)).toEqual(["snapshots"]);
  });
});

describe("whatever passes come to", () => {
  const outcome = fc.constantFrom<PassFinished["outcome"]>(
    ...(["below-watermark", "deferred", "pruned", "pressure-remains", "incomplete", "failed"] as const),
  );
  const pass = fc.record({
    outcome,
    exitCode: fc.constantFrom(0, 10, 69, 75),
    gate: fc.constantFrom<PassFinished["gate"]>(null, "lock", "live-run", "converging", "disk-pressure"),
    deferralsInARow: fc.nat(3),
    freedBytes: fc.integer(),
    claimedBytes: fc.nat(),
    removed: fc.record({
      container: fc.nat(2),
      image: fc.nat(2),
      "build-cache": fc.nat(2),
      network: fc.nat(2),
    }),
  });

  it("no counter goes back, and the state takes what came together", () => {
    fc.assert(
      fc.property(fc.array(pass, { minLength: 1, maxLength: 8 }), (passes) => {
        const until = (count: number) => totalled(...passes.slice(0, count));
        const counters = ({ passes, deferred, freedBytes, claimedBytes }: Totals) => [
          Object.values(passes).reduce((a, b) => a + b, 0),
          Object.values(deferred).reduce((a, b) => a + b, 0),
          freedBytes,
          claimedBytes,
        ];
        const [before, now] = [until(passes.length - 1), until(passes.length)];
        expect(isTotals(JSON.parse(JSON.stringify(now)))).toBe(true);
        expect(counters(now)[0]).toBe(passes.length);
        counters(now).forEach((value, at) => {
          expect(value).toBeGreaterThanOrEqual(counters(before)[at]!);
        });
      }),
    );
  });
});
