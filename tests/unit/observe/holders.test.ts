import { describe, expect, it } from "vitest";
import type { DiskUsage } from "../../../agent/engine/types.ts";
import { holders } from "../../../agent/observe/holders.ts";
import { filesystem } from "../support.ts";

const USAGE: DiskUsage = {
  images: { count: 20, tagged: 18, bytes: 500 },
  containers: { count: 3, running: 1, bytes: 20 },
  volumes: { count: 2, bytes: 700 },
  buildCache: { count: 9, bytes: 80 },
};

describe("what holds the space", () => {
  it("is told largest first, with what is not Docker's as the rest of the filesystem", () => {
    const list = holders(USAGE, filesystem({ usedBytes: 2000 }));
    expect(list.map(({ what, bytes, count }) => [what, bytes, count])).toEqual([
      ["volumes", 700, 2],
      ["outside-docker", 700, null],
      ["images", 500, 20],
      ["build-cache", 80, 9],
      ["containers", 20, 3],
    ]);
  });

  it("says how much of it a pass could never take", () => {
    const notes = Object.fromEntries(holders(USAGE, null).map(({ what, note }) => [what, note]));
    expect(notes.images).toBe("18 of them tagged: the cache, which a pass never takes");
    expect(notes.containers).toMatch(/^1 of them running/);
    expect(notes.volumes).toBe("a pass never takes volumes");
  });

  it("does not guess what is outside Docker where the filesystem cannot be read", () => {
    expect(holders(USAGE, null).map(({ what }) => what)).not.toContain("outside-docker");
  });

  it("is never less than nothing, when Docker counts shared bytes more than once", () => {
    const outside = holders(USAGE, filesystem({ usedBytes: 100 })).find(
      ({ what }) => what === "outside-docker",
    );
    expect(outside?.bytes).toBe(0);
  });
});
