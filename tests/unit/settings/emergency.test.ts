import { describe, expect, it } from "vitest";
import { parseSettings } from "../../../agent/settings/parse.ts";

const problems = (prune: object, disk: object = {}) => {
  const parsed = parseSettings({ prune, disk });
  return parsed.ok ? [] : parsed.problems;
};
const NOT_ABOVE = "a mark that leaves less room than disk.highWatermark";
const NOT_SHORTER =
  "an age limit shorter than prune.until, and than those of prune.containers and prune.images";

describe("prune.emergency", () => {
  it.each([
    ["80%", "70%"],
    [undefined, "80%"],
    ["20GiB free", "21GiB free"],
  ])("is not at or below the high watermark: %s and %s", (highWatermark, at) => {
    const found = problems({ emergency: { at, until: "1h" } }, { highWatermark });
    expect(found).toEqual([{ path: "prune.emergency.at", found: JSON.stringify(at), expected: NOT_ABOVE }]);
  });

  it.each([
    ["80%", "80.1%"],
    ["20GiB free", "95%"],
  ])("may stand beside it: %s and %s", (highWatermark, at) => {
    expect(problems({ emergency: { at, until: "1h" } }, { highWatermark })).toEqual([]);
  });

  it.each([
    [{}, "24h"],
    [{ until: "1h" }, "90m"],
    [{ until: "7d", containers: { until: "1h" } }, "1h"],
    [{ until: "7d", images: { until: "30m" } }, "1h"],
    [{ until: "30m", images: { until: "2d" }, containers: false }, "1h"],
  ])("is no limit that another one undercuts: %j and %s", (prune, until) => {
    const found = problems({ ...prune, emergency: { at: "95%", until } });
    expect(found).toEqual([
      { path: "prune.emergency.until", found: JSON.stringify(until), expected: NOT_SHORTER },
    ]);
  });

  it.each([
    [{}, "23h"],
    [{ until: "7d", containers: { until: "2h" } }, "1h"],
    [{ until: "30m", buildCache: false, images: { until: "2d" }, containers: false }, "1h"],
  ])("is compared with what it stands in for alone: %j and %s", (prune, until) => {
    expect(problems({ ...prune, emergency: { at: "95%", until } })).toEqual([]);
  });

  it("is told together with all else that is wrong", () => {
    const found = problems({ until: "x", emergency: { at: "70%", until: "2d" } }, { highWatermark: "80%" });
    expect(found.map(({ path }) => path)).toEqual(["prune.until", "prune.emergency.at"]);
    expect(problems({ emergency: { at: "0%" } }).map(({ path }) => path)).toEqual([
      "prune.emergency.at",
      "prune.emergency.until",
    ]);
  });
});
