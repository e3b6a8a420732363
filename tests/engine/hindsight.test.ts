/** status, history and report as a person runs them: the finished bundle, on the state that real passes left. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AgentResult, BUNDLE, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { type EngineName, engineAvailable } from "../support/engines.ts";

const engine = (process.env.CDP_ENGINE || "20.10") as EngineName;
const available = engineAvailable(engine);
const OLD = "2020-01-01T00:00:00Z";
const RUN = "ab12-1f2e3d_ci_commoninternet_net";
const UTF8 = { LANG: "C.UTF-8", COLUMNS: "80" };
const widest = (text: string) => Math.max(...text.split("\n").map((line) => [...line].length));

describe.skipIf(!available.ok)(`looking at a host on engine ${engine}`, () => {
  let host: CiHost;
  let stateDir: string;
  /** What the passes wrote, one after the other, as `-o cat` would show it. */
  let log = "";

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
    log += result.stdout;
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
    const { passes } = JSON.parse(readFileSync(join(stateDir, "state.json"), "utf8"));
    expect(passes.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
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
      expect(stdout).toMatch(/[\u2801-\u28ff]/);
      expect(stdout).toMatch(
        /deferred .*\n +a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app/,
      );
    });

    it("without a locale is ASCII, in a pipe has each pass on one line", async () => {
      const { stdout } = await agent(["history"], {}, {});
      expect(stdout).toMatch(/^[\n -~]+$/);
      expect(stdout).toMatch(/^\S+ \S+ {2}deferred .*a CI run is live: service ab12/m);
    });

    it("reads the same passes from what they logged: a file, or piped in", async () => {
      const file = join(scratchDir(), "saved");
      writeFileSync(file, `${log}{"cut off`);
      const [state, saved] = await Promise.all([
        agent(["history", "--json"]),
        agent(["history", "--json", "--journal", file]),
      ]);
      const [ofState, ofJournal] = [state, saved].map(({ stdout }) => JSON.parse(stdout));
      expect([state.code, saved.code]).toEqual([0, 0]);
      expect(ofJournal.skipped).toMatchObject({ invalid: 1, notUnderstood: 0 });
      const rough = (passes: { startedAt: number }[]) => passes.map(({ startedAt: _, ...rest }) => rest);
      expect(rough(ofJournal.passes)).toEqual(rough(ofState.passes));
      for (const [at, { startedAt }] of ofJournal.passes.entries())
        expect(Math.abs(startedAt - ofState.passes[at].startedAt)).toBeLessThan(1000);
      expect(await piped(log, ["history", "--journal", "-", "-n", "2"])).toMatch(/^4 passes since/);
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

    it("a journal that cannot be read: 69, and says why", async () => {
      const { code, stdout } = await agent(["history", "--journal", "/nowhere/at/all"]);
      expect(code).toBe(69);
      expect(stdout).toMatch(/^The journal in \/nowhere\/at\/all cannot be read: ENOENT/);
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
      for (const title of ["Disk", "Gates", "A pass now", "Rules", "Last passes"]) {
        expect(stdout).toMatch(new RegExp(`^${title}$`, "m"));
      }
      expect(stdout).toMatch(/█+[╎█]*┃/);
      expect(stdout).toContain("┃ high watermark 80%, ╎ low watermark 20%");
      expect(stdout).toMatch(/retention\/ci-apps +\d images?; /);
      expect(stdout).toMatch(/! prune\.until: what is 1s old goes/);
    });

    it("names the run that is live, and for how long", async () => {
      await host.createService({ name: `${RUN}_app`, image: "recipes/node:22", waitForRunning: true });
      try {
        const { code, stdout } = await agent(["status"], {}, { ...UTF8, COLUMNS: "200" });
        expect(code).toBe(0);
        expect(stdout).toMatch(
          /closed +live-run +a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app, live( for [\dms ]+)?\n/,
        );
        expect(stdout).toMatch(/A pass now\n {2}would be put off by .*live-run/);
      } finally {
        await host.removeService(`${RUN}_app`);
        await tasksGone();
      }
    });

    it("looks, and records nothing", async () => {
      const before = readFileSync(join(stateDir, "state.json"), "utf8");
      await agent(["status", "--json"]);
      expect(readFileSync(join(stateDir, "state.json"), "utf8")).toBe(before);
      expect(readdirSync(stateDir)).toEqual(["state.json"]);
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
      expect(result.stdout).toMatch(/Last passes\n {2}cannot be read: EISDIR/);
    });
  });

  describe("report", () => {
    it("writes one page, atomically, and says so", async () => {
      const dir = scratchDir();
      const file = join(dir, "report.html");
      writeFileSync(file, "the page before");
      const { code, stdout, stderr } = await agent(["report", "--html", file]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/report\.html: written, [\d.]+ KiB\n$/);
      expect(readdirSync(dir)).toEqual(["report.html"]);
      const page = readFileSync(file, "utf8");
      expect(page).toMatch(/^<!doctype html>/);
      expect(page).toContain("recipes/node:22");
      expect(page).toContain("it has a tag: tagged images are the cache");
      expect(page).toContain("retention/ci-apps");
      expect(page).toMatch(/a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app/);
    });

    it("to standard output is the page and nothing else", async () => {
      const { code, stdout } = await agent(["report", "--html", "-"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    });

    it("of an engine that cannot be asked is made all the same, and says so: 69", async () => {
      const { code, stdout } = await agent(["report", "--html", "-"], {
        engine: { socketPath: join(host.dir, "absent.sock") },
      });
      expect(code).toBe(69);
      expect(stdout).toMatch(/The engine could not be asked: [^<]*ENOENT/);
      expect(stdout).toContain("Disk usage of");
      expect(stdout).toMatch(/a CI run is live/);
    });

    it("from a saved journal", async () => {
      const file = join(scratchDir(), "saved");
      writeFileSync(file, log);
      const { code, stdout } = await agent(["report", "--html", "-", "--journal", file]);
      expect(code).toBe(0);
      expect(stdout).toContain(`4 passes since`);
      expect(stdout).toContain("the journal in ");
    });

    it.each([
      ["without a file", ["report"], /--html FILE/],
      ["with an empty name", ["report", "--html", ""], /--html: expected a file/],
      [
        "into a folder that is not there",
        ["report", "--html", "/nowhere/x.html"],
        /\/nowhere\/x\.html: ENOENT/,
      ],
    ])("%s is wrong usage: 64", async (_, args, message) => {
      const { code, stderr } = await agent(args);
      expect(code).toBe(64);
      expect(stderr).toMatch(message);
    });

    it.skipIf(process.getuid?.() !== 0)(
      "leaves nothing behind where the page cannot be put in place",
      async () => {
        const dir = scratchDir();
        mkdirSync(join(dir, "report.html"));
        writeFileSync(join(dir, "report.html", "x"), "");
        chmodSync(dir, 0o755);
        const { code } = await agent(["report", "--html", join(dir, "report.html")]);
        expect(code).toBe(64);
        expect(readdirSync(dir)).toEqual(["report.html"]);
      },
    );
  });

  /** They outlive their service by some seconds, and count as live as long as they do. */
  async function tasksGone(): Promise<void> {
    const filters = { label: ["com.docker.swarm.service.name"] };
    await vi.waitUntil(async () => (await host.docker.listContainers({ filters })).length === 0, {
      timeout: 30_000,
      interval: 100,
    });
  }

  function piped(text: string, args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [BUNDLE, ...args, "--state-dir", scratchDir()], {
        env: { PATH: process.env.PATH ?? "" },
        stdio: ["pipe", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.on("data", (part: Buffer) => {
        out += part.toString();
      });
      child.once("error", reject);
      child.once("close", () => resolve(out));
      child.stdin.end(text);
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
