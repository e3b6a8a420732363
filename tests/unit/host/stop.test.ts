import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";
import { program } from "../program.ts";

/** Processes of their own, since what is tested is how one ends. This one does what its second argument says. */
const PROCESS = program(`
  import fs from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { hungPaths, readFilesystems } from "./agent/host/disk.ts";
  import { takeLock } from "./agent/host/lock.ts";
  import { drain, outputTaken } from "./agent/host/output.ts";
  import { killUnlessEnded, stopOnSignals, stopReason } from "./agent/host/stop.ts";
  const [, , dir, body] = process.argv;
  const ready = () => fs.writeSync(2, "ready");
  const at = { dir, ready, fs, sleep, hungPaths, readFilesystems, takeLock, drain, outputTaken,
    killUnlessEnded, stopOnSignals, stopReason };
  const does = Object.getPrototypeOf(async () => {}).constructor(\`{ \${Object.keys(at)} }\`, body);
  void does(at);`);

const children: ChildProcess[] = [];
const folders: string[] = [];

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder with a FIFO in it. */
function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "stop-"));
  folders.push(folder);
  execFileSync("mkfifo", [join(folder, "fifo")]);
  return folder;
}

/** @param stdout what standard output is */
function start(body: string, stdout: "pipe" | "ignore" = "ignore", dir = "/nowhere"): ChildProcess {
  const child = spawn(process.execPath, [PROCESS, dir, body], { stdio: ["ignore", stdout, "pipe"] });
  children.push(child);
  return child;
}

/** Once it said that it is ready. */
async function ready(started: ChildProcess): Promise<ChildProcess> {
  await new Promise((resolve) => started.stderr?.once("data", resolve));
  return started;
}

/** How the process ends after a signal, and after how many seconds. */
async function ended(running: ChildProcess, signal: NodeJS.Signals | null) {
  const startedAt = performance.now();
  const end = new Promise<[number | null, string | null]>((resolve) =>
    running.once("exit", (...how) => resolve(how)),
  );
  if (signal !== null) running.kill(signal);
  const [code, by] = await end;
  return { code, by, seconds: (performance.now() - startedAt) / 1000 };
}

describe.concurrent("a process that acts and is told to stop", () => {
  it("learns of it at once, gives up a second later, and ends by itself", async () => {
    const running = await ready(
      start(`const stop = stopOnSignals();
        stop.giveUp.addEventListener("abort", () => {
          killUnlessEnded();
          process.exit(stopReason(stop.signal) === "told to stop" ? 42 : 1);
        });
        stop.signal.addEventListener("abort", () => stop.end("another reason"));
        setInterval(() => {}, 1000);
        setTimeout(ready, 300);`),
    );
    const { code, seconds } = await ended(running, "SIGTERM");
    expect(code).toBe(42);
    expect(seconds).toBeGreaterThan(0.9);
  });

  it("is ended by force where it hangs for long, told or not, and not where it only waits", async () => {
    const waits = ended(start("stopOnSignals(2); setTimeout(() => process.exit(3), 2500);"), null);
    const hung = await ready(
      start(`const { watched } = stopOnSignals(1); setInterval(() => {}, 99); await watched; ready();
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`),
    );
    expect((await ended(hung, null)).by).toBe("SIGALRM");
    expect((await waits).code).toBe(3);
  });

  // Nor can a thread hear signals from node 24 on.
  it.skipIf(Number(process.versions.node.split(".")[0]) >= 24)(
    "is ended by force within two seconds where it writes to a pipe that nobody reads, and the lock is free",
    async () => {
      const dir = scratch();
      const running = await ready(
        start(
          `const { watched } = stopOnSignals();
        const lock = await takeLock(dir + "/lock");
        setInterval(() => {}, 1000);
        await watched;
        ready();
        const pipe = fs.openSync(dir + "/fifo", "r+");
        for (;;) fs.writeSync(pipe, "x".repeat(4096));`,
          "pipe",
          dir,
        ),
      );
      const { code, by, seconds } = await ended(running, "SIGTERM");
      expect({ code, by }).toEqual({ code: null, by: "SIGALRM" });
      expect(seconds).toBeLessThan(5);
      expect(spawnSync("flock", ["--nonblock", join(dir, "lock"), "true"]).status).toBe(0);
    },
  );

  it("waits no longer for a flock that gives no answer", async () => {
    const dir = scratch();
    writeFileSync(join(dir, "flock"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const waiting = start(
      `stopOnSignals(); process.env.PATH = dir + ":" + process.env.PATH; setTimeout(ready, 300);
       const lock = await takeLock(dir + "/lock", 30); process.exit(lock.reason === "told to stop" ? 42 : 1);`,
      "ignore",
      dir,
    );
    const { code, seconds } = await ended(await ready(waiting), "SIGTERM");
    expect(code).toBe(42);
    expect(seconds).toBeLessThan(1.8);
  });
});

describe.concurrent("what was written to standard output", () => {
  it("has been taken before the process ends, however late its reader is", async () => {
    const running = start(
      `process.stdout.write("x".repeat(500_000)); process.stdout.write("y".repeat(500_000));
       const all = await drain(); process.exit(all ? 0 : 1);`,
      "pipe",
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const end = ended(running, null);
    expect((await text(running.stdout!)).length).toBe(1_000_000);
    expect((await end).code).toBe(0);
  });

  it("is not waited for any longer once the process is told to stop", async () => {
    const running = await ready(
      start(
        `stopOnSignals(); process.stdout.write("x".repeat(500_000)); ready();
         const all = await outputTaken(); process.exit(all ? 0 : 75);`,
        "pipe",
      ),
    );
    const { code, seconds } = await ended(running, "SIGTERM");
    expect(code).toBe(75);
    expect(seconds).toBeLessThan(15);
  });

  it("and whose reader went away is not waited for", async () => {
    const running = start(
      `process.stdout.on("error", () => {}); process.stdout.write("x".repeat(500_000)); await sleep(300);
       await drain(); process.exit(3);`,
      "pipe",
    );
    running.stdout?.destroy();
    expect((await ended(running, null)).code).toBe(3);
  });
});

describe.concurrent("a thread that hangs", () => {
  it("does not keep the process for ever (one that ends in time has its own exit code: 42 above)", async () => {
    const dir = scratch();
    const hung = start(
      `fs.open(dir + "/fifo", "r", () => {}); await sleep(100); killUnlessEnded(); process.exit(69);`,
      "ignore",
      dir,
    );
    const { by, seconds } = await ended(hung, null);
    expect(by).toBe("SIGKILL");
    expect(seconds).toBeLessThan(15);
  });

  it("in a look at the disk costs its deadline once, and the other paths are known", async () => {
    const looks = start(
      // Ten times as fast, so that its deadline of 3 s takes 0.3 s.
      `const wait = setTimeout;
      globalThis.setTimeout = (work, ms) => wait(work, ms / 10);
      const real = fs.statfs;
      fs.statfs = (path, ...rest) => (path === "/" ? undefined : real(path, ...rest));
      for (let look = 0; look < 2; look++) {
        const startedAt = performance.now();
        const facts = await readFilesystems(["/", "/proc"], () => true);
        console.log(JSON.stringify({ facts, hung: hungPaths(), ms: performance.now() - startedAt }));
      }
      process.exit(0);`,
      "pipe",
    );
    const [first, second] = (await text(looks.stdout!))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const reason = "the filesystem did not answer within 3 s";
    for (const look of [first, second]) {
      expect(look.facts).toMatchObject([{ known: false, what: "disk usage of /", reason }, {}]);
      expect(look.facts[1].reason).not.toBe(reason);
      expect(look.hung).toEqual(["/"]);
    }
    expect(first.ms).toBeGreaterThan(290);
    // It waits for the deadline no second time.
    expect(second.ms).toBeLessThan(290);
  });
});
