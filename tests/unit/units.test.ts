import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatDuration,
  formatWatermark,
  isoTime,
  parseBytes,
  parseDuration,
  parseFreeCount,
  parsePercent,
  parseWatermark,
} from "../../agent/units.ts";
import { anyCharacter } from "./support.ts";

describe("bytes", () => {
  it.each([
    ["0B", 0],
    ["512 B", 512],
    ["1kB", 1000],
    ["1KB", 1000],
    ["1KiB", 1024],
    ["1.5 MB", 1_500_000],
    ["1.5MiB", 1_572_864],
    ["20GiB", 21_474_836_480],
    ["2GB", 2e9],
    ["1TB", 1e12],
    ["1TiB", 2 ** 40],
    [" 7 GB ", 7e9],
    ["0.3B", 0],
  ])("%s is %i", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    ...["", "20", "GiB", "-1GiB", "20 gib", "20Gib", "kiB", "1kiB", "1.GiB", ".5GiB", "1,5GB", "1e3B"],
    ...["20G", "0x1B", "1 GiB free"],
  ])("%j is not understood", (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });

  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [102_348, "99.9 KiB"],
    [102_400, "100 KiB"],
    [2 ** 20, "1.0 MiB"],
    [20 * 2 ** 30, "20.0 GiB"],
    [2 ** 50 * 2000, "2000 PiB"],
    [-1536, "-1.5 KiB"],
  ])("%i reads %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("durations", () => {
  it.each([
    ["24h", 86_400],
    ["1h30m", 5400],
    ["7d", 604_800],
    ["2w", 1_209_600],
    ["1w2d3h4m5s6ms", 788_645.006],
    ["90m", 5400],
    ["0s", 0],
    ["1.5s", 1.5],
    ["500ms", 0.5],
    ["1m500ms", 60.5],
    [" 3s ", 3],
  ])("%s is %f s", (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 9);
  });

  it.each([
    ...["", " ", "24", "h", "1 h", "1h 30m", "30m1h", "1h1h", "-1h", "1.5h", "1H", "1y", "1min", "ms"],
    ...["1e3s", ".5s", "1.s"],
  ])("%j is not understood", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it.each([
    [0, "0s"],
    [0.25, "250ms"],
    [1, "1s"],
    [1.26, "1.3s"],
    [59, "59s"],
    [59.6, "1m"],
    [60, "1m"],
    [90, "1m 30s"],
    [3600, "1h"],
    [3601, "1h"],
    [3660, "1h 1m"],
    [86_400, "1d"],
    [90_061, "1d 1h"],
    [86_460, "1d"],
    [400 * 86_400, "400d"],
    [-90, "-1m 30s"],
  ])("%f s reads %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it("read with at most two units, each smaller than the one before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 10 ** 9 }), (seconds) => {
        const text = formatDuration(seconds);
        expect(text).toMatch(/^(\d+d( \d{1,2}h)?|\d{1,2}h( \d{1,2}m)?|\d{1,2}m( \d{1,2}s)?|\d{1,2}s)$/);
        const shown = parseDuration(text.replace(" ", "")) ?? Number.NaN;
        expect(shown).toBeLessThanOrEqual(seconds);
        expect(shown).toBeGreaterThan(seconds * 0.95);
      }),
    );
  });
});

describe("percentages", () => {
  it.each([
    ["80%", 80],
    ["82.5 %", 82.5],
    ["0%", 0],
    ["100%", 100],
    [" 7% ", 7],
  ])("%s is %f", (text, percent) => {
    expect(parsePercent(text)).toBe(percent);
  });

  it.each(["", "%", "80", "101%", "100.1%", "-1%", "1e1%", "80%%", "0080%", "80.%"])(
    "%j is not understood",
    (text) => {
      expect(parsePercent(text)).toBeUndefined();
    },
  );
});

describe("watermarks", () => {
  it.each([
    ["80%", { kind: "used-percent", percent: 80 }, "80%"],
    ["82.5%", { kind: "used-percent", percent: 82.5 }, "82.5%"],
    ["20GiB free", { kind: "free-bytes", bytes: 20 * 2 ** 30 }, "20.0 GiB free"],
    ["20 GiB  free", { kind: "free-bytes", bytes: 20 * 2 ** 30 }, "20.0 GiB free"],
    ["512 B free", { kind: "free-bytes", bytes: 512 }, "512 B free"],
  ] as const)("%s is understood, and reads back", (text, mark, shown) => {
    expect(parseWatermark(text)).toEqual(mark);
    expect(formatWatermark(mark)).toBe(shown);
  });

  it.each([
    ...["", "free", " free", "GiB free", "0%", "0B free", "0.1B free", "20GiB", "20GiBfree", "80% free"],
    ...["20GiB FREE", "free 20GiB"],
  ])("%j is not understood", (text) => {
    expect(parseWatermark(text)).toBeUndefined();
  });
});

describe("no text at all breaks a parser", () => {
  it.each([
    ["bytes", parseBytes],
    ["durations", parseDuration],
    ["percentages", parsePercent],
    ["numbers of inodes", parseFreeCount],
  ])("%s are undefined or a number from 0", (_, parse) => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.string({ unit: fc.constantFrom(..."0123456789.%hmswdkKMGTiB ") }),
    );
    fc.assert(
      fc.property(text, (raw) => {
        expect(parse(raw) ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("isoTime", () => {
  it.each([0, 1, 999, 951_782_400_123, 1_795_809_629_407, 1_795_809_629_407.9, 4_102_444_799_999, -1])(
    "writes %s as toISOString does",
    (time) => {
      expect(isoTime(time)).toBe(new Date(time).toISOString());
    },
  );
});
