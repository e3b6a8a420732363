/** The finished bundle by itself: its files alone in an empty folder, with nothing but PATH in the environment. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { isBuiltin } from "node:module";
import { basename, dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { BUNDLE, copyBundle, recordedPasses, scratchDir } from "../support/agent.ts";

const PARTS = ["full", "main", "metrics", "run", "watch"];
const START = "ci-docker-prune.cjs";
const FILES = [START, ...PARTS.map((part) => `ci-docker-prune.${part}.cjs`)];
const BYTECODE = PARTS.map((part) => `ci-docker-prune.${part}.code`);
/** What a quiet pass does without. */
const NOT_QUIET = FILES.filter((file) => file !== START && !file.includes(".main."));
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

let home: string;
/** Where the program is started: elsewhere, and not a good place. */
let cwd: string;

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(home, START), ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", ...env },
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  return { code: status, stdout, stderr };
}

const longest = (text: string) => Math.max(...text.split("\n").map(({ length }) => length));

function settingsFile(settings: unknown): string {
  const file = join(cwd, "settings.json");
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

/** Far from any pressure, whatever this machine's disk holds; the engine is not there. */
const quiet = () => ({
  engine: { socketPath: join(cwd, "absent.sock") },
  disk: { paths: [cwd], highWatermark: "1B free", inodes: false },
});

/** It waits for pressure. */
const RULE = { name: "app", match: { repositories: ["ci/app"] }, keepCount: 3, when: "pressure" };

describe("the bundle in an empty folder", () => {
  beforeEach(() => {
    home = dirname(copyBundle());
    cwd = scratchDir();
    // yargs looks for one upward from here, unless it is told not to.
    writeFileSync(join(cwd, "package.json"), '{ "version": "9.9.9", "yargs": { broken');
  });

  it("is these files, and stays these files", () => {
    run(["run", "--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")]);
    run(["--help"]);
    expect(readdirSync(home).sort()).toEqual([...FILES, ...BYTECODE].sort());
    expect(basename(BUNDLE)).toBe(START);
  });

  it("--version", () => {
    expect(run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("--help names every command and every exit code", () => {
    const { code, stdout, stderr } = run(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of [
      "run",
      "plan",
      "status",
      "history",
      "validate <file>",
      "dockerfiles",
      "completion",
    ]) {
      expect(stdout).toContain(`ci-docker-prune ${command}`);
    }
    for (const exit of [0, 10, 64, 65, 69, 70, 75, 78]) {
      expect(stdout).toMatch(new RegExp(`^\\s+${exit}  \\S`, "m"));
    }
  });

  it.each(["run", "plan", "status", "history", "validate", "dockerfiles check"])("%s --help", (command) => {
    const { code, stdout, stderr } = run([...command.split(" "), "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`ci-docker-prune ${command}`);
    expect(stdout).toMatch(/Examples:/);
  });

  it.each([
    ["-h", "--help"],
    ["help run", "run --help"],
    ["-v", "--version"],
  ])("%s is %s", (short, long) => {
    expect(run(short.split(" "))).toEqual(run(long.split(" ")));
  });

  it.each([
    ["--verison", "name a command. Did you mean --version?"],
    ["status --jsn", "Unknown argument: jsn. Did you mean --json?"],
    ["status --frobnicate", "Unknown argument: frobnicate"],
    ["run constructor", "Unknown argument: constructor"],
    ["run __proto__", "Unknown argument: __proto__"],
    ["prune", "Did you mean run?"],
    ["snapshots comit", "Did you mean commit?"],
    ["run --dry-run=yes", "Argument unexpected for: dry-run"],
    ["run --dryRun=yes", "Argument unexpected for: dryRun. Did you mean --dry-run?"],
    ["run --dry-run=yes\n", "Argument unexpected for: dry-run"],
    ["run --dry-run=", "Argument unexpected for: dry-run"],
    ["run --json=yes", "Argument unexpected for: json"],
    ["run --plain=yes", "Argument unexpected for: plain"],
    ["history --all=yes", "Argument unexpected for: all"],
    ["watch --jsn", "Unknown argument: jsn"],
    ["watch --settings=", "watch takes --settings and --state-dir, each with a path"],
  ])("%s is wrong usage, and says what may be meant", (line, message) => {
    const { code, stderr } = run(line.split(" "));
    expect({ code, stderr }).toEqual({
      code: 64,
      stderr: `ci-docker-prune: ${message}\nTry: ci-docker-prune --help\n`,
    });
  });

  it("behind -- a flag with a value is a file", () => {
    const { code, stdout } = run(["dockerfiles", "check", "--label", "a=b", "--", "--json=yes"]);
    expect({ code, stdout }).toEqual({ code: 65, stdout: "--json=yes: cannot be read: ENOENT\n" });
  });

  it("what could not be written is no green end", () => {
    const args = [join(home, START), "history", "--json", "--state-dir", join(cwd, "state")];
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, args, {
      ...{ encoding: "utf8", cwd, env: { PATH: process.env.PATH ?? "" }, stdio: ["ignore", full, "pipe"] },
    });
    closeSync(full);
    expect({ status, stderr }).toEqual({
      status: 75,
      stderr: "ci-docker-prune: standard output cannot be written: ENOSPC\n",
    });
  });

  it("words on standard error that nobody reads change nothing", async () => {
    const words = [
      "snapshots",
      "resolve",
      "--settings",
      settingsFile(quiet()),
      "--project=a",
      "--work-item=b",
    ];
    const args = [join(home, START), ...words, "--fallback=ci/web:main"];
    const child = spawn(process.execPath, args, { cwd, env: { PATH: process.env.PATH ?? "" } });
    child.stderr.destroy();
    const [stdout, code] = await Promise.all([
      child.stdout.setEncoding("utf8").toArray(),
      new Promise((resolve) => child.once("close", resolve)),
    ]);
    expect({ code, stdout }).toEqual({ code: 69, stdout: ["ci/web:main\n"] });
  });

  it.each([
    ["a person's", { HOME: "/root" }, /^below-watermark: below the high watermark of /],
    ["a program's", {}, /^\{.*"outcome":"below-watermark"/],
  ])("run in a pipe, in %s environment", (_, env, expected) => {
    const args = ["run", "--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")];
    const { code, stdout } = run(args, env);
    expect(code).toBe(0);
    expect(stdout).toMatch(expected);
  });

  it("run below the watermark: one line, 0, recorded", () => {
    const args = ["run", "--json", "--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")];
    const { code, stdout, stderr } = run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ event: "pass.finished", outcome: "below-watermark" });
    expect(recordedPasses(join(cwd, "state"))).toMatchObject([{ outcome: "below-watermark", exitCode: 0 }]);
  });

  it("run under pressure without an engine: the second file is found, 69", () => {
    const settings = { ...quiet(), disk: { paths: [cwd], highWatermark: "1%" } };
    const { code, stdout, stderr } = run([
      ...["run", "--json", "--settings", settingsFile(settings), "--state-dir", join(cwd, "state")],
    ]);
    expect({ code, stderr }).toEqual({ code: 69, stderr: "" });
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({ event: "pass.finished", outcome: "failed" });
  });

  it("takes nothing from outside but node's own modules", () => {
    const ours = FILES.map((file) => `./${file}`);
    for (const file of FILES) {
      const text = readFileSync(join(home, file), "utf8");
      const asked = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name);
      const foreign = asked.filter((name) => !isBuiltin(name) && !ours.includes(name));
      expect([file, foreign]).toEqual([file, []]);
      expect(asked.length).toBeGreaterThan(1);
    }
  });

  it.each([
    ["commit", "job-7", "--project", "web", "--work-item", "--help"],
    ["commit", "job-7", "--project", "web", "--work-item", "--version", "--remove-container"],
    ["resolve", "--fallback", "ci/web:main", "--project", "web", "--work-item", "-h"],
    [
      "resolve",
      "--fallback",
      "a:b",
      "--project",
      "web",
      "--work-item",
      "--settings=/tmp/other.json",
      "--settings",
      "/tmp/a",
    ],
    ["evict", "--project", "web", "--work-item", "--state-dir=/tmp/x", "--state-dir", "/tmp/y"],
  ])("snapshots %s %s %s …: a value from outside is no option, 64", (...words) => {
    const { code, stdout, stderr } = run(["snapshots", ...words]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toMatch(/stands alone; .*--option=VALUE|is given twice/);
  });

  it("cuts nothing off what a slow reader takes", () => {
    const files = Array.from({ length: 700 }, (_, at) => join(cwd, `${at}-${"x".repeat(100)}.Dockerfile`));
    for (const file of files) writeFileSync(file, "FROM scratch\n");
    const { stdout } = spawnSync(
      "bash",
      [
        "--norc",
        "-c",
        '"$@" | { sleep 0.7; wc -l; }; echo $PIPESTATUS',
        "",
        process.execPath,
        join(home, START),
        ...["dockerfiles", "check", "--label", "a=b", ...files],
      ],
      { encoding: "utf8", env: { PATH: process.env.PATH ?? "" } },
    );
    expect(stdout.trim().split(/\s+/)).toEqual(["700", "65"]);
  });

  describe("a quiet pass", () => {
    const state = () => join(cwd, "state");
    const pass = (file: string) => run(["run", "--json", "--settings", file, "--state-dir", state()]);
    /** Where the engine, which is not here, keeps its data. */
    function learnRoot(): void {
      const core = JSON.parse(readFileSync(join(state(), "state.json"), "utf8"));
      writeFileSync(
        join(state(), "state.json"),
        JSON.stringify({ ...core, engineRoot: cwd, engineAskedAt: Date.now() }),
      );
    }

    it("needs the front alone once the full program has read the settings, and only as long as they are the same", () => {
      const file = settingsFile({ ...quiet(), prune: { until: "24h" }, retention: [RULE] });
      expect(pass(file).code).toBe(0);
      learnRoot();
      expect(pass(file).code).toBe(0);
      for (const name of NOT_QUIET) rmSync(join(home, name));
      for (let time = 0; time < 3; time++) expect(pass(file)).toMatchObject({ code: 0, stderr: "" });
      expect(recordedPasses(state())).toHaveLength(5);
      const { totals } = JSON.parse(readFileSync(join(state(), "state.json"), "utf8"));
      expect(totals.passes).toEqual({ "below-watermark": 1 });
      expect(readFileSync(join(state(), "quiet-passes"), "utf8")).toMatch(/^1 4 \d/);
      expect(totals.rules).toMatchObject([{ name: "app" }, { name: "snapshots" }]);
      // Whatever is another text is judged by the full program, which is not there.
      for (const text of ["{", '{"disk":{"highWatermark":"2B free"}}', `${readFileSync(file, "utf8")} `]) {
        writeFileSync(file, text);
        expect(pass(file).code).toBe(69);
      }
    });

    it("is none where rules do not wait for pressure, and takes nobody's word but its own", () => {
      const file = settingsFile({ ...quiet(), retention: [{ ...RULE, when: "always" }] });
      pass(file);
      learnRoot();
      pass(file);
      const other = settingsFile(quiet());
      pass(other);
      expect(pass(other).code).toBe(0);
      for (const known of ["5", "null", "[null]", "[{}]", '[{"text":"{}","settings":null,"local":[]}]']) {
        writeFileSync(join(state(), "quiet.json"), `{"version":"${version}","known":${known}}`, {
          mode: 0o600,
        });
        expect(pass(other)).toMatchObject({ code: 0, stderr: "" });
      }
      if (process.getuid?.() === 0) chownSync(join(state(), "quiet.json"), 65_534, 65_534);
      else chmodSync(join(state(), "quiet.json"), 0o666);
      for (const name of NOT_QUIET) rmSync(join(home, name));
      expect(pass(other).code).toBe(69);
      writeFileSync(file, JSON.stringify({ ...quiet(), retention: [{ ...RULE, when: "always" }] }));
      expect(pass(file).code).toBe(69);
    });

    it("reads settings from a pipe once, whoever needs them", () => {
      const piped = (settings: object) =>
        spawnSync(
          "bash",
          [
            "--norc",
            "-c",
            `exec "$0" "$1" run --json --state-dir ${state()} --settings <(sleep 0.1; printf %s "$2")`,
            process.execPath,
            join(home, START),
            JSON.stringify(settings),
          ],
          { encoding: "utf8", env: { PATH: process.env.PATH ?? "" } },
        );
      expect(piped(quiet())).toMatchObject({ status: 0, stderr: "" });
      const pressed = piped({ ...quiet(), disk: { paths: [cwd], highWatermark: "1%" } });
      expect(pressed).toMatchObject({ status: 69, stderr: "" });
      expect(pressed.stdout).toContain("absent.sock");
    });
  });

  it.each([
    ["the front", []],
    ["the full command line", ["--plain"]],
  ])("an option given twice: %s takes the last", (_, more) => {
    const [first, last] = [join(cwd, "first"), join(cwd, "last")];
    const bad = join(cwd, "bad.json");
    writeFileSync(bad, "{");
    const { code, stderr } = run([
      ...["run", ...more, "--settings", bad, "--settings", settingsFile(quiet())],
      ...["--state-dir", first, "--state-dir", last],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(recordedPasses(last)).toHaveLength(1);
    expect(existsSync(first)).toBe(false);
  });

  it.each<readonly [string, number]>([
    // 69: the engine is not there.
    ...["plan", "plan --json", "status", "status --json"].map((command) => [command, 69] as const),
    ["history", 0],
    ["history --json", 0],
  ])("%s into a pipe that nobody reads any more is no bug", (command, code) => {
    const words = [join(home, START), ...command.split(" "), "--settings", settingsFile(quiet())];
    const { stdout, stderr } = spawnSync(
      "bash",
      [
        ...["--norc", "-c", '"$@" | :; echo $PIPESTATUS', "bash"],
        ...[process.execPath, ...words, "--state-dir", join(cwd, "state")],
      ],
      { cwd, env: { PATH: process.env.PATH ?? "" }, encoding: "utf8", timeout: 20_000 },
    );
    expect({ stdout, stderr }).toEqual({ stdout: `${code}\n`, stderr: "" });
  });

  it.skipIf(process.getuid?.() !== 0)(
    "a state file that may not be read is left as it is, and not replaced",
    () => {
      const NOBODY = 65534;
      const state = join(cwd, "state");
      mkdirSync(state);
      chownSync(state, NOBODY, NOBODY); // who may well put another in its place
      const file = join(state, "state.json");
      writeFileSync(file, "{}", { mode: 0o600 });
      chmodSync(cwd, 0o755);
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(home, START), "run", "--json", "--settings", settingsFile(quiet()), "--state-dir", state],
        { cwd: "/", env: { PATH: process.env.PATH ?? "" }, encoding: "utf8", uid: NOBODY, gid: NOBODY },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const events = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(events).toMatchObject([
        { event: "state.damaged", reason: expect.stringMatching(/EACCES/), setAside: "left where it is" },
        { event: "pass.finished", outcome: "below-watermark" },
        { event: "state.unwritable", reason: expect.stringMatching(/EACCES/) },
      ]);
      expect(readFileSync(file, "utf8")).toBe("{}");
      expect(readdirSync(state)).toEqual(["state.json"]);
    },
  );

  it("validate", () => {
    const good = settingsFile(quiet());
    expect(run(["validate", good])).toEqual({ code: 0, stdout: `${good}: valid\n`, stderr: "" });
    const bad = settingsFile({ disk: { highWatermark: 80 }, pruen: {} });
    const { code, stdout, stderr } = run(["validate", bad]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toContain("2 problems");
  });

  it("dockerfiles check: the parser is in the bundle", () => {
    const file = join(cwd, "Dockerfile");
    writeFileSync(file, "FROM scratch\nLABEL a=b\n");
    const args = ["dockerfiles", "check", "--label", "a=b", file];
    expect(run(args)).toEqual({ code: 0, stdout: `${file}:2: the final stage carries a=b\n`, stderr: "" });
  });

  it("completion prints a script that a shell can read", () => {
    const { code, stdout, stderr } = run(["completion"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("ci-docker-prune");
    const shell = spawnSync("bash", ["-n"], { input: stdout, encoding: "utf8" });
    expect({ code: shell.status, stderr: shell.stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("can be read and run by others than root", () => {
    const NOBODY = 65534;
    const { status, stdout } = spawnSync(join(home, START), ["--version"], {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "" },
      encoding: "utf8",
      ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${version}\n` });
  });

  describe("when it breaks", () => {
    /** Loaded before the program. */
    function preload(script: string): Record<string, string> {
      rmSync(join(cwd, "package.json")); // node itself reads it for --require
      const file = join(home, "preload.cjs");
      writeFileSync(file, script);
      return { NODE_OPTIONS: `--require ${file}` };
    }

    it("has no line that would flood the journal when node quotes it", () => {
      for (const file of FILES) expect(longest(readFileSync(join(home, file), "utf8"))).toBeLessThan(5000);
    });

    it("an uncaught error quotes a short line, and is our bug, 70", () => {
      const { code, stderr } = run(["run"], preload("process.argv = undefined;"));
      expect(stderr).toContain("ci-docker-prune.main.cjs"); // where it failed
      expect(stderr).toMatch(/TypeError/);
      expect(longest(stderr)).toBeLessThan(1500);
      expect(code).toBe(70);
    });

    it("an error that nobody catches, in the midst of things, is reported as our bug, 70", () => {
      const script = `setImmediate(() => { throw new Error("made to fail"); });`;
      const args = ["--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")];
      const { code, stderr } = run(["status", ...args], preload(script));
      expect(stderr).toMatch(/^ci-docker-prune: this is a bug in ci-docker-prune: Error: made to fail/);
      expect(code).toBe(70);
    });

    it("an error in a command is reported as our bug, 70", () => {
      const script = `globalThis.AbortController = function () { throw new Error("made to fail"); };`;
      const { code, stderr } = run(
        ["run", "--without-pressure", "--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")],
        preload(script),
      );
      expect(stderr).toMatch(/^ci-docker-prune: this is a bug in ci-docker-prune: Error: made to fail/);
      expect(longest(stderr)).toBeLessThan(1500);
      expect(code).toBe(70);
    });

    it.each([
      ["missing", (file: string) => rmSync(file)],
      ["empty", (file: string) => writeFileSync(file, "")],
      ["cut off", (file: string) => truncateSync(file, 30_000)],
    ])("a file that is %s is no bug but an installation to be mended: 69", (_, spoil) => {
      for (const part of ["full", "main"]) {
        spoil(join(home, `ci-docker-prune.${part}.cjs`));
        const { code, stderr } = run(["--help"]);
        expect(code).toBe(69);
        expect(stderr).toMatch(/^ci-docker-prune: the installation is not whole, install it anew: /);
        expect(stderr.split("\n")).toHaveLength(2);
      }
    });

    it("a folder that is gone, and a user without a home, are no bugs", () => {
      const gone = join(cwd, "gone");
      const start = (args: string[]) =>
        spawnSync(
          "sh",
          [
            "-c",
            `mkdir -p ${gone}; cd ${gone}; rmdir ${gone}; exec "$@"`,
            "",
            process.execPath,
            join(home, START),
            ...args,
          ],
          {
            encoding: "utf8",
            cwd,
            env: { PATH: process.env.PATH ?? "" },
          },
        );
      const file = settingsFile(quiet());
      expect(start(["run", "--settings", file, "--state-dir", join(cwd, "state")])).toMatchObject({
        status: 0,
        stderr: "",
      });
      expect(start(["validate", file])).toMatchObject({ status: 0, stderr: "" });
      if (process.getuid?.() !== 0) return;
      chmodSync(cwd, 0o755);
      for (const env of [{}, { HOME: "" }]) {
        const { status, stderr } = spawnSync(
          process.execPath,
          [join(home, START), "run", "--settings", file],
          {
            encoding: "utf8",
            cwd: "/",
            uid: 54_321,
            gid: 54_321,
            env: { PATH: process.env.PATH ?? "", ...env },
          },
        );
        expect(status).toBe(64);
        expect(stderr).toMatch(/no place for the state.*--state-dir/);
      }
    });

    it("a promise that never settles ends in 70, not in a green 0", () => {
      const script = `require("node:fs").statfs = () => {}; globalThis.setTimeout = () => ({});`;
      const { code, stdout } = run(
        ["run", "--settings", settingsFile(quiet()), "--state-dir", join(cwd, "state")],
        preload(script),
      );
      expect({ code, stdout }).toEqual({ code: 70, stdout: "" });
    });
  });

  /** Runs it beside an engine that answers everything with this, and 500. */
  async function beside(message: string, args: readonly string[]) {
    const server = createServer((_, response) => response.writeHead(500).end(JSON.stringify({ message })));
    const socketPath = join(cwd, "engine.sock");
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    mkdirSync(join(cwd, "state"));
    const settings = settingsFile({ ...quiet(), engine: { socketPath } });
    // Not spawnSync: the server is in this process.
    const child = spawn(
      process.execPath,
      [join(home, START), ...args, "--json", "--settings", settings, "--state-dir", join(cwd, "state")],
      { cwd, env: { PATH: process.env.PATH ?? "" }, timeout: 20_000, killSignal: "SIGKILL" },
    );
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    server.closeAllConnections();
    server.close();
    return { code, stdout };
  }

  it("speaks HTTP with what it has in it", async () => {
    const { code, stdout } = await beside("from the test", ["status"]);
    expect(JSON.parse(stdout).engine).toEqual({ unknown: "GET /version: 500 from the test" });
    expect(code).toBe(69);
  });

  it("knows a secret that was cut off by one character that is not ASCII, which its files hold as it is", async () => {
    const target = join(cwd, "config.json");
    const auth = Buffer.from("ci:hunter2-secretpassword-123").toString("base64");
    writeFileSync(target, JSON.stringify({ auths: { "registry.example": { auth } } }));
    const { stdout } = await beside("denied for hunter2-secretpassword-…", [
      ...["auth", "check", "--target", target],
    ]);
    expect(stdout).toContain("denied for [");
    expect(stdout).not.toContain("hunter2");
  });
});
