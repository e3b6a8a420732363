/** The metrics of the finished bundle, read by promtool and by a real node_exporter; on a real engine. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parseSettings } from "../../agent/settings/parse.ts";
import { type AgentOptions, type AgentResult, BUNDLE, only, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { engineAvailable } from "../support/engines.ts";
import { type MetricFamily, parseExposition, seriesValue } from "../support/exposition.ts";
import { type Daemon, programsMissing, promtool, startNodeExporter, titled } from "../support/monitoring.ts";

const P = "ci_docker_prune_";
const OLD = "2020-01-01T00:00:00Z";
const missing = programsMissing("promtool", "prometheus-node-exporter");
const available = engineAvailable("20.10");

let dir: string;
let textfile: string;

beforeEach(() => {
  dir = scratchDir();
  textfile = join(dir, "ci.prom");
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Far from any pressure, whatever this machine's disk holds; no engine is there. */
const quiet = (more: object = {}) => ({
  engine: { socketPath: join(dir, "absent.sock") },
  disk: { paths: [dir], highWatermark: "1B free", inodes: false },
  metrics: { textfile },
  ...more,
});

const pass = (settings: unknown, options: Partial<AgentOptions> = {}): Promise<AgentResult> =>
  runAgent({ args: ["run"], settings, stateDir: join(dir, "state"), ...options });

const written = (): MetricFamily[] => parseExposition(readFileSync(textfile, "utf8"));
const value = (name: string, labels = {}) => seriesValue(written(), `${P}${name}`, labels);

/** A pass by the whole program, after which those with the same settings need the front alone. */
async function settle(settings: object): Promise<void> {
  await pass(settings);
  const file = join(dir, "state", "state.json");
  const state = JSON.parse(readFileSync(file, "utf8"));
  // What the engine, which is not there, would have told.
  writeFileSync(file, JSON.stringify({ ...state, engineRoot: dir, engineAskedAt: Date.now() }));
}

describe("a pass below the watermark", () => {
  it("writes the file: from the front, without the rest of the program", async () => {
    await settle(quiet());
    rmSync(textfile);
    const { code, events } = await pass(quiet());
    expect(code).toBe(0);
    expect(events.map(({ event }) => event)).toEqual(["pass.finished"]);
    expect(value("last_pass_outcome", { outcome: "below-watermark" })).toBe(1);
    expect(value("passes_total", { outcome: "below-watermark" })).toBe(2);
    expect(statSync(textfile).mode & 0o777).toBe(0o644);
  });

  it("writes the same by way of the whole program", async () => {
    const names = () => written().map(({ name }) => name);
    await settle(quiet());
    await pass(quiet());
    const front = names();
    const { events } = await pass(quiet(), { args: ["run", "--plain"] });
    expect(events).toEqual([]);
    expect(names()).toEqual(front);
    expect(value("passes_total", { outcome: "below-watermark" })).toBe(3);
  });

  it("loads nothing for metrics that nobody wants", async () => {
    // What was opened, by a preloaded line of code.
    const probe = join(dir, "probe.cjs");
    const opened = join(dir, "opened");
    writeFileSync(
      probe,
      `const vm = require("node:vm");
      const names = [];
      vm.Script = class extends vm.Script {
        constructor(...args) {
          super(...args);
          names.push(args[1].filename);
        }
      };
      process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(opened)},
        names.join("\\n")));`,
    );
    const env = { NODE_OPTIONS: `--require ${probe}` };
    const files = () =>
      readFileSync(opened, "utf8")
        .split("\n")
        .map((path) => path.replace(/.*\//, ""))
        .filter((name) => name.startsWith("ci-docker"));
    await settle(quiet({ metrics: {} }));
    await pass(quiet({ metrics: {} }), { env });
    expect(files()).toEqual(["ci-docker-prune.main.cjs"]);
    await settle(quiet());
    await pass(quiet(), { env });
    expect(files()).toEqual(["ci-docker-prune.main.cjs", "ci-docker-prune.metrics.cjs"]);
  });

  it("that cannot write it says so, and is the same pass", async () => {
    const absent = join(dir, "absent", "ci.prom");
    const { code, events } = await pass(quiet({ metrics: { textfile: absent } }));
    expect(code).toBe(0);
    expect(events.map(({ event }) => event)).toEqual(["pass.finished", "metrics.unwritable"]);
    expect(only(events, "metrics.unwritable")).toMatchObject({
      level: "warn",
      file: absent,
      reason: expect.stringContaining("ENOENT"),
    });
    const state = JSON.parse(readFileSync(join(dir, "state", "state.json"), "utf8"));
    expect(state.passes).toHaveLength(1);
  });

  it("beside others at once leaves a whole file at every moment, and no other", async () => {
    const { events } = await pass(quiet());
    const length = readFileSync(textfile, "utf8").split("\n").length;
    // Passes that end at the very same time are rare: here four processes write as often as they can.
    const program = `const { writeMetrics } = require(${JSON.stringify(BUNDLE.replace(/cjs$/, "metrics.cjs"))});
      const [file, finished, state, settings] = JSON.parse(process.argv[1]);
      const pass = { version: "1", endedAt: 0, finished, state, settings, mountPoint: (path) => path };
      (async () => { for (let i = 0; i < 400; i++) await writeMetrics(file, pass); })();`;
    const state = JSON.parse(readFileSync(join(dir, "state", "state.json"), "utf8"));
    const parsed = parseSettings(quiet());
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const argument = JSON.stringify([textfile, only(events, "pass.finished"), state, parsed.settings]);
    let looks = 0;
    let over = false;
    const watch = (async () => {
      for (; !over; looks++) {
        const text = readFileSync(textfile, "utf8");
        expect(text.endsWith("\n")).toBe(true);
        expect(text.split("\n")).toHaveLength(length);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const writers = Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, ["-e", program, argument], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      await once(child, "close");
      return said;
    });
    const said = await Promise.all(writers);
    over = true;
    await watch;
    expect(said).toEqual(["", "", "", ""]);
    expect(looks).toBeGreaterThan(100);
    expect(readdirSync(dir).filter((name) => name.includes("prom"))).toEqual(["ci.prom"]);
  });
});

describe.skipIf(missing !== null)(titled("what promtool and node_exporter say", missing), () => {
  it("promtool check metrics has no complaint", async () => {
    await pass(quiet());
    expect(promtool(["check", "metrics"], readFileSync(textfile, "utf8"))).toEqual({ code: 0, said: "" });
  });

  it("and is not one that never complains", () => {
    const bad = "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n";
    expect(promtool(["check", "metrics"], bad).said).toContain("a_total");
  });

  describe("node_exporter", () => {
    let exporter: Daemon;
    const scrape = async () => {
      const text = await exporter.text("/metrics");
      return parseExposition(text).flatMap(({ series }) => series);
    };

    beforeEach(async () => {
      exporter = await startNodeExporter(dir);
    });
    afterEach(async () => {
      await exporter?.stop();
    });

    it("serves every series as it stands in the file, and the next pass's after that", async () => {
      for (const passes of [1, 2]) {
        await pass(quiet());
        const scraped = await scrape();
        const ours = written().flatMap(({ series }) => series);
        expect(ours.length).toBeGreaterThan(40);
        expect(scraped).toEqual(expect.arrayContaining(ours));
        expect(value("passes_total", { outcome: "below-watermark" })).toBe(passes);
        const about = (name: string) => scraped.find((one) => one.name === name)?.value;
        expect(about("node_textfile_scrape_error")).toBe(0);
        // In whole seconds.
        expect(about("node_textfile_mtime_seconds")).toBe(Math.floor(statSync(textfile).mtimeMs / 1000));
      }
    });

    it.skipIf(process.getuid?.() !== 0)("takes a mount point of any name", async () => {
      const odd = join(dir, `a"b\\c,d="e"}{\nf 1`);
      mkdirSync(odd);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", odd]).status).toBe(0);
      try {
        const disk = { paths: [odd], highWatermark: "1B free", inodes: false };
        const { code } = await pass(quiet({ disk }));
        expect(code).toBe(0);
        const text = readFileSync(textfile, "utf8");
        expect(promtool(["check", "metrics"], text)).toEqual({ code: 0, said: "" });
        const size = (await scrape()).find(({ name }) => name === `${P}filesystem_size_bytes`);
        expect(size).toMatchObject({ labels: { mountpoint: odd.replace("\n", "\\u000a") }, value: 2 ** 20 });
      } finally {
        spawnSync("umount", [odd]);
      }
    });
  });
});

const engineMissing = missing ?? (available.ok ? null : available.reason);

describe.skipIf(engineMissing !== null)(titled("every kind of pass on a real engine", engineMissing), () => {
  let host: CiHost;

  beforeAll(async () => {
    host = await CiHost.start({ name: "metrics", swarm: false });
    await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const settings = (more: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot], highWatermark: "1%" },
    prune: { until: "1s", buildCache: false },
    metrics: { textfile },
    ...more,
  });
  const oldImages = (count: number) =>
    Promise.all(Array.from({ length: count }, () => host.loadImage({ created: OLD, sizeMiB: 1 })));
  const outcome = () =>
    written()
      .find(({ name }) => name === `${P}last_pass_outcome`)
      ?.series.filter((one) => one.value === 1)
      .map(({ labels }) => labels.outcome);
  const clean = () => {
    const text = readFileSync(textfile, "utf8");
    expect(promtool(["check", "metrics"], text)).toEqual({ code: 0, said: "" });
  };

  it("pruned: what went, and what came free", async () => {
    await oldImages(3);
    const { code, events } = await pass(settings({ disk: { paths: [host.dataRoot], highWatermark: "1%" } }), {
      args: ["run", "--without-pressure"],
    });
    expect(code).toBe(0);
    clean();
    expect(outcome()).toEqual(["pruned"]);
    const finished = only(events, "pass.finished");
    expect(finished.removed.image).toBe(3);
    expect(value("removed_objects_total", { kind: "image", reason: "expired" })).toBe(3);
    expect(value("last_pass_objects", { kind: "image", fate: "removed", reason: "expired" })).toBe(3);
    expect(value("last_pass_freed_bytes")).toBe(finished.freedBytes);
    expect(value("last_pass_freed_bytes")).toBeGreaterThan(2 ** 21);
    expect(value("freed_bytes_total")).toBe(finished.freedBytes);
    expect(value("last_pass_claimed_bytes")).toBe(finished.claimedBytes);
    expect(value("last_success_timestamp_seconds")).toBe(value("last_pass_timestamp_seconds"));
    const { Version } = await host.docker.version();
    expect(value("engine_info", { version: Version })).toBe(1);

    // The next one, below the watermark, goes on counting and still knows the engine.
    await pass(settings({ disk: { paths: [host.dataRoot], highWatermark: "1B free", inodes: false } }));
    expect(outcome()).toEqual(["below-watermark"]);
    expect(value("passes_total", { outcome: "pruned" })).toBe(1);
    expect(value("removed_objects_total", { kind: "image", reason: "expired" })).toBe(3);
    expect(value("engine_info", { version: Version })).toBe(1);
    expect(value("last_pass_freed_bytes")).toBe(0);
  });

  it("deferred, twice in a row: by which gate, and since when", async () => {
    const lockFile = join(dir, "lock");
    writeFileSync(lockFile, "");
    const launcher = spawn("flock", ["--shared", lockFile, "cat"], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      const held = () => spawnSync("flock", ["--nonblock", lockFile, "true"]).status !== 0;
      await vi.waitUntil(held, { timeout: 10_000, interval: 50 });
      await pass(settings({ lockFile }));
      const since = value("deferred_since_timestamp_seconds");
      const { code } = await pass(settings({ lockFile }));
      expect(code).toBe(0);
      clean();
      expect(outcome()).toEqual(["deferred"]);
      expect(value("last_pass_gate", { gate: "lock" })).toBe(1);
      expect(value("deferrals_in_a_row", { gate: "lock" })).toBe(2);
      expect(value("deferred_passes_total", { gate: "lock" })).toBe(2);
      expect(value("deferred_since_timestamp_seconds")).toBe(since);
    } finally {
      launcher.stdin.end();
      await once(launcher, "exit");
    }
    await pass(settings({ lockFile }));
    expect(value("deferrals_in_a_row", { gate: "lock" })).toBe(0);
    expect(value("deferred_passes_total", { gate: "lock" })).toBe(2);
    expect(value("deferred_since_timestamp_seconds")).toBeUndefined();
  });

  it("a dry run: nothing is written", async () => {
    const { code } = await pass(settings(), { args: ["run", "--dry-run"] });
    expect(code).toBe(0);
    expect(existsSync(textfile)).toBe(false);
  });

  it("names a filesystem as node_exporter's own collector does, and measures the same", async () => {
    const exporter = await startNodeExporter(dir, "filesystem");
    try {
      await pass(settings({ disk: { paths: [join(host.dataRoot, "docker")], highWatermark: "1B free" } }));
      const series = parseExposition(await exporter.text("/metrics"));
      const mountpoint = host.dataRoot;
      const ours = (name: string) => seriesValue(series, `${P}filesystem_${name}`, { mountpoint });
      const theirs = (name: string) => seriesValue(series, `node_filesystem_${name}`, { mountpoint });
      expect(ours("size_bytes")).toBe(theirs("size_bytes"));
      expect(ours("inodes")).toBe(theirs("files"));
      // The engine may write between the two looks.
      expect(Math.abs(ours("available_bytes")! - theirs("avail_bytes")!)).toBeLessThan(2 ** 22);
    } finally {
      await exporter.stop();
    }
  });
});
