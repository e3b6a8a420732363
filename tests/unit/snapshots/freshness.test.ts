import { describe, expect, it } from "vitest";
import { SNAPSHOT_TTL_LABEL } from "../../../agent/settings/rules.ts";
import { freshness } from "../../../agent/snapshots/resolve.ts";
import { ago, DAY, HOUR, image, NOW } from "../support.ts";

const snapshot = (age: number, ttl?: string) =>
  image({
    createdAt: ago(age),
    lastTaggedAt: ago(age),
    labels: ttl === undefined ? {} : { [SNAPSHOT_TTL_LABEL]: ttl },
  });

describe("a snapshot is fresh", () => {
  it.each([
    ["within the time to live of its label", snapshot(HOUR, "2h"), true],
    ["still at the very end of it", snapshot(2 * HOUR, "2h"), true],
    ["not a second later", snapshot(2 * HOUR + 1, "2h"), false],
    ["by the settings where it has no label", snapshot(23 * HOUR), true],
    ["not past the settings where it has no label", snapshot(25 * HOUR), false],
    ["by its label where that gives less than the settings", snapshot(2 * HOUR, "1h"), false],
    ["by its label where that gives more", snapshot(3 * DAY, "1w"), true],
    ["not where its label is no time", snapshot(1, "soon"), false],
    ["by its last commit, which moves the tag", { ...snapshot(3 * DAY), lastTaggedAt: ago(HOUR) }, true],
    ["by its creation where no tag is dated", { ...snapshot(HOUR), lastTaggedAt: null }, true],
    ["not where nothing dates it", { ...snapshot(HOUR), createdAt: null, lastTaggedAt: null }, false],
    ["where the clock went back since", snapshot(-HOUR), true],
  ])("%s", (_, given, fresh) => {
    expect(freshness(given, DAY, NOW).fresh).toBe(fresh);
  });

  it("and says why in a sentence", () => {
    expect(freshness(snapshot(25 * HOUR), DAY, NOW).reason).toBe("it is 1d 1h old, with 1d to live");
    expect(freshness(snapshot(1, "soon"), DAY, NOW)).toMatchObject({ ttl: null });
  });
});
