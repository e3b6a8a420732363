import { describe, expect, it } from "vitest";
import { type CommitRequest, commitContainer } from "../../../agent/snapshots/commit.ts";
import { repositoryOf, snapshotLabels } from "../../../agent/snapshots/identity.ts";
import type { SnapshotPorts } from "../../../agent/snapshots/look.ts";
import { dangling, exited, fails, type Hook, running, type World } from "../pass/world.ts";
import { ago, HOUR, imageId } from "../support.ts";
import { engine, failing, host, item, nameOf, snapshot } from "./host.ts";

/** A commit of container `job`, on an engine where it makes image `new`. */
async function commit(world: Partial<World>, hook?: Hook, request: Partial<CommitRequest> = {}) {
  const { fake, ports } = engine({ containers: [exited("job")], ...world }, hook);
  const writer: SnapshotPorts["writer"] = {
    ...ports.writer,
    commit: async (_id, repository, tag, labels) => {
      fake.writes.push(`commit ${repository}`);
      hook?.("commit", 1, fake.world, fake);
      const name = `${repository}:${tag}`;
      fake.world.images = fake.world.images.map((image) => ({
        ...image,
        tags: image.tags.filter((text) => text !== name),
      }));
      fake.world.images.push(dangling("new", { tags: [name], labels, createdAt: fake.now }));
      return imageId("new");
    },
  };
  const asked = {
    container: "job",
    removeContainer: true,
    as: { identity: item("42"), ttl: "24h" },
    ...request,
  };
  const report = await commitContainer({ ...ports, writer }, host(), asked);
  return { fake, report };
}

const COMMIT = `commit ${repositoryOf(item("42"))}`;
const REMOVAL = "remove job";

describe("a commit", () => {
  it("keeps the work, and removes the container and what had the name", async () => {
    const { fake, report } = await commit({ images: [snapshot("i1", "42", 2)] });
    expect(fake.writes).toEqual([COMMIT, REMOVAL, "remove i1"]);
    expect(report).toMatchObject({
      outcome: "committed",
      removal: { gone: true },
      predecessor: { removed: [imageId("i1")], left: null },
      limits: { applied: true, removed: 0 },
      exitCode: 0,
    });
  });

  it("leaves the container where its removal was not asked for", async () => {
    const { fake, report } = await commit({}, undefined, { removeContainer: false });
    expect([fake.writes, report.removal, report.exitCode]).toEqual([[COMMIT], null, 0]);
  });

  it("applies the limits to the others, never to the one just made", async () => {
    const { fake, report } = await commit({ images: [snapshot("i1", "41", 30), snapshot("i2", "40", 20)] });
    expect(fake.writes).toEqual([COMMIT, REMOVAL, `untag ${nameOf("41")}`]);
    expect(report.limits).toMatchObject({ applied: true, removed: 1, below: [] });
    expect(report.limits?.events.map(({ event }) => event)).toEqual(["object.removed"]);
  });

  it("takes what resumed runs left nameless below one that is past its time, and counts it apart", async () => {
    const labels = snapshotLabels(item("41"), ago(40 * HOUR), "24h");
    const images = [
      snapshot("i1", "41", 30, { parentId: imageId("i2") }),
      dangling("i2", { labels, parentId: imageId("base") }),
      dangling("base", { tags: ["base:1"] }),
    ];
    const { fake, report } = await commit({ images });
    expect(fake.writes).toEqual([COMMIT, REMOVAL, `untag ${nameOf("41")}`, "remove i2"]);
    expect(report.limits).toMatchObject({ removed: 1, below: [imageId("i2")] });
    expect(report.limits?.events).toHaveLength(1);
  });

  it("one of whose limits cannot be applied goes on with the rest, says so, and ends with 75", async () => {
    const images = [snapshot("i1", "41", 30), snapshot("i2", "40", 20)];
    const { report } = await commit({ images }, failing(`untag ${nameOf("41")}`, "refused"));
    expect(report).toMatchObject({ limits: { applied: true, removed: 0, failed: 1 }, exitCode: 75 });
  });

  it("whose limits cannot be judged keeps the work, says so, and ends with 69", async () => {
    const { report } = await commit({}, failing("services", "refused"));
    expect(report).toMatchObject({
      outcome: "committed",
      limits: { applied: false, unknown: true },
      exitCode: 69,
    });
  });
});

describe("the predecessor", () => {
  const images = [snapshot("i1", "42", 2)];
  it.each<[string, Hook, string, number]>([
    ["that is in use is left to the prune", failing("remove i1", "in-use"), "in-use", 0],
    ["that the engine refuses to remove makes it incomplete", failing("remove i1", "refused"), "failed", 75],
    ["whose removal is not answered makes it incomplete", failing("remove i1", "timeout"), "away", 75],
  ])("%s", async (_, hook, because, exitCode) => {
    const { report } = await commit({ images }, hook);
    expect(report).toMatchObject({ predecessor: { left: { id: imageId("i1"), because } }, exitCode });
  });

  it("that has another name is left, and said to", async () => {
    const tags = [nameOf("42"), "mine:keep"];
    const { report } = await commit({ images: [snapshot("i1", "42", 2, { tags })] });
    expect(report.predecessor?.left).toEqual({
      id: imageId("i1"),
      because: "named",
      reason: "it has the name mine:keep",
    });
    expect(report.exitCode).toBe(0);
  });
});

describe("the container goes, whatever comes of the rest", () => {
  it.each<[string, Hook | undefined, Partial<CommitRequest>, string, number]>([
    ["the command line is wrong", undefined, { as: { problem: "--work-item is empty" } }, "usage", 64],
    ["the engine refuses the commit", failing("commit", "refused"), {}, "failed", 75],
    ["the commit is not answered", failing("commit", "cut-off"), {}, "unknown", 69],
    ["it cannot be inspected", failing("inspect job", "refused"), {}, "failed", 75],
  ])("%s", async (_, hook, request, outcome, exitCode) => {
    // An earlier snapshot is not taken for this one.
    const { fake, report } = await commit({ images: [snapshot("i1", "42", 2)] }, hook, request);
    expect(report).toMatchObject({ outcome, removal: { gone: true }, exitCode });
    expect(fake.writes).toContain(REMOVAL);
    expect(fake.world.containers).toEqual([]);
  });

  it("after a run that did not end well, with 65 and without a commit", async () => {
    const { fake, report } = await commit({ containers: [exited("job", { exitCode: 3 })] });
    expect([fake.writes, report.outcome, report.exitCode]).toEqual([[REMOVAL], "refused", 65]);
  });

  it("and one that was gone already is no failure of that", async () => {
    const { report } = await commit({ containers: [] });
    expect(report).toMatchObject({ outcome: "refused", removal: { gone: true }, exitCode: 65 });
  });

  it("but for one that runs: nothing is forced, and that decides the exit code", async () => {
    const { fake, report } = await commit({ containers: [running("job")] });
    expect(fake.writes).toEqual([REMOVAL]);
    expect(report).toMatchObject({ removal: { gone: false, reason: "it is running" }, exitCode: 75 });
  });

  it("also where it is going already: that is waited for", async () => {
    const going: Hook = (request, nth, world) => {
      if (request === REMOVAL && nth === 1) {
        world.containers = [exited("job", { state: "removing" })];
        fails("in-use");
      }
      if (request === REMOVAL) world.containers = [];
    };
    const { report } = await commit({}, going);
    expect(report).toMatchObject({ removal: { gone: true }, exitCode: 0 });
  });

  it("and one whose removal was not answered is looked for", async () => {
    const cut: Hook = (request, _nth, world) => {
      if (request !== REMOVAL) return;
      world.containers = [];
      fails("cut-off");
    };
    expect((await commit({}, cut)).report).toMatchObject({ removal: { gone: true }, exitCode: 0 });
    const { report } = await commit({}, failing(REMOVAL, "timeout"));
    expect(report).toMatchObject({ removal: { gone: false, away: true }, exitCode: 69 });
  });
});
