import { describe, expect, it } from "vitest";
import { ago, HOUR, imageId } from "../support.ts";
import { all, at, play, relief, type Story } from "./play.ts";
import { dangling, exited, fails, ROOT, running } from "./world.ts";

/** A chain of classic builds: i1 is on base:1, i2 on i1, and so on; the last one alone is listed as dangling. */
const chain = (length: number) => [
  dangling("base", { tags: ["base:1"] }),
  ...Array.from({ length }, (_, nth) =>
    dangling(`i${nth + 1}`, { parentId: imageId(nth === 0 ? "base" : `i${nth}`) }),
  ),
];
const off = { prune: { buildCache: false, containers: false } };
const DOWN = ["remove i4", "remove i3", "remove i2", "remove i1"];

const pass = (story: Story) =>
  play({
    ...story,
    world: { containers: [], cache: [], images: chain(4), ...story.world },
    settings: off,
    hook: all(relief, story.hook ?? (() => {})),
  });

describe("a chain of nameless images", () => {
  it.each(["classic", "containerd"] as const)(
    "goes in one pass, from the top: %s store",
    async (imageStore) => {
      const info = { rootDir: ROOT, imageStore, swarm: { role: "manager" } } as const;
      const { fake, exit } = await pass({ world: { info } });
      expect([fake.writes, exit]).toEqual([DOWN, 0]);
      expect(fake.finished).toMatchObject({ outcome: "pruned", removed: { image: 4 } });
    },
  );

  it("is planned as a whole by the list, and each is looked at once, before it goes", async () => {
    const { fake } = await pass({});
    expect(fake.said("prune.planned")).toMatchObject([{ remove: { image: 4 } }]);
    for (const request of DOWN) {
      const name = request.replace("remove ", "inspect ");
      expect(fake.log.slice(0, fake.log.indexOf(request)).filter((one) => one === name)).toHaveLength(1);
    }
  });

  it.each([
    ["three seconds", {}, [3, 3]],
    ["ten times as long as a slow engine took", { "remove i4": 1500 }, [15, 3]],
    ["half a minute at most", { "remove i4": 60_000 }, [30, 3]],
    [
      "whatever looks took, and the removals of other kinds",
      { "inspect i4": 1500, "remove c1": 9000 },
      [3, 3],
    ],
  ])(
    "waits between two levels, for builds that miss in their cache what has gone: %s",
    async (_, took, pauses) => {
      const times = new Map<string, number>();
      const takes: Readonly<Record<string, number>> = took;
      await play({
        world: { containers: [exited("c1")], cache: [], images: chain(4) },
        settings: { prune: { buildCache: false } },
        hook: all(relief, (request, _nth, _world, fake) => {
          fake.pass(takes[request] ?? 0);
          times.set(request, fake.elapsed);
        }),
      });
      const between = (one: string, two: string) =>
        Math.floor(((times.get(two) ?? 0) - (times.get(one) ?? 0)) / 1000);
      expect([between("remove i4", "inspect i3"), between("remove i3", "inspect i2")]).toEqual(pauses);
    },
  );

  it.each<[string, Story["hook"], readonly string[], string]>([
    [
      "one that got a name since",
      at("inspect i2", (_request, _nth, world) => rename(world.images, "i2")),
      DOWN.slice(0, 2),
      "tagged",
    ],
    [
      "one that a build has used since",
      at(
        "remove i3",
        (_request, _nth, world) => void world.images.push(dangling("new", { parentId: imageId("i2") })),
      ),
      DOWN.slice(0, 2),
      "parent",
    ],
    [
      "one whose container a build has made since",
      at("remove i2", () => fails("in-use")),
      DOWN.slice(0, 3),
      "in-use",
    ],
    [
      "all below one that cannot be looked at",
      at("inspect i3", () => fails("refused")),
      DOWN.slice(0, 1),
      "parent",
    ],
  ])("keeps %s, and what lies below", async (_, hook, writes, because) => {
    const { fake } = await pass({ ...(hook === undefined ? {} : { hook }) });
    expect(fake.writes).toEqual(writes);
    expect(fake.said("object.kept").map(({ rule }) => rule)).toContain(because);
  });

  it("keeps the rest where the list of all images fails between two levels", async () => {
    const { fake } = await pass({ hook: at("all images", () => fails("refused"), 3) });
    expect(fake.writes).toEqual(DOWN.slice(0, 2));
    expect(fake.said("object.kept")).toMatchObject([{ rule: "unreadable" }, { rule: "parent" }]);
  });

  it("ends where a run starts between two levels", async () => {
    const { fake } = await play({
      world: { containers: [], cache: [], images: chain(4) },
      settings: { ...off, liveRuns: { labels: ["ci.run"] } },
      hook: all(
        relief,
        at("remove i3", (_request, _nth, world) => {
          world.containers.push(running("job", { labels: { "ci.run": "1" } }));
        }),
      ),
    });
    expect(fake.writes).toEqual(DOWN.slice(0, 2));
    expect(fake.finished).toMatchObject({ outcome: "incomplete", gate: "live-run" });
  });

  it("is none where images only begin with the same layers: they go at once", async () => {
    const images = [1, 2, 3].map((nth) => dangling(`i${nth}`, { layers: ["a", "b", "c"].slice(0, nth) }));
    const { fake } = await pass({ world: { images } });
    expect(fake.writes).toEqual(["remove i1", "remove i2", "remove i3"]);
    expect(fake.log.filter((line) => line === "all images")).toEqual([]);
  });

  it("goes only as far as it is old", async () => {
    const images = chain(4).map((one) => (one.id === imageId("i2") ? { ...one, createdAt: ago(HOUR) } : one));
    const { fake } = await pass({ world: { images } });
    expect(fake.writes).toEqual(DOWN.slice(0, 2));
  });

  function rename(images: { id: string; tags: readonly string[] }[], name: string): void {
    const found = images.find(({ id }) => id === imageId(name));
    if (found !== undefined) Object.assign(found, { tags: ["app:1"] });
  }
});
