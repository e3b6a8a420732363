import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exclusively } from "../../../agent/host/exclusive.ts";
import { appendLine, FileChanged, readFile, readOpen, replaceFile } from "../../../agent/host/files.ts";
import { UnsafeFile } from "../../../agent/host/paths.ts";
import { testFolder } from "../folder.ts";
import { program } from "../program.ts";

const isRoot = process.getuid?.() === 0;
const SOMEBODY = 65_534;

let dir: string;
const path = (name: string) => join(dir, name);
const mode = (name: string) => (statSync(path(name)).mode & 0o777).toString(8);

beforeEach(() => {
  dir = testFolder();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Seconds of waiting that were asked for. */
const waited = ({ mock }: { mock: { calls: readonly (readonly unknown[])[] } }) =>
  Math.round(mock.calls.reduce((sum, [, , , ms]) => sum + Number(ms), 0) / 100) / 10;

describe("a file is replaced", () => {
  it("whole, with its mode whatever the umask, and nothing else is left in the folder", () => {
    const before = process.umask(0o077);
    try {
      replaceFile(path("a"), "one", { mode: 0o644 });
      replaceFile(path("a"), "two", { mode: 0o644 });
    } finally {
      process.umask(before);
    }
    expect(readFileSync(path("a"), "utf8")).toBe("two");
    expect(mode("a")).toBe("644");
    expect(readdirSync(dir)).toEqual(["a"]);
  });

  it("and never opened to more than it was before, while it is written", () => {
    const before = process.umask(0);
    try {
      replaceFile(path("a"), "secret", { mode: 0o600 });
    } finally {
      process.umask(before);
    }
    expect(mode("a")).toBe("600");
  });

  it.each([
    ["a link", () => symlinkSync(path("victim"), path("a")), /a is a symbolic link/],
    ["a link to nothing", () => symlinkSync(path("none"), path("a")), /a is a symbolic link/],
    ["a folder", () => mkdirSync(path("a")), /a is a folder/],
    ["a FIFO", () => execFileSync("mkfifo", [path("a")]), /a is a FIFO/],
  ])("but not %s", (_, make, words) => {
    writeFileSync(path("victim"), "victim");
    make();
    const { ino } = lstatSync(path("a"));
    expect(() => replaceFile(path("a"), "new", { mode: 0o644 })).toThrow(words);
    expect(lstatSync(path("a")).ino).toBe(ino);
    expect(readFileSync(path("victim"), "utf8")).toBe("victim");
    expect(existsSync(path("none"))).toBe(false);
  });

  it("nor a device", () => {
    expect(() => replaceFile("/dev/null", "new", { mode: 0o644 })).toThrow(UnsafeFile);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  it("as one name of several: the others keep the old text", () => {
    writeFileSync(path("a"), "old");
    linkSync(path("a"), path("b"));
    replaceFile(path("a"), "new", { mode: 0o644 });
    expect(readFileSync(path("b"), "utf8")).toBe("old");
  });

  it.runIf(isRoot)("for the folder's owner, where root writes", () => {
    chownSync(dir, SOMEBODY, SOMEBODY);
    replaceFile(path("a"), "x", { mode: 0o644, owner: "folder" });
    replaceFile(path("b"), "x", { mode: 0o644 });
    appendLine(path("c"), "x", { mode: 0o644, owner: "folder" });
    expect(["a", "b", "c"].map((name) => statSync(path(name)).uid)).toEqual([SOMEBODY, 0, SOMEBODY]);
  });

  it("unless somebody else replaced it since it was read", () => {
    writeFileSync(path("a"), "read");
    const { stats } = readFile(path("a"), { maxBytes: 100 });
    writeFileSync(path("b"), "by somebody else");
    renameSync(path("b"), path("a"));
    expect(() => replaceFile(path("a"), "ours", { mode: 0o644, expect: stats })).toThrow(FileChanged);
    expect(() => replaceFile(path("a"), "ours", { mode: 0o644, expect: null })).toThrow(FileChanged);
    expect(readFileSync(path("a"), "utf8")).toBe("by somebody else");
    expect(readdirSync(dir)).toEqual(["a"]);
  });

  it("and what a killed writer left behind goes, but not what a living one is at", () => {
    const { pid = 0 } = spawnSync("true");
    writeFileSync(path(`.a.${pid}-abc.new`), "half");
    writeFileSync(path(`.a.${process.pid}-abc.new`), "half");
    writeFileSync(path(".a.other.new"), "not ours");
    replaceFile(path("a"), "x", { mode: 0o644 });
    expect(readdirSync(dir).sort()).toEqual([`.a.${process.pid}-abc.new`, ".a.other.new", "a"].sort());
  });

  it("not at all where the disk is full, and the old text stays", () => {
    const writer = program(`
      import { replaceFile } from "./agent/host/files.ts";
      process.on("SIGXFSZ", () => {});
      try { replaceFile(process.argv[2], "x".repeat(9000), { mode: 0o644 }); } catch (error) { console.log(error.code); }`);
    writeFileSync(path("a"), "old");
    const limited = ["-c", 'ulimit -f 0; exec "$@"', "bash", process.execPath, writer, path("a")];
    expect(spawnSync("bash", limited, { encoding: "utf8" }).stdout).toBe("EFBIG\n");
    expect(readFileSync(path("a"), "utf8")).toBe("old");
    expect(readdirSync(dir)).toEqual(["a"]);
  });
});

describe("a folder of secrets", () => {
  const write = (owners: readonly number[]) =>
    replaceFile(join(dir, ".docker", "config.json"), "{}", { mode: 0o600, folderOf: owners });

  it("is closed to others", () => {
    mkdirSync(path(".docker"), { mode: 0o755 });
    write([process.getuid?.() ?? 0]);
    expect(mode(".docker")).toBe("700");
    expect(readFileSync(path(".docker/config.json"), "utf8")).toBe("{}");
  });

  it("is not written to through a link, nor is what the link leads to closed", () => {
    mkdirSync(path("victim"));
    chmodSync(path("victim"), 0o755);
    symlinkSync(path("victim"), path(".docker"));
    expect(() => write([process.getuid?.() ?? 0])).toThrow(/\.docker is a symbolic link/);
    expect(mode("victim")).toBe("755");
    expect(readdirSync(path("victim"))).toEqual([]);
  });

  it.runIf(isRoot)("is left alone where it belongs to somebody else", () => {
    mkdirSync(path(".docker"), { mode: 0o755 });
    chownSync(path(".docker"), SOMEBODY, SOMEBODY);
    expect(() => write([0])).toThrow(/belongs to another user/);
    expect(mode(".docker")).toBe("755");
  });
});

describe("a file is read", () => {
  it("whole, with the facts of that very file", () => {
    writeFileSync(path("a"), "text".repeat(30_000));
    const { bytes, stats } = readFile(path("a"), { maxBytes: 120_000 });
    expect(bytes.toString()).toBe("text".repeat(30_000));
    expect(stats.ino).toBe(statSync(path("a")).ino);
  });

  it("where its size reads as 0, as in /proc", () => {
    expect(readFile("/proc/self/status", { maxBytes: 100_000 }).bytes.toString()).toContain("VmHWM");
  });

  it.each([
    ["a FIFO that nobody writes to", () => execFileSync("mkfifo", [path("a")]), /a is a FIFO, not a file/],
    ["a folder", () => mkdirSync(path("a")), /a is a folder, not a file/],
    ["a link", () => symlinkSync("/etc/passwd", path("a")), /ELOOP/],
    ["nothing", () => {}, /ENOENT/],
    ["what is too large", () => writeFileSync(path("a"), "x".repeat(1001)), /a is larger than 1000 B/],
  ])("but not %s", (_, make, words) => {
    make();
    expect(() => readFile(path("a"), { maxBytes: 1000 })).toThrow(words);
  });

  it("through a link where an operator names it, but no device and nothing endless", () => {
    symlinkSync("/dev/zero", path("a"));
    expect(() => readFile(path("a"), { maxBytes: 1000, links: true })).toThrow(/is a device, not a file/);
    expect(() => readFile("/proc/self/environ", { maxBytes: 1 })).toThrow(/larger than 1 B/);
  });

  it("from a pipe to its end, also where its writer comes late and writes slowly", () => {
    execFileSync("mkfifo", [path("a")]);
    spawn("sh", ["-c", `sleep 0.2; { printf one; sleep 0.2; printf two; } >${path("a")}`], {
      stdio: "ignore",
    });
    expect(readFile(path("a"), { maxBytes: 100, pipes: 5 }).bytes.toString()).toBe("onetwo");
  });

  it("from what was opened by others and has ended with nothing in it, at once", () => {
    execFileSync("mkfifo", [path("a")]);
    const both = openSync(path("a"), "r+");
    const reader = openSync(path("a"), "r");
    closeSync(both);
    expect(readOpen(reader, "-", { maxBytes: 100, pipes: 1 }).bytes.toString()).toBe("");
    closeSync(reader);
  });

  it("from a pipe that gives nothing for so long only", () => {
    execFileSync("mkfifo", [path("a")]);
    const held = openSync(path("a"), "r+");
    expect(() => readFile(path("a"), { maxBytes: 100, pipes: 0.05 })).toThrow(
      /nothing to read within 0.05 s/,
    );
    closeSync(held);
  });

  it("from a pipe that nobody writes to for 5 s, whatever the patience with one who does", () => {
    execFileSync("mkfifo", [path("a")]);
    const wait = vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
    expect(() => readFile(path("a"), { maxBytes: 100, pipes: 60 })).toThrow(/nothing to read within 5 s/);
    expect(waited(wait)).toBe(5);
  });
});

describe("lines are added", () => {
  it("at the end, and not through a link", () => {
    appendLine(path("a"), "one", { mode: 0o644 });
    appendLine(path("a"), "two", { mode: 0o644 });
    expect(readFileSync(path("a"), "utf8")).toBe("one\ntwo\n");
    symlinkSync(path("victim"), path("b"));
    expect(() => appendLine(path("b"), "x", { mode: 0o644 })).toThrow(/ELOOP/);
    execFileSync("mkfifo", [path("c")]);
    expect(() => appendLine(path("c"), "x", { mode: 0o644 })).toThrow();
    linkSync(path("a"), path("d"));
    expect(() => appendLine(path("d"), "x", { mode: 0o644 })).toThrow(/another name/);
    expect(readFileSync(path("a"), "utf8")).toBe("one\ntwo\n");
    expect(existsSync(path("victim"))).toBe(false);
  });
});

describe("what only one process may do at a time", () => {
  it("is done by one after the other", async () => {
    writeFileSync(path("count"), "0");
    const file = program(`
      import { readFileSync, writeFileSync } from "node:fs";
      import { exclusively } from "./agent/host/exclusive.ts";
      const dir = process.argv[2];
      for (let k = 0; k < 50; k++) exclusively(dir + "/.lock", () => {
        const count = Number(readFileSync(dir + "/count", "utf8"));
        for (let end = performance.now() + 1; performance.now() < end; );
        writeFileSync(dir + "/count", String(count + 1));
      });`);
    const run = () =>
      new Promise((resolve) =>
        spawn(process.execPath, [file, dir], { stdio: "inherit" }).once("exit", resolve),
      );
    expect(await Promise.all([run(), run()])).toEqual([0, 0]);
    expect(readFileSync(path("count"), "utf8")).toBe("100");
  });

  it("does not wait longer than 2 s for one that was killed", () => {
    writeFileSync(path(".lock"), "");
    const wait = vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
    expect(exclusively(path(".lock"), () => "done")).toBe("done");
    expect(waited(wait)).toBe(2);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is given up where what is in the way cannot be removed", () => {
    mkdirSync(path(".lock"));
    const wait = vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
    expect(() => exclusively(path(".lock"), () => "done")).toThrow(
      /\.lock is in the way .* cannot be removed/,
    );
    expect(waited(wait)).toBe(2);
  });
});
