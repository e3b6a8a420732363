import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { readHostUsage } from "../../../agent/host/usage.ts";
import { testFolder } from "../folder.ts";

const isRoot = process.getuid?.() === 0;

describe("what the engine does not tell of its filesystem", () => {
  let root: string;
  let device: string;
  beforeEach(() => {
    root = testFolder();
    device = String(statSync(root).dev);
  });

  const look = (signal = new AbortController().signal) => readHostUsage(root, device, signal);
  const file = (path: string, kib: number) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), Buffer.alloc(kib * 1024, 1));
  };

  it("logs of both drivers, rotated ones too, a container each, largest first", async () => {
    file("containers/aa/aa-json.log", 8);
    file("containers/aa/aa-json.log.1", 40);
    file("containers/aa/config.v2.json", 100);
    file("containers/bb/local-logs/container.log", 64);
    file("containers/cc/config.v2.json", 100);
    const { logs } = await look();
    expect(
      logs?.map(({ containerId, path, bytes }) => [containerId, path.slice(root.length), bytes]),
    ).toEqual([
      ["bb", "/containers/bb/local-logs/container.log", 64 * 1024],
      ["aa", "/containers/aa/aa-json.log.1", 48 * 1024],
    ]);
  });

  it("Swarm's state at any depth; a root without any of it holds nothing", async () => {
    expect(await look()).toMatchObject({ logs: [], swarmBytes: 0 });
    file("swarm/raft/wal-v3-encrypted/0.wal", 64);
    file("swarm/docker-state.json", 4);
    expect((await look()).swarmBytes).toBe(68 * 1024);
  });

  it("is not known when the time is up", async () => {
    file("containers/aa/aa-json.log", 8);
    file("swarm/x", 8);
    expect(await look(AbortSignal.abort())).toEqual({ logs: null, swarmBytes: null, deleted: null });
  });

  it.skipIf(!isRoot)("deleted files that are open, on this device alone (needs root)", async () => {
    file("big", 256);
    const descriptor = openSync(join(root, "big"), "r");
    try {
      rmSync(join(root, "big"));
      const ours = (await look()).deleted?.filter(({ path }) => path === join(root, "big"));
      expect(ours).toEqual([{ pid: process.pid, path: join(root, "big"), bytes: 256 * 1024 }]);
      const elsewhere = await readHostUsage(root, "1", new AbortController().signal);
      expect(elsewhere.deleted?.filter(({ path }) => path === join(root, "big"))).toEqual([]);
    } finally {
      closeSync(descriptor);
    }
  });
});
