import { describe, expect, it } from "vitest";
import { previewGates } from "../../../agent/pass/preview.ts";
import { ago, DAY, image, imageId, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { all, at, play, portsOf, relief } from "./play.ts";
import { check, diskOf, ends, failing, PLAN, type Row } from "./rows.ts";
import { type Hook, ROOT, world } from "./world.ts";

const NEW = { ...world().state, engineRoot: null };
const ELSEWHERE = { ...world().state, engineRoot: "/old" };
/** Not among the default paths. */
const MOVED = { ...world().info, rootDir: "/srv/docker" };
const noEngine: Hook = (request, ...rest) => {
  if (request === "version") failing("unreachable")(request, ...rest);
};
const CONTAINERD = "/var/lib/containerd";
const outside = {
  rootDir: ROOT,
  imageStore: "containerd",
  containerdSocket: "/run/containerd/containerd.sock",
  swarm: { role: "none" },
} as const;
const own = { ...outside, containerdSocket: "/run/docker/containerd/containerd.sock" };

describe("where the engine keeps its data", () => {
  it.each<[string, Row]>([
    [
      "is asked before the first verdict: that disk is full, the others are not",
      { world: { state: NEW, disk: { "/": 29, [ROOT]: 98 } }, hook: relief, ...ends("pruned", 0, PLAN) },
    ],
    [
      "is asked once where all is below the mark",
      {
        world: { state: NEW, disk: { "/": 29, [ROOT]: 30 } },
        ...ends("below-watermark", 0, [], "disk-pressure"),
      },
    ],
    [
      "is what Docker's configuration says where no engine answers",
      {
        world: { state: NEW, disk: { "/": 29, "/mnt/docker": 98 }, dataRoot: "/mnt/docker" },
        hook: noEngine,
        ...ends("failed", 69),
      },
    ],
    [
      "was moved a week ago, and the old folder is there still",
      {
        world: {
          state: { ...ELSEWHERE, engineAskedAt: ago(7 * DAY) },
          info: MOVED,
          disk: { "/": 29, "/old": 29, "/srv/docker": 98 },
        },
        hook: at("remove c1", (_request, _nth, host) => {
          host.disk = { "/": 29, "/srv/docker": 50 };
        }),
        ...ends("pruned", 0, PLAN),
      },
    ],
    [
      "was moved, and the old folder is gone",
      {
        world: { state: ELSEWHERE, info: MOVED, disk: { "/": 29, "/srv/docker": 98 } },
        hook: at("remove c1", (_request, _nth, host) => {
          host.disk = { "/": 29, "/srv/docker": 50 };
        }),
        ...ends("pruned", 0, PLAN),
      },
    ],
    [
      "does not matter where no engine answers, and nothing that is known is full",
      {
        world: { state: NEW, disk: { "/": 29 } },
        hook: noEngine,
        ...ends("below-watermark", 0, [], "disk-pressure"),
      },
    ],
    [
      "cannot be read in the first pass",
      {
        world: { state: NEW, disk: { "/": 90, [ROOT]: "EACCES" } },
        ...ends("failed", 69, [], "disk-pressure"),
      },
    ],
    [
      "cannot be read in a later pass, and the engine says that it is still there",
      { world: { disk: { "/": 90, [ROOT]: "EACCES" } }, ...ends("failed", 69, [], "disk-pressure") },
    ],
    [
      "cannot be read in a later pass, and no engine answers",
      {
        world: { disk: { "/": 29, [ROOT]: "EIO" } },
        hook: noEngine,
        ...ends("failed", 69, [], "disk-pressure"),
      },
    ],
    [
      "is somewhere else now, and what is remembered cannot be read any more",
      {
        world: { state: ELSEWHERE, disk: { "/": 90, "/old": "EIO", [ROOT]: 90 } },
        hook: relief,
        ...ends("pruned", 0, PLAN),
      },
    ],
    [
      "is somewhere else now, and cannot be read there",
      {
        world: { state: ELSEWHERE, info: MOVED, disk: { "/": 90, "/old": 90, "/srv/docker": "EIO" } },
        ...ends("failed", 69, [], "disk-pressure"),
      },
    ],
    [
      "is the disk of a containerd that the engine did not start",
      {
        world: { state: NEW, info: outside, disk: { "/": 1, [ROOT]: 1, [CONTAINERD]: 98 } },
        hook: at("remove c1", (_request, _nth, host) => {
          host.disk = { "/": 1, [ROOT]: 1, [CONTAINERD]: 50 };
        }),
        settings: { disk: { paths: ["/"] } },
        ...ends("pruned", 0, PLAN),
      },
    ],
    [
      "is not the usual place of containerd where the engine runs its own",
      {
        world: { state: NEW, info: own, disk: { "/": 1, [ROOT]: 1, [CONTAINERD]: 98 } },
        settings: { disk: { paths: ["/"] } },
        ...ends("below-watermark", 0, [], "disk-pressure"),
      },
    ],
  ])("%s", async (_, row) => {
    await check(row);
  });

  it("is remembered, also by a pass that found no pressure", async () => {
    const disk = { "/": 1, [ROOT]: 1, [CONTAINERD]: 2 };
    const { fake } = await play({ world: { state: NEW, info: outside, disk } });
    expect(fake.saved.at(-1)).toMatchObject({ engineRoot: ROOT, containerdRoot: CONTAINERD });
    const next = await play({ world: { state: fake.world.state, disk }, now: ago(-60) });
    expect([fake.requests, next.fake.requests]).toEqual([3, 0]);
    expect(next.fake.finished).toMatchObject({ outcome: "below-watermark" });
    expect(next.fake.said("pass.finished")[0]).toMatchObject({ filesystems: { length: 2 } });
  });

  it("that moved makes a pass without pressure one with it", async () => {
    const rule = { name: "apps", match: { repositories: ["app"] }, olderThan: "24h", when: "always" };
    const young = image({ id: imageId("a1"), tags: ["app:1"] });
    const { fake } = await play({
      world: {
        state: ELSEWHERE,
        images: [...world().images, young],
        info: MOVED,
        disk: { "/": 29, "/old": 29, "/srv/docker": 98 },
      },
      settings: { retention: [rule] },
    });
    expect(fake.writes).toEqual(PLAN);
  });

  it("is watched by a preview as well, whatever the state remembers", async () => {
    const fake = new Fake(
      world({ state: NEW, info: outside, disk: { "/": 1, [ROOT]: 1, [CONTAINERD]: 98 } }),
    );
    const settings = settingsOf({ disk: { paths: ["/"] } });
    const { pressure } = await previewGates({ ...portsOf(fake), settings }, false);
    expect(pressure.verdict.verdict).toBe("open");
  });
});

describe("a disk that cannot be read from the first to the last look", () => {
  it("makes no green pass, not even where a person wants it to go on", async () => {
    await check({
      world: { disk: { "/": "EIO", [ROOT]: "EIO" } },
      options: { withoutPressure: true },
      hook: all(at("remove c1", diskOf("EIO"))),
      ...ends("pruned", 69, PLAN),
    });
  });
});

it("is said to be on no disk that anybody looks at, where that folder is not here", async () => {
  const reasonAt = async (disk: Readonly<Record<string, number>>) =>
    (await play({ world: { state: NEW, disk } })).fake.finished.reason;
  expect(await reasonAt({ "/": 29, [ROOT]: 30 })).toBe("below the high watermark of 80%: nothing is pruned");
  expect(await reasonAt({ "/": 29 })).toBe(
    `below the high watermark of 80%: nothing is pruned; nobody looks at the disk of the engine's data: there is no ${ROOT} here`,
  );
});
