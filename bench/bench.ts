/**
 * The benchmark (`npm run bench`, `-- --quick` for a small variant): the finished bundle against `node -e 0` and
 * against a shell script that does the same with df and the docker CLI (peer.sh), on private engines.
 * bench/README.md says how to read the table.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import pMap from "p-map";
import { BUNDLE } from "../tests/support/agent.ts";
import { CiHost } from "../tests/support/ci-host.ts";
import { engineAvailable, findTool, usesContainerdStore } from "../tests/support/engines.ts";
import { decideOnce } from "./deciding.ts";

const PEER = fileURLToPath(new URL("peer.sh", import.meta.url));

/** How much of each a host holds. */
interface Size {
  readonly images: number;
  readonly containers: number;
  readonly services: number;
}

interface Scale {
  /** Pairs of runs of the no-op pass. */
  readonly noOpPairs: number;
  /** Pairs of runs up to the deletions. */
  readonly pairs: number;
  /** The host that is compared with the peer. */
  readonly full: Size;
  /** Steps of growth, of each kind. */
  readonly growth: readonly number[];
  /** The hosts on which deletions are measured, and how often each program empties one. */
  readonly deletions: readonly (Size & { readonly rounds: number })[];
}

const WHOLE: Scale = {
  noOpPairs: 40,
  pairs: 9,
  full: { images: 1000, containers: 1000, services: 500 },
  growth: [10, 100, 1000],
  deletions: [
    { images: 200, containers: 200, services: 50, rounds: 3 },
    { images: 1000, containers: 1000, services: 50, rounds: 1 },
  ],
};

const QUICK: Scale = {
  noOpPairs: 15,
  pairs: 5,
  full: { images: 100, containers: 100, services: 50 },
  growth: [10, 100],
  deletions: [{ images: 20, containers: 20, services: 5, rounds: 1 }],
};

const { values: OPTIONS } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    deletions: { type: "boolean", default: false },
    of: { type: "string", multiple: true },
    rounds: { type: "string", default: "1" },
    engine: { type: "string", default: "20.10" },
  },
});

/** That store deletes a parent under its child: the list of all images tells where there is one. */
const forParents = usesContainerdStore(OPTIONS.engine) ? 1 : 0;

const TARGET = {
  noOpWall: 1.25,
  noOpRss: 1.1,
  untilDeletions: 1,
  fixedRequests: 10 + forParents,
  deletions: 1,
  smallPass: 1,
  deciding: 15,
  decidingMs: 2000,
};

/**
 * Everything on a host is three days old: older than this … On the containerd store an image is as young as its load.
 */
const ALL_OLD = usesContainerdStore(OPTIONS.engine) ? "1s" : "24h";
/** … and younger than this. */
const NONE_OLD = "8760h";
const CREATED = new Date(Date.now() - 3 * 86_400_000).toISOString();

const scratch = mkdtempSync(join(tmpdir(), "cdp-bench-"));
// The hosts clean up after themselves, however this process ends (tests/support/ci-host.ts).
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

// ---------------------------------------------------------------------------------------------- runs and figures

interface Run {
  readonly ms: number;
  readonly stdout: string;
}

/** Runs a program to its end with a bare environment (NODE_EXTRA_CA_CERTS alone costs 38 ms a start). */
function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const startedAt = process.hrtime.bigint();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: scratch,
    encoding: "utf8",
    env: { PATH: process.env.PATH ?? "", HOME: scratch, ...env },
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${program} ${args.join(" ")} ended with ${status}:\n${stderr}${stdout.slice(-2000)}`);
  return { ms, stdout };
}

/** Says, at the end of a node process, how much memory it needed: ru_maxrss would count its parent's before exec. */
const RSS_PROBE = `process.on("exit", () => {
  const { readFileSync, writeFileSync } = require("node:fs");
  writeFileSync(process.env.BENCH_RSS, /VmHWM:\\s*(\\d+) kB/.exec(readFileSync("/proc/self/status", "latin1"))[1]);
});`;

/** Peak resident memory of a node program, in MB. */
function peakRss(args: readonly string[]): number {
  const probe = join(scratch, "rss-probe.cjs");
  const answer = join(scratch, "rss");
  writeFileSync(probe, RSS_PROBE);
  run(process.execPath, ["--require", probe, ...args], { BENCH_RSS: answer });
  return (Number(readFileSync(answer, "utf8")) * 1024) / 1e6;
}

interface Figures {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

function figures(values: readonly number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}

/** A B C A B C …, so that whatever else the machine does hits all alike. The first round warms up and is dropped. */
function interleaved(rounds: number, ...programs: readonly (() => number)[]): Figures[] {
  const values = programs.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, program] of programs.entries()) {
      const value = program();
      if (round > 0) values[index]?.push(value);
    }
  }
  return values.map(figures);
}

// ---------------------------------------------------------------------------------------------- the table

interface Row {
  readonly what: string;
  readonly ours: string;
  readonly against: string;
  readonly ratio: string;
  readonly target: string;
  readonly verdict: "ok" | "MISSED" | "";
}

const rows: Row[] = [];

const shown = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

function text({ median, min, max }: Figures, unit: string): string {
  return `${shown(median)} ${unit} (${shown(min)} to ${shown(max)})`;
}

/** @param target highest ratio of medians that is good enough; absent: reported only */
function compare(
  what: string,
  ours: Figures,
  against: Figures,
  name: string,
  target?: number,
  unit = "ms",
): void {
  const ratio = ours.median / against.median;
  rows.push({
    what,
    ours: text(ours, unit),
    against: `${name}: ${text(against, unit)}`,
    ratio: `${ratio.toFixed(2)}x`,
    target: target === undefined ? "" : `<= ${target.toFixed(2)}x`,
    verdict: target === undefined ? "" : ratio <= target ? "ok" : "MISSED",
  });
}

function bound(what: string, value: number, limit: number): void {
  rows.push({
    what,
    ours: String(value),
    against: "",
    ratio: "",
    target: `<= ${limit}`,
    verdict: value <= limit ? "ok" : "MISSED",
  });
}

function table(): string {
  const keys = ["what", "ours", "against", "ratio", "target", "verdict"] as const;
  const lines = [
    Object.fromEntries(keys.map((key) => [key, key])) as Record<string, string>,
    ...rows,
  ] as Row[];
  const width = (key: keyof Row) => Math.max(...lines.map((row) => row[key].length));
  const line = (row: Row) => `| ${keys.map((key) => row[key].padEnd(width(key))).join(" | ")} |`;
  const [head, ...body] = lines.map(line);
  return [head, `| ${keys.map((key) => "-".repeat(width(key))).join(" | ")} |`, ...body].join("\n");
}

// ---------------------------------------------------------------------------------------------- filling a host

/** Puts `count` dangling images on the host, each with one tiny layer of its own, in archives of 250. */
async function addImages(host: CiHost, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 250) {
    const answer = await host.docker.loadImage(Readable.from(imageArchive(Math.min(left, 250))), {
      quiet: true,
    });
    let said = "";
    for await (const chunk of answer) said += String(chunk);
    if (said.includes('"error"')) throw new Error(`image load failed: ${said.slice(-500)}`);
  }
}

/** A docker-archive (as `docker save` writes it) of untagged images. */
function* imageArchive(count: number): Generator<Buffer> {
  const manifest: unknown[] = [];
  for (let index = 0; index < count; index++) {
    const layer = Buffer.concat([tarFile("id", randomBytes(16)), Buffer.alloc(1024)]);
    const digest = sha256(layer);
    const config = Buffer.from(
      JSON.stringify({
        created: CREATED,
        architecture: process.arch === "x64" ? "amd64" : process.arch,
        os: "linux",
        config: { Cmd: ["/none"], Labels: { "org.opencontainers.image.source": "bench" } },
        rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
        history: [{ created: CREATED, created_by: "bench" }],
      }),
    );
    const name = `${sha256(config)}.json`;
    manifest.push({ Config: name, RepoTags: null, Layers: [`${digest}/layer.tar`] });
    yield tarFile(`${digest}/layer.tar`, layer);
    yield tarFile(name, config);
  }
  yield tarFile("manifest.json", Buffer.from(JSON.stringify(manifest)));
  yield Buffer.alloc(1024);
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** One file in ustar format. */
function tarFile(name: string, content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\x000000000\x000000000\0", 100);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0        0`, 124);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

const BASE = "bench/base:1";

/** Containers that are created and never started; {@link age} makes exited ones of most. */
async function addContainers(host: CiHost, count: number): Promise<void> {
  await pMap(
    Array(count).keys(),
    (index) => host.createContainer({ image: BASE, labels: { "bench.index": String(index) } }),
    { concurrency: 8 },
  );
}

/** Services without replicas: settled, and nothing runs. */
async function addServices(host: CiHost, from: number, count: number): Promise<void> {
  await pMap(
    Array(count).keys(),
    (index) => host.createService({ name: `stack${from + index}_app`, image: BASE, replicas: 0 }),
    { concurrency: 8 },
  );
}

/**
 * Makes every container three days old, and nine in ten of them exited, by editing what the engine keeps of them while
 * it is down: starting 1000 containers would take five minutes, and no API sets an age.
 */
async function age(host: CiHost): Promise<void> {
  await host.stopEngine();
  const folder = join(host.dataRoot, "docker", "containers");
  for (const [index, id] of readdirSync(folder).entries()) {
    const file = join(folder, id, "config.v2.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    config.Created = CREATED;
    if (index % 10 !== 0) Object.assign(config.State, { StartedAt: CREATED, FinishedAt: CREATED });
    writeFileSync(file, JSON.stringify(config));
  }
  await host.startEngine();
  for (let end = Date.now() + 60_000; ; await sleep(100)) {
    const services = await host.docker.listServices().catch(() => null);
    if (services !== null) return;
    if (Date.now() > end) throw new Error("the swarm did not come back after the engine's restart");
  }
}

/** Adds what is missing to `have`, so that the host holds `want`. */
async function grow(host: CiHost, have: Size, want: Size): Promise<Size> {
  const startedAt = Date.now();
  await addImages(host, want.images - have.images);
  await addContainers(host, want.containers - have.containers);
  await addServices(host, have.services, want.services - have.services);
  if (want.containers > have.containers) await age(host);
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
  progress(`a host with ${describe(want)}: filled in ${seconds} s`);
  return want;
}

const NOTHING: Size = { images: 0, containers: 0, services: 0 };

const describe = ({ images, containers, services }: Size): string =>
  `${images} dangling images, ${containers} stopped containers, ${services} services`;

async function startHost(): Promise<CiHost> {
  const host = await CiHost.start({ engine: OPTIONS.engine, diskMiB: 8192, name: "bench" });
  await host.loadImage({ ref: BASE });
  return host;
}

// ---------------------------------------------------------------------------------------------- ours and the peer

interface Pass extends Run {
  readonly requests: number;
  /** Objects in the plan. */
  readonly planned: number;
  readonly outcome: string;
}

/** Settings and arguments of a pass on this host, under pressure and without a pause between the two looks. */
function ourArgs(host: CiHost, until: string, buildCache: boolean, ...options: readonly string[]): string[] {
  const file = join(scratch, `settings-${until}-${buildCache}.json`);
  writeFileSync(
    file,
    JSON.stringify({
      engine: { socketPath: host.socketPath },
      disk: { paths: [host.dataRoot], highWatermark: "1%" },
      convergence: { settle: "0s" },
      prune: { until, buildCache },
    }),
  );
  return [BUNDLE, "run", "--json", "--settings", file, "--state-dir", join(scratch, "state"), ...options];
}

function ourPass(args: readonly string[]): Pass {
  const result = run(process.execPath, args);
  const events = result.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const find = (name: string) => events.find(({ event }) => event === name);
  const finished = find("pass.finished");
  const remove = (find("prune.planned")?.remove ?? {}) as Record<string, number>;
  return {
    ...result,
    requests: Number(finished?.engineRequests),
    planned: (remove.container ?? 0) + (remove.image ?? 0),
    outcome: String(finished?.outcome),
  };
}

/**
 * A dry run; fails when it did not come to its plan, or planned other than what is there.
 * @param forecast list the build cache too, which only a dry run does: without it, it asks exactly what a pass asks up
 *   to its first deletion
 */
function dryRun(host: CiHost, until: string, planned: number, forecast = false): Pass {
  const pass = ourPass(ourArgs(host, until, forecast, "--dry-run"));
  if (pass.outcome !== "dry-run" || pass.planned !== planned)
    throw new Error(`planned ${pass.planned} instead of ${planned}: ${pass.stdout.slice(-2000)}`);
  return pass;
}

function peer(host: CiHost, options: readonly string[] = [], until = ALL_OLD): Run {
  const result = run("sh", [PEER, ...options], {
    DOCKER_HOST: `unix://${host.socketPath}`,
    DOCKER_CONFIG: join(scratch, "docker-cli"),
    DISK: host.dataRoot,
    WATERMARK: "1",
    SETTLE: "0",
    UNTIL: until,
  });
  const wanted = options.includes("--until-deletions") ? "this is where the deletions would begin" : "pruned";
  if (!result.stdout.trimEnd().endsWith(wanted))
    throw new Error(`the peer said: ${result.stdout.slice(-500)}`);
  return result;
}

// ---------------------------------------------------------------------------------------------- the parts

function noOp({ noOpPairs }: Scale): void {
  progress("no-op pass against node -e 0");
  const state = join(scratch, "state-no-op");
  const settings = join(scratch, "settings-no-op.json");
  writeFileSync(settings, JSON.stringify({ disk: { highWatermark: "100%" } }));
  const withMetrics = join(scratch, "settings-no-op-metrics.json");
  const metrics = { textfile: join(scratch, "no-op.prom") };
  writeFileSync(withMetrics, JSON.stringify({ disk: { highWatermark: "100%" }, metrics }));
  const command = (file: string) => [BUNDLE, "run", "--json", "--settings", file, "--state-dir", state];
  const ours = command(settings);
  if (ourPass(ours).outcome !== "below-watermark")
    throw new Error("the no-op pass is none: is / 100 % full?");
  fillState(state);
  // Both settings are read once by the full program.
  for (const file of [settings, withMetrics]) ourPass(command(file));
  const floor = ["-e", "0"];
  const [wall, wallFloor, wallMetrics] = interleaved(
    noOpPairs,
    () => run(process.execPath, ours).ms,
    () => run(process.execPath, floor).ms,
    () => run(process.execPath, command(withMetrics)).ms,
  ) as [Figures, Figures, Figures];
  compare("no-op pass, wall time", wall, wallFloor, "node -e 0", TARGET.noOpWall);
  compare("no-op pass that writes metrics, wall time", wallMetrics, wall, "without metrics");
  const [rss, rssFloor] = interleaved(
    Math.ceil(noOpPairs / 4),
    () => peakRss(ours),
    () => peakRss(floor),
  ) as [Figures, Figures];
  compare("no-op pass, peak RSS", rss, rssFloor, "node -e 0", TARGET.noOpRss, "MB");
}

/** A host in service: the engine's root is known, and the state remembers 20,000 dangling images. */
function fillState(dir: string): void {
  const file = join(dir, "state.json");
  const state = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...state, engineRoot: "/", engineAskedAt: Date.now() }));
  const now = Date.now();
  const dangling = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, at) => [
      `sha256:${createHash("sha256").update(`${at}`).digest("hex")}`,
      { since: now - 1000, lastSeen: now },
    ]),
  );
  writeFileSync(join(dir, "sightings.json"), JSON.stringify({ dangling, busy: {}, undated: {}, uses: {} }));
}

interface Measured {
  readonly count: number;
  readonly young: Figures;
  readonly old: Figures;
}

/** The plan alone: a family with a size limit, of builds that share some layers, beside many services. */
function deciding(): void {
  progress("deciding");
  const size = (images: number) => ({ images, layers: 60, services: 500 });
  const [small, large] = interleaved(
    5,
    () => decideOnce(size(500)),
    () => decideOnce(size(5000)),
  ) as [Figures, Figures];
  compare("deciding, 5000 images of 60 layers, 500 services", large, small, "500 images", TARGET.deciding);
  bound("deciding, 5000 images of 60 layers, 500 services, ms", Math.round(large.median), TARGET.decidingMs);
}

/** Growth on one host that is filled further and further; on the way, the full host against the peer. */
async function lists(scale: Scale): Promise<void> {
  await using host = await startHost();
  const measured: Measured[] = [];
  let have = NOTHING;
  for (const count of scale.growth) {
    const { full } = scale;
    if (full.images === count) {
      have = await grow(host, have, full);
      againstPeer(host, scale);
    }
    have = await grow(host, have, { images: count, containers: count, services: count });
    const old = 2 * count;
    const requests = (until: string, planned: number) => dryRun(host, until, planned).requests;
    bound(
      `requests before the first deletion, ${count} of each, nothing old`,
      requests(NONE_OLD, 0),
      TARGET.fixedRequests,
    );
    bound(
      `requests before the first deletion, ${count} of each, all old`,
      requests(ALL_OLD, old),
      TARGET.fixedRequests + old,
    );
    const [young, all] = interleaved(
      scale.pairs,
      () => dryRun(host, NONE_OLD, 0).ms,
      () => dryRun(host, ALL_OLD, old).ms,
    ) as [Figures, Figures];
    measured.push({ count, young, old: all });
  }
  for (const [index, now] of measured.entries()) {
    const before = measured[index - 1];
    if (before === undefined) continue;
    const what = (which: string) => `growth: ${now.count} of each, ${which}`;
    compare(what("nothing old"), now.young, before.young, `${before.count} of each`);
    compare(what("all old"), now.old, before.old, `${before.count} of each`);
  }
}

function againstPeer(host: CiHost, { full, pairs }: Scale): void {
  progress(`up to the deletions against the peer: ${describe(full)}`);
  const old = full.images + full.containers;
  const [young, all, forecast, thorough, lean] = interleaved(
    pairs,
    () => dryRun(host, NONE_OLD, 0).ms,
    () => dryRun(host, ALL_OLD, old).ms,
    () => dryRun(host, NONE_OLD, 0, true).ms,
    () => peer(host, ["--until-deletions"]).ms,
    () => peer(host, ["--until-deletions", "--lean"]).ms,
  ) as [Figures, Figures, Figures, Figures, Figures];
  const sizes = `${full.images}/${full.containers}/${full.services}`;
  const where = `up to the deletions, ${sizes}`;
  compare(`${where}, nothing old`, young, thorough, "peer", TARGET.untilDeletions);
  compare(`${where}, nothing old`, young, lean, "peer --lean");
  compare(`${where}, all old`, all, thorough, "peer");
  compare(`${where}, all old`, all, lean, "peer --lean");
  compare(`dry run with its forecast of the build cache, ${sizes}`, forecast, young, "without it");
  const floor = figures([peakRss(["-e", "0"])]);
  const rss = (until: string) => figures([peakRss(ourArgs(host, until, false, "--dry-run"))]);
  compare(`${where}, nothing old, peak RSS`, rss(NONE_OLD), floor, "node -e 0", undefined, "MB");
  compare(`${where}, all old, peak RSS`, rss(ALL_OLD), floor, "node -e 0", undefined, "MB");
}

/** What a timer costs on a small host whose disk is full of what no pass takes: a whole pass that finds nothing. */
async function small({ pairs }: Scale): Promise<void> {
  const size: Size = { images: 5, containers: 5, services: 5 };
  progress(`a whole pass with nothing to remove: ${describe(size)}`);
  await using host = await startHost();
  await grow(host, NOTHING, size);
  const args = ourArgs(host, NONE_OLD, true, "--without-pressure");
  const [ours, thorough, lean] = interleaved(
    pairs,
    () => {
      const pass = ourPass(args);
      if (pass.outcome !== "nothing-eligible") throw new Error(`it is ${pass.outcome}`);
      return pass.ms;
    },
    () => peer(host, [], NONE_OLD).ms,
    () => peer(host, ["--lean"], NONE_OLD).ms,
  ) as [Figures, Figures, Figures];
  compare("full pass with nothing to remove, 5/5/5", ours, thorough, "peer", TARGET.smallPass);
  compare("full pass with nothing to remove, 5/5/5", ours, lean, "peer --lean");
}

/**
 * A whole pass with its deletions, beside the script with its three prunes and beside bare DELETE requests. Each finds
 * the same things on the same host, which is filled anew before.
 */
async function deletions(scale: Scale): Promise<void> {
  const asked = OPTIONS.of?.map((of) => ({
    images: +of,
    containers: +of,
    services: 50,
    rounds: +OPTIONS.rounds,
  }));
  for (const { rounds, ...size } of asked ?? scale.deletions) {
    progress(`whole passes with their deletions: ${describe(size)}`);
    await using host = await startHost();
    const old = size.images + size.containers;
    const sizes = `${size.images}/${size.containers}/${size.services}`;
    const excess: number[] = [];
    const programs: readonly (() => Promise<number>)[] = [
      async () => {
        // The disk stays above a watermark of 1 %, which a pass calls a failure; without the disk gate it is none.
        const pass = ourPass(ourArgs(host, ALL_OLD, true, "--without-pressure"));
        if (pass.outcome !== "pruned") throw new Error(`not pruned: ${pass.stdout.slice(-2000)}`);
        // Of each a look and the deletion; and the prune of the build cache.
        const known = TARGET.fixedRequests + 2 * old + 1;
        // The gates are asked, and what went is confirmed, every 2 s and before the second and the third step.
        excess.push(pass.requests - known - 4 * (2 + Math.floor(pass.ms / 2000)));
        return pass.ms;
      },
      async () => peer(host).ms,
      () => deleteAll(host, 1),
      () => deleteAll(host, 4),
    ];
    const values = programs.map((): number[] => []);
    let have = NOTHING;
    for (let round = 0; round < rounds; round++) {
      for (const [index, program] of programs.entries()) {
        await grow(host, have, size);
        values[index]?.push(await program());
        const containers = await host.docker.listContainers({ all: true });
        const images = await host.docker.listImages();
        if (containers.length > 0 || images.length !== 1)
          throw new Error(`left behind: ${containers.length} containers, ${images.length - 1} images`);
        have = { ...NOTHING, services: size.services };
      }
    }
    const [ours, script, one, four] = values.map(figures) as [Figures, Figures, Figures, Figures];
    compare(`with deletions, ${sizes}`, ours, script, "peer", TARGET.deletions);
    compare(`with deletions, ${sizes}`, ours, one, "bare DELETE, one by one");
    compare(`with deletions, ${sizes}`, ours, four, "bare DELETE, four at once");
    bound(`requests beyond 10, 2 an object and 4 a round of the gates, ${sizes}`, Math.max(...excess), 0);
  }
}

/** Asks for what is there and removes it, without a look or a gate. Milliseconds. */
async function deleteAll(host: CiHost, concurrency: number): Promise<number> {
  const startedAt = process.hrtime.bigint();
  const containers = await host.docker.listContainers({ all: true });
  await pMap(containers, ({ Id }) => host.docker.getContainer(Id).remove(), { concurrency });
  const images = await host.docker.listImages({ filters: { dangling: ["true"] } });
  await pMap(images, ({ Id }) => host.docker.getImage(Id).remove({ noprune: true }), { concurrency });
  return Number(process.hrtime.bigint() - startedAt) / 1e6;
}

async function main(): Promise<void> {
  const scale = OPTIONS.quick ? QUICK : WHOLE;
  if (!existsSync(BUNDLE)) throw new Error(`no ${BUNDLE}: run npm run build first`);
  const startedAt = Date.now();
  const [loadBefore = 0] = loadavg();
  if (!OPTIONS.deletions) {
    noOp(scale);
    deciding();
  }
  const available = engineAvailable(OPTIONS.engine);
  if (available.ok) {
    if (!OPTIONS.deletions) await small(scale);
    if (!OPTIONS.deletions) await lists(scale);
    await deletions(scale);
  } else progress(`no engine, so only the no-op pass was measured: ${available.reason}`);
  const cli = available.ok ? run("docker", ["--version"]).stdout.trim() : "no docker CLI";
  const engine = available.ok
    ? `engine ${OPTIONS.engine}${OPTIONS.engine === "20.10" ? `: ${run(findTool("dockerd") ?? "dockerd", ["--version"]).stdout.trim()}` : ""}`
    : "no engine";
  process.stdout.write(
    `${cpus().length} x ${cpus()[0]?.model}; node ${process.version}\n${engine}; CLI: ${cli}\n`,
  );
  process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${scale === QUICK ? "--quick, " : ""}`);
  const load = `load average ${loadBefore.toFixed(1)} before, ${(loadavg()[0] ?? 0).toFixed(1)} after`;
  process.stdout.write(`${((Date.now() - startedAt) / 1000).toFixed(0)} s in all, ${load}\n\n${table()}\n`);
  const missed = rows.filter(({ verdict }) => verdict === "MISSED").length;
  process.stdout.write(`\n${missed === 0 ? "Every target is met." : `${missed} targets MISSED.`}\n`);
  process.exitCode = missed === 0 ? 0 : 1;
}

process.exitCode = 1;
await main();
