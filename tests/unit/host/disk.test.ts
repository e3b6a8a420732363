import { execFileSync } from "node:child_process";
import { type BigIntStatsFs, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { measure, mountPoint, readFilesystems } from "../../../agent/host/disk.ts";
import { testFolder } from "../folder.ts";

const stats = (changes: Partial<Record<keyof BigIntStatsFs, bigint>>): BigIntStatsFs => ({
  type: 0xef53n,
  bsize: 4096n,
  blocks: 10_000n,
  bfree: 5000n,
  bavail: 5000n,
  files: 1000n,
  ffree: 900n,
  ...changes,
});

const used = (changes: Partial<Record<keyof BigIntStatsFs, bigint>>) =>
  measure("/", "1", stats(changes)).usedPercent;

describe("a filesystem is measured as df does", () => {
  it.each([
    ["29.75 %", 10_000n, 7025n, 7025n, 30],
    ["exactly 30 %", 10_000n, 7000n, 7000n, 30],
    ["one block above 30 %", 10_000n, 6999n, 6999n, 31],
    ["one block used", 10_000n, 9999n, 9999n, 1],
    ["nothing used", 10_000n, 10_000n, 10_000n, 0],
    ["all but one block used", 10_000n, 1n, 1n, 100],
    ["everything used", 10_000n, 0n, 0n, 100],
    ["95 % and a reserve of 5 %: an ordinary user has nothing left", 10_000n, 500n, 0n, 100],
    ["half used and a reserve of 5 %", 10_000n, 5000n, 4500n, 53],
  ])("%s", (_, blocks, bfree, bavail, expected) => {
    expect(used({ blocks, bfree, bavail })).toBe(expected);
  });

  it("in bytes, with what is available going without the reserve", () => {
    expect(measure("/", "7", stats({ bfree: 5000n, bavail: 4500n }))).toEqual({
      paths: ["/"],
      device: "7",
      totalBytes: 40_960_000,
      usedBytes: 20_480_000,
      availableBytes: 18_432_000,
      usedPercent: 53,
      inodesUsedPercent: 10,
      totalInodes: 1000,
      freeInodes: 900,
    });
  });

  it("and available blocks that wrapped around below zero count as none", () => {
    const full = measure("/", "1", stats({ bfree: 100n, bavail: 2n ** 64n - 400n }));
    expect([full.availableBytes, full.usedPercent]).toEqual([0, 100]);
  });

  it("and inodes are rounded up, or not judged where none are counted", () => {
    expect(measure("/", "1", stats({ files: 1000n, ffree: 299n })).inodesUsedPercent).toBe(71);
    const none = { inodesUsedPercent: null, totalInodes: null, freeInodes: null };
    expect(measure("/", "1", stats({ files: 0n, ffree: 0n }))).toMatchObject(none);
  });

  it("and very large ones lose no digit on the way", () => {
    const huge = measure("/", "1", stats({ blocks: 2n ** 50n, bfree: 2n ** 48n, bavail: 2n ** 48n }));
    expect(huge.usedPercent).toBe(75);
  });

  it("and a real one agrees with df", async () => {
    const [percent = "", inodes = ""] = execFileSync("df", ["--output=pcent,ipcent", "/"], {
      encoding: "utf8",
    })
      .split("\n")[1]!
      .trim()
      .split(/\s+/);
    const [fact] = await readFilesystems(["/"], () => true);
    expect(fact).toMatchObject({ known: true });
    const seen = (fact as { value: { usedPercent: number; inodesUsedPercent: number | null } }).value;
    // Others may write between the two looks.
    expect(Math.abs(seen.usedPercent - Number.parseInt(percent, 10))).toBeLessThanOrEqual(1);
    const wanted = inodes === "-" ? 0 : Number.parseInt(inodes, 10);
    expect(Math.abs((seen.inodesUsedPercent ?? 0) - wanted)).toBeLessThanOrEqual(1);
  });
});

describe("paths", () => {
  const all = () => true;
  const none = () => false;

  it("on one device are one filesystem, in the order they were named", async () => {
    const dir = testFolder();
    symlinkSync(dir, `${dir}/link`);
    const facts = await readFilesystems([dir, `${dir}/link`, dir], all);
    expect(facts).toMatchObject([{ known: true, value: { paths: [dir, `${dir}/link`] } }]);
  });

  it("that do not exist are left out where nobody named them", async () => {
    expect(await readFilesystems(["/nowhere/at/all", "/etc/hostname/x"], none)).toEqual([]);
  });

  it("that do not exist are unknown where somebody did", async () => {
    expect(await readFilesystems(["/nowhere/at/all"], all)).toMatchObject([
      { known: false, what: "disk usage of /nowhere/at/all" },
    ]);
  });

  it("that are unreadable for another reason are unknown, named or not", async () => {
    const name = `/${"x".repeat(300)}`;
    expect(await readFilesystems([name], none)).toMatchObject([
      { known: false, reason: expect.stringContaining("ENAMETOOLONG") },
    ]);
  });

  it("on a filesystem without blocks say nothing", async () => {
    expect(await readFilesystems(["/proc"], none)).toMatchObject([
      { known: false, reason: "the filesystem reports no blocks (hidden by a mount?)" },
    ]);
  });

  it("that are unreadable do not hide those that are readable", async () => {
    const facts = await readFilesystems(["/nowhere/at/all", "/"], (path) => path !== "/");
    expect(facts.map(({ known }) => known)).toEqual([false, true]);
  });
});

describe("a filesystem's mount point", () => {
  const target = (path: string) =>
    execFileSync("df", ["--output=target", path], { encoding: "utf8" }).split("\n")[1]?.trim();

  it.each(["/", "/usr/bin", "/proc/self", "/dev/null", tmpdir()])("of %s is what df says", (path) => {
    expect(mountPoint(path)).toBe(target(path));
  });

  it("is that of what a link leads to", () => {
    const dir = testFolder();
    symlinkSync("/proc/self", join(dir, "link"));
    expect(mountPoint(join(dir, "link"))).toBe("/proc");
  });

  it("is the path itself where nothing is to be seen", () => {
    expect(mountPoint("/no/such/folder")).toBe("/no/such/folder");
  });
});
