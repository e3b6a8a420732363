/**
 * A slice of a public load on a real engine with a real registry: `watch` and the timer at work on a small disk. What
 * the registry hands out is what the replay said, and no run is disturbed. CDP_LONG=1 takes 200 runs (README.md of
 * bench/replay has what they came to), else it is a part of them.
 *
 * The agent's clock is put forward from run to run (support/clock.ts); engine, registry and agent are the real ones.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { PACKED } from "../../agent/plan/ledger.ts";
import type { ReplayRun } from "../../agent/plan/replay.ts";
import { type AgentResult, BUNDLE, idsOf, only, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { SteppedClock } from "../support/clock.ts";
import { DockerRegistry, dockerRegistryAvailable, pullAs } from "../support/docker-registry.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";
import { onDisk, Published, replayed, sliceOf } from "../support/slice.ts";

const LONG = process.env.CDP_LONG === "1";
/**
 * Runs of the changes that, on this disk, evict and pull again what was evicted: the short ones twice. What they
 * used may go before the next one, which is two minutes later.
 */
const SLICE = {
  trace: "recipe-runs.jsonl.gz",
  from: LONG ? 1000 : 3075,
  runs: LONG ? 200 : 16,
  unusedFor: LONG ? 600 : 100,
};
/** The containerd store keeps what it was sent beside what it made of it. */
const STORED = containerd ? (PACKED + 1) / PACKED : 1;
const DISK_MIB = (LONG ? 350 : 110) * STORED;
/** Of the settings, 60 % and by default two points less: what lies above takes the largest run. df rounds up. */
const MARKS = { high: 0.59, low: 0.57 };
const GROUP = "ci.pipeline";
const HOUR = 3600;

interface Pass extends AgentResult {
  readonly by: "timer" | "watch";
}

onEngine("a slice of a public load", dockerRegistryAvailable(), () => {
  const runs = sliceOf(SLICE);
  const clock = new SteppedClock();
  const dir = scratchDir();
  const state = join(dir, "state");
  const passes: Pass[] = [];
  /** Runs that the disk was over its mark after, by how much, and what the images of the run take. */
  const over: { readonly bytes: number; readonly allowed: number }[] = [];
  let host: CiHost;
  let registry: DockerRegistry;
  let watch: ChildProcess | undefined;
  let empty = 0;
  let pulls = 0;
  let uses = 0;
  let called = "";

  const settings = () => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot], highWatermark: "60%" },
    convergence: { settle: "0s" },
    prune: { networksAbove: null },
    cache: { evict: "under-pressure", unusedFor: `${SLICE.unusedFor}s`, groupLabels: [GROUP] },
  });
  function disk(): { used: number; size: number } {
    const { blocks, bfree, bsize } = statfsSync(host.dataRoot);
    return { used: (blocks - bfree) * bsize, size: blocks * bsize };
  }
  const read = (name: string) =>
    existsSync(join(state, name)) ? readFileSync(join(state, name), "utf8") : "";
  const lines = (key: string) =>
    read("uses.jsonl")
      .split("\n")
      .filter((line) => line.startsWith(`{"${key}"`));

  beforeAll(async () => {
    host = await CiHost.start({ name: "slice", swarm: false, diskMiB: Math.ceil(DISK_MIB) });
    registry = await DockerRegistry.start(host);
    // What the engine itself puts on the disk comes with the first container.
    await host.loadImage({ ref: "first:1", sizeMiB: 0 });
    await start("first:1", "first");
    await host.docker.getImage("first:1").remove();
    empty = disk().used;
  });
  afterAll(async () => {
    watch?.kill("SIGKILL");
    await registry?.stop();
    await host?.stop();
  });

  async function start(image: string, group: string): Promise<void> {
    const id = await host.runContainer({ image, labels: { [GROUP]: group }, wait: true });
    const container = host.docker.getContainer(id);
    const { State } = await container.inspect();
    expect([image, State.ExitCode]).toEqual([image, 0]);
    await container.remove();
  }

  async function pass(by: Pass["by"]): Promise<void> {
    const env = clock.env;
    passes.push({ by, ...(await runAgent({ args: ["run"], settings: settings(), stateDir: state, env })) });
  }

  /** As a CI does: what is missing is pulled, then a container runs. */
  async function run({ images }: ReplayRun, at: number, refs: ReadonlyMap<string, string>): Promise<void> {
    for (const { id } of images) {
      const ref = refs.get(id) ?? "";
      if (!(await host.hasImage(ref))) {
        await pullAs(host, ref);
        pulls++;
      }
      await start(ref, String(at));
      uses++;
    }
    await vi.waitUntil(() => lines("use").length >= uses, { timeout: 30_000, interval: 20 });
  }

  it("the registry hands out what the replay said, and no run finds the disk over its mark", async () => {
    const images = new Published(registry.storage);
    const refs = new Map<string, string>();
    for (const image of runs.flatMap((one) => one.images))
      if (!refs.has(image.id)) refs.set(image.id, `${registry.address}/${images.publish(image)}`);
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify(settings()));
    watch = spawn(process.execPath, [BUNDLE, "watch", "--settings", file, "--state-dir", state], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { PATH: process.env.PATH ?? "", ...clock.env },
    });
    await vi.waitUntil(() => lines("engine").length > 0, { timeout: 30_000, interval: 20 });

    const begun = clock.now;
    const { blobBytes: served } = await registry.during(async () => {
      let passAt = 0;
      for (const [index, one] of runs.entries()) {
        clock.forwardTo(begun + one.at * 1000);
        if (one.at >= passAt) {
          passAt = one.at - ((one.at - passAt) % HOUR) + HOUR;
          await pass("timer");
        }
        const before = pulls;
        await run(one, index, refs);
        const { used, size } = disk();
        const bytes = used - MARKS.high * size;
        if (bytes <= 0) continue;
        over.push({ bytes, allowed: STORED * one.images.reduce((sum, image) => sum + onDisk(image), 0) });
        if (pulls === before) continue;
        await vi.waitUntil(() => read("pressure") !== called, { timeout: 30_000, interval: 20 });
        called = read("pressure");
        await pass("watch");
      }
    });

    const { size } = disk();
    const { high, low } = MARKS;
    const own = empty / size;
    const { totals, evictions } = replayed(runs, size / STORED, { high: high - own, low: low - own });
    const gone = passes.flatMap(({ events }) => idsOf(events, "object.removed", "image"));
    const more = (100 * (served / totals.pulledBytes - 1)).toFixed(2);
    const told = `${served} bytes and ${pulls} pulls, ${gone.length} evicted in ${passes.length} passes`;
    console.log(
      `${told}; the replay said ${totals.pulledBytes}, ${totals.pulls}, ${evictions.length}: ${more} % more`,
    );
    expect(evictions.length).toBeGreaterThan(5);
    expect(Math.abs(served / totals.pulledBytes - 1)).toBeLessThan(0.02);
    expect(Math.abs(pulls / totals.pulls - 1)).toBeLessThan(0.02);
    for (const { bytes, allowed } of over) expect(bytes).toBeLessThanOrEqual(allowed);
    for (const { code, stderr, events } of passes) {
      expect([code, stderr]).toEqual([0, ""]);
      expect(["below-watermark", "pruned"]).toContain(only(events, "pass.finished").outcome);
    }
    expect(passes.filter(({ by }) => by === "watch").length).toBeGreaterThan(1);
  }, 3_600_000);
});
