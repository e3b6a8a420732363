import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { planScreen } from "../../../agent/cli/plan.ts";
import { previewGates, previewPlan } from "../../../agent/pass/preview.ts";
import { ago, DAY, image, imageId, service, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { at, play, portsOf, type Story } from "./play.ts";
import { fails, type Hook, ROOT, running, type World, world } from "./world.ts";

/** A preview of a pass on a host in memory: the gates, and what it would remove. */
async function preview(story: Pick<Story, "world" | "hook" | "settings">, twice = true) {
  const fake = new Fake(world(story.world), story.hook);
  const ports = { ...portsOf(fake), settings: settingsOf(story.settings ?? {}) };
  const seen = await previewGates(ports, twice);
  const plan = await previewPlan(ports, seen);
  // Whatever is previewed: nothing is written, and the lock is not even taken for a moment.
  expect([fake.writes, fake.saved, fake.locksTaken, fake.events]).toEqual([[], [], 0, []]);
  return {
    fake,
    seen,
    plan,
    gates: Object.fromEntries(seen.gates.map(({ gate, verdict }) => [gate, verdict])),
  };
}

const OPEN = { "disk-pressure": "open", lock: "open", "live-run": "open", converging: "open" };
const BUSY = service({ status: { running: 0, desired: 1, completed: 0 } });
const RUN = running("job", { labels: { "ci.run": "1" } });
const failing =
  (...kind: Parameters<typeof fails>): Hook =>
  () =>
    fails(...kind);

describe("the gates of a preview", () => {
  it.each<[string, Pick<Story, "world" | "hook" | "settings">, object]>([
    ["all open", {}, {}],
    ["no pressure", { world: { disk: { "/": 50, [ROOT]: 50 } } }, { "disk-pressure": "closed" }],
    [
      "a disk that cannot be read",
      { world: { disk: { "/": 90, [ROOT]: "EIO" } } },
      { "disk-pressure": "unknown" },
    ],
    ["a lock that is held", { world: { lock: "held" } }, { lock: "closed" }],
    ["a lock that cannot be told", { world: { lock: { broken: "EACCES" } } }, { lock: "unknown" }],
    [
      "a run",
      { world: { containers: [RUN] }, settings: { liveRuns: { labels: ["ci.run"] } } },
      { "live-run": "closed" },
    ],
    ["containers that cannot be read", { hook: at("live", failing("refused")) }, { "live-run": "unknown" }],
    ["a service that converges", { world: { services: [BUSY] } }, { converging: "closed" }],
    [
      "services that cannot be read",
      { hook: at("services", failing("refused")) },
      { "live-run": "unknown", converging: "unknown" },
    ],
    [
      "an engine that does not answer",
      { hook: at("version", failing("unreachable")) },
      { "live-run": "unknown", converging: "unknown" },
    ],
    [
      "all at once",
      {
        world: { disk: { "/": 50, [ROOT]: 50 }, lock: "held", services: [BUSY], containers: [RUN] },
        settings: { liveRuns: { labels: ["ci.run"] } },
      },
      { "disk-pressure": "closed", lock: "closed", "live-run": "closed", converging: "closed" },
    ],
  ])("%s", async (_, story, gates) => {
    expect((await preview(story)).gates).toEqual({ ...OPEN, ...gates });
  });

  it("are what the pass then says, up to the first that is not open", async () => {
    const stories: Partial<World>[] = [{}, { lock: "held" }, { services: [BUSY] }, { disk: { "/": "EIO" } }];
    for (const changes of stories) {
      const { seen } = await preview({ world: changes });
      const { fake } = await play({ world: changes });
      const said = fake.said("gate.verdict").map(({ gate, verdict, reason }) => ({ gate, verdict, reason }));
      const shown = seen.gates.map(({ gate, verdict, reason }) => ({ gate, verdict, reason }));
      expect(said.length).toBeGreaterThan(0);
      // A pass says runs and services together: it looks at them in one go.
      expect(shown.slice(0, said.length)).toEqual(said);
    }
  });

  it("looks at the services twice where it is asked to, as a pass does", async () => {
    const hook = at("services", (_request, _nth, host) => host.services.push(BUSY), 2);
    expect((await preview({ hook }, true)).gates.converging).toBe("closed");
    expect((await preview({ hook }, false)).gates.converging).toBe("open");
  });
});

describe("the plan of a preview", () => {
  const rule = { name: "apps", match: { repositories: ["app"] }, olderThan: "24h", when: "pressure" };
  const app = image({ id: imageId("a1"), tags: ["app:1"], lastTaggedAt: ago(2 * DAY) });
  const cases: readonly [string, Pick<Story, "world" | "settings">][] = [
    ["the usual host", {}],
    ["with a rule", { world: { images: [...world().images, app] }, settings: { retention: [rule] } }],
    ["with the cache alone", { settings: { prune: { containers: false, images: false } } }],
    ["with a shorter limit", { settings: { prune: { until: "1h" } } }],
  ];

  it.each(cases)("%s: is the plan of a dry run and what a pass removes, in that order", async (_, story) => {
    const { plan } = await preview(story);
    if (!plan.known) throw new Error(plan.reason);
    const planned = plan.value.plan.remove.map(({ kind, id, rule }) => [kind, id, rule]);
    const dry = await play({ ...story, options: { dryRun: true } });
    const pass = await play(story);
    const inOrder = (events: readonly Readonly<Record<string, unknown>>[]) =>
      events.map(({ kind, id, policy }) => [kind, id, policy]);
    expect(planned.length).toBeGreaterThan(0);
    expect(inOrder(dry.fake.said("object.planned"))).toEqual(planned);
    // The steps go by kind and rule; within one the order is that of the plan.
    const sorted = (list: unknown[][]) => list.map((one) => JSON.stringify(one)).sort();
    expect(sorted(inOrder(pass.fake.said("object.removed")))).toEqual(sorted(planned));
    expect(plan.value.plan.keep.length).toBe(dry.fake.finished.kept);
  });

  it("is shown whatever the gates say", async () => {
    const { plan } = await preview({
      world: { lock: "held", services: [BUSY], disk: { "/": 50, [ROOT]: 50 } },
    });
    expect(plan.known && plan.value.plan.remove).toHaveLength(5);
  });

  it.each([
    ["the engine does not answer", at("version", failing("unreachable"))],
    ["the lists cannot be read", at("stopped", failing("unreachable"))],
    ["the containers that run cannot be read", at("live", failing("refused"), 2)],
  ])("is unknown, and not empty, where %s", async (_, hook) => {
    expect((await preview({ hook })).plan.known).toBe(false);
  });

  it("tells a list that it is without", async () => {
    const { fake, seen, plan } = await preview({ hook: at("dangling", failing("refused")) });
    expect(plan).toMatchObject({ known: true, value: { unread: [{ what: "the dangling images" }] } });
    const screen = planScreen(settingsOf({}), seen, plan, {
      colours: pc.createColors(false),
      width: 200,
      unicode: true,
    });
    expect(screen.join("\n")).toContain("! the dangling images could not be read, and are not in this plan");
    expect(fake.writes).toEqual([]);
  });
});
