import { describe, expect, it } from "vitest";
import { known, unknown } from "../../../agent/facts.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import { belowWatermark, type Pressure, reported, toRecord } from "../../../agent/pass/pressure.ts";
import { filesystem, GiB, NOW, settingsOf } from "../support.ts";

const { disk } = settingsOf({});
const look = (...found: readonly Partial<Filesystem>[]): Pressure => ({
  filesystems: found.map((changes) => known(filesystem(changes))),
  verdict: { gate: "disk-pressure", verdict: "closed", reason: "below", facts: {} },
});

describe("what a pass says of its filesystems", () => {
  it("is each at the end, with its start by device and the mark in force", () => {
    const before = look({ device: "2", usedPercent: 90, availableBytes: GiB, inodesUsedPercent: 4 });
    const after = look({ device: "1", paths: ["/new"] }, { device: "2", usedPercent: 60 });
    expect(reported(after, disk, before)).toMatchObject([
      { paths: ["/new"], highWatermarkPercent: 80 },
      {
        usedPercent: 60,
        highWatermarkPercent: 80,
        before: { usedPercent: 90, availableBytes: GiB, inodesUsedPercent: 4 },
      },
    ]);
    expect(reported(after, disk, before)[0]).not.toHaveProperty("before");
  });

  it("leaves out what could not be read", () => {
    expect(reported({ ...look(), filesystems: [unknown("/x", "EIO")] }, disk)).toEqual([]);
  });

  it("has the low watermark where one is set", () => {
    const both = settingsOf({ disk: { lowWatermark: "60%" } }).disk;
    const record = toRecord("1", NOW, belowWatermark(look({}), both, 0.1));
    expect(record.filesystems[0]).toMatchObject({ highWatermarkPercent: 80, lowWatermarkPercent: 60 });
  });

  it("is kept in the state, and a quiet pass has no start", () => {
    const quiet = toRecord("1", NOW, belowWatermark(look({}), disk, 0.1));
    expect(quiet.filesystems).toEqual([
      {
        path: "/",
        usedPercent: 50,
        availableBytes: 50 * GiB,
        totalBytes: 100 * GiB,
        inodesUsedPercent: 10,
        highWatermarkPercent: 80,
      },
    ]);
    const [acted] = toRecord("1", NOW, {
      ...belowWatermark(look({}), disk, 0.1),
      filesystems: reported(look({}), disk, look({ usedPercent: 90 })),
    }).filesystems;
    expect(acted?.before?.usedPercent).toBe(90);
  });
});
