/** What a pass says and what it leaves behind: log lines, state, exit codes, figures; on a real engine. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type AgentOptions,
  type AgentResult,
  idsOf,
  only,
  recordedPasses,
  runAgent,
  scratchDir,
} from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";

const OLD = "2020-01-01T00:00:00Z";
const MIB = 1024 * 1024;
const POLL = { timeout: 30_000, interval: 50 };

onEngine("audit", () => {
  let host: CiHost;
  let base: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "audit", swarm: false });
    base = await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(() => host.clear([base]));

  const settings = (rest: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot] },
    prune: { until: "1s" },
    ...rest,
  });

  function pass(rest: object = {}, options: Partial<AgentOptions> = {}): Promise<AgentResult> {
    return runAgent({ args: ["run", "--without-pressure"], settings: settings(rest), ...options });
  }

  /** An image that every engine holds for older than the limit (the containerd store dates it from its load). */
  async function oldImage(sizeMiB = 0.1): Promise<string> {
    const id = await host.loadImage({ created: OLD, sizeMiB });
    await (containerd ? ageingTakes() : undefined);
    return id;
  }
  /** Ages count whole seconds. */
  const ageingTakes = () => sleep(2100);

  describe("lines", () => {
    it("each carry event, pass, msg, time and level; another service's INVOCATION_ID is not the pass", async () => {
      const image = await oldImage();
      const id = "0123456789abcdef0123456789abcdef";
      const startedAt = Date.now();
      // Handed down, as to each command of a CI job that a service runs.
      const named = await pass({}, { env: { INVOCATION_ID: id } });
      const ids = new Set(named.events.map((line) => line.pass));
      expect([...ids]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
      expect([...ids]).not.toEqual([id]);
      expect(idsOf(named.events, "object.removed", "image")).toEqual([image]);
      const lines = named.stdout.trimEnd().split("\n");
      expect(lines.length).toBe(named.events.length);
      expect(lines.length).toBeGreaterThan(6);
      for (const line of named.events) {
        expect(line.event).toMatch(/^[a-z]+\.[a-z-]+$/);
        expect(line.msg).toMatch(/\w/);
        expect(["info", "warn", "error"]).toContain(line.level);
        expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(Date.parse(line.time)).toBeGreaterThanOrEqual(startedAt);
      }
    });

    it("cannot be forged or coloured by what labels, names and commands hold, neither as JSON nor as sentences", async () => {
      const evil = '\u001b[31mred\u001b[0m\r\n{"event":"object.removed"}\u009b2J\u202edesrever\u2028end';
      const raw = /[\u001b\u009b\u202e\u2028\r]/;
      const image = await host.loadImage({ created: OLD, sizeMiB: 0.1, labels: { [evil]: evil } });
      const container = await host.runContainer({
        image: "base:1",
        labels: { [evil]: evil, "com.docker.swarm.service.name": evil },
        wait: true,
      });
      // The one text of strangers that does reach the log: what a build did, as its cache record describes it.
      await host.buildImage({
        tag: "evil:1",
        dockerfile: "FROM base:1\nRUN echo '\u001b[31m\u009b2J\u202edesrever'\nRUN touch /x\n",
        buildkit: true,
      });
      await ageingTakes();
      const liveRuns = { labels: [evil], containers: ["^evil"] };
      const running = await host.runContainer({
        image: "base:1",
        labels: { [evil]: "1" },
        cmd: ["/bin/sleep", "3600"],
      });
      const deferred = await pass({ liveRuns });
      expect(only(deferred.events, "pass.finished").gate).toBe("live-run");
      const [live] = deferred.events.filter(
        ({ gate, verdict }) => gate === "live-run" && verdict === "closed",
      );
      expect(live?.live[0].rule).toContain("\\u001b[31mred\\u001b[0m\\u000d\\u000a");
      const deferredPlain = await pass({ liveRuns }, { args: ["run", "--without-pressure", "--plain"] });
      await host.docker.getContainer(running).remove({ force: true });
      const dryRun = { args: ["run", "--without-pressure", "--dry-run"] };
      const json = await pass({}, dryRun);
      const plain = await pass({}, { args: [...dryRun.args, "--plain"] });
      const descriptions = json.events.flatMap(({ kind, names }) => (kind === "build-cache" ? names : []));
      expect(String(descriptions)).toContain("\\u001b[31m\\u009b2J\\u202edesrever");
      expect(plain.stdout).toContain("\\u001b[31m\\u009b2J\\u202edesrever");
      const removed = await pass();
      expect(idsOf(removed.events, "object.removed", "image")).toEqual([image]);
      expect(idsOf(removed.events, "object.removed", "container")).toEqual([container]);
      for (const result of [deferred, deferredPlain, json, plain, removed]) {
        expect(result.code).toBe(0);
        expect(result.stdout).not.toMatch(raw);
      }
      for (const result of [deferred, json, removed]) {
        const lines = result.stdout.trimEnd().split("\n");
        expect(lines.length).toBe(result.events.length);
        expect(result.events.filter((line) => line.pass === undefined)).toEqual([]);
      }
    });
  });

  describe("state", () => {
    const stateOf = (dir: string) => JSON.parse(readFileSync(join(dir, "state.json"), "utf8"));

    it("warns when the folder cannot be written, and the pass goes on; it holds its lock all the same", async () => {
      const image = await oldImage();
      const stateDir = join(host.dataRoot, "state"); // on ext4, which knows immutable folders
      mkdirSync(stateDir);
      const immutable = (flag: string) => spawnSync("chattr", [flag, stateDir], { encoding: "utf8" });
      expect(immutable("+i").stderr).toBe("");
      try {
        const result = await pass({}, { stateDir });
        expect(only(result.events, "state.unwritable").level).toBe("warn");
        expect(result.code).toBe(0);
        expect(idsOf(result.events, "object.removed", "image")).toEqual([image]);
        expect(readdirSync(stateDir)).toEqual([]);
      } finally {
        immutable("-i");
      }
    });

    it("goes on without a folder that can be made, and warns; what is above it is the lock", async () => {
      const image = await oldImage();
      const dir = scratchDir();
      writeFileSync(join(dir, "file"), "");
      const stateDir = join(dir, "file", "state");
      const launcher = spawn("flock", ["--shared", dir, "cat"], { stdio: ["pipe", "ignore", "ignore"] });
      const ended = new Promise((resolve) => launcher.once("exit", resolve));
      await vi.waitUntil(() => spawnSync("flock", ["--nonblock", dir, "true"]).status !== 0, POLL);
      const kept = await pass({}, { stateDir });
      expect(only(kept.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "lock" });
      expect(await host.hasImage(image)).toBe(true);
      launcher.stdin.end();
      await ended;
      const { code, events } = await pass({}, { stateDir });
      expect(code).toBe(0);
      expect(only(events, "state.unwritable").level).toBe("warn");
      expect(await host.hasImage(image)).toBe(false);
    });

    it("counts deferrals in a row, warns from the seventh on, and begins anew after a pass", async () => {
      const stateDir = scratchDir();
      const lockFile = join(scratchDir(), "lock");
      const launcher = spawn("flock", ["--shared", lockFile, "cat"], { stdio: ["pipe", "ignore", "ignore"] });
      const ended = new Promise((resolve) => launcher.once("exit", resolve));
      await vi.waitUntil(() => spawnSync("flock", ["--nonblock", lockFile, "true"]).status !== 0, POLL);
      const pressed = { disk: { paths: [host.dataRoot], highWatermark: "1%" } };
      const told: unknown[] = [];
      for (let count = 1; count <= 8; count++) {
        const { events } = await pass({ lockFile, ...pressed }, { stateDir, args: ["run"] });
        const { outcome, level, deferralsInARow } = only(events, "pass.finished");
        told.push([outcome, level, deferralsInARow]);
      }
      expect(told).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8].map((count) => ["deferred", count < 7 ? "info" : "warn", count]),
      );
      launcher.stdin.end();
      await ended;
      const { events } = await pass({ lockFile, ...pressed }, { stateDir, args: ["run"] });
      expect(only(events, "pass.finished")).toMatchObject({
        outcome: "nothing-eligible",
        exitCode: 10,
        deferralsInARow: 0,
        deferredForSeconds: null,
      });
      expect(stateOf(stateDir).deferrals).toEqual({ count: 0, since: null });
    });
  });

  it("neither waits for a df that hangs, which only names filesystems, nor is kept alive by it", async () => {
    const image = await oldImage();
    const dir = scratchDir();
    const started = join(dir, "started");
    writeFileSync(join(dir, "df"), `#!/bin/sh\necho $$ >>${started}\nexec sleep 30\n`);
    chmodSync(join(dir, "df"), 0o755);
    try {
      const result = await pass({}, { env: { PATH: `${dir}:${process.env.PATH ?? ""}` } });
      expect(result.code).toBe(0);
      expect(idsOf(result.events, "object.removed", "image")).toEqual([image]);
      expect(readFileSync(started, "utf8")).toMatch(/^\d+\n$/);
      for (const filesystem of only(result.events, "pass.started").filesystems) {
        expect(filesystem).not.toHaveProperty("mount");
      }
      expect(result.seconds).toBeLessThan(10);
    } finally {
      for (const pid of readFileSync(started, "utf8").trim().split("\n")) process.kill(Number(pid));
    }
  });

  it("measures what was freed, beside what the engine claims, which counts shared layers for each image", async () => {
    const shared = { seed: "shared", sizeMiB: 20 };
    for (const seed of ["a", "b", "c"]) {
      await host.loadImage({ created: OLD, layers: [shared, { seed, sizeMiB: 2 }] });
    }
    await ageingTakes();
    const before = await host.freeBytes();
    const result = await pass();
    const measured = (await host.freeBytes()) - before;
    const finished = only(result.events, "pass.finished");
    expect(finished.removed.image).toBe(3);
    expect(Math.abs(finished.freedBytes - measured)).toBeLessThan(MIB);
    // 20 + 3 × 2 MiB once; the containerd store holds each layer as blob and as snapshot.
    expect(finished.freedBytes / MIB).toBeGreaterThan(containerd ? 50 : 25);
    expect(finished.freedBytes / MIB).toBeLessThan(containerd ? 56 : 28);
    const sizes = result.events
      .filter(({ event }) => event === "object.removed")
      .map(({ sizeBytes }) => sizeBytes as number);
    expect(finished.claimedBytes).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
    expect(finished.claimedBytes / MIB).toBeGreaterThan(3 * 22);
  });

  it("works on a disk that is full to the last byte, its own state on it, and makes room", async () => {
    const image = await host.loadImage({ created: OLD, sizeMiB: 30 });
    const kept = await host.loadImage({ ref: "kept:1", created: OLD, sizeMiB: 30 });
    const container = await host.runContainer({ image: "base:1", wait: true });
    await host.buildCache(6);
    await ageingTakes();
    const stateDir = join(host.dataRoot, "agent-state");
    mkdirSync(stateDir); // as systemd does for it
    await host.fillDisk(100);
    try {
      expect(await host.freeBytes()).toBe(0);
      const disk = { paths: [host.dataRoot], highWatermark: "97%" };
      const result = await runAgent({ args: ["run"], settings: settings({ disk }), stateDir });
      const trouble = result.events.filter(({ level }) => level !== "info");
      expect(trouble).toEqual([]);
      expect(result.code).toBe(0);
      const finished = only(result.events, "pass.finished");
      expect(finished.outcome).toBe("pruned");
      expect(finished.removed).toMatchObject({ container: 1, image: 1 });
      expect(finished.removed["build-cache"]).toBeGreaterThan(1);
      expect(finished.freedBytes).toBeGreaterThan(30 * MIB);
      expect(await host.freeBytes()).toBeGreaterThan(30 * MIB);
      expect(await host.hasImage(image)).toBe(false);
      expect(await host.hasContainer(container)).toBe(false);
      expect(await host.hasImage(kept)).toBe(true);
      expect(recordedPasses(stateDir)).toHaveLength(1);
    } finally {
      await host.unfill();
    }
  });

  it("leaves no file in the place of its state folder when the disk was too full to make that folder", async () => {
    const parent = join(host.dataRoot, "lib");
    mkdirSync(parent);
    const stateDir = join(parent, "ci-docker-prune");
    await host.loadImage({ created: OLD, sizeMiB: 10 });
    await ageingTakes();
    await host.fillDisk(100);
    try {
      await pass({}, { stateDir });
    } finally {
      await host.unfill();
    }
    const next = await pass({}, { stateDir });
    expect(next.events.filter(({ event }) => event === "state.unwritable")).toEqual([]);
    expect(next.code).toBe(0);
    expect(statSync(stateDir).isDirectory()).toBe(true);
  });
});
