/** The bytecode beside each file of the bundle (scripts/compile.mjs): when it is taken, and that nothing hangs on it. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { copyBundle, scratchDir } from "../support/agent.ts";

describe("bytecode", () => {
  let home: string;
  let cwd: string;

  beforeEach(() => {
    home = dirname(copyBundle());
    cwd = scratchDir();
    // By the node that runs this test: dist/ may be another one's.
    const compile = fileURLToPath(new URL("../../scripts/compile.mjs", import.meta.url));
    const made = spawnSync(process.execPath, ["--random-seed=1", compile, home], { encoding: "utf8" });
    expect(made).toMatchObject({ status: 0, stderr: "" });
  });

  /** What was made of the bytecode of each file that was loaded: `undefined`, it was not taken; `true`, V8 refused it. */
  function loaded(args: readonly string[]) {
    const probe = join(cwd, "probe.cjs");
    const told = join(cwd, "told");
    writeFileSync(
      probe,
      `const vm = require("node:vm");
      const refused = {};
      vm.Script = class extends vm.Script {
        constructor(...args) {
          super(...args);
          refused[/\\.(\\w+)\\.cjs$/.exec(args[1].filename)[1]] = String(this.cachedDataRejected);
        }
      };
      process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(told)}, JSON.stringify(refused)));`,
    );
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--require", probe, join(home, "ci-docker-prune.cjs"), ...args],
      {
        cwd,
        env: { PATH: process.env.PATH ?? "" },
        encoding: "utf8",
        timeout: 20_000,
        killSignal: "SIGKILL",
      },
    );
    return { code: status, stderr, refused: JSON.parse(readFileSync(told, "utf8")) };
  }

  /** Far from any pressure, with settings that nobody has read before. */
  function quietRun(more: object = {}): [string, ...string[]] {
    const file = join(cwd, "settings.json");
    const disk = { paths: [cwd], highWatermark: "1B free", inodes: false };
    writeFileSync(file, JSON.stringify({ disk, ...more }));
    return ["run", "--settings", file, "--state-dir", join(cwd, "state")];
  }
  const code = (part: string) => join(home, `ci-docker-prune.${part}.code`);

  it("is taken by the node that built it", () => {
    const [taken, sound] = ["false", { code: 0, stderr: "" }];
    expect(loaded(quietRun())).toEqual({ ...sound, refused: { main: taken, run: taken } });
    expect(loaded(["--version"])).toEqual({ ...sound, refused: { main: taken, full: taken } });
    // There are no settings for the one, and no folder for the other: each is loaded and says so.
    expect(loaded(["watch", "--settings", join(cwd, "none.json")])).toMatchObject({
      refused: { main: taken, watch: taken },
    });
    const [command, ...options] = quietRun({ metrics: { textfile: join(cwd, "none", "ci.prom") } });
    expect(loaded([command, ...options])).toMatchObject({
      refused: { main: taken, run: taken, metrics: taken },
    });
  });

  it.each<readonly [string, (file: string) => void, string]>([
    ["is not there", (file) => rmSync(file), "undefined"],
    ["is empty", (file) => writeFileSync(file, ""), "undefined"],
    ["is of another source, as long as this one", (file) => spoilHead(file), "undefined"],
    ["is cut off", (file) => truncateSync(file, 60_000), "undefined"],
    ["has a block of zeros", (file) => writeZeros(file), "undefined"],
  ])("that %s costs time and nothing else", (_, spoil, refused) => {
    spoil(code("main"));
    spoil(code("run"));
    expect(loaded(quietRun())).toEqual({ code: 0, stderr: "", refused: { main: refused, run: refused } });
  });

  function writeZeros(file: string): void {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0, 65_536, 69_632));
  }

  function spoilHead(file: string): void {
    const bytes = readFileSync(file);
    bytes[0] = bytes[0] === 48 ? 49 : 48;
    writeFileSync(file, bytes);
  }
});
