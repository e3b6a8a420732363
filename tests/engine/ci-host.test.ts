/** What the CI host of the other suites leaves behind: nothing. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { CiHost } from "../support/ci-host.ts";
import { onEngine } from "../support/engine-under-test.ts";

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
    await host.loadImage({ ref: "base:1" });
  });
  afterAll(async () => {
    await host?.stop();
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
