import { describe, expect, it } from "vitest";
import { evict } from "../../../agent/snapshots/evict.ts";
import { evictDocument } from "../../../agent/snapshots/text.ts";
import { exited, fails, type Hook } from "../pass/world.ts";
import { imageId, service } from "../support.ts";
import { engine, failing, item, nameOf, snapshot } from "./host.ts";

const NAME = nameOf("42");
const OLDER = NAME.replace("latest", "older");

describe("an eviction", () => {
  it("removes every name in its own repository, and the image with the last", async () => {
    const { fake, ports } = engine({ images: [snapshot("i1", "42", 1, { tags: [NAME, OLDER] })] });
    expect(await evict(ports, item("42"))).toMatchObject({ removed: [NAME, OLDER], left: [], exitCode: 0 });
    expect(fake.world.images).toEqual([]);
  });

  it("leaves names of others, and says so", async () => {
    const { fake, ports } = engine({ images: [snapshot("i1", "42", 1, { tags: [NAME, "mine:keep"] })] });
    const report = await evict(ports, item("42"));
    expect(report).toMatchObject({ removed: [NAME], exitCode: 0 });
    expect(report.left).toEqual([{ name: imageId("i1"), reason: "others named it: mine:keep" }]);
    expect(fake.writes).toEqual([`untag ${NAME}`]);
  });

  it("leaves an image that only has its name", async () => {
    const { fake, ports } = engine({ images: [snapshot("i1", "42", 1, { labels: {} })] });
    const report = await evict(ports, item("42"));
    expect(report).toMatchObject({ removed: [], exitCode: 0 });
    expect(report.left).toEqual([{ name: NAME, reason: "it is no snapshot: it lacks the labels of one" }]);
    expect(fake.writes).toEqual([]);
  });

  it.each([
    ["container task uses it", { containers: [exited("task", { imageId: imageId("i1") })] }],
    ["service web uses it", { services: [service({ images: [NAME] })] }],
  ])("leaves what is used: %s", async (reason, users) => {
    const { fake, ports } = engine({ images: [snapshot("i1", "42", 1)], ...users });
    const report = await evict(ports, item("42"));
    expect(report).toMatchObject({ removed: [], left: [{ name: NAME, reason }], exitCode: 75 });
    expect(fake.writes).toEqual([]);
  });

  it("removes what resumed runs left nameless below it, and nothing of another work item", async () => {
    const below = snapshot("i2", "42", 2, { tags: [], parentId: imageId("i3") });
    const other = snapshot("i3", "41", 3, { tags: [] });
    const { fake, ports } = engine({
      images: [snapshot("i1", "42", 1, { parentId: imageId("i2") }), below, other],
    });
    const report = await evict(ports, item("42"));
    expect(report).toMatchObject({ removed: [NAME, imageId("i2")], left: [], exitCode: 0 });
    expect(fake.world.images).toEqual([other]);
  });

  it("removes by its id what the engine said it deleted and kept nameless: the containerd store, under another image", async () => {
    const { fake, ports } = engine({ images: [snapshot("i1", "42", 1)] }, (request, _nth, host) => {
      if (request === `untag ${NAME}`) host.images.push(snapshot("i1", "42", 1, { tags: [] }));
    });
    const report = await evict(ports, item("42"));
    expect(report).toMatchObject({ removed: [NAME, imageId("i1")], left: [], exitCode: 0 });
    expect(fake.world.images).toEqual([]);
  });

  it("tells no name as removed that is still there, whatever the engine says", async () => {
    const { ports } = engine({ images: [snapshot("i1", "42", 1)] }, (request, _nth, host) => {
      if (request === `untag ${NAME}`)
        host.images.push(snapshot("i1", "42", 1, { tags: [NAME, "mine:keep"] }));
    });
    const reasons = [
      "others named it: mine:keep",
      "the engine said that it was removed, and it is still there",
    ];
    expect(await evict(ports, item("42"))).toMatchObject({
      ...{ removed: [], left: reasons.map((reason) => ({ reason })), exitCode: 75 },
    });
  });

  it("takes an image for gone whose deletion was not answered, and is not there any more", async () => {
    const { ports } = engine({ images: [snapshot("i1", "42", 1)] }, (request, _nth, world) => {
      if (!request.startsWith("untag")) return;
      world.images = [];
      fails("cut-off");
    });
    expect(await evict(ports, item("42"))).toMatchObject({ removed: [NAME], left: [], exitCode: 0 });
  });

  it("of nothing is success, and so is one whose image went meanwhile", async () => {
    expect(await evict(engine({}).ports, item("42"))).toMatchObject({ removed: [], left: [], exitCode: 0 });
    const images = [snapshot("i1", "42", 1)];
    const { ports } = engine({ images }, failing("inspect i1", "gone"));
    expect(await evict(ports, item("42"))).toMatchObject({ left: [], exitCode: 0 });
  });
});

describe("of several outcomes the worst decides the exit code", () => {
  const images = [snapshot("i1", "42", 1), snapshot("i2", "42", 1, { tags: [OLDER] })];

  it.each<[string, number, Hook]>([
    ["a timeout, then one in use", 69, failing(`untag ${NAME}`, "timeout")],
    ["one in use, then a timeout", 69, failing(`untag ${OLDER}`, "timeout")],
    ["one that is in use", 75, failing(`untag ${NAME}`, "in-use")],
    ["one that the engine refuses", 75, failing(`untag ${NAME}`, "refused")],
  ])("%s: %i", async (_, exitCode, hook) => {
    const busy: Hook = (request, nth, world, fake) => {
      hook(request, nth, world, fake);
      if (request.startsWith("untag") && exitCode === 69) fails("in-use");
    };
    const { ports } = engine({ images }, busy);
    const report = await evict(ports, item("42"));
    expect(report.exitCode).toBe(exitCode);
    expect(evictDocument(report)).toMatchObject({ project: "web", workItem: "42", exitCode });
  });

  it("an engine that does not answer at all: 69", async () => {
    const { ports } = engine({ images }, failing("version", "unreachable"));
    expect(await evict(ports, item("42"))).toMatchObject({ removed: [], exitCode: 69 });
  });
});
