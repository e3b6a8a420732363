import { describe, expect, it } from "vitest";
import { known, unknown } from "../../agent/facts.ts";
import type { Filesystem } from "../../agent/host/disk.ts";
import { belowWatermark, type Pressure, reported, toRecord } from "../../agent/pressure.ts";
import { removedBytes } from "../../agent/report.ts";
import { filesystem, GiB, NOW, settingsOf } from "./support.ts";

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

describe("bytes removed by kind", () => {
  const object = (kind: "container" | "image" | "build-cache", sizeBytes: number | null) =>
    ({ kind, sizeBytes }) as never;
  const acted = (claimedBytes: number, ...removed: never[]) => ({ removed, claimedBytes }) as never;

  it("are what the objects held; the cache's prune tells one sum", () => {
    expect(
      removedBytes(
        acted(
          105,
          object("container", 1),
          object("image", 4),
          object("image", null),
          object("build-cache", 7),
        ),
      ),
    ).toEqual({ container: 1, image: 4, "build-cache": 100 });
  });

  it("are none of a pass that did not act", () => {
    expect(removedBytes(undefined)).toEqual({ container: 0, image: 0, "build-cache": 0 });
  });
});
