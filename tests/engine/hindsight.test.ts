/** status and history as a person runs them: the finished bundle, on the state that real passes left. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type AgentEvent,
  type AgentResult,
  BUNDLE,
  recordedPasses,
  runAgent,
  scratchDir,
} from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { onEngine } from "../support/engine-under-test.ts";

const OLD = "2020-01-01T00:00:00Z";
const RUN = "ab12-1f2e3d_ci_commoninternet_net";
const UTF8 = { LANG: "C.UTF-8", COLUMNS: "80" };
const widest = (text: string) => Math.max(...text.split("\n").map((line) => [...line].length));

onEngine("looking at a host", () => {
  let host: CiHost;
  let stateDir: string;

  const settings = (rest: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot], highWatermark: "80%", lowWatermark: "20%" },
    prune: { until: "1s" },
    retention: [
      { name: "ci-apps", match: { repositories: ["ci/app"] }, keepCount: 1, grace: "1s", when: "pressure" },
    ],
    ...rest,
  });
  const agent = (
    args: readonly string[],
    rest: object = {},
    env: Record<string, string> = UTF8,
  ): Promise<AgentResult> => runAgent({ args, settings: settings(rest), stateDir, env });
  async function pass(rest: object = {}): Promise<AgentResult> {
    const result = await agent(["run"], rest);
    return result;
  }

  beforeAll(async () => {
    host = await CiHost.start({ name: "hindsight" });
    stateDir = join(scratchDir(), "state");
    await host.loadImage({ ref: "recipes/node:22", created: OLD, sizeMiB: 20 });
    for (const build of ["1", "2"])
      await host.loadImage({ ref: `ci/app:${build}`, created: OLD, sizeMiB: 3 });
    await host.loadImage({ created: OLD, sizeMiB: 30 });
    await host.runContainer({ image: "recipes/node:22", name: "left", wait: true });
    // Quiet, put off by a run that is live, pruned, and without the engine.
    await pass();
    await host.fillDisk(86);
    await host.createService({ name: `${RUN}_app`, image: "recipes/node:22", waitForRunning: true });
    await pass();
    await host.removeService(`${RUN}_app`);
    await tasksGone();
    await sleep(2100);
    await pass();
    // How much comes back is another matter with each store.
    await host.fillDisk(86);
    await pass({ engine: { socketPath: join(host.dir, "absent.sock") } });
  });
  afterAll(async () => {
    await host?.stop();
  });

  it("four passes of four kinds are on record", () => {
    const passes = recordedPasses(stateDir) as [AgentEvent, AgentEvent, AgentEvent, AgentEvent];
    expect(passes.map(({ outcome }) => outcome)).toEqual([
      ...["below-watermark", "deferred", passes[2].outcome, "failed"],
    ]);
    expect(["pruned", "pressure-remains"]).toContain(passes[2].outcome);
    expect(passes[2].removedBytes.image).toBeGreaterThan(30 * 2 ** 20);
    const [disk] = passes[2].filesystems;
    expect(disk).toMatchObject({ highWatermarkPercent: 80, lowWatermarkPercent: 20 });
    expect(disk.before.usedPercent).toBeGreaterThanOrEqual(86);
    expect(disk.usedPercent).toBeLessThan(disk.before.usedPercent);
  });

  describe("history", () => {
    it("draws the disk and lists the passes, within 80 columns", async () => {
      const { code, stdout, stderr } = await agent(["history"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(widest(stdout)).toBeLessThanOrEqual(80);
      expect(stdout).toMatch(/^4 passes since \d{4}-\d\d-\d\d/);
      expect(stdout).toMatch(/╌╌ high watermark 80% {3}┈┈ low watermark 20%/);
      expect(stdout).toMatch(/[▁-█]/);
      expect(stdout).toMatch(
        /deferred .*\n +a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app/,
      );
    });

    it("without a locale is ASCII, in a pipe has each pass on one line", async () => {
      const { stdout } = await agent(["history"], {}, {});
      expect(stdout).toMatch(/^[\n -~]+$/);
      expect(stdout).toMatch(/^\S+ \S+ {2}deferred .*a CI run is live: service ab12/m);
    });

    it("since then, and not before", async () => {
      const { passes } = JSON.parse((await agent(["history", "--json"])).stdout);
      const since = new Date(passes[2].startedAt).toISOString().slice(0, 19);
      const { stdout } = await agent(["history", "--json", "--since", `${since}Z`]);
      expect(JSON.parse(stdout).passes.length).toBeLessThan(4);
      const none = await agent(["history", "--since", "0s"]);
      expect(none.stdout).toMatch(/^No pass is recorded since/);
    });

    it.each([
      [["--since", "yesterday"], /--since "yesterday": expected a time that has passed/],
      [["--limit", "-1"], /--limit/],
      [["--filesystem", "/nowhere"], /--filesystem \/nowhere: not among those watched/],
      [["--filesystem", "/", "--all"], /mutually exclusive/],
    ])("%j is wrong usage: 64", async (args, message) => {
      const { code, stderr } = await agent(["history", ...args]);
      expect(code).toBe(64);
      expect(stderr).toMatch(message);
    });

    it("a state that cannot be understood: 69, and it is left as it is", async () => {
      const dir = scratchDir();
      writeFileSync(join(dir, "state.json"), "{");
      const { code, stdout } = await runAgent({ args: ["history"], settings: settings(), stateDir: dir });
      expect(code).toBe(69);
      expect(stdout).toMatch(/^The state in .* cannot be read: /);
      expect(readdirSync(dir)).toEqual(["state.json"]);
    });
  });

  describe("status", () => {
    it("is one screen of 80 columns, with what a pass would do", async () => {
      const { code, stdout, stderr } = await agent(["status"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(widest(stdout)).toBeLessThanOrEqual(80);
      for (const title of ["Holds the disk", "Disk", "Gates", "Rules", "Last passes"]) {
        expect(stdout).toMatch(new RegExp(`^${title}\\b`, "m"));
      }
      // Whether the passes above left anything that could go is another matter with each store.
      expect(stdout).toMatch(
        /^● disk \d+% full, and a pass (is not enough: it would remove one object|cannot help: )/,
      );
      expect(stdout).toMatch(/█+[╎█]*┃/);
      expect(stdout).toContain("┃ high watermark 80%, ╎ low watermark 20%");
      expect(stdout).toMatch(/retention\/ci-apps +\d +\d/);
      expect(stdout).toMatch(/! prune\.until: what is 1s old goes/);
    });

    it("names the run that is live, and for how long", async () => {
      await host.createService({ name: `${RUN}_app`, image: "recipes/node:22", waitForRunning: true });
      try {
        const { code, stdout } = await agent(["status"], {}, { ...UTF8, COLUMNS: "200" });
        expect(code).toBe(0);
        expect(stdout).toMatch(
          /closed +live-run +a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app( and \d more)?, for [\dms ]+\n/,
        );
        expect(stdout).toMatch(/^● disk \d+% full, and no pass may run now: a CI run is live: service ab12-/);
      } finally {
        await host.removeService(`${RUN}_app`);
        await tasksGone();
      }
    });

    it("looks, and records nothing", async () => {
      const content = () =>
        readdirSync(stateDir).map((name) => [name, readFileSync(join(stateDir, name), "utf8")] as const);
      const before = content();
      await agent(["status", "--json"]);
      expect(content()).toEqual(before);
    });

    it("of a state that may not be read says so, instead of that there is none", async () => {
      const dir = scratchDir();
      mkdirSync(join(dir, "state.json"));
      const result = await runAgent({
        args: ["status", "--quick"],
        settings: settings(),
        stateDir: dir,
        env: UTF8,
      });
      expect(result.stdout).toMatch(/Last passes\n {2}cannot be read: .* is a folder/);
    });
  });

  /** They outlive their service by some seconds, and count as live as long as they do. */
  async function tasksGone(): Promise<void> {
    const filters = { label: ["com.docker.swarm.service.name"] };
    await vi.waitUntil(async () => (await host.docker.listContainers({ filters })).length === 0, {
      timeout: 30_000,
      interval: 100,
    });
  }

  it("the terminal's width and colours are what they are said to be", () => {
    // script(1) gives a terminal; NO_COLOR takes its colours.
    if (!existsSync("/usr/bin/script")) throw new Error("script(1) is missing (util-linux)");
    const file = join(scratchDir(), "settings.json");
    writeFileSync(file, JSON.stringify(settings()));
    const onTerminal = (env: Record<string, string>) =>
      spawnSync(
        "script",
        [
          ...["--quiet", "--return", "/dev/null", "--command"],
          `stty cols 100 rows 40; exec '${process.execPath}' '${BUNDLE}' history --state-dir '${stateDir}' --settings '${file}'`,
        ],
        { encoding: "utf8", env: { PATH: process.env.PATH ?? "", TERM: "xterm", LANG: "C.UTF-8", ...env } },
      ).stdout;
    const coloured = onTerminal({});
    expect(coloured).toContain("\u001b[");
    const plain = onTerminal({ NO_COLOR: "1" });
    expect(plain).not.toContain("\u001b");
    expect(widest(plain.replaceAll("\r", ""))).toBe(100);
  });
});
