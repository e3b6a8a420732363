import { describe, expect, it } from "vitest";
import { image, imageId } from "../support.ts";
import { all, at, play, relief } from "./play.ts";
import { check, ends, failing, PLAN, type Row } from "./rows.ts";
import { dangling, exited, fails, type Hook, ROOT, world } from "./world.ts";

const silent: Hook = (request, ...rest) => {
  if (request === "inspect c1") failing("timeout")(request, ...rest);
};
const KEEP_APPS = { retention: [{ name: "apps", match: { labels: ["app"] }, keepCount: 9 }] };
const tagged = image({ id: imageId("a1"), tags: ["app:1"], labels: { app: "" } });

describe("what could not be read", () => {
  it.each<[string, Row]>([
    [
      "one container that does not answer stays, and the rest goes",
      { hook: all(relief, silent), ...ends("pruned", 0, PLAN.slice(1)) },
    ],
    [
      "one image that the engine refuses to show stays, and the rest goes",
      {
        hook: all(relief, at("inspect i1", failing("refused"))),
        ...ends(
          "pruned",
          0,
          PLAN.filter((write) => write !== "remove i1"),
        ),
      },
    ],
    [
      "the list of images alone: containers and build cache go, and it is no green pass",
      {
        hook: all(relief, at("dangling", failing("refused"))),
        ...ends("failed", 69, ["remove c1", "remove c2", "prune cache 86400"]),
      },
    ],
    [
      "the list of images does not come in time: the same",
      {
        hook: all(relief, at("dangling", failing("timeout"))),
        ...ends("failed", 69, ["remove c1", "remove c2", "prune cache 86400"]),
      },
    ],
    [
      "the list of stopped containers: no image goes either, one of them may use it",
      { hook: all(relief, at("stopped", failing("refused"))), ...ends("failed", 69, ["prune cache 86400"]) },
    ],
    [
      "the parents of images on the containerd store: no image goes",
      {
        world: { info: { rootDir: ROOT, imageStore: "containerd", swarm: { role: "none" } } },
        hook: all(relief, at("all images", failing("refused"))),
        ...ends("failed", 69, ["remove c1", "remove c2", "prune cache 86400"]),
      },
    ],
    [
      "the images that rules name: no dangling image goes either, a rule may name it",
      {
        world: { images: [tagged, dangling("i1", { labels: { app: "" } })] },
        settings: KEEP_APPS,
        hook: all(relief, at("named images", failing("refused"))),
        ...ends("failed", 69, ["remove c1", "remove c2", "prune cache 86400"]),
      },
    ],
  ])("%s", async (_, row) => {
    const fake = await check(row);
    expect(fake.finished.reason).toMatch(/could not be|could be/);
  });

  it("is said, and a list that failed teaches nothing of what is there", async () => {
    const before = { [imageId("i1")]: { since: 1, lastSeen: 2 } };
    const { fake } = await play({
      world: { state: { ...world().state, dangling: before } },
      hook: all(relief, at("dangling", failing("refused"))),
    });
    expect(fake.said("fact.unknown")).toMatchObject([{ what: "the dangling images" }]);
    expect(fake.saved.at(-1)?.dangling).toEqual(before);
  });

  it("is not green where no inspection at all was answered", async () => {
    const refuseAll: Hook = (request) => {
      if (request.startsWith("inspect")) failing("refused")("", 1, world(), undefined as never);
    };
    const fake = await check({
      world: { cache: [] },
      settings: { prune: { buildCache: false } },
      hook: refuseAll,
      ...ends("failed", 69),
    });
    expect(fake.finished.reason).toContain("no object could be inspected");
  });

  it("costs no more than a few deadlines", async () => {
    const hang: Hook = (request) => {
      if (/^inspect c[1-9]/.test(request)) failing("timeout")("", 1, world(), undefined as never);
    };
    const containers = Array.from({ length: 9 }, (_, nth) => exited(`c${nth + 1}`));
    const { fake } = await play({ world: { containers, images: [], cache: [] }, hook: hang });
    // Four are asked at once, and no other after the third that gave no answer.
    const asked = new Set(fake.log.filter((line) => line.startsWith("inspect")));
    expect(asked.size).toBeLessThanOrEqual(6);
    expect(fake.said("object.kept").filter(({ rule }) => rule === "unreadable")).toHaveLength(9);
  });

  it("is told once of each, however long its answer took, and the others are asked", async () => {
    const containers = [1, 2, 3, 4].map((nth) => exited(`c${nth}`));
    const { fake } = await play({
      world: { containers, images: [], cache: [] },
      hook: all(relief, (request, _nth, _world, now) => {
        if (!/^inspect c[12]/.test(request)) return;
        now.pass(30_000);
        fails("timeout");
      }),
    });
    expect(fake.writes.slice(0, 2)).toEqual(["remove c3", "remove c4"]);
    expect(fake.said("object.kept").filter(({ rule }) => rule === "unreadable")).toHaveLength(2);
    expect(fake.finished.reason).toContain("2 of the objects could not be inspected");
  });

  it("of the build cache makes a dry run no green one", async () => {
    await check({
      options: { dryRun: true },
      hook: at("list cache", failing("refused")),
      ...ends("failed", 69),
    });
  });
});
