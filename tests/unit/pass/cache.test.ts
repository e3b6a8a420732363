import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { planDocument, planScreen } from "../../../agent/cli/plan.ts";
import type { ImageDetail } from "../../../agent/engine/types.ts";
import { previewGates, previewPlan } from "../../../agent/pass/preview.ts";
import type { LedgerLine } from "../../../agent/state/ledger.ts";
import { ago, DAY, GiB, HOUR, image, imageId, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { play, portsOf } from "./play.ts";
import { dangling, exited, type Hook, ROOT, running, type World, world } from "./world.ts";

/** A pulled image of this name, ten days old. */
const pulled = (name: string, changes: Partial<ImageDetail> = {}): ImageDetail =>
  image({
    id: imageId(name),
    tags: [`${name}:1`],
    digests: [`${name}@sha256:${"0".repeat(64)}`],
    createdAt: ago(30 * DAY),
    ...changes,
  });
const came = (name: string, secondsAgo: number): LedgerLine => ({
  image: imageId(name),
  at: ago(secondsAgo),
  names: [`${name}:1`],
  digests: [`${name}@sha256:${"0".repeat(64)}`],
  bytes: 1e8,
  layers: [],
});
const used = (name: string, secondsAgo: number): LedgerLine => ({
  use: imageId(name),
  at: ago(secondsAgo),
  group: null,
});
const ENGINE: LedgerLine = { engine: "", at: ago(20 * DAY) };
/** `often` is used each day, `once` was used nine days ago, `twice` of late. */
const LEDGER: LedgerLine[] = [
  ENGINE,
  ...["often", "once", "twice"].map((name) => came(name, 10 * DAY)),
  used("once", 9 * DAY),
  used("twice", 2 * DAY),
  used("twice", 12 * HOUR),
  ...[9, 8, 7, 6, 5, 4, 3, 2, 1].map((days) => used("often", days * DAY)),
];
const names = ["often", "once", "twice"];
const on = (cache: object = {}, rest: object = {}) => ({
  disk: { highWatermark: "80%" },
  prune: { networksAbove: null, buildCache: false },
  cache: { evict: "under-pressure", ...cache },
  ...rest,
});
const host = (changes: Partial<World> = {}) => ({
  containers: [],
  cache: [],
  images: names.map((name) => pulled(name)),
  ledger: [...LEDGER],
  ...changes,
});
/** Each removal frees so many percent of the disk. */
const frees =
  (percent: number): Hook =>
  (request, _nth, { disk }) => {
    if (!/^(remove|untag)/.test(request)) return;
    for (const [path, now] of Object.entries(disk)) if (typeof now === "number") disk[path] = now - percent;
  };
const ofTier = (reports: readonly Readonly<Record<string, unknown>>[]) =>
  reports
    .filter(({ policy }) => policy === "cache/evict")
    .map(({ names: all, rule }) => [(all as string[])[0], rule]);

describe("the last tier", () => {
  it("is off by default: no named image goes, whatever the disk says", async () => {
    const { fake, exit } = await play({ world: host(), settings: { prune: { networksAbove: null } } });
    expect([fake.writes, exit, fake.world.ledger.length]).toEqual([["prune cache 86400"], 10, LEDGER.length]);
  });

  it("takes what is least likely to be wanted, by its exact name, and stops at its mark", async () => {
    const { fake, exit } = await play({ world: host(), settings: on(), hook: frees(7) });
    expect(fake.writes).toEqual(["untag once:1", "untag twice:1"]);
    expect(exit).toBe(0);
    expect(ofTier(fake.said("object.removed"))).toEqual([
      ["once:1", "evicted"],
      ["twice:1", "evicted"],
    ]);
    expect(ofTier(fake.said("object.kept"))).toEqual([["often:1", "not-needed"]]);
    const [first] = fake.said("object.removed");
    expect(first?.reason).toMatch(/^used once, .*idle 9d; no image here was idle as long before/);
  });

  it("two points below the high watermark is enough, `cache.until` asks for more", async () => {
    const two = await play({
      world: host({ disk: { "/": 81, "/var/lib/docker": 81 } }),
      settings: on(),
      hook: frees(2),
    });
    expect(two.fake.writes).toEqual(["untag once:1", "untag twice:1"]);
    const one = await play({
      world: host({ disk: { "/": 81, "/var/lib/docker": 81 } }),
      settings: on(),
      hook: frees(4),
    });
    expect(one.fake.writes).toEqual(["untag once:1"]);
    const more = await play({
      world: host({ disk: { "/": 81, "/var/lib/docker": 81 } }),
      settings: on({ until: "70%" }),
      hook: frees(4),
    });
    expect(more.fake.writes).toHaveLength(3);
  });

  it("comes last: what the prune frees may be enough", async () => {
    const images = [...names.map((name) => pulled(name)), dangling("i1")];
    const containers = [exited("c1")];
    const { fake } = await play({ world: host({ images, containers }), settings: on(), hook: frees(6) });
    expect(fake.writes).toEqual(["remove c1", "remove i1"]);
    expect(ofTier(fake.said("object.kept")).map(([, why]) => why)).toEqual(Array(3).fill("not-needed"));
  });

  it("does nothing without pressure, also where the disk gate is skipped", async () => {
    const disk = { "/": 60, "/var/lib/docker": 60 };
    const { fake } = await play({
      world: host({ disk }),
      settings: on(),
      options: { withoutPressure: true },
    });
    expect(fake.writes).toEqual([]);
  });

  it("ends when the disk can no longer be read", async () => {
    const hook: Hook = (request, _nth, { disk }) => {
      if (request.startsWith("untag")) disk["/"] = "EIO";
    };
    const { fake } = await play({ world: host(), settings: on(), hook });
    expect(fake.writes).toEqual(["untag once:1"]);
  });

  it("a gate that closes in between ends it before the next image", async () => {
    const hook: Hook = (request, _nth, { containers, ...rest }, fake) => {
      if (!request.startsWith("untag")) return;
      fake.pass(3000);
      containers.push(running("run", { labels: { "ci.run": "1" }, imageId: rest.images[0]?.id ?? "" }));
    };
    const settings = on({}, { liveRuns: { labels: ["ci.run"] } });
    const { fake } = await play({ world: host(), settings, hook });
    expect(fake.writes).toEqual(["untag once:1"]);
    expect(fake.finished).toMatchObject({ outcome: "incomplete", gate: "live-run" });
  });

  it.each<readonly [string, object, Parameters<typeof host>[0], string]>([
    [
      "a container uses it, in whatever state",
      {},
      { containers: [exited("c1", { imageId: imageId("once"), finishedAt: ago(60) })] },
      "in-use",
    ],
    ["cache.keep names it", { cache: { evict: "under-pressure", keep: ["once"] } }, {}, "keep-image"],
    [
      "prune.keepImages names it",
      { prune: { networksAbove: null, keepImages: ["once:*"] } },
      {},
      "keep-image",
    ],
    [
      "it carries a keep label",
      {},
      { images: names.map((name) => pulled(name, { labels: { "ci-docker-prune.keep": "" } })) },
      "keep-label",
    ],
    [
      "no registry is known to have it",
      {},
      { images: names.map((name) => pulled(name, { digests: [] })) },
      "local",
    ],
    ["it was used a moment ago", {}, { ledger: [...LEDGER, used("once", 600)] }, "within-limits"],
    [
      "it came a moment ago",
      {},
      { ledger: [ENGINE, came("once", 600), came("often", 2 * DAY), came("twice", 2 * DAY)] },
      "young",
    ],
    [
      "the ledger does not know it",
      {},
      { ledger: LEDGER.filter((line) => !("image" in line) || line.image !== imageId("once")) },
      "young",
    ],
    [
      "it came back since it was evicted, and nobody heard when",
      {},
      { ledger: [...LEDGER, { evicted: imageId("once"), at: ago(3 * HOUR) }] },
      "young",
    ],
    [
      "it was pulled again a moment ago",
      {},
      { ledger: [...LEDGER, { ...came("once", 600), pulled: "once:1" }] },
      "young",
    ],
    [
      "a rule of the settings names it",
      { retention: [{ name: "mine", match: { repositories: ["once"] }, keepCount: 5, grace: "1s" }] },
      { images: names.map((name) => pulled(name, { lastTaggedAt: ago(9 * DAY) })) },
      "within-limits",
    ],
  ])("leaves an image alone: %s", async (_, settings, changes, because) => {
    const { fake } = await play({ world: host(changes), settings: { ...on(), ...settings } });
    expect(fake.writes).not.toContain("untag once:1");
    const kept = fake.said("object.kept").find(({ names: all }) => (all as string[]).includes("once:1"));
    expect(kept?.rule).toBe(because);
  });

  const own = { id: imageId("once"), tags: ["r:5000/once:1"], digests: [`r:5000/once@${imageId("once")}`] };
  const asPulled: LedgerLine = { ...came("once", 10 * DAY), pulled: "r:5000/once:1" };
  it.each<readonly [string, Partial<ImageDetail>, readonly LedgerLine[], "goes" | "local"]>([
    ["only a digest of its own id", own, [], "local"],
    ["it was pulled, as the engine tells", { ...own, pulledFrom: ["r/once"] }, [], "goes"],
    ["another repository was pulled", { ...own, pulledFrom: ["r/other"] }, [], "local"],
    ["it was pulled, as watch heard", own, [asPulled], "goes"],
    ["one of two names is local", { ...own, tags: [...own.tags, "mine:1"] }, [asPulled], "local"],
    ["a digest of another repository", { digests: [`other@sha256:${"0".repeat(64)}`] }, [], "local"],
    ["Docker Hub's full name", { digests: [], pulledFrom: ["docker.io/library/once"] }, [], "goes"],
  ])("what no registry has stays: %s", async (_, changes, lines, expected) => {
    const images = names.map((name) => pulled(name, name === "once" ? changes : {}));
    const once = images[1];
    const info = {
      rootDir: "/var/lib/docker",
      imageStore: "containerd",
      swarm: { role: "manager" },
    } as const;
    const { fake } = await play({
      world: host({ images, info, ledger: [...LEDGER, ...lines] }),
      settings: on(),
      hook: frees(20),
    });
    expect(fake.writes[0]).toBe(expected === "goes" ? `untag ${once?.tags[0]}` : "untag twice:1");
    if (expected === "local")
      expect(fake.said("object.kept").map(({ id, rule }) => [id, rule])).toContainEqual([once?.id, "local"]);
  });

  it("local images go as well where the settings say so", async () => {
    const images = names.map((name) => pulled(name, { digests: [] }));
    const { fake } = await play({
      world: host({ images }),
      settings: on({ local: "evict" }),
      hook: frees(20),
    });
    expect(fake.writes).toEqual(["untag once:1"]);
  });

  it("one that a container was started on since it was planned stays", async () => {
    const hook: Hook = (request, nth, { containers, images }, fake) => {
      if (request === `inspect ${"once"}` && nth === 2) {
        const at = images.findIndex(({ id }) => id === imageId("once"));
        images[at] = pulled("once", { tags: ["once:1", "once:2"] });
        containers.push(running("c9", { imageId: imageId("once") }));
        fake.pass(1);
      }
    };
    const { fake } = await play({ world: host(), settings: on(), hook });
    expect(fake.writes).not.toContain("untag once:1");
  });

  it("a pass writes into the ledger what it saw, and what it evicted; a dry run writes nothing", async () => {
    const containers = [running("c1", { imageId: imageId("often"), createdAt: ago(HOUR) })];
    const images = [...names, "fresh"].map((name) => pulled(name));
    const { fake } = await play({ world: host({ containers, images }), settings: on(), hook: frees(20) });
    expect(fake.world.ledger.slice(LEDGER.length)).toEqual([
      expect.objectContaining({ image: imageId("fresh"), names: ["fresh:1"] }),
      { use: imageId("often"), at: ago(HOUR), group: null },
      expect.objectContaining({ evicted: imageId("once") }),
    ]);
    const dry = await play({
      world: host({ containers, images }),
      settings: on(),
      options: { dryRun: true },
    });
    expect(dry.fake.world.ledger).toHaveLength(LEDGER.length);
    expect(dry.fake.writes).toEqual([]);
  });

  it.each<readonly [string, object, readonly string[], readonly string[]]>([
    ["as many as the mark asks for", { sizeBytes: 7 * GiB }, ["once:1", "twice:1"], ["often:1"]],
    ["all where they are not enough", { sizeBytes: GiB }, ["once:1", "twice:1", "often:1"], []],
  ])("a dry run names what would go, in order: %s", async (_, size, planned, spared) => {
    const images = names.map((name) => pulled(name, size));
    const { fake } = await play({ world: host({ images }), settings: on(), options: { dryRun: true } });
    expect(fake.writes).toEqual([]);
    expect(ofTier(fake.said("object.planned"))).toEqual(planned.map((name) => [name, "evicted"]));
    expect(ofTier(fake.said("object.kept"))).toEqual(spared.map((name) => [name, "not-needed"]));
    expect(fake.finished.kept).toBe(spared.length);
  });

  it("a dry run names none where the rest is enough, or without pressure", async () => {
    const story = { settings: on(), options: { dryRun: true } };
    const images = [...names.map((name) => pulled(name)), dangling("i1", { sizeBytes: 20 * GiB })];
    const enough = await play({ ...story, world: host({ images }) });
    const idle = await play({ ...story, world: host({ disk: { "/": 60, [ROOT]: 60 } }) });
    for (const { fake } of [enough, idle]) {
      expect(ofTier(fake.said("object.planned"))).toEqual([]);
      expect(fake.said("object.planned").length).toBe(fake === enough.fake ? 1 : 0);
    }
  });

  it("a pass leaves in the state how warm the cache is, and nothing once the tier is off", async () => {
    const { fake } = await play({ world: host(), settings: on() });
    expect(fake.saved.at(-1)?.cache).toMatchObject({ uses: 8, warmUses: 8, evictions: 0, regrets: 0 });
    const off = await play({ world: host(), settings: { prune: { networksAbove: null } } });
    expect(off.fake.saved.at(-1)?.cache).toBe(null);
  });

  it("what is here though it was evicted came again: a pass writes so, and a later one may take it", async () => {
    const ledger: LedgerLine[] = [...LEDGER, { evicted: imageId("once"), at: ago(3 * HOUR) }];
    const { fake } = await play({
      world: host({ ledger: [...ledger] }),
      settings: on({ keep: ["often", "twice"] }),
    });
    expect(fake.world.ledger.slice(ledger.length)).toEqual([
      expect.objectContaining({ image: imageId("once"), names: ["once:1"] }),
    ]);
    const now = fake.now + 2 * HOUR * 1000;
    const later = await play({
      ...{ now, world: host({ ledger: fake.world.ledger }) },
      settings: on(),
      hook: frees(20),
    });
    expect(later.fake.writes).toEqual(["untag once:1"]);
    expect(later.fake.saved.at(-1)?.cache).toMatchObject({ regrets: 1 });
  });

  it("an empty ledger takes nothing: the first pass learns, the next one may evict", async () => {
    const first = await play({ world: host({ ledger: [] }), settings: on(), hook: frees(20) });
    expect(first.fake.writes).toEqual([]);
    const { ledger } = first.fake.world;
    expect(ledger[0]).toMatchObject({ engine: "" });
    expect(ledger.filter((line) => "image" in line)).toHaveLength(3);
    const later = await play({
      world: host({ ledger }),
      settings: on(),
      hook: frees(20),
      now: first.fake.now + 2 * HOUR * 1000,
    });
    expect(later.fake.writes).toHaveLength(1);
  });

  it("a clock that is ahead makes nothing evictable: what came by it counts as of the future", async () => {
    const ledger = [ENGINE, ...names.map((name) => came(name, -9 * DAY))];
    const { fake } = await play({ world: host({ ledger }), settings: on() });
    expect(fake.writes).toEqual([]);
    expect(fake.said("fact.unknown").map(({ reason }) => reason)).toContain(
      "the ledger of uses has 3 lines from the future, which do not count",
    );
  });

  it("a ledger that cannot be written is told, and the pass goes on", async () => {
    const { fake } = await play({
      world: host({ stateUnwritable: "ENOSPC" }),
      settings: on(),
      hook: frees(20),
    });
    expect(fake.writes).toEqual(["untag once:1"]);
    expect(fake.said("fact.unknown").map(({ reason }) => reason)).toContain("it cannot be written: ENOSPC");
  });
});

describe("the plan's own section for the last tier", () => {
  async function look(disk: number, sizeBytes: number, cache: object = {}) {
    const images = names.map((name) => pulled(name, { sizeBytes }));
    const fake = new Fake(world(host({ images, disk: { "/": disk, [ROOT]: disk } })));
    const settings = settingsOf(on(cache));
    const ports = { ...portsOf(fake), settings };
    const seen = await previewGates(ports, false);
    const plan = await previewPlan(ports, seen);
    const screen = planScreen(settings, seen, plan, {
      colours: pc.createColors(false),
      width: null,
      unicode: true,
    });
    return { screen: screen.join("\n"), document: planDocument(seen, plan) };
  }

  it("shows the order, the running total, why in numbers, and where it would stop", async () => {
    const { screen, document } = await look(85, GiB);
    expect(screen).toContain("The last tier (cache.evict): about ");
    const rows = screen.split("\n").filter((line) => /once:1|twice:1|often:1/.test(line));
    expect(rows[0]).toMatch(/^evict +image once:1 \(\S+\) +1\.0 GiB +1\.0 GiB +used once, .*idle 9d; /);
    expect(rows[1]).toMatch(/ twice:1 .* 1\.0 GiB +2\.0 GiB +used twice, /);
    expect(rows[2]).toMatch(/ often:1 .* 3\.0 GiB +used 9 times, /);
    expect(screen).not.toContain("All other tagged images stay");
    expect(document.evict.map(({ names: all }) => (all as string[])[0])).toEqual([
      "once:1",
      "twice:1",
      "often:1",
    ]);
    expect(document.totals.evict).toEqual({ count: 3, sizeBytes: 3 * GiB });
  });

  it("says that none goes without pressure, and that the section is not there where the tier is off", async () => {
    expect((await look(50, GiB)).screen).toContain("none of these goes without pressure");
    const off = await look(85, GiB, { evict: "never" });
    expect(off.screen).toContain("All other tagged images stay");
    expect(off.document.evict).toEqual([]);
  });

  it("marks those after the stop as staying", async () => {
    const { screen } = await look(85, 30 * GiB);
    const marks = screen
      .split("\n")
      .filter((line) => /once:1|twice:1|often:1/.test(line))
      .map((line) => line.slice(0, 5));
    expect(marks).toEqual(["evict", "stays", "stays"]);
  });
});
