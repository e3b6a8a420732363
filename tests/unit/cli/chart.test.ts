import pc from "picocolors";
import { beforeAll, describe, expect, it } from "vitest";
import { chart } from "../../../agent/cli/chart.ts";
import { curves, type PastPass } from "../../../agent/state/passes.ts";
import { disk, emptied, pass, week } from "../past-passes.ts";
import { DAY, NOW } from "../support.ts";

const PLAIN = pc.createColors(false);
const ROWS = 11;

beforeAll(() => {
  process.env.TZ = "UTC";
});

function drawn(passes: readonly PastPass[], changes: { unicode?: boolean; width?: number } = {}): string[] {
  const [curve] = curves(passes);
  if (curve === undefined) throw new Error("no curve");
  const options = { width: 80, rows: ROWS, unicode: true, colours: PLAIN, ...changes };
  return chart(curve, passes, [NOW - 7 * DAY * 1000, NOW], options);
}

/** The rows of the plot alone, without the figures at the left. */
const plot = (lines: readonly string[]) => {
  const end = lines.findIndex((line) => line.startsWith("passes")) - 2;
  return lines.slice(end - ROWS, end).map((line) => line.slice(7));
};
const column = (lines: readonly string[], char: string) => {
  const line = lines.find((text) => text.startsWith("passes"));
  return [...(line ?? "")].flatMap((found, at) => (found === char ? [at] : []));
};

describe("a chart", () => {
  it.each([40, 60, 80, 120, 200])("of %i columns is no wider", (width) => {
    for (const unicode of [true, false]) {
      const lines = drawn(week(), { width, unicode });
      expect(Math.max(...lines.slice(2).map((line) => [...line].length))).toBeLessThanOrEqual(
        Math.max(width, 72),
      );
      expect(Math.max(...plot(lines).map((line) => [...line].length))).toBeLessThanOrEqual(width - 7);
    }
  });

  it("in ASCII holds nothing else, without colours nothing that colours", () => {
    const lines = drawn(week(), { unicode: false }).join("\n");
    expect(lines).toMatch(/^[\x0a\x20-\x7e]+$/);
    expect(drawn(week()).join("\n")).not.toMatch(/\x1b/);
  });

  it("says the same with colours", () => {
    const [curve] = curves(week());
    const options = { width: 80, rows: ROWS, unicode: true, colours: pc.createColors(true) };
    const coloured = chart(curve!, week(), [NOW - 7 * DAY * 1000, NOW], options).join("\n");
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(drawn(week()).join("\n"));
    expect(coloured).toContain("\u001b[");
  });

  it("is at the height of the figure at its left: 0, 50 and 100 % in the first, middle and last row", () => {
    for (const [percent, row] of [
      [100, 0],
      [90, 1],
      [50, 5],
      [0, 10],
    ] as const) {
      const lines = plot(
        drawn([pass(3, { filesystems: [disk(percent, { highWatermarkPercent: 75 })] })], { unicode: false }),
      );
      expect(lines.findIndex((line) => line.includes("*"))).toBe(row);
    }
  });

  it("in braille has four levels a row, the row's figure between the second and the third", () => {
    for (const [percent, row, dots] of [
      [75, 3, /[⠁⠈]/],
      [78, 2, /[⠄⠠]/],
      [25, 8, /[⠁⠈]/],
    ] as const) {
      const lines = plot(drawn([pass(3, { filesystems: [disk(percent, { highWatermarkPercent: 100 })] })]));
      expect(lines.findIndex((line) => /[\u2801-\u28ff]/.test(line))).toBe(row);
      expect(lines[row]).toMatch(dots);
    }
  });

  it("puts each pass below its moment, and the worst of several on top", () => {
    const lines = drawn([pass(7), pass(3.5), pass(3.499, { outcome: "failed", exitCode: 69 }), pass(0)]);
    expect(column(lines, "·")).toEqual([7, 79]);
    expect(column(lines, "✗")).toEqual([43]);
    expect(lines.at(-1)).toContain("✗ failed   · nothing to do");
  });

  it("draws no line where passes are missing", () => {
    const days = [7, 6.5, 6, 5.5, 1, 0.5, 0];
    const line =
      plot(
        drawn(
          days.map((day) => pass(day)),
          { unicode: false },
        ),
      ).find((text) => text.includes("*")) ?? "";
    const gap = /\*(?<gap> +)\*/.exec(line)?.groups?.gap ?? "";
    expect(gap.length / 73).toBeCloseTo(4.5 / 7, 1);
  });

  it("shows the watermark that was in force, and follows its change", () => {
    const lines = plot(
      drawn([
        pass(7, { filesystems: [disk(10, { highWatermarkPercent: 90 })] }),
        pass(3.5, { filesystems: [disk(10, { highWatermarkPercent: 60, lowWatermarkPercent: 30 })] }),
        pass(0, { filesystems: [disk(10, { highWatermarkPercent: 60, lowWatermarkPercent: 30 })] }),
      ]),
    );
    expect([lines[1]?.indexOf("╌"), lines[1]?.lastIndexOf("╌")]).toEqual([0, 35]);
    expect([lines[4]?.indexOf("╌"), lines[4]?.lastIndexOf("╌")]).toEqual([36, 72]);
    expect(lines[7]?.indexOf("┈")).toBe(0);
  });

  it("has no watermark where no record tells one", () => {
    const { highWatermarkPercent: _, ...old } = disk(10);
    const text = drawn([pass(3, { filesystems: [old] })]).join("\n");
    expect(text).not.toMatch(/╌|watermark/);
  });

  it("of one pass, or of passes all at one moment, is a chart", () => {
    const [curve] = curves([pass(0)]);
    const options = { width: 80, rows: ROWS, unicode: true, colours: PLAIN };
    expect(chart(curve!, [pass(0)], [NOW, NOW], options).length).toBeGreaterThan(ROWS);
  });

  it("keeps figures beyond the scale, and moments beyond the time, within it", () => {
    const wild = [pass(900, { filesystems: [disk(1e9)] }), pass(-900, { filesystems: [disk(-50)] })];
    const lines = plot(drawn(wild, { unicode: false }));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(73);
  });

  it("names a filesystem safely", () => {
    const path = "/\u001b[31m\u202e";
    expect(drawn([pass(1, { filesystems: [emptied(90, 50, { path })] })])[0]).toMatch(
      /^\/\\u001b\[31m\\u202e {2}50% used/,
    );
  });
});
