/** Unused networks on a real engine: which go beyond `prune.networksAbove`, and which stay whatever their number. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { only, runAgent } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead, faster } from "../support/clock.ts";
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

  async function pass(prune: object, env: Readonly<Record<string, string>> = ahead(2 * DAY)) {
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
        env,
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

  it("beside runs that create them all the time, none of which loses the one that it works in", async () => {
    const trouble: string[] = [];
    let over = false;
    let made = 0;
    const docker = async (...args: readonly string[]) => {
      const { code, stderr } = await host.cli(args);
      if (code !== 0) trouble.push(`docker ${args.join(" ")}: ${code} ${stderr}`);
    };
    /** Most end without removing theirs. */
    async function runs(runner: number): Promise<void> {
      for (let count = 0; !over; count++) {
        const name = `run-${runner}-${count}`;
        // By itself the engine has room for about thirty.
        await docker("network", "create", "--subnet", `10.${runner}.${count % 256}.0/24`, name);
        made++;
        for (let step = 0; step < 2; step++)
          await docker("run", "--rm", "--network", name, "base:1", "/bin/busybox", "true");
        if (count % 4 === 0) await docker("network", "rm", name);
      }
    }
    // A minute is two seconds; for ten of them a run's network need not be in use.
    const env = faster(30);
    const running = Promise.all([runs(1), runs(2)]);
    running.catch(() => {}); // awaited below
    const sent: string[] = [];
    let passes = 0;
    for (; passes < 10 || sent.length < 10; passes++) {
      const ran = await pass({ networksAbove: 3, until: "10m" }, env);
      expect(ran.code, ran.stdout).toBe(0);
      expect(only(ran.events, "pass.finished").removed).toMatchObject({ network: ran.sent.length });
      sent.push(...ran.sent);
    }
    over = true;
    await running;
    expect(trouble).toEqual([]);
    expect(made).toBeGreaterThan(passes / 4);
  });
});
