/** `watch` on a real engine: what starts is written down, whatever happens to it or to the engine meanwhile. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { BUNDLE, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { onEngine } from "../support/engine-under-test.ts";

type Line = Record<string, unknown> & { readonly at: number };

onEngine("watch", () => {
  let host: CiHost;
  let dir: string;
  let image: string;
  let child: ChildProcess | undefined;
  let said = "";

  beforeAll(async () => {
    host = await CiHost.start({ name: "watch" });
    image = await host.loadImage({ ref: "app:1", sizeMiB: 3 });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(async () => {
    await end("SIGKILL");
    await host.removeContainers();
  });

  async function watch(fresh = true, settings: object = {}, env: object = {}): Promise<void> {
    if (fresh) dir = scratchDir();
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify({ engine: { socketPath: host.socketPath }, ...settings }));
    child = spawn(
      process.execPath,
      [BUNDLE, "watch", "--settings", file, "--state-dir", join(dir, "state")],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: process.env.PATH ?? "", ...env },
      },
    );
    child.stderr?.on("data", (text: Buffer) => {
      said += text.toString();
    });
    const before = engines().length;
    await vi.waitUntil(() => engines().length > before, { timeout: 10_000, interval: 20 });
  }
  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    const gone = new Promise<number | null>((resolve) => child?.once("exit", resolve));
    child.kill(signal);
    return gone;
  }
  function lines(): Line[] {
    const file = join(dir, "state", "uses.jsonl");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }
  const engines = () => lines().filter((line) => "engine" in line);
  const uses = () => lines().filter((line) => "use" in line);
  const heard = (count: number) =>
    vi.waitUntil(() => uses().length >= count, { timeout: 20_000, interval: 50 });
  const run = (name: string, labels: Record<string, string> = {}) =>
    host.runContainer({ image: "app:1", name, labels, cmd: ["/bin/busybox", "sleep", "300"] });

  it("writes each container that starts, its image and its group; and what comes", async () => {
    await watch(true, { cache: { groupLabels: ["ci.pipeline"] } });
    await run("grouped", { "ci.pipeline": "7" });
    await host.runContainer({ image: "app:1", name: "short", wait: true });
    const other = await host.loadImage({ ref: "other:1", sizeMiB: 1 });
    await heard(2);
    expect(uses().map(({ use, group }) => [use, group])).toEqual([
      [image, "ci.pipeline=7"],
      [image, null],
    ]);
    await vi.waitUntil(() => lines().some((line) => line.image === other), { timeout: 5000 });
    const app = lines().find((line) => line.image === image);
    expect(app).toMatchObject({ names: ["app:1"], by: "watch" });
    expect(app?.bytes).toBeGreaterThan(1e6);
    expect(app?.layers).not.toEqual([]);
  });

  it("counts a Swarm task for its service's image", async () => {
    await watch();
    await host.createService({ name: "web", image: "app:1", replicas: 2, waitForRunning: true });
    await heard(2);
    expect(uses().map(({ use }) => use)).toEqual([image, image]);
  });

  it("killed and started again: what happened meanwhile is there, once", async () => {
    await watch();
    await run("before");
    await heard(1);
    await end("SIGKILL");
    await run("meanwhile");
    await watch(false);
    await run("after");
    await heard(3);
    await sleep(1500);
    // The engine is asked by the millisecond, and tells the last event once more.
    for (let again = 0; again < 4; again++) {
      await end("SIGTERM");
      await watch(false);
      await sleep(200);
    }
    await end("SIGTERM");
    expect(uses()).toHaveLength(3);
    expect(lines().filter((line) => "gap" in line)).toEqual([]);
  });

  it("outlives a restart of the engine, which is a gap", async () => {
    await watch();
    await run("before");
    await heard(1);
    await host.restartEngine();
    await vi.waitUntil(() => engines().length === 2, { timeout: 30_000, interval: 50 });
    await run("after");
    await heard(2);
    expect(lines().filter((line) => "gap" in line)).toHaveLength(1);
    expect(child?.exitCode).toBeNull();
  });

  it("notes a gap where the engine was restarted while nobody listened", async () => {
    await watch();
    await run("before");
    await heard(1);
    await end("SIGTERM");
    await run("unheard");
    await host.restartEngine();
    await watch(false);
    await run("after");
    await heard(2);
    const last = uses()[0]?.at;
    expect(lines().filter((line) => "gap" in line)).toEqual([
      { gap: last, at: expect.any(Number), by: "watch" },
    ]);
  });

  it("ends at once when told to, with what it heard", async () => {
    await watch();
    const startedAt = Date.now();
    expect(await end("SIGTERM")).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(2000);
  });

  it("asks for a pass when an image comes while the disk is full, by a file that a path unit waits for", async () => {
    // To it a minute is two seconds.
    const quick = join(scratchDir(), "quick.cjs");
    writeFileSync(
      quick,
      `const wait = setTimeout, ticks = process.hrtime.bigint;
globalThis.setTimeout = (call, ms, ...rest) => wait(call, ms / 30, ...rest);
process.hrtime.bigint = () => 30n * ticks();
`,
    );
    const settings = { disk: { paths: [host.dataRoot], highWatermark: "1%" } };
    await watch(true, settings, { NODE_OPTIONS: `--require ${quick}` });
    const pressure = join(dir, "state", "pressure");
    const asked = () => vi.waitUntil(() => existsSync(pressure), { timeout: 10_000, interval: 20 });
    await host.loadImage({ ref: "big:1", sizeMiB: 2 });
    await asked();
    // What comes within a minute of that, and nothing after it, is not forgotten.
    rmSync(pressure);
    await host.loadImage({ ref: "big:2", sizeMiB: 2 });
    await asked();
  });

  it("is small while nothing happens, and takes no processor time", async () => {
    await watch();
    const script =
      "const s = require('net').connect(process.argv[1]); s.on('connect', () => console.log('up'));";
    const bare = spawn(process.execPath, ["-e", script, host.socketPath], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => bare.stdout?.once("data", resolve));
    const pids = [child?.pid ?? 0, bare.pid ?? 0];
    await sleep(3000);
    const before = ticks(pids[0]!);
    await sleep(3000);
    const [ours, floor] = pids.map(rss);
    bare.kill();
    expect(ours! / floor!).toBeLessThan(1.3);
    expect(ticks(pids[0]!) - before).toBeLessThanOrEqual(2);
  });

  it("without an engine goes on trying, and says why", async () => {
    said = "";
    dir = scratchDir();
    mkdirSync(join(dir, "state"));
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify({ engine: { socketPath: join(dir, "absent.sock") } }));
    child = spawn(
      process.execPath,
      [BUNDLE, "watch", "--settings", file, "--state-dir", join(dir, "state")],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: process.env.PATH ?? "" },
      },
    );
    child.stderr?.on("data", (text: Buffer) => {
      said += text.toString();
    });
    await vi.waitUntil(() => said.includes("ENOENT"), { timeout: 5000 });
    expect(child.exitCode).toBeNull();
  });
});

/** KiB. */
const rss = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
/** Of processor time, 10 ms each. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}
