import { describe, expect, it } from "vitest";
import type { ImageDetail } from "../../../agent/engine/types.ts";
import { ago, DAY, HOUR, image, imageId, NOW } from "../support.ts";
import { all, at, play, relief, type Story } from "./play.ts";
import { check, diskOf, ends, failing, PLAN, type Row, toldToStop } from "./rows.ts";
import { cacheRecord, dangling, exited, type Hook, ROOT, running, world } from "./world.ts";

const rule = { name: "apps", match: { repositories: ["app"] }, olderThan: "24h" };
const apps = [1, 2].map((nth) =>
  image({ id: imageId(`i${nth}`), tags: [`app:${nth}`], lastTaggedAt: ago(2 * DAY) }),
);
const other = image({ id: imageId("i3"), tags: ["other:1"] });
const below = { "/": 50, [ROOT]: 50 };

describe("what no pass removes", () => {
  const nothing = { containers: [], images: [], cache: [] };
  const off = { prune: { buildCache: false } };

  it.each<[string, Row["world"], Story["settings"]?]>([
    ["a running container", { containers: [running("c1")] }],
    ["a paused container", { containers: [running("c1", { state: "paused" })] }],
    ["a restarting container", { containers: [running("c1", { state: "restarting" })] }],
    [
      "a container that finished more recently than prune.until",
      { containers: [exited("c1", { finishedAt: ago(23 * HOUR) })] },
    ],
    [
      "a container that was created more recently",
      { containers: [exited("c1", { createdAt: ago(HOUR), finishedAt: ago(HOUR) })] },
    ],
    [
      "a container with a label of prune.keepLabels",
      { containers: [exited("c1", { labels: { "ci-docker-prune.keep": "" } })] },
    ],
    [
      "a container that exited, of which the engine tells neither when it started nor when it finished",
      { containers: [exited("c1", { startedAt: null, finishedAt: null })] },
    ],
    ["a tagged image", { images: [dangling("i1", { tags: ["app:1"] })] }],
    ["an image that a digest names", { images: [dangling("i1", { digests: ["app@sha256:1"] })] }],
    ["an image that is younger than prune.until", { images: [dangling("i1", { createdAt: ago(HOUR) })] }],
    ["an image that lost its name more recently", { images: [dangling("i1", { lastTaggedAt: ago(HOUR) })] }],
    ["an image whose Created says nothing", { images: [dangling("i1", { createdAt: 0 })] }],
    [
      "the image of a running container",
      { containers: [running("c1", { imageId: imageId("i1") })], images: [dangling("i1")] },
    ],
    [
      "the image of a container that stays",
      {
        containers: [exited("c1", { imageId: imageId("i1"), finishedAt: ago(HOUR) })],
        images: [dangling("i1")],
      },
    ],
    [
      "a parent on the containerd store",
      {
        info: { rootDir: ROOT, imageStore: "containerd", swarm: { role: "none" } },
        images: [dangling("i1"), dangling("i2", { tags: ["app:1"], parentId: imageId("i1") })],
      },
    ],
    [
      "anything, where all of prune is off",
      {},
      { prune: { containers: false, images: false, buildCache: false } },
    ],
  ])("%s", async (_, changes, settings = off) => {
    const full = settings === off ? { ...nothing, ...changes } : {};
    await check({ world: full, settings, ...ends("nothing-eligible", 10) });
  });

  it.each<[string, Hook, readonly string[]]>([
    [
      "an image that got a name since the list",
      at("inspect i1", (_request, _nth, host) => rename(host, "i1", { tags: ["app:1"] })),
      ["remove i2"],
    ],
    [
      "an image that was pulled by digest since",
      at("inspect i2", (_request, _nth, host) => rename(host, "i2", { digests: ["app@sha256:1"] })),
      ["remove i1"],
    ],
    [
      "a container that was started since",
      at("inspect c1", (_request, _nth, host) => {
        host.containers = [exited("c1", { state: "running" }), exited("c2")];
      }),
      ["remove c2"],
    ],
    [
      "a container that ran once more since",
      at("inspect c1", (_request, _nth, host) => {
        host.containers = [exited("c1", { finishedAt: NOW }), exited("c2")];
      }),
      ["remove c2"],
    ],
    ["one that cannot be read", at("inspect i1", failing("refused")), ["remove i2"]],
    ["one that is gone", at("inspect i1", failing("gone")), ["remove i2"]],
  ])("%s", async (_, hook, writes) => {
    const kind = writes[0]?.includes("i") ? { containers: [] } : { images: [] };
    const { fake } = await play({ world: { ...kind, cache: [] }, settings: off, hook: all(relief, hook) });
    expect(fake.writes).toEqual(writes);
    expect(fake.locksReleased).toBe(1);
  });

  const rename = (host: ReturnType<typeof world>, name: string, changes: object) => {
    host.images = host.images.map((one) => (one.id === imageId(name) ? { ...one, ...changes } : one));
  };
});

describe("a rule of the settings", () => {
  it("removes the tags it names and no others, also without pressure", async () => {
    const fake = await check({
      world: { disk: below, images: [...apps, other, dangling("i4")] },
      settings: { retention: [rule] },
      ...ends("pruned", 0, ["untag app:2", "untag app:1"]),
    });
    expect(fake.said("pass.started")).toMatchObject([{ scope: "rules" }]);
    expect(fake.finished.rules).toMatchObject([{ list: "retention", name: "apps", matched: 2, removed: 2 }]);
  });

  it("takes an image before the one it was made on, which would stay under it without a name", async () => {
    const made = (nth: number, layers: readonly string[], parentId = "") =>
      image({
        id: imageId(`i${nth}`),
        tags: [`app:${nth}`],
        lastTaggedAt: ago((1 + nth) * DAY),
        layers,
        parentId,
      });
    // Of the first, only its parent tells: a step that changes no file adds no layer.
    const twin = made(1, ["x"], imageId("i2"));
    const images = [twin, made(2, ["x"]), made(3, ["a", "b", "c"]), made(4, ["a", "b"]), made(5, ["a"])];
    await check({
      world: { disk: below, images },
      settings: { retention: [rule] },
      ...ends("pruned", 0, ["untag app:3", "untag app:1", "untag app:4", "untag app:2", "untag app:5"]),
    });
  });

  it("keeps an image that somebody uses since the gates were asked again, behind the look", async () => {
    const both = (nth: number) =>
      image({
        id: imageId(`i${nth}`),
        tags: [`app:${nth}`, `mine:${nth}`],
        lastTaggedAt: ago((1 + nth) * DAY),
      });
    await check({
      world: { disk: below, images: [both(1), both(2)], containers: [] },
      settings: { retention: [rule] },
      // The first time it is inspected for the plan.
      hook: at(
        "inspect i1",
        (_request, _nth, host, fake) => {
          fake.pass(1990);
          host.containers = [exited("c1", { imageName: "app:1", imageId: imageId("i1") })];
        },
        2,
      ),
      ...ends("pruned", 0, ["untag app:2"]),
    });
  });

  it("tells the name that went, of an image with two names that goes half-way", async () => {
    const both = image({ id: imageId("i1"), tags: ["app:1", "app:2"], lastTaggedAt: ago(2 * DAY) });
    const fake = await check({
      world: { disk: below, images: [both] },
      settings: { retention: [rule] },
      hook: at("untag app:2", failing("refused")),
      ...ends("incomplete", 75, ["untag app:1", "untag app:2"]),
    });
    expect(fake.said("object.untagged")).toMatchObject([
      { names: ["app:1", "app:2"], references: ["app:1"] },
    ]);
    expect(fake.said("object.failed")).toMatchObject([{ status: 500, removed: "no" }]);
    expect(fake.finished).toMatchObject({ claimedBytes: 0, failed: 1 });
  });

  it("tells no name as gone that is still there, whatever the engine says", async () => {
    const fake = await check({
      world: { disk: below, images: apps.slice(0, 1) },
      settings: { retention: [rule] },
      hook: at("untag app:1", (_request, _nth, host) => host.images.push(...host.images)),
      ...ends("incomplete", 75, ["untag app:1"]),
    });
    expect([fake.said("object.untagged"), fake.said("object.removed")]).toEqual([[], []]);
    expect(fake.finished).toMatchObject({ claimedBytes: 0, failed: 1 });
  });

  it("on the containerd store asks whether an image that is said to be deleted is gone", async () => {
    // An image was built on it, so that it stays without a name: the store says `Deleted` all the same (28.5).
    const fake = await check({
      world: {
        disk: below,
        images: apps.slice(0, 1),
        info: { rootDir: ROOT, imageStore: "containerd", swarm: { role: "none" } },
      },
      settings: { retention: [rule] },
      hook: at("untag app:1", (_request, _nth, host) => {
        const [one] = host.images;
        if (one !== undefined) host.images.push({ ...one, tags: [] });
      }),
      ...ends("pruned", 0, ["untag app:1"]),
    });
    expect(fake.said("object.untagged")).toHaveLength(1);
    expect(fake.said("object.removed")).toEqual([]);
  });

  it("that waits for pressure is not in force without it", async () => {
    await check({
      world: { disk: below, images: apps },
      settings: { retention: [{ ...rule, when: "pressure" }] },
      ...ends("below-watermark", 0, [], "disk-pressure"),
    });
  });

  it("lets go of what a container uses", async () => {
    await check({
      world: { disk: below, images: apps, containers: [running("c1", { imageId: imageId("i1") })] },
      settings: { retention: [rule] },
      ...ends("pruned", 0, ["untag app:2"]),
    });
  });

  it("stops and removes only containers of an orphans rule past its limit", async () => {
    const labels = { "ci.worker": "1" };
    await check({
      world: {
        disk: below,
        containers: [
          running("c1", { labels }),
          running("c2", { labels, startedAt: ago(HOUR) }),
          running("c3"),
        ],
      },
      settings: { orphans: [{ name: "workers", label: "ci.worker", runningLongerThan: "6h" }] },
      ...ends("pruned", 0, ["stop c1", "remove c1"]),
    });
  });
});

it("labels of prune that match nothing are said, as loudly as a full disk, and only until one matches", async () => {
  const settings = { prune: { labels: ["managed=yes"], containers: false, buildCache: false } };
  const story = (...images: ImageDetail[]) =>
    play({ world: { images, disk: { "/": 50, [ROOT]: 50 } }, settings, options: { withoutPressure: true } });
  const old = [dangling("i1"), dangling("i2", { labels: { managed: "no" } })];
  const blind = await story(...old);
  expect(blind.fake.writes).toEqual([]);
  expect(blind.fake.said("pass.ineffective")).toMatchObject([
    { cause: "labels-match-nothing", labels: ["managed=yes"], unselectedImages: 2 },
  ]);
  const young = dangling("i3", { labels: { managed: "yes" }, createdAt: ago(HOUR) });
  const seeing = await story(...old, young);
  expect(seeing.fake.said("pass.ineffective")).toEqual([]);
});

describe("the disk of a pass", () => {
  it("that cannot be read at its end is not a green one", async () => {
    const fake = await check({ hook: at("remove c1", diskOf("EIO")), ...ends("pruned", 69, PLAN) });
    expect(fake.said("fact.unknown")).toMatchObject([{ what: "whether the pass helped" }]);
  });

  it("that is gone at its end is not a green one either", async () => {
    const fake = await check({
      world: { disk: { "/": 50, [ROOT]: 90 } },
      hook: at("remove c1", (_request, _nth, host) => {
        host.disk = { "/": 50, [ROOT]: null };
      }),
      ...ends("pruned", 69, PLAN),
    });
    expect(fake.said("fact.unknown")).toMatchObject([{ what: "whether the pass helped" }]);
  });

  it("also counts where the engine keeps its data, learnt in this very pass", async () => {
    const fake = await check({
      world: { state: { ...world().state, engineRoot: null }, disk: { "/": 90, [ROOT]: 95 } },
      ...ends("pressure-remains", 10, PLAN),
    });
    expect(fake.saved.at(-1)?.engineRoot).toBe(ROOT);
  });
});

describe("the state of a pass", () => {
  it("that cannot be written is said, and changes no outcome", async () => {
    const fake = await check({
      world: { stateUnwritable: "EROFS" },
      hook: relief,
      ...ends("pruned", 0, PLAN),
    });
    expect(fake.said("state.unwritable")).toMatchObject([{ reason: "EROFS" }]);
    expect(fake.log.at(-1)).toBe("unlock");
  });

  it("that cannot be read is not replaced", async () => {
    const fake = await check({
      world: { damage: { kind: "unreadable", reason: "EIO" } },
      hook: relief,
      ...ends("pruned", 0, PLAN),
    });
    expect(fake.saved).toEqual([]);
    expect(fake.said("state.damaged")).toHaveLength(1);
  });

  it("that is not understood is set aside, but by a dry run", async () => {
    const damage = { kind: "not-understood", reason: "not JSON" } as const;
    const { fake } = await play({ world: { damage } });
    const dry = await play({ world: { damage }, options: { dryRun: true } });
    expect([fake, dry.fake].map(({ log }) => log.includes("set the state aside"))).toEqual([true, false]);
  });

  it.each([
    ["1d", false, 10],
    ["3d", false, 0],
    ["1d", true, 0],
  ])("fails a deferred pass after deferrals.failAfter: %s, dry run %s", async (failAfter, dryRun, exit) => {
    const state = { ...world().state, deferrals: { count: 2, since: ago(2 * DAY) } };
    const settings = { deferrals: { failAfter } };
    const { fake } = await play({ world: { lock: "held", state }, settings, options: { dryRun } });
    expect(fake.finished).toMatchObject({ outcome: "deferred", exitCode: exit, gate: "lock" });
    expect(String(fake.finished.reason).includes("deferrals.failAfter (1d)")).toBe(exit === 10);
  });

  it("counts deferrals in a row, and a pass that went through ends them", async () => {
    const deferrals = { count: 2, since: ago(2 * DAY) };
    const state = { ...world().state, deferrals };
    const held = await play({ world: { lock: "held", state } });
    expect(held.fake.finished).toMatchObject({ deferralsInARow: 3, deferredForSeconds: 2 * DAY });
    expect(held.fake.saved.at(-1)?.deferrals).toEqual({ count: 3, since: ago(2 * DAY) });
    expect(held.fake.finished).toMatchObject({ outcome: "deferred", exitCode: 0 });
    const done = await play({ world: { state }, hook: relief });
    expect(done.fake.saved.at(-1)?.deferrals).toEqual({ count: 0, since: null });
    const stopped = await play({ world: { state }, hook: at("info", toldToStop) });
    expect(stopped.fake.saved.at(-1)?.deferrals).toEqual(deferrals);
  });

  it.each([
    ["a rule that does not wait for pressure", { retention: [rule] }, false, 3],
    ["a person who asked for a pass without pressure", {}, true, 2],
  ])("below the watermark counts the deferral of %s", async (_of, settings, withoutPressure, count) => {
    const state = { ...world().state, deferrals: { count: 2, since: ago(2 * DAY) } };
    const calm = { disk: below, images: apps, lock: "held" as const, state };
    const { fake } = await play({ world: calm, settings, options: { withoutPressure } });
    expect(fake.finished).toMatchObject({ outcome: "deferred", gate: "lock", deferralsInARow: count });
  });

  it("remembers what is dangling, and an image that nothing dates goes after prune.until in it", async () => {
    const undated = dangling("i1", { createdAt: 0 });
    const first = await play({ world: { containers: [], images: [undated], cache: [] } });
    const state = first.fake.saved.at(-1) ?? world().state;
    expect(state.dangling[undated.id]?.since).toBeGreaterThanOrEqual(NOW);
    const since = { [undated.id]: { since: ago(2 * DAY), lastSeen: ago(HOUR) } };
    const later = await play({
      world: { containers: [], images: [undated], cache: [], state: { ...state, dangling: since } },
    });
    expect([first, later].map(({ fake }) => fake.writes.includes("remove i1"))).toEqual([false, true]);
  });
});

describe("a bug", () => {
  const bug: Hook = () => {
    throw new TypeError("x is not a function");
  };

  it.each([
    ["in mid-act", "remove c2", ["remove c1", "remove c2"]],
    ["while it looks at the gates", "live", []],
    ["while it lists", "dangling", []],
  ])("%s: what was done is told, the lock is let go, exit 70", async (_, request, writes) => {
    const { fake, exit } = await play({ hook: all(relief, at(request, bug)) });
    expect(exit).toBe("x is not a function");
    expect(fake.writes).toEqual(writes);
    expect(fake.finished).toMatchObject({
      outcome: "failed",
      exitCode: 70,
      reason: "a bug: x is not a function",
      removed: { container: writes.length === 0 ? 0 : 1 },
    });
    expect(fake.locksReleased).toBe(1);
    expect(fake.saved).toHaveLength(1);
  });
});

it("a lock that cannot be told is said as a fact that is unknown", async () => {
  const { fake } = await play({ world: { lock: { broken: "EACCES" } } });
  expect(fake.said("fact.unknown")).toMatchObject([
    { what: "gate lock", reason: expect.stringContaining("EACCES") },
  ]);
});

it("the build cache is pruned with prune.until and no less", async () => {
  const { fake } = await play({
    world: { containers: [], images: [], cache: [cacheRecord()] },
    settings: { prune: { until: "48h" } },
  });
  expect(fake.writes).toEqual(["prune cache 172800"]);
});
