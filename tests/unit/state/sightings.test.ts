import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NOTHING_RULED } from "../../../agent/observe/ruled.ts";
import { claim } from "../../../agent/plan/family.ts";
import { danglingSeen, remember, sinceOf, stillSeen } from "../../../agent/state/sightings.ts";
import { DAY, HOUR, image, imageId, NOW, settingsOf } from "../support.ts";

const GAP = 100;

describe("what is seen in one listing after the other", () => {
  it("keeps its first sight while it is there, and starts anew when it comes back", () => {
    const first = stillSeen({}, ["a", "b"], GAP, 1000);
    const second = stillSeen(first, ["a"], GAP, 1050);
    const third = stillSeen(second, ["a", "b"], GAP, 1100);
    expect([first, second, third].map(sinceOf)).toEqual([
      { a: 1000, b: 1000 },
      { a: 1000 },
      { a: 1000, b: 1100 },
    ]);
  });

  it.each([
    ["just within the gap", 1000, 1100, 1000],
    ["just beyond it", 1000, 1101, 1101],
    ["a clock that went back", 1000, 999, 999],
  ])("goes on or starts anew: %s", (_, lastSeen, now, since) => {
    expect(sinceOf(stillSeen({ a: { since: 1000, lastSeen } }, ["a"], GAP, now))).toEqual({ a: since });
  });

  it("a mark of a clock that was years behind counts for nothing", () => {
    const wrong = Date.UTC(2020, 0, 1);
    const seen = stillSeen({ a: { since: wrong, lastSeen: wrong } }, ["a"], 25 * HOUR * 1000, NOW);
    expect(seen).toEqual({ a: { since: NOW, lastSeen: NOW } });
  });

  it("is never older than an unbroken row of sights, whatever the state says", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.integer({ min: 1 }),
        fc.integer(),
        (since, lastSeen, gap, now) => {
          const seen = stillSeen({ a: { since, lastSeen } }, ["a"], gap, now).a!;
          const unbroken = since <= lastSeen && lastSeen <= now && now - lastSeen <= gap;
          expect(seen).toEqual({ since: unbroken ? since : now, lastSeen: now });
        },
      ),
    );
  });

  it("is not led astray by inherited names", () => {
    expect(stillSeen({}, ["constructor"], GAP, 5)).toEqual({ constructor: { since: 5, lastSeen: 5 } });
  });
});

describe("images seen dangling", () => {
  const listed = (lastSeen: number) => ({ [imageId("a")]: { since: NOW - 50 * HOUR * 1000, lastSeen } });
  const seen = (hoursAgo: number) =>
    sinceOf(
      danglingSeen(listed(NOW - hoursAgo * HOUR * 1000), [image({ id: imageId("a") })], 24 * HOUR, NOW),
    );

  it("go on over the passes of a daily timer, with its jitter", () => {
    expect(seen(24.9)).toEqual({ [imageId("a")]: NOW - 50 * HOUR * 1000 });
  });

  it("start anew where a pass in between did not look", () => {
    expect(seen(48)).toEqual({ [imageId("a")]: NOW });
  });

  it.each([
    ["1h", 1.9, 50],
    ["1h", 2.1, 0],
    ["48h", 48.9, 50],
  ])("by a limit of their own of %s, listed %d h ago", (until, hoursAgo, since) => {
    const one = image({ id: imageId("a") });
    const { dangling } = remember(
      { dangling: listed(NOW - hoursAgo * HOUR * 1000), undated: {}, uses: {} },
      { images: [{ summary: one, detail: null }], ruled: NOTHING_RULED },
      settingsOf({ prune: { images: { until } } }).prune,
      NOW,
    );
    expect(sinceOf(dangling)).toEqual({ [imageId("a")]: NOW - since * HOUR * 1000 });
  });

  it("are not those that a tag or a digest names", () => {
    const named = [
      image({ id: imageId("tag"), tags: ["a:1"] }),
      image({ id: imageId("digest"), digests: ["a@sha256:1"] }),
    ];
    expect(danglingSeen({}, named, 24 * HOUR, NOW)).toEqual({});
  });
});

it("an image of a rule that goes by its last use counts as used when it is seen first; one of another rule does not", () => {
  const rule = (name: string, limit: object) => ({ name, match: { repositories: [name] }, ...limit });
  const settings = settingsOf({
    retention: [rule("unused", { unusedFor: "7d" }), rule("old", { olderThan: "7d" })],
  });
  const images = ["unused", "old"].map((name) => image({ id: imageId(name), tags: [`${name}:1`] }));
  const ruled = { ...NOTHING_RULED, families: claim(settings.retention, images) };
  const look = (uses: Readonly<Record<string, number>>, now: number) =>
    remember({ dangling: {}, undated: {}, uses }, { images: [], ruled }, settings.prune, now).families.uses;
  const first = look({}, NOW);
  expect(first).toEqual({ [imageId("unused")]: NOW });
  expect(look(first, NOW + DAY)).toEqual(first);
});
