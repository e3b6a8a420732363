import { describe, expect, it } from "vitest";
import { known, unknown } from "../../../agent/facts.ts";
import { belowEverywhere, crossings, diskPressure, markPercent } from "../../../agent/gates/disk-pressure.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import { parseWatermark } from "../../../agent/units.ts";
import { filesystem, GiB, settingsOf } from "../support.ts";

const ask = (changes: Partial<Filesystem>, disk: object = {}) =>
  diskPressure(settingsOf({ disk }).disk, [known(filesystem(changes))]);

const mark = (text: string) => {
  const parsed = parseWatermark(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

describe("used space", () => {
  it.each([
    [79, "closed"],
    [80, "open"],
    [81, "open"],
    [100, "open"],
    [0, "closed"],
  ])("of %i %% against 80 %%: the gate is %s", (usedPercent, verdict) => {
    expect(ask({ usedPercent }).verdict).toBe(verdict);
  });

  it("is named with its path and both figures", () => {
    expect(ask({ usedPercent: 91 }).reason).toBe("under pressure: / is 91% full, the mark is 80%");
  });

  it("below the mark leaves the cache as it is, and says which mark", () => {
    expect(ask({ usedPercent: 31 }).reason).toBe("below the high watermark of 80%: nothing is pruned");
  });
});

describe("available bytes", () => {
  const disk = { highWatermark: "20GiB free" };

  it.each([
    [20 * GiB - 1, "open"],
    [20 * GiB, "closed"],
    [20 * GiB + 1, "closed"],
    [0, "open"],
  ])("of %i against 20 GiB: the gate is %s", (availableBytes, verdict) => {
    expect(ask({ availableBytes }, disk).verdict).toBe(verdict);
  });

  it("do not ask for the percentage", () => {
    expect(ask({ availableBytes: 30 * GiB, usedPercent: 99 }, disk).verdict).toBe("closed");
  });

  it("are named with both figures", () => {
    expect(ask({ availableBytes: 5 * GiB }, disk).reason).toBe(
      "under pressure: / has 5.0 GiB left, the mark is 20.0 GiB",
    );
  });
});

describe("inodes", () => {
  it.each([
    [79, "closed"],
    [80, "open"],
  ])("in use to %i %%: the gate is %s", (inodesUsedPercent, verdict) => {
    expect(ask({ inodesUsedPercent }).verdict).toBe(verdict);
  });

  it("are judged by 80 % where the mark is in bytes", () => {
    const disk = { highWatermark: "20GiB free" };
    expect(ask({ inodesUsedPercent: 79 }, disk).verdict).toBe("closed");
    expect(ask({ inodesUsedPercent: 80 }, disk).reason).toBe(
      "under pressure: / has 80% of its inodes in use, the mark is 80%",
    );
  });

  it("do not count where they are switched off", () => {
    expect(ask({ inodesUsedPercent: 100 }, { inodes: false }).verdict).toBe("closed");
  });

  it("are judged by the number that is left, whatever the percentage, where a number is set", () => {
    const disk = { inodes: "250000 free" };
    expect(ask({ inodesUsedPercent: 100, freeInodes: 250_000 }, disk).verdict).toBe("closed");
    expect(ask({ inodesUsedPercent: 10, freeInodes: 249_999 }, disk).reason).toBe(
      "under pressure: / has 249999 inodes left, the mark is 250000 free",
    );
    expect(ask({ inodesUsedPercent: null, freeInodes: null }, disk).verdict).toBe("closed");
  });

  it("do not count where the filesystem counts none", () => {
    expect(ask({ inodesUsedPercent: null }).verdict).toBe("closed");
  });

  it("and space on one filesystem are both named", () => {
    expect(crossings(filesystem({ usedPercent: 90, inodesUsedPercent: 95 }), mark("80%"), true)).toEqual([
      "/ is 90% full, the mark is 80%",
      "/ has 95% of its inodes in use, the mark is 80%",
    ]);
  });
});

describe("several filesystems", () => {
  const low = known(filesystem({ usedPercent: 20 }));
  const high = known(filesystem({ paths: ["/var/lib/docker"], device: "2", usedPercent: 85 }));
  const { disk } = settingsOf({});

  it("are under pressure when one of them is", () => {
    expect(diskPressure(disk, [low, high]).reason).toBe(
      "under pressure: /var/lib/docker is 85% full, the mark is 80%",
    );
  });

  it("of which one cannot be read are unknown, even when another is under pressure", () => {
    const verdict = diskPressure(disk, [high, unknown("disk usage of /data", "EACCES")]);
    expect([verdict.verdict, verdict.reason]).toEqual(["unknown", "disk usage of /data: EACCES"]);
  });

  it("of which one cannot be read still report the others", () => {
    const { facts } = diskPressure(disk, [high, unknown("disk usage of /data", "EACCES")]);
    expect(facts.filesystems).toEqual([high.known && high.value]);
  });

  it("of which none exists are unknown, never below the mark", () => {
    const verdict = diskPressure(disk, []);
    expect([verdict.verdict, verdict.reason]).toEqual(["unknown", "none of the watched paths exists"]);
  });
});

describe("the low watermark is reached", () => {
  const at = (usedPercent: number) => known(filesystem({ usedPercent }));

  it.each([
    [69, true],
    [70, false],
    [71, false],
  ])("at %i %% of 70 %%: %s", (usedPercent, reached) => {
    expect(belowEverywhere([at(usedPercent)], mark("70%"), true)).toBe(reached);
  });

  it("only when every filesystem is below it", () => {
    expect(belowEverywhere([at(10), at(70)], mark("70%"), true)).toBe(false);
    expect(belowEverywhere([at(10), at(69)], mark("70%"), true)).toBe(true);
  });

  it("never while one cannot be read, or none is there", () => {
    expect(belowEverywhere([at(10), unknown("disk", "EIO")], mark("70%"), true)).toBe(false);
    expect(belowEverywhere([], mark("70%"), true)).toBe(false);
  });

  it("not before the inodes are below it too, unless they do not count", () => {
    const full = [known(filesystem({ usedPercent: 10, inodesUsedPercent: 70 }))];
    expect(belowEverywhere(full, mark("70%"), true)).toBe(false);
    expect(belowEverywhere(full, mark("70%"), false)).toBe(true);
  });
});

describe("a mark as df's Use%", () => {
  it.each([
    ["82.5%", {}, 82.5],
    // 50 GiB used, 50 GiB available: with 20 GiB left, 80 of 100 are used.
    ["20GiB free", {}, 80],
    ["1GiB free", { usedBytes: 2 * GiB, availableBytes: GiB }, 66.7],
    ["200GiB free", {}, 0],
    ["1GiB free", { usedBytes: 0, availableBytes: 0 }, 100],
  ])("%s with %o is %f", (text, changes, percent) => {
    expect(markPercent(filesystem(changes), mark(text))).toBe(percent);
  });
});
