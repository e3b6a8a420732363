import { describe, expect, it } from "vitest";
import { ago, HOUR, imageId } from "../support.ts";
import { all, at, play, relief } from "./play.ts";
import { dangling, exited } from "./world.ts";

const inspections = (log: readonly string[]) => log.filter((line) => line.startsWith("inspect"));

describe("the look before a deletion", () => {
  it("is the only one in a pass that acts", async () => {
    const { fake } = await play({ hook: relief });
    expect(inspections(fake.log)).toEqual(["c1", "c2", "i1", "i2"].map((name) => `inspect ${name}`));
    expect(fake.said("prune.planned")).toMatchObject([{ remove: { container: 2, image: 2 }, unlooked: 4 }]);
  });

  it("is none in a dry run, whose plan is exact: there each is inspected for the plan", async () => {
    const containers = [exited("c1"), exited("c2", { finishedAt: ago(HOUR) })];
    const { fake } = await play({ world: { containers }, options: { dryRun: true } });
    expect(inspections(fake.log)).toHaveLength(4);
    const [planned = {}] = fake.said("prune.planned");
    expect(planned).toMatchObject({ remove: { container: 1, image: 2 } });
    expect(planned).not.toHaveProperty("unlooked");
  });

  it("says how old it is and by what, and how large: not what the list told", async () => {
    const containers = [exited("c1", { finishedAt: ago(30 * HOUR), sizeBytes: 77 })];
    const { fake } = await play({ world: { containers, images: [], cache: [] }, hook: relief });
    expect(fake.said("object.removed")).toMatchObject([
      {
        ageBasis: "finished",
        sizeBytes: 77,
        reason: expect.stringMatching(/^exited/),
      },
    ]);
    expect(fake.finished.removedBytes).toMatchObject({ container: 77 });
  });

  it("keeps what the list alone shows as old, and a pass in which it keeps all has nothing to do", async () => {
    const containers = [exited("c1", { finishedAt: ago(HOUR), imageId: imageId("i1") })];
    const { fake, exit } = await play({ world: { containers, images: [dangling("i1")], cache: [] } });
    expect(fake.writes).toEqual(["prune cache 86400"]);
    expect(fake.said("object.kept")).toMatchObject([
      { names: ["c1"], rule: "young", ageBasis: "finished" },
      { rule: "in-use" },
    ]);
    expect([exit, fake.finished]).toMatchObject([10, { outcome: "nothing-eligible", kept: 2 }]);
    expect(fake.finished.reason).toMatch(/^nothing fulfils the rules/);
  });

  it("is taken again, without the size, where measuring took so long that it is none immediately before", async () => {
    const slow = at("inspect c1", (_request, _nth, _world, fake) => fake.pass(600));
    const { fake } = await play({ hook: all(relief, slow) });
    const until = fake.log.slice(0, fake.log.indexOf("remove c1"));
    expect(inspections(until)).toEqual(["inspect c1", "inspect c1"]);
    expect(inspections(fake.log)).toHaveLength(5);
  });

  it.each([
    ["is taken again behind gates that took long", 600, 2],
    ["holds behind gates that answered at once", 200, 1],
  ])("%s", async (_, took, looks) => {
    let asked = Number.POSITIVE_INFINITY;
    const { fake } = await play({
      hook: all(
        relief,
        at("remove c1", (_request, _nth, _world, now) => now.pass(1700)),
        // Two seconds since the gates: they are asked, behind this look.
        at("inspect c2", (_request, _nth, _world, now) => {
          now.pass(400);
          asked = now.log.length;
        }),
        (_request, _nth, _world, now) => {
          if (now.log.length === asked + 1) now.pass(took);
        },
      ),
    });
    expect(fake.log.filter((line) => line === "inspect c2")).toHaveLength(looks);
    expect(fake.writes).toContain("remove c2");
  });

  it("says of what the pass does not come to only what the list told", async () => {
    const { fake } = await play({
      hook: at("inspect c2", (_request, _nth, _world, { stop }) => stop.abort()),
    });
    const left = fake.said("object.kept").filter(({ rule }) => rule === "not-reached");
    expect(left).toMatchObject([{}, { ageBasis: "created" }, { ageBasis: "created" }]);
  });
});
