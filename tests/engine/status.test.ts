/** Hosts whose disk is full for six different causes: the first lines of `status` name it, and what they say mends it. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { runAgent } from "../support/agent.ts";
import { CiHost, type CiHostOptions } from "../support/ci-host.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";

const MiB = 2 ** 20;
const OLD = "2020-01-01T00:00:00Z";
/** What an operator sees without scrolling: the verdict, the way out, the largest holders. */
const FIRST = 10;

onEngine("what fills the disk", () => {
  let host: CiHost;
  afterEach(async () => {
    await host?.stop();
  });

  const start = async (options: CiHostOptions = {}) => {
    host = await CiHost.start({ name: "status", diskMiB: 320, swarm: false, ...options });
  };

  /** The first lines of the screen, each run of spaces as one. */
  async function status(settings: object = {}): Promise<string> {
    const { code, stdout, stderr } = await runAgent({
      args: ["status"],
      settings: {
        engine: { socketPath: host.socketPath },
        disk: { paths: [host.dataRoot], highWatermark: "70%" },
        ...settings,
      },
      env: { COLUMNS: "160", LANG: "C.UTF-8" },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.split("\n").slice(0, FIRST).join(" ").replaceAll(/\s+/g, " ");
  }

  /** The way out that the screen told, run by a shell as the operator would. */
  function follow(command: string): string {
    const {
      status: code,
      stdout,
      stderr,
    } = spawnSync("sh", ["-c", command], {
      encoding: "utf8",
      env: { PATH: process.env.PATH ?? "", DOCKER_HOST: `unix://${host.socketPath}` },
    });
    expect({ command, code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  }

  const wayOut = (screen: string, command: RegExp) => {
    const found = command.exec(screen);
    expect(screen).toMatch(command);
    return found?.[1] ?? "";
  };

  it("tagged images that nobody uses: their repository, and a rule or a command for it", async () => {
    await start();
    for (const build of [1, 2, 3, 4, 5, 6])
      await host.loadImage({
        ref: `registry.example.org/team/app:${build}`,
        created: OLD,
        sizeMiB: containerd ? 20 : 40,
      });
    const screen = await status();
    expect(screen).toMatch(
      /^● disk [789]\d% full, and a pass cannot help: \d+ MiB in registry\.example\.org\/team\/app \(images; 6 names, oldest [\d.]+y?.*none in use\)/,
    );
    expect(screen).toContain("a rule of retention for registry.example.org/team/app");
    follow(wayOut(screen, /or: (docker image rm \$\(docker image ls -q \S+\))/));
    expect(await status()).toMatch(/^● disk \d+% full, below the high watermark/);
  });

  it("a volume: its name and size", async () => {
    await start();
    await host.docker.createVolume({ Name: "build-data" });
    writeFileSync(join(host.dataRoot, "docker/volumes/build-data/_data/blob"), Buffer.alloc(230 * MiB, 1));
    const screen = await status();
    expect(screen).toMatch(/a pass cannot help: 230 MiB in build-data \(volumes; no container has it\)/);
    follow(wayOut(screen, /-> (docker volume rm build-data)/));
    expect(await status()).toMatch(/below the high watermark/);
  });

  it("the log of a container: the container, the file, how to empty it", async () => {
    await start();
    await host.loadImage({ ref: "noise:1" });
    const shout =
      "i=0; while [ $i -lt 330 ]; do head -c 700000 /dev/zero | tr '\\0' 'x' | fold -w 1000; i=$((i+1)); done";
    const cmd = ["/bin/busybox", "sh", "-c", `/bin/busybox --install /bin; ${shout}`];
    await host.runContainer({ image: "noise:1", name: "chatty", cmd, wait: true });
    const screen = await status();
    expect(screen).toMatch(/a pass cannot help: \d+ MiB in chatty \(logs of containers; stopped\)/);
    follow(wayOut(screen, /-> (truncate -s 0 \S+-json\.log);/));
    expect(await status()).toMatch(/below the high watermark/);
  });

  it("files of somebody else: not accounted for by the engine, and du finds them", async () => {
    await start();
    await host.fillDisk(90);
    const screen = await status();
    expect(screen).toMatch(/a pass cannot help: \d+ MiB not accounted for by the engine/);
    expect(follow(wayOut(screen, /-> (du -xh -d2 \S+ \| sort -h \| tail)/))).toContain(host.dataRoot);
  });

  it("a file that was deleted and is still open: the process that holds it", async () => {
    await start();
    const path = join(host.dataRoot, "huge.log");
    writeFileSync(path, Buffer.alloc(240 * MiB, 1));
    const descriptor = openSync(path, "r");
    const holder = spawn("sleep", ["60"], { stdio: ["ignore", descriptor, "ignore"] });
    closeSync(descriptor);
    rmSync(path);
    try {
      const screen = await status();
      expect(screen).toMatch(/240 MiB in \S+huge\.log \(deleted files still open; open in process \d+\)/);
      expect(wayOut(screen, /-> restart process (\d+)/)).toBe(String(holder.pid));
    } finally {
      holder.kill();
      await new Promise((resolve) => holder.once("exit", resolve));
    }
    expect(await status()).toMatch(/below the high watermark/);
  });

  it("inodes: a bar of their own, and how to find the small files", async () => {
    await start({ inodes: 3000 });
    const folder = join(host.dataRoot, "many");
    mkdirSync(folder);
    for (let at = 0; at < 2600; at++) writeFileSync(join(folder, String(at)), "");
    const screen = await status();
    expect(screen).toMatch(
      /^● disk has (8|9)\d% of its inodes in use \(\d+% of its bytes\), and a pass cannot help: many small files/,
    );
    expect(screen).toMatch(/█┃█+░* \d+% of inodes \(26\d\d of \d+\); \d+% of bytes/);
    expect(follow(wayOut(screen, /-> (du --inodes -xd2 \S+ \| sort -n \| tail)/))).toMatch(
      /26\d\d\s+\S+many/,
    );
  });

  it("a service that never settles: its name, the command that shows why, the setting that lets passes go on", async () => {
    await start({ swarm: true, diskMiB: 512 });
    await host.loadImage({ ref: "cron:1" });
    await host.loadImage({ created: OLD, sizeMiB: 20 });
    await host.createService({ name: "backup_once", image: "cron:1", constraints: ["node.labels.none==1"] });
    await host.fillDisk(80);
    const settings = { prune: { until: "1s" } };
    const screen = await status(settings);
    expect(screen).toMatch(
      /and no pass may run now: a service is converging: backup_once \(0 of 1 tasks run/,
    );
    expect(follow(wayOut(screen, /-> (docker service ps backup_once)/))).toContain("no suitable node");
    expect(screen).toContain("convergence.ignoreStuckAfter");
    const { gates } = JSON.parse(
      (
        await runAgent({
          args: ["status", "--json"],
          settings: {
            engine: { socketPath: host.socketPath },
            disk: { paths: [host.dataRoot], highWatermark: "70%" },
            ...settings,
          },
        })
      ).stdout,
    );
    expect(gates.at(-1)).toMatchObject({ gate: "converging", verdict: "closed" });
  });
});
