/**
 * What the policy is for: after deploy, tear-down and a prune pass, a redeploy downloads nothing. Counted in the
 * access log of a real registry, beside the same day with what virtualisation.docker.autoPrune runs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { idsOf, only, runAgent } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import {
  DockerRegistry,
  digestOf,
  dockerRegistryAvailable,
  pullAs,
  type Traffic,
} from "../support/docker-registry.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";

const LOGIN = { username: "ci", password: "dckr_pat_reuse" };
/** As images are when they come from a registry: built weeks ago. */
const OLD = "2026-06-01T00:00:00Z";
const MIB = 1024 * 1024;
/** Seconds; hours in real life. */
const UNTIL = 3;

onEngine("reuse of layers", dockerRegistryAvailable(), () => {
  let host: CiHost;
  let registry: DockerRegistry;
  const base = { seed: "shared-base", sizeMiB: 6 };
  const runtime = { seed: "shared-runtime", sizeMiB: 4 };

  const publish = async (name: string, layers: readonly { seed: string; sizeMiB: number }[]) => {
    await host.loadImage({ ref: name, created: OLD, layers, cmd: ["/bin/busybox", "sleep", "3600"] });
    return await registry.push(host, name, name, LOGIN);
  };
  /** What a pass can take, sharing no layer with what the registry has. */
  const leftover = () => host.loadImage({ ref: "leftover:1", busybox: false, sizeMiB: 0.1 });
  const forgetAll = async () => {
    for (const { ID } of await host.docker.listServices()) await tearDown(ID);
    for (const { RepoTags, Id } of await host.docker.listImages()) {
      for (const name of RepoTags?.filter((tag) => !tag.includes("<none>")) ?? []) {
        await host.docker.getImage(name).remove();
      }
      if (await host.hasImage(Id)) await host.docker.getImage(Id).remove({ force: true });
    }
  };

  let app: string;
  let second: string;
  beforeAll(async () => {
    host = await CiHost.start({ name: "reuse", diskMiB: 768 });
    registry = await DockerRegistry.start(host, { users: { ci: LOGIN.password } });
    app = await publish("app:1", [base, runtime, { seed: "app", sizeMiB: 2 }]);
    second = await publish("second:1", [base, runtime, { seed: "second", sizeMiB: 1 }]);
    await forgetAll();
  });
  afterAll(async () => {
    await registry?.stop();
    await host?.stop();
  });

  /** As `docker stack deploy --with-registry-auth`: ask for the digest, then let the node pull by digest. */
  async function deploy(ref: string, name: string): Promise<void> {
    const authconfig = { ...LOGIN, serveraddress: registry.address };
    const digest = await digestOf(host, ref, authconfig);
    await host.createService({ name, image: `${ref}@${digest}`, waitForRunning: true, login: authconfig });
  }

  async function tearDown(name: string): Promise<void> {
    await host.removeService(name);
    for (const end = Date.now() + 30_000; ; await sleep(50)) {
      if ((await host.docker.listContainers({ all: true })).length === 0) return;
      if (Date.now() > end) throw new Error("the service's containers did not go within 30 s");
    }
  }

  /** A whole pass with the disk above the watermark and things to remove. */
  async function fullPass() {
    const left = await host.createContainer({ image: "leftover:1" });
    const dangling = await host.loadImage({ created: OLD, busybox: false, sizeMiB: 1 });
    await host.fillDisk(85);
    await sleep((UNTIL + 1.2) * 1000);
    const result = await runAgent({
      args: ["run"],
      settings: {
        engine: { socketPath: host.socketPath },
        disk: { paths: [host.dataRoot], highWatermark: "80%" },
        convergence: { settle: "100ms" },
        prune: { until: `${UNTIL}s` },
      },
    });
    await host.unfill();
    // Not a pass that kept the cache by doing nothing.
    expect(only(result.events, "pass.finished").outcome).toBe("pressure-remains");
    expect(idsOf(result.events, "object.removed", "container")).toEqual([left]);
    expect(idsOf(result.events, "object.removed", "image")).toEqual([dangling]);
  }

  async function autoPrune() {
    await sleep((UNTIL + 1.2) * 1000);
    const args = ["system", "prune", "--force", "--all", "--filter", `until=${UNTIL}s`];
    const result = await host.cli(args);
    expect([result.code, result.stderr]).toEqual([0, ""]);
  }

  const megabytes = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  const row = (name: string, { blobRequests, blobBytes, manifestRequests }: Traffic) =>
    `${name.padEnd(34)} ${String(manifestRequests).padStart(9)} ${String(blobRequests).padStart(6)} ${megabytes(blobBytes).padStart(10)}`;

  it("deploy, tear-down, prune pass, redeploy: no layer is downloaded again; after autoPrune, all are", async () => {
    await leftover();
    const cold = await registry.during(() => deploy(app, "run"));
    // Its config and four layers: busybox, base, runtime, its own.
    expect(cold.blobRequests).toBe(5);
    expect(cold.blobBytes).toBeGreaterThan(12 * MIB);

    await tearDown("run");
    const pulled = (await host.docker.listImages()).filter(({ RepoDigests }) =>
      RepoDigests?.some((name) => name.startsWith(`${registry.address}/app@`)),
    );
    expect(pulled).toHaveLength(1);
    // No tag of its own: classic stores show none, the containerd store shows "repo:tag@digest".
    expect((pulled[0]?.RepoTags ?? []).filter((tag) => !/<none>|@sha256:/.test(tag))).toEqual([]);

    await fullPass();
    expect(await host.hasImage(pulled[0]?.Id ?? "none")).toBe(true);
    const warm = await registry.during(() => deploy(app, "run"));
    expect(warm).toMatchObject({ blobRequests: 0, blobBytes: 0 });
    expect(warm.manifestRequests).toBeGreaterThan(0);

    await tearDown("run");
    await autoPrune();
    const evicted = await registry.during(() => deploy(app, "run"));
    expect(evicted).toMatchObject({ blobRequests: cold.blobRequests, blobBytes: cold.blobBytes });
    await tearDown("run");

    console.log(
      [
        `engine ${(await host.docker.version()).Version}${containerd ? ", containerd image store" : ""}`,
        `${"".padEnd(34)} manifests  blobs      bytes`,
        row("cold deploy", cold),
        row("redeploy after our pass", warm),
        row("redeploy after autoPrune --all", evicted),
      ].join("\n"),
    );
  });

  it("a tagged image survives too, and a pull of it is a manifest check", async () => {
    await forgetAll();
    await leftover();
    const cold = await registry.during(() => pullAs(host, app, LOGIN));
    expect(cold.blobRequests).toBe(5);
    await fullPass();
    const warm = await registry.during(() => pullAs(host, app, LOGIN));
    expect(warm).toMatchObject({ blobRequests: 0, blobBytes: 0 });
    expect(warm.manifestRequests).toBeGreaterThan(0);
  });

  it("a base layer that an image here shares is not downloaded even for the first pull of another", async () => {
    await forgetAll();
    await pullAs(host, app, LOGIN);
    const { blobRequests, blobBytes } = await registry.during(() => pullAs(host, second, LOGIN));
    // Its config and its own layer.
    expect(blobRequests).toBe(2);
    expect(blobBytes).toBeGreaterThan(1 * MIB);
    expect(blobBytes).toBeLessThan(1.2 * MIB);
  });
});
