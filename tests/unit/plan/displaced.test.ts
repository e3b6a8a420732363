import { describe, expect, it } from "vitest";
import { claim } from "../../../agent/plan/family.ts";
import { NOT_MEASURED } from "../../../agent/plan/prefixes.ts";
import { judgeFamily } from "../../../agent/plan/retention.ts";
import { DAY, HOUR, image, imageId, NOW, settingsOf } from "../support.ts";

/** Milliseconds before now, by the image's name. */
type Tagged = Readonly<Record<string, number>>;

/** Names of the images that keep their place among the newest two, by when they were tagged last. */
function newest(tagged: Tagged, displaced: readonly string[], lastUsed: Tagged = {}): string[] {
  const { retention } = settingsOf({
    retention: [{ name: "apps", match: { repositories: ["app"] }, olderThan: "1h", keepNewest: 2 }],
  });
  const images = Object.entries(tagged).map(([name, before]) =>
    image({
      id: imageId(name),
      tags: [`app:${name}`],
      createdAt: NOW - 90 * DAY * 1000,
      lastTaggedAt: NOW - before,
    }),
  );
  const [family] = claim(retention, images);
  if (family === undefined) throw new Error("no family");
  const { judged } = judgeFamily(
    family,
    {
      users: { containers: [], services: [] },
      servicesUnread: null,
      keepLabels: [],
      keepImages: [],
      displaced: new Set(displaced.map(imageId)),
      memory: {
        firstSeen: {},
        lastUsed: Object.fromEntries(
          Object.entries(lastUsed).map(([name, before]) => [imageId(name), NOW - before]),
        ),
      },
    },
    NOT_MEASURED,
    NOW,
  );
  return judged
    .filter(({ because }) => because === "newest")
    .map(({ names: [name = ""] }) => name.slice(4))
    .sort();
}

const H = HOUR * 1000;

describe("an image that lost a name to a newer one, which the containerd store notes as if it were tagged then", () => {
  it("comes after the newer one, whose own time is a little earlier", () => {
    // v1 was `latest` until v2 was pulled; v0 is of no interest.
    expect(newest({ v0: 9 * H, v1: 2 * H - 5, v2: 2 * H }, [])).toEqual(["v1", "v2"]);
    const three = { v1: 2 * H - 5, v2: 2 * H, v3: 2 * H };
    expect(newest(three, ["v1"])).toEqual(["v2", "v3"]);
    expect(newest({ ...three, v2: 2 * H - 4 }, ["v1", "v2"])).toContain("v3");
  });

  it("of a name that moved again and again: by the order of the moves", () => {
    const moved = { v0: 6 * H - 5, v1: 4 * H - 5, v2: 2 * H - 5, v3: 2 * H };
    expect(newest(moved, ["v0", "v1", "v2"])).toEqual(["v2", "v3"]);
  });

  it("is not put behind what was tagged long before", () => {
    expect(newest({ old: 30 * H, v1: 2 * H, v2: 1.5 * H }, ["v1"])).toEqual(["v1", "v2"]);
  });

  it("keeps its place where an earlier pass saw it in use since", () => {
    const tagged = { v1: 3 * H - 5, v2: 3 * H, v3: 2 * H };
    expect(newest(tagged, ["v1"])).toEqual(["v2", "v3"]);
    expect(newest(tagged, ["v1"], { v1: 2.5 * H })).toEqual(["v1", "v3"]);
  });
});
