/**
 * The main job, shown on a real engine: a private dockerd with a swarm, on a small disk of its own, filled like a CI
 * host. Nothing else on this machine is touched, and everything is gone afterwards. Without root there is no private
 * engine; then the demo only looks at the Docker that is there, and removes nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pc from "picocolors";
import { BUNDLE, scratchDir } from "../tests/support/agent.ts";
import { CiHost } from "../tests/support/ci-host.ts";
import { engineAvailable } from "../tests/support/engines.ts";
import { pull, Registry } from "../tests/support/registry.ts";

const RUN = "ab12-1f2e3d_ci_commoninternet_net";
const DAY = 86_400_000;

const say = (text: string) => process.stdout.write(`${text}\n`);
const chapter = (number: number, title: string) => say(`\n${pc.bold(pc.cyan(`${number}. ${title}`))}`);
const daysAgo = (days: number) => new Date(Date.now() - days * DAY).toISOString();

/** Runs the bundle as a person would, its output straight to the screen. */
function agent(args: readonly string[], settings: string, stateDir: string): number {
  say(pc.dim(`$ ci-docker-prune ${args.join(" ")} --settings settings.json`));
  const words = [
    ...args,
    ...(args[0] === "run" ? ["--plain"] : []),
    "--settings",
    settings,
    "--state-dir",
    stateDir,
  ];
  return spawnSync(process.execPath, [BUNDLE, ...words], { stdio: "inherit" }).status ?? 1;
}

async function onPrivateHost(): Promise<void> {
  say(
    "This takes about a minute. A private dockerd starts on a 640 MiB disk of its own; any Docker that is already",
  );
  say("on this machine is left alone.");
  await using host = await CiHost.start({ diskMiB: 640, name: "" });
  const dir = scratchDir();
  const stateDir = join(dir, "state");
  const settings = join(dir, "settings.json");
  writeFileSync(
    settings,
    JSON.stringify({
      engine: { socketPath: host.socketPath },
      disk: { paths: [join(host.dataRoot, "docker")], highWatermark: "80%" },
      prune: { until: "24s" },
    }),
  );

  chapter(1, "A CI host after some days of work");
  const cache = ["recipes/postgres:16", "recipes/node:22", "recipes/redis:7-alpine"];
  for (const [index, ref] of cache.entries()) {
    await host.loadImage({ ref, created: daysAgo(40 + index), sizeMiB: [70, 50, 20][index] ?? 10 });
  }
  const pulledByDigest = await pullByDigest(host);
  for (const build of ["app-1", "app-2", "app-3"]) {
    await host.loadImage({ created: daysAgo(3), sizeMiB: 30, seed: build });
  }
  for (const run of ["c3d4-0a1b2c", "e5f6-3d4e5f", "a7b8-6a7b8c"]) {
    await host.runContainer({ image: "recipes/node:22", name: `${run}-tests`, wait: true });
  }
  await host.buildCache(24);
  const grownOldAt = Date.now() + 25_000;
  say(`Cached base images: ${cache.join(", ")};`);
  say(
    "and the image of a service that is scaled down, pulled by digest as Swarm does: it has no tag at all.",
  );
  say(
    "Left over: 3 dangling builds of three days ago, 3 stopped containers of earlier runs, some build cache.",
  );
  say(
    "The age limit is 24 s here instead of 24 h, so that containers and cache can grow old while you watch.",
  );

  chapter(2, "Below the watermark nothing happens: the local images are the cache");
  expect(agent(["run"], settings, stateDir), 0);

  chapter(3, "The disk fills up, but a CI run is live: not now");
  say(
    "The agent asks four gates. One that is open (✓) lets the pass go on; one that is closed (■) puts it off.",
  );
  await host.createService({ name: `${RUN}_app`, image: "recipes/node:22", waitForRunning: true });
  await host.fillDisk(88);
  expect(agent(["run"], settings, stateDir), 0);

  chapter(4, "The run is over; what it left behind is seconds old and stays, the rest goes");
  await host.removeService(`${RUN}_app`);
  await pause(grownOldAt - Date.now());
  await taskContainersGone(host);
  const fresh = await host.loadImage({ sizeMiB: 4, seed: "fresh" });
  const freshContainer = await host.runContainer({
    image: "recipes/node:22",
    name: "ab12-1f2e3d-tests",
    wait: true,
  });
  const before = await host.diskPercent();
  agent(["plan"], settings, stateDir);
  say(pc.dim(`(Those other tagged images are the cache: ${cache.join(", ")}.)\n`));
  expect(agent(["run"], settings, stateDir), 0);
  const after = await host.diskPercent();

  chapter(5, "Before, after, and is the cache still warm?");
  say("┃ is the high watermark, 80 %.");
  say(`before  ${picture(before)}`);
  say(`after   ${picture(after)}`);
  for (const ref of cache) {
    if (!(await host.hasImage(ref))) throw new Error(`${ref} is gone: the cache should be warm`);
    say(`${pc.green("✓")} ${ref} is still here`);
  }
  if (!(await host.hasImage(pulledByDigest))) throw new Error("the image pulled by digest is gone");
  say(`${pc.green("✓")} the image pulled by digest is still here (docker image prune would have taken it)`);
  if (!(await host.hasImage(fresh)) || !(await host.hasContainer(freshContainer))) {
    throw new Error("something younger than the age limit is gone");
  }
  say(`${pc.green("✓")} the new dangling build and the container that has just stopped are still here`);
  const startedAt = Date.now();
  await host.createService({ name: `${RUN}_again`, image: "recipes/node:22", waitForRunning: true });
  say(
    `${pc.green("✓")} the next run's service came up in ${((Date.now() - startedAt) / 1000).toFixed(1)} s, nothing pulled`,
  );
  await host.removeService(`${RUN}_again`);

  chapter(6, "What the operator sees afterwards");
  await host.unfill();
  await taskContainersGone(host);
  say('Under "Settings to look at" stands the short age limit of this demo.');
  agent(["status"], settings, stateDir);
  say("\nThe private engine, its disk and its state are removed now.");
}

/** An image that only a digest names, from a registry that lives as long as the pull. */
async function pullByDigest(host: CiHost): Promise<string> {
  await using registry = await Registry.start(host);
  const source = "recipes/backup:1";
  await host.loadImage({ ref: source, created: daysAgo(20), sizeMiB: 10 });
  const { byDigest } = await registry.publish(host, source, "backup:1");
  await host.docker.getImage(source).remove();
  await pull(host, byDigest);
  return (await host.docker.getImage(byDigest).inspect()).Id;
}

function expect(code: number, wanted: number): void {
  if (code !== wanted) throw new Error(`exit code ${code}, expected ${wanted}`);
}

function picture(percent: number): string {
  const full = Math.round(percent / 2.5);
  const mark = 32; // 80 % of 40 cells
  const cells = Array.from({ length: 40 }, (_, index) =>
    index === mark ? "┃" : index < full ? "█" : "░",
  ).join("");
  return `${percent >= 80 ? pc.red(cells) : pc.green(cells)} ${percent} %`;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Task containers outlive their service by some seconds, and count as live as long as they do. */
async function taskContainersGone(host: CiHost): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    const tasks = await host.docker.listContainers({ filters: { label: ["com.docker.swarm.service.name"] } });
    if (tasks.length === 0) return;
    await pause(200);
  }
  throw new Error("task containers do not go");
}

/** As far as it goes without root: a look, no change. */
function onTheDockerThatIsThere(reason: string): number {
  const socket = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    `${process.env.XDG_RUNTIME_DIR ?? ""}/docker.sock`,
  ].find(existsSync);
  if (socket === undefined) {
    say(
      `No private engine (${reason}), and no Docker here: as root on a Debian machine this shows a whole pass.`,
    );
    return 1;
  }
  say(
    `No private engine can be started (${reason}): this looks at the Docker that is here and removes nothing.`,
  );
  const dir = scratchDir();
  const settings = join(dir, "settings.json");
  writeFileSync(settings, JSON.stringify({ engine: { socketPath: socket } }));
  agent(["plan"], settings, join(dir, "state"));
  return agent(["run", "--dry-run", "--without-pressure"], settings, join(dir, "state"));
}

const privateHost =
  process.getuid?.() === 0 ? engineAvailable("20.10") : { ok: false as const, reason: "not root" };
if (privateHost.ok) await onPrivateHost();
else process.exitCode = onTheDockerThatIsThere(privateHost.reason);
