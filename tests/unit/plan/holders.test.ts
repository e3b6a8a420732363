import { describe, expect, it } from "vitest";
import type { DiskUsage } from "../../../agent/engine/types.ts";
import { HOST_NOT_READ, type HostUsage } from "../../../agent/host/usage.ts";
import { type Holder, holders, imageGroups } from "../../../agent/plan/holders.ts";
import { ago, DAY, filesystem, HOUR, hexId, imageId, NOW } from "../support.ts";

const image = (name: string, changes: Partial<DiskUsage["images"][number]> = {}) => ({
  id: imageId(name),
  tags: [name],
  digests: [],
  ownBytes: 60,
  sharedBytes: 5,
  createdAt: ago(2 * DAY),
  ...changes,
});
const container = (name: string, changes: Partial<DiskUsage["containers"][number]> = {}) => ({
  id: hexId(name),
  name,
  imageId: imageId("none"),
  running: true,
  bytes: 0,
  volumes: [],
  ...changes,
});
const NOTHING: DiskUsage = { layersBytes: 0, images: [], containers: [], volumes: [], buildCache: [] };
const APP = "registry.example.org/team/app";

const list = (usage: Partial<DiskUsage>, host: Partial<HostUsage> = {}, used = 2000) =>
  holders({ ...NOTHING, ...usage }, { ...HOST_NOT_READ, ...host }, filesystem({ usedBytes: used }), NOW);
const one = (what: Holder["what"], all: readonly Holder[]) => all.find((holder) => holder.what === what);

describe("what holds the disk", () => {
  it("is told largest first, with what nothing accounts for as the rest; what holds nothing is not told", () => {
    const all = list({
      layersBytes: 500,
      images: [image("a:1")],
      volumes: [{ name: "data", bytes: 700 }],
      containers: [container("web")],
      buildCache: [
        { bytes: 80, shared: false, inUse: false },
        // Counted with the layers already.
        { bytes: 1000, shared: true, inUse: false },
      ],
    });
    expect(all.map(({ what, bytes, count }) => [what, bytes, count])).toEqual([
      ["outside-docker", 720, null],
      ["volumes", 700, 1],
      ["images", 500, 1],
      ["build-cache", 80, 2],
    ]);
  });

  it("is never less than nothing, when the engine counts shared bytes more than once", () => {
    expect(one("outside-docker", list({ layersBytes: 500 }, {}, 100))).toBeUndefined();
  });

  it("has no rest where the filesystem cannot be read", () => {
    const all = holders({ ...NOTHING, layersBytes: 5 }, HOST_NOT_READ, null, NOW);
    expect(all.map(({ what }) => what)).toEqual(["images"]);
  });

  it("never says that the rest is not the engine's, and names what could not be measured", () => {
    expect(one("outside-docker", list({}))?.note).toBe(
      "not accounted for by the engine; container logs and deleted files that are still open could not be measured and count here",
    );
    const seen = one("outside-docker", list({}, { logs: [], deleted: [] }));
    expect(seen?.note).toBe("not accounted for by the engine");
    expect(seen?.wayOut).toBe("du -xh -d2 / | sort -h | tail");
  });
});

describe("images", () => {
  it("are grouped by repository, with who uses them, the age of the oldest, and the largest shared part once", () => {
    const usage: DiskUsage = {
      ...NOTHING,
      images: [
        image(`${APP}:1`),
        image(`${APP}:2`, { createdAt: ago(20 * DAY) }),
        image("redis:7", { ownBytes: 100 }),
        image("gone", { tags: [], createdAt: null }),
        image("pulled", { tags: [], digests: ["host:5000/base@sha256:1"], ownBytes: 7, sharedBytes: 0 }),
      ],
      containers: [container("db", { imageId: imageId("redis:7"), running: false })],
    };
    expect(imageGroups(usage)).toEqual([
      { repository: APP, bytes: 125, names: 2, inUse: 0, oldest: ago(20 * DAY) },
      { repository: "redis", bytes: 105, names: 1, inUse: 1, oldest: ago(2 * DAY) },
      { repository: null, bytes: 65, names: 1, inUse: 0, oldest: null },
      { repository: "host:5000/base", bytes: 7, names: 1, inUse: 0, oldest: ago(2 * DAY) },
    ]);
    const found = one("images", list({ ...usage, layersBytes: 300 }));
    expect(found?.note).toBe("3 of them tagged: the cache, which a pass never takes without a rule");
    expect(found?.largest.map(({ name, note }) => `${name}: ${note}`)).toEqual([
      `${APP}: 2 names, oldest 20d, none in use`,
      "redis: 1 name, oldest 2d, 1 in use",
      "dangling images: 1 name, none in use",
    ]);
    expect(found?.wayOut).toBe(
      `a rule of retention for ${APP}, or: docker image rm $(docker image ls -q ${APP})`,
    );
  });

  it("have no way out where every named one is in use", () => {
    const usage = {
      images: [image("redis:7")],
      containers: [container("db", { imageId: imageId("redis:7") })],
    };
    expect(one("images", list({ ...usage, layersBytes: 1 }))?.wayOut).toBeNull();
  });
});

describe("volumes", () => {
  it("are named with their users; anonymous ones that no container has are counted", () => {
    const found = one(
      "volumes",
      list({
        volumes: [
          { name: "data", bytes: 700 },
          { name: hexId("a"), bytes: 20 },
          { name: hexId("b"), bytes: 30 },
        ],
        containers: [container("db", { volumes: ["data", hexId("b")] })],
      }),
    );
    expect(found?.note).toBe("a pass never takes volumes; 1 anonymous without a container, 20 B");
    expect(found?.largest.map(({ name, note }) => [name, note])).toEqual([
      ["data", "used by db"],
      [hexId("b"), "used by db"],
      [hexId("a"), "no container has it"],
    ]);
    expect(found?.wayOut).toBe("db holds data: empty it there");
  });

  it.each([
    ["data", "docker volume rm data, once nobody needs what is in it", "no container has it"],
    [
      "buildx_buildkit_ci0_state",
      "docker buildx prune --builder ci --filter until=24h, as the user who made it",
      "cache of the builder ci, no container has it",
    ],
    [
      "runner-t1-project-2-concurrent-0-cache-3c3f060a0374fc8bc39395164f415a70",
      "docker volume rm runner-t1-project-2-concurrent-0-cache-3c3f060a0374fc8bc39395164f415a70, or the runner's clear-docker-cache script",
      "cache of a GitLab runner, no container has it",
    ],
  ])("way out of %s", (name, wayOut, note) => {
    const found = one("volumes", list({ volumes: [{ name, bytes: 9 }] }));
    expect([found?.wayOut, found?.largest[0]?.note]).toEqual([wayOut, note]);
  });
});

describe("what the engine does not tell", () => {
  it("log files are told by the container that wrote them", () => {
    const path = "/var/lib/docker/containers/x/x-json.log";
    const found = one(
      "container-logs",
      list({ containers: [container("web")] }, { logs: [{ containerId: hexId("web"), path, bytes: 900 }] }),
    );
    expect(found).toMatchObject({
      bytes: 900,
      count: 1,
      largest: [{ name: "web", bytes: 900, note: "running" }],
    });
    expect(found?.wayOut).toMatch(
      /^truncate -s 0 \/var\/lib\/docker\/containers\/x\/x-json\.log; and log-opts/,
    );
  });

  it("deleted files by the process that holds them, and Swarm's state", () => {
    const all = list({}, { deleted: [{ pid: 7, path: "/data/big", bytes: 800 }], swarmBytes: 130 });
    expect(one("deleted-files", all)).toMatchObject({
      bytes: 800,
      largest: [{ name: "/data/big", note: "open in process 7" }],
    });
    expect(one("swarm", all)?.bytes).toBe(130);
    expect(one("outside-docker", all)?.bytes).toBe(2000 - 930);
  });

  it("what a running container wrote into itself is named", () => {
    const found = one(
      "containers",
      list({ containers: [container("web", { bytes: 40 }), container("old")] }),
    );
    expect(found).toMatchObject({ bytes: 40, count: 2, largest: [{ name: "web", note: "running" }] });
    expect(found?.wayOut).toMatch(/^docker exec web du -xh \//);
  });

  it("build cache in use is told", () => {
    const cache = { bytes: HOUR, shared: false, inUse: true };
    expect(one("build-cache", list({ buildCache: [cache] }))?.note).toBe("1 in use by a build");
  });
});
