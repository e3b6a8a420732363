import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Lock, lockIsHeld, takeLock } from "../../../agent/host/lock.ts";
import { testFolder } from "../folder.ts";
import { program } from "../program.ts";

/** Against the flock program of util-linux, as launchers use it. */

let dir: string;
let file: string;
let children: ChildProcess[];

beforeEach(() => {
  dir = testFolder();
  file = join(dir, "ci.lock");
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(end));
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

/** Resolves once the child has said something, which it does when it holds the lock. */
async function said(child: ChildProcess): Promise<ChildProcess> {
  children.push(child);
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`ended with ${code} before it held the lock`)));
    child.once("error", reject);
  });
  return child;
}

/** `exec`: the shell becomes the sleep, so that killing it ends the job. */
const launcher = (path: string, mode: "--shared" | "--exclusive") =>
  said(
    spawn("flock", [mode, "--no-fork", path, "sh", "-c", "echo held; exec sleep 60"], {
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );

/** Whether a launcher would get the lock now, without waiting. */
const launcherGetsIt = (path: string, mode: "--shared" | "--exclusive" = "--shared") =>
  spawnSync("flock", [mode, "--nonblock", path, "true"]).status === 0;

async function taken(path: string): Promise<Lock> {
  const fact = await takeLock(path);
  expect(fact).toMatchObject({ known: true, value: { release: expect.any(Function) } });
  return (fact as { value: Lock }).value;
}

describe("the lock that launchers share", () => {
  it("is taken when it is free, and made when it is absent", async () => {
    expect(existsSync(file)).toBe(false);
    const lock = await taken(file);
    expect(statSync(file).isFile()).toBe(true);
    expect(launcherGetsIt(file)).toBe(false);
    await lock.release();
  });

  it("is free again once released", async () => {
    await (await taken(file)).release();
    expect(launcherGetsIt(file, "--exclusive")).toBe(true);
    await (await taken(file)).release();
  });

  it.each(["--shared", "--exclusive"] as const)(
    "is not had while a job holds it %s, and not waited for",
    async (mode) => {
      await launcher(file, mode);
      const startedAt = performance.now();
      expect(await takeLock(file)).toEqual({ known: true, value: null });
      expect(performance.now() - startedAt).toBeLessThan(5000);
    },
  );

  it("is not had while a second pass holds it", async () => {
    const lock = await taken(file);
    expect(await takeLock(file)).toEqual({ known: true, value: null });
    await lock.release();
  });

  it("leaves several jobs to share it when it was not had", async () => {
    await launcher(file, "--shared");
    await takeLock(file);
    expect(launcherGetsIt(file, "--shared")).toBe(true);
  });

  it("is had once the job is over", async () => {
    const job = await launcher(file, "--shared");
    await end(job);
    await (await taken(file)).release();
  });

  it("may be a folder, which needs no room on a full disk", async () => {
    const lock = await taken(dir);
    expect(launcherGetsIt(dir)).toBe(false);
    await lock.release();
    expect(launcherGetsIt(dir)).toBe(true);
  });

  it("keeps what a file says", async () => {
    writeFileSync(file, "for launchers");
    await (await taken(file)).release();
    expect(readFileSync(file, "utf8")).toBe("for launchers");
  });

  it("is dropped by the kernel when the pass dies, however it dies", async () => {
    const holder = program(`import { takeLock } from "./agent/host/lock.ts";
      takeLock(${JSON.stringify(file)}).then((lock) => {
        console.log(lock.known && lock.value !== null ? "held" : "not held");
        setInterval(() => lock, 1000);
      });`);
    const pass = spawn(process.execPath, [holder], { stdio: ["ignore", "pipe", "inherit"] });
    await said(pass);
    expect(await takeLock(file)).toEqual({ known: true, value: null });
    await end(pass);
    await (await taken(file)).release();
  });

  it("is unknown where its folder does not exist", async () => {
    const fact = await takeLock(join(dir, "absent", "ci.lock"));
    expect(fact).toMatchObject({ known: false, reason: expect.stringContaining("ENOENT") });
  });

  it("is unknown, not free, where flock itself cannot be run", async () => {
    const before = process.env.PATH;
    process.env.PATH = dir;
    try {
      const fact = await takeLock(file);
      expect(fact).toMatchObject({ known: false, reason: expect.stringContaining("flock could not be run") });
    } finally {
      process.env.PATH = before;
    }
    expect(launcherGetsIt(file)).toBe(true);
  });

  it("is unknown where flock fails for another reason than a conflict", async () => {
    const before = process.env.PATH;
    writeFileSync(join(dir, "flock"), "#!/bin/sh\nexit 66\n", { mode: 0o755 });
    process.env.PATH = `${dir}:${before}`;
    try {
      expect(await takeLock(file)).toMatchObject({ known: false, reason: "flock ended with code 66" });
    } finally {
      process.env.PATH = before;
    }
  });
});

/** In front of the real one. */
async function withFlock<T>(script: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.PATH;
  mkdirSync(join(dir, "bin"));
  writeFileSync(join(dir, "bin", "flock"), script, { mode: 0o755 });
  process.env.PATH = `${dir}/bin:${before}`;
  try {
    return await work();
  } finally {
    process.env.PATH = before;
  }
}

describe("what lies at the path of the lock", () => {
  it.each([
    ["a FIFO", () => execFileSync("mkfifo", [file]), /it is a FIFO/],
    ["a link to nothing", () => symlinkSync(join(dir, "elsewhere"), file), /ELOOP/],
  ])("may not be %s: unknown, at once, and nothing is made", async (_, make, reason) => {
    make();
    expect(await takeLock(file)).toMatchObject({ known: false, reason: expect.stringMatching(reason) });
    expect(existsSync(join(dir, "elsewhere"))).toBe(false);
    expect(await lockIsHeld(file)).toEqual({ known: true, value: false });
  });

  it("nor a device", async () => {
    expect(await takeLock("/dev/full")).toMatchObject({
      known: false,
      reason: "it is a device, neither a file nor a folder",
    });
  });

  it("is not waited for where flock gives no answer", async () => {
    const fact = await withFlock("#!/bin/sh\nexec sleep 60\n", () => takeLock(file, 0.2));
    expect(fact).toMatchObject({ known: false, reason: "flock gave no answer within 0.2 s" });
    expect(launcherGetsIt(file)).toBe(true);
  });

  it("was replaced while it was taken: the new one is locked", async () => {
    const lock = await withFlock(
      `#!/bin/sh\n[ -e ${dir}/once ] || { touch ${dir}/once; rm ${file}; touch ${file}; }\nPATH=\${PATH#*:} exec flock "$@"\n`,
      () => taken(file),
    );
    expect(launcherGetsIt(file)).toBe(false);
    await lock.release();
    expect(launcherGetsIt(file)).toBe(true);
  });

  it.each([
    ["removed", () => rmSync(file)],
    ["replaced", () => [rmSync(file), writeFileSync(file, "")]],
  ])("is %s while it is held: the lock says that it keeps nobody out any more", async (_, change) => {
    const lock = await taken(file);
    expect(lock.held()).toEqual({ known: true, value: true });
    change();
    expect(lock.held()).toMatchObject({ known: false, reason: expect.stringMatching(/removed or replaced/) });
    await lock.release();
  });
});

describe("looking whether the lock is held", () => {
  it.each(["--shared", "--exclusive"] as const)("sees a job that holds it %s", async (mode) => {
    await launcher(file, mode);
    expect(await lockIsHeld(file)).toEqual({ known: true, value: true });
  });

  it("sees nothing on a free one, on one that is over, and on one that is absent", async () => {
    expect(await lockIsHeld(file)).toEqual({ known: true, value: false });
    const job = await launcher(file, "--shared");
    await end(job);
    expect(await lockIsHeld(file)).toEqual({ known: true, value: false });
    await (await taken(file)).release();
    expect(await lockIsHeld(file)).toEqual({ known: true, value: false });
  });

  it("sees a folder that is held", async () => {
    const lock = await taken(dir);
    expect(await lockIsHeld(dir)).toEqual({ known: true, value: true });
    await lock.release();
    expect(await lockIsHeld(dir)).toEqual({ known: true, value: false });
  });

  it("does not take it: a launcher is never turned away by it", async () => {
    execFileSync("touch", [file]);
    const looks = Array.from({ length: 20 }, () => lockIsHeld(file));
    expect(launcherGetsIt(file, "--exclusive")).toBe(true);
    expect(await Promise.all(looks)).toEqual(Array(20).fill({ known: true, value: false }));
  });

  it("does not make the file", async () => {
    await lockIsHeld(file);
    expect(existsSync(file)).toBe(false);
  });

  it("is not taken in by a lock on the file beside it", async () => {
    execFileSync("touch", [file]);
    await launcher(join(dir, "other.lock"), "--exclusive");
    expect(await lockIsHeld(file)).toEqual({ known: true, value: false });
  });

  it.runIf(process.getuid?.() === 0)("nor by one on a file of the same number on another disk", async () => {
    const disks = ["one", "two"].map((name) => join(dir, name));
    for (const disk of disks) {
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "none", disk]);
    }
    try {
      const [ours = "", other = ""] = disks.map((disk) => join(disk, "ci.lock"));
      for (const path of [ours, other]) writeFileSync(path, "");
      expect(statSync(ours).ino).toBe(statSync(other).ino);
      const job = await launcher(other, "--exclusive");
      expect(await lockIsHeld(ours)).toEqual({ known: true, value: false });
      expect(await lockIsHeld(other)).toEqual({ known: true, value: true });
      await end(job);
    } finally {
      for (const disk of disks) execFileSync("umount", ["--lazy", disk]);
    }
  });
});
