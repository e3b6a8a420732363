/**
 * What a prune policy costs in downloads (`npm run bench:reuse`): 30 CI runs over three days against a real registry,
 * replayed under three policies, each on a private host of its own. Three hours are a second here: a day and an age
 * limit of 8 s, ten runs a day, and the daily timer fires at both midnights, between two runs.
 *
 * A run looks its image's digest up, pulls by digest, as Swarm does, starts a container and removes it, and leaves a
 * dangling image behind, as builds do. Counted is what the registry handed out. Ends with 1 where our pass costs a byte
 * more than never pruning, or where the replay shows no difference between the policies at all.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runAgent } from "../tests/support/agent.ts";
import { CiHost } from "../tests/support/ci-host.ts";
import {
  DockerRegistry,
  digestOf,
  dockerRegistryAvailable,
  pullAs,
  type Traffic,
} from "../tests/support/docker-registry.ts";
import { defaultEngine, engineAvailable } from "../tests/support/engines.ts";
import type { LayerSpec } from "../tests/support/images.ts";

const RUNS = 30;
/** Milliseconds. */
const DAY = 8_000;
const DAYS = 3;
const UNTIL = "8s";
const LOGIN = { username: "ci", password: "dckr_pat_bench" };
/** As images are when they come from a registry. */
const BUILT = "2026-06-01T00:00:00Z";

const ALPINE: LayerSpec[] = [{ seed: "alpine", sizeMiB: 3 }];
const DEBIAN: LayerSpec[] = [{ seed: "debian", sizeMiB: 12 }];
const NODE: LayerSpec[] = [...DEBIAN, { seed: "node", sizeMiB: 8 }];

/** Eight recipes on three bases; sizes are about a tenth of what such images have. */
const RECIPES: readonly (readonly [string, readonly LayerSpec[], number])[] = [
  ["cache", ALPINE, 1],
  ["proxy", ALPINE, 2],
  ["mail", ALPINE, 4],
  ["wiki", DEBIAN, 4],
  ["forge", DEBIAN, 6],
  ["database", DEBIAN, 5],
  ["chat", NODE, 4],
  ["pads", NODE, 3],
];

interface Day extends Traffic {
  readonly policy: string;
  readonly pulls: number;
  /** Spent in look-ups and pulls. */
  readonly seconds: number;
  /** Images that were there before a prune and not after. */
  readonly taken: number;
}

type Policy = (host: CiHost) => Promise<void>;

const POLICIES: readonly (readonly [string, Policy])[] = [
  ["never prune (the floor)", async () => {}],
  ["ci-docker-prune, disk at 85 %", ourPass],
  [`docker system prune --all, until=${UNTIL}`, autoPrune],
];

async function ourPass(host: CiHost): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), "cdp-bench-"));
  await host.fillDisk(85);
  const { code, stdout } = await runAgent({
    args: ["run"],
    stateDir: state,
    settings: {
      engine: { socketPath: host.socketPath },
      disk: { paths: [host.dataRoot], highWatermark: "80%" },
      convergence: { settle: "100ms" },
      prune: { until: UNTIL },
    },
  });
  await host.unfill();
  rmSync(state, { recursive: true });
  // 10: what fills the disk here is not Docker's.
  if (code !== 10) throw new Error(`the pass ended with ${code}: ${stdout}`);
}

async function autoPrune(host: CiHost): Promise<void> {
  const { code, stderr } = await host.cli(["system", "prune", "-f", "--all", "--filter", `until=${UNTIL}`]);
  if (code !== 0) throw new Error(stderr);
}

/** The recipe of each run: all of them in turn first, then in an order that is always the same. */
function schedule(): number[] {
  let seed = 20261121;
  return Array.from({ length: RUNS }, (_, run) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return run < RECIPES.length ? run : Math.floor((seed / 2 ** 31) * RECIPES.length);
  });
}

async function replay(engine: string, policy: string, prune: Policy): Promise<Day> {
  await using host = await CiHost.start({ engine, name: "reuse", swarm: false, diskMiB: 768 });
  await using registry = await DockerRegistry.start(host, { users: { ci: LOGIN.password } });
  const refs: string[] = [];
  for (const [name, base, own] of RECIPES) {
    const layers = [...base, { seed: name, sizeMiB: own }];
    await host.loadImage({ ref: `${name}:1`, created: BUILT, layers });
    refs.push(await registry.push(host, `${name}:1`, `${name}:1`, LOGIN));
  }
  await forgetAll(host);

  const authconfig = { ...LOGIN, serveraddress: registry.address };
  const total = { blobRequests: 0, blobBytes: 0, manifestRequests: 0, seconds: 0 };
  let taken = 0;
  const start = Date.now();
  for (const [run, recipe] of schedule().entries()) {
    await sleep(start + (run * DAYS * DAY) / RUNS - Date.now());
    if (run > 0 && run % (RUNS / DAYS) === 0) {
      const before = await host.images();
      await prune(host);
      const after = new Set(await host.images());
      taken += before.filter((id) => !after.has(id)).length;
    }
    const ref = refs[recipe] ?? "";
    const seen = await registry.during(async () => {
      const from = process.hrtime.bigint();
      const image = `${ref.replace(/:1$/, "")}@${await digestOf(host, ref, authconfig)}`;
      await pullAs(host, image, LOGIN);
      return { image, seconds: Number(process.hrtime.bigint() - from) / 1e9 };
    });
    total.blobRequests += seen.blobRequests;
    total.blobBytes += seen.blobBytes;
    total.manifestRequests += seen.manifestRequests;
    total.seconds += seen.result.seconds;
    const container = await host.runContainer({ image: seen.result.image, wait: true });
    await host.docker.getContainer(container).remove();
    await host.loadImage({ created: BUILT, busybox: false, sizeMiB: 0.1 });
  }
  return { policy, pulls: RUNS, taken, ...total };
}

async function forgetAll(host: CiHost): Promise<void> {
  for (const { RepoTags, Id } of await host.docker.listImages()) {
    for (const name of RepoTags ?? []) await host.docker.getImage(name).remove();
    if (await host.hasImage(Id)) await host.docker.getImage(Id).remove({ force: true });
  }
}

function table(days: readonly Day[]): string {
  const rows = days.map((day) => [
    day.policy,
    String(day.pulls),
    String(day.manifestRequests),
    String(day.blobRequests),
    String(day.blobBytes),
    day.seconds.toFixed(1),
    String(day.taken),
  ]);
  const head = [
    "policy",
    "pulls",
    "manifest requests",
    "blob requests",
    "blob bytes",
    "seconds",
    "images taken",
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(["---", ...head.slice(1).map(() => "---:")]), ...rows.map(line)].join("\n");
}

async function main(): Promise<number> {
  const engine = defaultEngine();
  for (const available of [engineAvailable(engine), dockerRegistryAvailable()]) {
    if (!available.ok) {
      console.log(`skipped: ${available.reason}`);
      return 0;
    }
  }
  const days: Day[] = [];
  for (const [policy, prune] of POLICIES) days.push(await replay(engine, policy, prune));
  console.log(
    `engine ${engine}; ${RUNS} runs of ${RECIPES.length} recipes in ${DAYS} days, one prune a night\n\n${table(days)}`,
  );
  const [floor, ours, theirs] = days;
  if (floor === undefined || ours === undefined || theirs === undefined) return 1;
  const wrong = [
    ours.blobBytes !== floor.blobBytes && `our pass cost ${ours.blobBytes - floor.blobBytes} bytes`,
    ours.taken === 0 && "our pass took nothing, so the replay proves nothing",
    theirs.blobBytes <= floor.blobBytes && "pruning everything cost nothing, so the replay proves nothing",
  ].filter((text) => text !== false);
  for (const text of wrong) console.log(`MISSED: ${text}`);
  return wrong.length === 0 ? 0 : 1;
}

process.exitCode = await main();
