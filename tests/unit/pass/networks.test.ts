import { expect, it } from "vitest";
import { EMPTY_STATE } from "../../../agent/state/state.ts";
import { ago, DAY, HOUR, network } from "../support.ts";
import { all, play, relief } from "./play.ts";
import { exited, fails, ROOT, running } from "./world.ts";

const nothing = { containers: [], images: [], cache: [] };
const settings = { prune: { networksAbove: 1, buildCache: false } };
const three = () => [
  network("n1"),
  network("n2", { createdAt: ago(9 * DAY) }),
  network("n3", { createdAt: ago(HOUR) }),
];

it("a pass removes the oldest unused networks beyond prune.networksAbove, and says so", async () => {
  const { fake } = await play({ world: { ...nothing, networks: three() }, settings });
  expect(fake.writes).toEqual(["remove n2", "remove n1"]);
  expect(fake.said("object.removed").map(({ kind, names }) => [kind, names])).toEqual([
    ["network", ["n2"]],
    ["network", ["n1"]],
  ]);
  expect(fake.finished.removed).toMatchObject({ network: 2 });
});

it("room enough on the disk does not spare them: what they use up is addresses", async () => {
  const containers = [exited("c1"), exited("c2")];
  const { fake } = await play({
    world: { ...nothing, containers, networks: three() },
    settings: { ...settings, disk: { highWatermark: "80%", lowWatermark: "70%" } },
    hook: relief,
  });
  expect(fake.writes.slice(0, 2)).toEqual(["remove n2", "remove n1"]);
});

it("one that got a container since, or an endpoint, stays", async () => {
  const { fake } = await play({
    world: { ...nothing, networks: [...three(), network("n4")] },
    settings,
    hook: (request, _nth, world) => {
      if (request === "inspect n2") world.containers.push(running("c1", { networks: ["n2"] }));
      if (request === "inspect n1") world.networks[0] = network("n1", { endpoints: 1 });
    },
  });
  expect(fake.writes).toEqual(["remove n4"]);
  expect(fake.said("object.kept").map(({ names, rule }) => [names, rule])).toEqual(
    expect.arrayContaining([
      [["n1"], "in-use"],
      [["n2"], "in-use"],
    ]),
  );
});

it("below the watermark the engine is asked once a day, and a pass goes through where there are too many", async () => {
  const disk = { "/": 10, [ROOT]: 10 };
  const asked = (ms: number) => ({ ...EMPTY_STATE, engineRoot: ROOT, engineAskedAt: ms });
  const quiet = await play({ world: { disk, state: asked(ago(DAY - 60)), networks: three() }, settings });
  expect([quiet.fake.log.includes("networks"), quiet.fake.writes]).toEqual([false, []]);
  const due = await play({ world: { disk, state: asked(ago(DAY)), networks: three() }, settings });
  expect(due.fake.writes).toEqual(["remove n2", "remove n1"]);
  expect(due.exit).toBe(0);
  const few = { networks: three().slice(0, 1) };
  const calm = await play({ world: { disk, state: asked(ago(DAY)), ...few }, settings });
  expect(calm.fake.finished.outcome).toBe("below-watermark");
});

it("without the setting nobody asks for them", async () => {
  const { fake } = await play({
    world: { ...nothing, networks: three() },
    settings: { prune: { networksAbove: null, buildCache: false } },
  });
  expect(fake.log).not.toContain("networks");
  expect(fake.writes).toEqual([]);
});

it("a list of networks that fails is told, and a pass that is about the disk is whole without it", async () => {
  const { fake, exit } = await play({
    world: { networks: three() },
    settings,
    hook: all(relief, (request) => {
      if (request === "networks") fails("refused");
    }),
  });
  expect([exit, fake.finished.outcome]).toEqual([0, "pruned"]);
  expect(fake.said("fact.unknown")).toEqual([{ what: "the networks", reason: "the engine: refused" }]);
  expect(fake.writes).not.toContain("remove n2");
});

it("where the stopped containers could not be listed none is planned: one of them may be on it", async () => {
  const { fake } = await play({
    world: { ...nothing, networks: three() },
    settings,
    hook: (request) => {
      if (request === "stopped") fails("refused");
    },
  });
  expect(fake.log.filter((line) => line.startsWith("inspect n"))).toEqual([]);
  expect(fake.writes).toEqual([]);
});
