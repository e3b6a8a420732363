/** Smoke test of the CI host fixture itself, on the engine that CDP_ENGINE names (default: the machine's own). */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { CiHost } from "../support/ci-host.ts";
import { containerd, engine, onEngine } from "../support/engine-under-test.ts";
import { versionOf } from "../support/engines.ts";

/** Pids whose command line names the directory. */
function processesOf(dir: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(dir);
    } catch {
      return false;
    }
  });
}

function mountsOf(dir: string): string[] {
  const lines = readFileSync("/proc/mounts", "utf8").split("\n");
  return lines.filter((line) => line.includes(dir));
}

onEngine("CI host", () => {
  let host: CiHost;
  beforeAll(async () => {
    host = await CiHost.start({ name: "smoke" });
  });
  afterAll(async () => {
    await host?.stop();
  });

  it("is a Swarm manager whose data lies on the private disk", async () => {
    const info = await host.docker.info();
    expect(info.Swarm.LocalNodeState).toBe("active");
    expect(info.DockerRootDir).toBe(join(host.dataRoot, "docker"));
    if (engine !== "20.10") expect(info.ServerVersion).toMatch(new RegExp(`^${versionOf(engine)}[.]`));
    expect(info.Driver).toBe(containerd ? "overlayfs" : "overlay2");
    expect(mountsOf(host.dataRoot)).toHaveLength(1);
  });

  it("loads tagged and dangling images of any age, sharing the first layer", async () => {
    const free = await host.freeBytes();
    const tagged = await host.loadImage({ ref: "base:1", created: "2020-01-01T00:00:00Z" });
    const dangling = await host.loadImage({ created: "2020-01-01T00:00:00Z", labels: { a: "b" } });
    const undated = await host.loadImage({ created: null, sizeMiB: 0.01 });
    const moved = await host.loadImage({ ref: "moving:1" });
    const mover = await host.loadImage({ ref: "moving:1" });
    const listed = await host.docker.listImages({ filters: { dangling: ["true"] } });
    expect(listed.map((i) => i.Id).sort()).toEqual([dangling, undated, moved].sort());
    expect((await host.docker.getImage("moving:1").inspect()).Id).toBe(mover);
    const seen = await host.docker.getImage(dangling).inspect();
    expect(seen.Created).toBe("2020-01-01T00:00:00Z");
    expect(seen.RepoTags).toEqual([]);
    expect(seen.RepoDigests).toEqual([]);
    expect(seen.Config.Labels).toEqual({ a: "b" });
    expect((await host.docker.getImage("base:1").inspect()).Id).toBe(tagged);
    expect(await host.images()).toHaveLength(5);
    // five images: one busybox of 2 MiB and 4 MiB of data (the containerd store keeps blob and snapshot)
    expect(free - (await host.freeBytes())).toBeLessThan(20 * 1024 * 1024);
    expect(await host.hasImage(dangling)).toBe(true);
    await host.docker.getImage(dangling).remove();
    expect(await host.hasImage(dangling)).toBe(false);
  });

  it("runs containers", async () => {
    const id = await host.runContainer({ image: "base:1", cmd: ["/bin/sh", "-c", "exit 3"], wait: true });
    const state = (await host.docker.getContainer(id).inspect()).State;
    expect([state.Status, state.ExitCode]).toEqual(["exited", 3]);
    const never = await host.createContainer({ image: "base:1", name: "never", labels: { l: "1" } });
    expect((await host.docker.getContainer("never").inspect()).State.Status).toBe("created");
    expect(await host.hasContainer(never)).toBe(true);
    await host.docker.getContainer(never).remove();
    expect(await host.hasContainer(never)).toBe(false);
  });

  it("runs services and jobs, and they survive an engine restart and a kill", async () => {
    await host.createService({ name: "web", image: "base:1", replicas: 2, waitForRunning: true });
    await host.createService({ name: "job", image: "base:1", mode: "replicated-job" });
    await host.createService({ name: "stuck", image: "base:1", constraints: ["node.labels.x==y"] });
    await host.createService({
      name: "every",
      image: "base:1",
      mode: "global",
      healthCmd: ["/bin/busybox", "true"],
      waitForRunning: true,
    });
    const all = await host.docker.listServices();
    expect(all.map((s) => s.Spec?.Name).sort()).toEqual(["every", "job", "stuck", "web"]);
    await host.restartEngine();
    await host.killEngine();
    await host.startEngine();
    expect(await host.docker.listServices()).toHaveLength(4);
    await host.removeService("web");
    await expect(host.removeService("web")).rejects.toThrow(/not found/);
  });

  it("builds with both builders and leaves build cache", async () => {
    const dockerfile = "FROM base:1\nCOPY f /f\nRUN touch /x\n";
    const classic = await host.buildImage({ tag: "cl:1", dockerfile, files: { f: "1" } });
    const kit = await host.buildImage({ tag: "bk:1", dockerfile, files: { f: "2" }, buildkit: true });
    expect((await host.docker.getImage("cl:1").inspect()).Id).toBe(classic);
    expect((await host.docker.getImage("bk:1").inspect()).Id).toBe(kit);
    await expect(host.buildImage({ dockerfile: "FROM base:1\nRUN false\n" })).rejects.toThrow(
      /non-zero code/,
    );
    const before = await host.freeBytes();
    const images = await host.images();
    await host.buildCache(40);
    expect((await host.images()).sort()).toEqual(images.sort());
    const records = (await host.docker.df()).BuildCache as { Shared: boolean; Size: number }[];
    const size = records.filter((r) => !r.Shared).reduce((sum, r) => sum + r.Size, 0);
    expect(size / 1024 / 1024).toBeGreaterThan(38);
    expect(size / 1024 / 1024).toBeLessThan(48);
    await host.docker.pruneBuilder();
    expect(before - (await host.freeBytes())).toBeLessThan(8 * 1024 * 1024);
  });

  it("fills its disk to the percent and to the last byte", async () => {
    await host.fillDisk(85);
    expect(await host.diskPercent()).toBe(85);
    const df = spawnSync("df", ["--output=pcent", host.dataRoot], { encoding: "utf8" });
    expect(df.stdout).toContain("85%");
    await host.fillDisk(100);
    expect(await host.freeBytes()).toBe(0);
    await host.unfill();
    expect(await host.diskPercent()).toBeLessThan(70);
  });

  it("is driven by the docker CLI too", async () => {
    const { stdout, code } = await host.cli(["images", "-q", "base:1"]);
    expect(code).toBe(0);
    expect(stdout.trim()).not.toBe("");
    expect((await host.cli(["inspect", "nothing"])).code).toBe(1);
  });

  it("leaves no mount, process, cgroup or directory behind, beside another host", async () => {
    await using other = await CiHost.start({ swarm: false, diskMiB: 128, inodes: 20_000 });
    // Frozen processes must not keep it.
    const paused = await host.runContainer({ image: "base:1", cmd: ["/bin/sleep", "600"] });
    await host.docker.getContainer(paused).pause();
    await host.stop();
    await host.stop();
    expect(mountsOf(host.dir)).toEqual([]);
    expect(processesOf(host.dir)).toEqual([]);
    expect(existsSync(host.dir)).toBe(false);
    const groups = spawnSync("find", ["/sys/fs/cgroup", "-name", host.dir.split("/").at(-1)!], {
      encoding: "utf8",
    });
    expect(groups.stdout).toBe("");
    await other.docker.ping();
  });

  it("cleans up when its owner is killed", async () => {
    // Another process holds the supervisor's pipe the way an owner does, then dies without a word.
    const script = `
      import { CiHost } from ${JSON.stringify(new URL("../support/ci-host.ts", import.meta.url).pathname)};
      const host = await CiHost.start({ diskMiB: 128, swarm: false });
      await host.loadImage({ ref: "a:1" });
      await host.runContainer({ image: "a:1", cmd: ["/bin/sleep", "600"] });
      process.stdout.write(host.dir);
      setInterval(() => {}, 1000);`;
    const esbuild = await import("esbuild");
    const root = new URL("../..", import.meta.url).pathname;
    const built = await esbuild.build({
      stdin: { contents: script, resolveDir: root, loader: "ts" },
      bundle: true,
      write: false,
      platform: "node",
      format: "esm",
      packages: "external",
    });
    const child = spawn(process.execPath, ["--input-type=module"], {
      cwd: root,
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.end(built.outputFiles[0]!.contents);
    const dir = await new Promise<string>((resolve, reject) => {
      child.stdout.once("data", (d: Buffer) => resolve(d.toString()));
      child.once("exit", () => reject(new Error("the owner ended early")));
    });
    expect(mountsOf(dir)).toHaveLength(1);
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    for (let i = 0; i < 100 && existsSync(dir); i++) await sleep(50);
    expect(existsSync(dir)).toBe(false);
    expect(mountsOf(dir)).toEqual([]);
    // The supervisor itself ends right after the directory.
    await vi.waitUntil(() => processesOf(dir).length === 0, { timeout: 5_000, interval: 20 });
  });
});
