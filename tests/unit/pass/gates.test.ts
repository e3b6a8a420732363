import { describe, expect, it } from "vitest";
import { runPass } from "../../../agent/pass/pass.ts";
import { GiB, imageId, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { all, at, play, portsOf, relief } from "./play.ts";
import {
  BUSY,
  check,
  deployStarts,
  diskOf,
  ends,
  failing,
  manyImages,
  PLAN,
  type Row,
  RUN,
  RUN_LABELS,
  removing,
  runStarts,
  toldToStop,
} from "./rows.ts";
import { exited, type Hook, ROOT, world } from "./world.ts";

describe("a pass on the usual host", () => {
  it("removes what fulfils the rules, in order, and is remembered", async () => {
    const fake = await check({ hook: relief, ...ends("pruned", 0, PLAN) });
    expect(fake.finished.freedBytes).toBe(30 * GiB);
    expect(fake.finished.claimedBytes).toBe(3 * GiB + 2000);
    expect(fake.recorded.at(-1)).toMatchObject({ outcome: "pruned", exitCode: 0 });
    expect(fake.log.indexOf("save the state")).toBeLessThan(fake.log.indexOf("unlock"));
  });

  it("says loudly that the disk is still full", async () => {
    const fake = await check({ ...ends("pressure-remains", 10, PLAN) });
    expect(fake.said("pass.ineffective")).toMatchObject([{ cause: "pressure-remains", removed: 5 }]);
    expect(fake.events.find(({ event }) => event === "pass.ineffective")?.level).toBe("error");
    expect(fake.events.at(-1)?.level).toBe("error");
  });

  it("says the same where nothing may go", async () => {
    const nothing = { containers: [], images: [], cache: [] };
    await check({
      world: nothing,
      settings: { prune: { buildCache: false } },
      ...ends("nothing-eligible", 10),
    });
  });
});

describe("before the first deletion", () => {
  it.each<[string, Row]>([
    [
      "the disk gate is closed",
      { world: { disk: { "/": 50, [ROOT]: 50 } }, ...ends("below-watermark", 0, [], "disk-pressure") },
    ],
    [
      "the disk cannot be read",
      { world: { disk: { "/": "EIO", [ROOT]: 90 } }, ...ends("failed", 69, [], "disk-pressure") },
    ],
    [
      "another pass or a launcher holds the lock",
      { world: { lock: "held" }, ...ends("deferred", 0, [], "lock") },
    ],
    [
      "the lock cannot be told",
      { world: { lock: { broken: "EACCES" } }, ...ends("deferred", 69, [], "lock") },
    ],
    [
      "a run is live",
      {
        world: { containers: [exited("c1"), RUN] },
        settings: RUN_LABELS,
        ...ends("deferred", 0, [], "live-run"),
      },
    ],
    [
      "the containers cannot be read",
      { hook: at("live", failing("refused")), ...ends("deferred", 69, [], "live-run") },
    ],
    ["a service converges", { world: { services: [BUSY] }, ...ends("deferred", 0, [], "converging") }],
    [
      "a service converges at the second look alone",
      { hook: at("services", deployStarts, 2), ...ends("deferred", 0, [], "converging") },
    ],
    [
      "the services cannot be read",
      { hook: at("services", failing("refused")), ...ends("deferred", 69, [], "live-run") },
    ],
    [
      "the services cannot be read at the second look",
      { hook: at("services", failing("unavailable"), 2), ...ends("deferred", 69, [], "live-run") },
    ],
    [
      "this node is a swarm worker",
      {
        world: {
          info: { rootDir: ROOT, imageStore: "classic", swarm: { role: "worker" } },
        },
        ...ends("deferred", 69, [], "live-run"),
      },
    ],
    [
      "the containers that start cannot be read on a worker that goes by its local tasks",
      {
        world: { info: { rootDir: ROOT, imageStore: "classic", swarm: { role: "worker" } } },
        settings: { convergence: { onWorker: "local-tasks" } },
        hook: at("starting", failing("refused")),
        ...ends("deferred", 69, [], "converging"),
      },
    ],
    ["the engine does not answer", { hook: at("version", failing("unreachable")), ...ends("failed", 69) }],
    ["the engine does not say what it is", { hook: at("info", failing("timeout")), ...ends("failed", 69) }],
    [
      "the stopped containers cannot be read",
      { hook: at("stopped", failing("cut-off")), ...ends("failed", 69) },
    ],
    ["it is told to stop", { hook: at("info", toldToStop), ...ends("incomplete", 75) }],
    [
      "it is told to stop between the two looks",
      { hook: at("services", toldToStop), ...ends("incomplete", 75) },
    ],
    ["it is told to stop while it lists", { hook: at("dangling", toldToStop), ...ends("incomplete", 75) }],
    ["it is a dry run", { options: { dryRun: true }, ...ends("dry-run", 0) }],
  ])("nothing is sent where %s", async (_, row) => {
    await check(row);
  });

  it("looks at nothing but the disk and the lock where those do not let it go on", async () => {
    const closed = await play({ world: { disk: { "/": 50, [ROOT]: 50 } } });
    const held = await play({ world: { lock: "held" } });
    expect([closed.fake.requests, held.fake.requests]).toEqual([0, 0]);
  });

  it("ends before its next deletion where the lock keeps launchers out no more", async () => {
    const removed: Hook = (_request, _nth, host) => {
      host.lock = { broken: "the file was removed" };
    };
    const { fake, exit } = await play({ hook: at("remove c1", removed) });
    expect(fake.writes).toEqual(["remove c1", "remove c2"]);
    expect([exit, fake.finished]).toMatchObject([69, { outcome: "incomplete", gate: "lock" }]);
    expect(fake.finished.reason).toMatch(/the file was removed/);
    expect(fake.locksReleased).toBe(1);
  });

  it("says why it was stopped: by a signal, or since nobody can read its log", async () => {
    const broken: Hook = (_request, _nth, _host, fake) =>
      fake.stop.abort("standard output cannot be written");
    const { fake, exit } = await play({ hook: at("remove c1", broken) });
    expect(fake.writes).toEqual(["remove c1"]);
    expect([exit, fake.finished.reason]).toEqual([75, "standard output cannot be written"]);
    expect(fake.said("pass.ended-early")).toMatchObject([{ reason: "standard output cannot be written" }]);
    const told = await play({ hook: at("remove c1", toldToStop) });
    expect(told.fake.finished.reason).toBe("told to stop");
  });

  it("deletes nothing while the line about the last deletion has not been taken", async () => {
    const fake = new Fake(world());
    const journal = { ...fake.journal, taken: async () => void fake.log.push("taken") };
    await runPass({ ...portsOf(fake), journal }, settingsOf({}), { dryRun: false, withoutPressure: false });
    const at = (text: string) => fake.log.indexOf(text);
    for (const [told, next] of [
      ["log object.removed c2", "remove i1"],
      ["log object.removed i2", "prune cache 86400"],
    ] as const) {
      expect(at(told)).toBeGreaterThan(0);
      expect(fake.log.slice(at(told), at(next))).toContain("taken");
    }
  });

  it("asks nobody anything before it has the lock, where no disk has to be asked for leave", async () => {
    const { fake } = await play({ options: { withoutPressure: true } });
    expect(fake.log[0]).toBe("lock");
    expect(fake.log).toContain("unlock");
  });

  it("skips the disk gate where a person asks for it, and no other", async () => {
    const disk = { "/": 50, [ROOT]: 50 };
    const options = { withoutPressure: true };
    await check({ world: { disk }, options, ...ends("pruned", 0, PLAN) });
    await check({ world: { disk, lock: "held" }, options, ...ends("deferred", 0, [], "lock") });
    await check({
      world: { disk, containers: [RUN] },
      settings: RUN_LABELS,
      options,
      ...ends("deferred", 0, [], "live-run"),
    });
    await check({ world: { disk, services: [BUSY] }, options, ...ends("deferred", 0, [], "converging") });
  });

  it("writes neither to the engine nor to the state in a dry run, and says the plan of the pass", async () => {
    const { fake } = await play({ options: { dryRun: true } });
    expect(fake.saved).toEqual([]);
    const planned = fake.said("object.planned").map(({ kind, names, id }) => [kind, names, id]);
    const pass = await play({});
    const removed = pass.fake.said("object.removed").map(({ kind, names, id }) => [kind, names, id]);
    expect(planned).toEqual(
      removed.map(([kind, names, id]) => [kind, kind === "build-cache" ? ["RUN make"] : names, id]),
    );
    expect(fake.said("prune.planned")[0]).toMatchObject({ remove: { container: 2, image: 2 } });
  });
});

describe("between deletions", () => {
  it.each<[string, Row]>([
    [
      "a run starts during the containers",
      {
        hook: all(relief, at("remove c1", runStarts)),
        settings: RUN_LABELS,
        ...ends("incomplete", 0, ["remove c1", "remove c2"], "live-run"),
      },
    ],
    [
      "a service starts to converge during the images",
      {
        hook: all(relief, at("remove i1", deployStarts)),
        ...ends("incomplete", 0, ["remove c1", "remove c2", "remove i1", "remove i2"], "converging"),
      },
    ],
    [
      "a run starts among many images: within two seconds",
      {
        world: { containers: [], images: manyImages(25) },
        hook: all(
          relief,
          at("remove i3", runStarts),
          at("remove i13", (_request, _nth, _world, fake) => fake.pass(2000)),
        ),
        settings: RUN_LABELS,
        ...ends("incomplete", 0, removing(13), "live-run"),
      },
    ],
    [
      "a run starts while a deletion takes long: within two seconds",
      {
        world: { containers: [], images: manyImages(5) },
        hook: all(
          relief,
          at("remove i2", (_request, _nth, _world, fake) => fake.pass(2001)),
          at("remove i2", runStarts),
        ),
        settings: RUN_LABELS,
        ...ends("incomplete", 0, removing(2), "live-run"),
      },
    ],
    [
      "the containers cannot be read any more",
      {
        hook: all(relief, at("live", failing("refused"), 3)),
        ...ends("incomplete", 69, ["remove c1", "remove c2"], "live-run"),
      },
    ],
    [
      "the services cannot be read any more",
      {
        hook: all(relief, at("services", failing("unavailable"), 3)),
        ...ends("incomplete", 69, ["remove c1", "remove c2"], "live-run"),
      },
    ],
    [
      "the engine does not say any more what it is",
      {
        hook: all(relief, at("info", failing("refused"), 2)),
        ...ends("incomplete", 69, ["remove c1", "remove c2"], "converging"),
      },
    ],
    [
      "the engine is no manager any more",
      {
        hook: all(
          relief,
          at("remove c2", (_request, _nth, host) => {
            host.info = { ...host.info, swarm: { role: "none" } };
          }),
        ),
        ...ends("incomplete", 69, ["remove c1", "remove c2"], "converging"),
      },
    ],
    [
      "it is told to stop",
      { hook: all(relief, at("remove c1", toldToStop)), ...ends("incomplete", 75, ["remove c1"]) },
    ],
    [
      "it is told to stop during the last look at an object",
      { hook: all(relief, at("inspect c2", toldToStop)), ...ends("incomplete", 75, ["remove c1"]) },
    ],
    [
      "it is told to stop while the build cache is listed",
      { hook: all(relief, at("list cache", toldToStop)), ...ends("incomplete", 75, PLAN.slice(0, 4)) },
    ],
    [
      "the engine dies in a deletion",
      {
        hook: all(relief, at("remove c2", failing("cut-off")), at("inspect c2", failing("unreachable"), 2)),
        ...ends("failed", 69, ["remove c1", "remove c2"]),
      },
    ],
    [
      "the engine does not answer a deletion in time",
      {
        hook: all(relief, at("remove i1", failing("timeout"))),
        ...ends("failed", 69, ["remove c1", "remove c2", "remove i1"]),
      },
    ],
    [
      "the engine refuses one deletion",
      { hook: all(relief, at("remove c1", failing("refused"))), ...ends("incomplete", 75, PLAN) },
    ],
    [
      "the engine refuses one deletion and then does not say any more what it is: what cannot be read wins",
      {
        hook: all(relief, at("remove c1", failing("refused")), at("info", failing("unreachable"), 2)),
        ...ends("incomplete", 69, ["remove c1", "remove c2"], "converging"),
      },
    ],
    [
      "the engine refuses all of them because they are in use",
      {
        world: { containers: [], cache: [] },
        settings: { prune: { buildCache: false } },
        hook: all(relief, at("remove i1", failing("in-use")), at("remove i2", failing("in-use"))),
        ...ends("nothing-eligible", 0, ["remove i1", "remove i2"]),
      },
    ],
    [
      "the engine fails, and it is told to stop: the engine wins",
      {
        hook: all(
          relief,
          at("remove c1", toldToStop),
          at("remove c1", failing("timeout")),
          at("inspect c1", failing("timeout"), 2),
        ),
        ...ends("failed", 69, ["remove c1"]),
      },
    ],
    [
      "a deletion failed and a run starts: what failed wins",
      {
        hook: all(relief, at("remove c1", failing("refused")), at("remove c2", runStarts)),
        settings: RUN_LABELS,
        ...ends("incomplete", 75, ["remove c1", "remove c2"]),
      },
    ],
    [
      "the disk is below the low watermark",
      { settings: { disk: { lowWatermark: "70%" } }, hook: relief, ...ends("pruned", 0, ["remove c1"]) },
    ],
    [
      "the disk cannot be read any more: that is not room enough",
      {
        settings: { disk: { lowWatermark: "70%" } },
        hook: at("remove c1", diskOf("EIO")),
        ...ends("pruned", 69, PLAN),
      },
    ],
  ])("it ends as it must where %s", async (_, row) => {
    const fake = await check(row);
    const refusals = fake.said("object.failed").length + fake.said("object.kept").length;
    if (row.writes.length < PLAN.length)
      expect(fake.said("pass.ended-early").length + refusals).toBeGreaterThan(0);
  });

  it("says why it ended, and of each object that it did not come to", async () => {
    const { fake } = await play({ hook: all(relief, at("remove c1", runStarts)), settings: RUN_LABELS });
    expect(fake.said("pass.ended-early")).toMatchObject([
      { left: 2, stepsLeft: ["image", "build-cache"], reason: expect.stringContaining("a CI run is live") },
    ]);
    expect(fake.said("object.kept").filter(({ rule }) => rule === "not-reached")).toHaveLength(2);
  });

  it("says of a removal only what the engine confirmed", async () => {
    const { fake } = await play({
      hook: all(relief, at("remove c1", failing("refused")), at("remove i1", failing("in-use"))),
    });
    const removed = fake.said("object.removed").map(({ names, id }) => [names, id]);
    expect(fake.said("object.failed")).toMatchObject([{ names: ["c1"], removed: "no", status: 500 }]);
    expect(JSON.stringify(removed)).not.toContain("c1");
    expect(JSON.stringify(removed)).not.toContain(imageId("i1"));
    expect(fake.log.indexOf("log object.removed c2")).toBeGreaterThan(fake.log.indexOf("remove c2"));
  });

  it("says that nobody knows, where the answer to a deletion was lost", async () => {
    const { fake } = await play({ hook: at("remove c1", failing("timeout")) });
    expect(fake.said("object.failed")).toMatchObject([{ names: ["c1"], removed: "unknown" }]);
  });
});
