/** Unused networks on a real engine: which go beyond `prune.networksAbove`, and which stay whatever their number. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { only, runAgent } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead } from "../support/clock.ts";
import { onEngine } from "../support/engine-under-test.ts";
import { FaultProxy } from "../support/fault-proxy.ts";

const DAY = 86_400;

onEngine("networks", () => {
  let host: CiHost;
  beforeAll(async () => {
    host = await CiHost.start({ name: "networks" });
    await host.loadImage({ ref: "base:1" });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const names = async () => (await host.docker.listNetworks()).map(({ Name }) => Name).sort();

  async function pass(prune: object) {
    const proxy = await FaultProxy.start(host.socketPath);
    try {
      const ran = await runAgent({
        args: ["run", "--without-pressure"],
        settings: {
          engine: { socketPath: proxy.socketPath },
          disk: { paths: [host.dataRoot] },
          convergence: { settle: "0s" },
          prune: { containers: false, images: false, buildCache: false, ...prune },
        },
        env: ahead(2 * DAY),
      });
      return { ...ran, sent: proxy.destructive.map(({ line }) => line) };
    } finally {
      await proxy.close();
    }
  }

  it("the oldest go, one by one; those of containers in any state, of a swarm and with a keep label stay", async () => {
    const create = async (Name: string, more: object = {}) =>
      (await host.docker.createNetwork({ Name, ...more })).id;
    const oldest = await create("ci-1");
    const second = await create("ci-2");
    await create("ci-3");
    await create("kept", { Labels: { "ci-docker-prune.keep": "" } });
    await create("of-a-stopped-one");
    await create("of-a-running-one");
    await create("overlay", { Driver: "overlay" });
    const connected = (NetworkMode: string, Cmd: string[]) =>
      host.docker.createContainer({ Image: "base:1", Cmd, HostConfig: { NetworkMode } });
    await connected("of-a-stopped-one", ["/bin/busybox", "true"]);
    await (await connected("of-a-running-one", ["/bin/busybox", "sleep", "600"])).start();
    const before = await names();

    // Unused and the host's own: three of ci-*, and the one that is kept.
    expect((await pass({ networksAbove: 4 })).sent).toEqual([]);
    const ran = await pass({ networksAbove: 2 });
    expect(ran.code, ran.stdout).toBe(0);
    expect(ran.sent).toEqual([`DELETE /networks/${oldest}`, `DELETE /networks/${second}`]);
    expect(only(ran.events, "pass.finished").removed).toMatchObject({ network: 2 });
    expect(await names()).toEqual(before.filter((name) => name !== "ci-1" && name !== "ci-2"));
    expect((await pass({ networksAbove: null })).sent).toEqual([]);
  });
});
