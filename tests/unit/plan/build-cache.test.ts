import { expect, it } from "vitest";
import { judgeBuildCache } from "../../../agent/plan/build-cache.ts";
import { ago, DAY, HOUR, NOW, settingsOf } from "../support.ts";

const record = (id: string, usedBefore: number, parents: readonly string[] = [], changes: object = {}) => ({
  id,
  type: "regular",
  description: "",
  sizeBytes: 1,
  lastUsedAt: ago(usedBefore),
  inUse: false,
  shared: false,
  parents,
  ...changes,
});

it("a record stays as long as one that was built on it, however far up", () => {
  const judged = judgeBuildCache(
    [
      record("base", 9 * DAY),
      record("middle", 8 * DAY, ["base"]),
      record("top", HOUR, ["middle"]),
      record("beside", 8 * DAY, ["base"]),
      record("lost", 8 * DAY, ["not there"]),
      record("busy", 8 * DAY, ["lost"], { inUse: true }),
    ],
    settingsOf({}).prune,
    NOW,
  );
  expect(judged.map(({ id, action, because }) => `${id}: ${action} ${because}`)).toEqual([
    ...["base: keep parent", "middle: keep parent", "top: keep young", "beside: remove expired"],
    ...["lost: keep parent", "busy: keep in-use"],
  ]);
});

it("records in a ring, which no engine should tell, come to an end", () => {
  const ring = [record("a", HOUR, ["b"]), record("b", 9 * DAY, ["a"])];
  expect(judgeBuildCache(ring, settingsOf({}).prune, NOW).map(({ action }) => action)).toEqual([
    "keep",
    "keep",
  ]);
});
