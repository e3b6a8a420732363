import pc from "picocolors";
import { beforeAll, describe, expect, it } from "vitest";
import { type Chart, chart } from "../../../agent/cli/chart.ts";
import type { Look } from "../../../agent/cli/screen.ts";
import { curves, markOf } from "../../../agent/state/passes.ts";
import type { PassRecord } from "../../../agent/state/state.ts";
import { disk, emptied, pass, week } from "../past-passes.ts";
import { DAY, NOW } from "../support.ts";

const ROWS = 10;

beforeAll(() => {
  process.env.TZ = "UTC";
});

function drawn(
  passes: readonly PassRecord[],
  changes: Partial<Look> = {},
  range: Chart["range"] = [NOW - 7 * DAY * 1000, NOW],
): string[] {
  const [curve] = curves(passes);
  if (curve === undefined) throw new Error("no curve");
  const look = { width: 80, unicode: true, colours: pc.createColors(false), ...changes };
  const marks = passes.map((one) => ({ at: one.startedAt, mark: markOf(one) }));
  const words = { failed: "failed", quiet: "had nothing to do" };
  return chart({ title: curve.path, curve, range, marks, words }, look);
}

/** The rows of the plot alone, without the figures at the left. */
const plot = (lines: readonly string[]) => {
  const start = lines.findIndex((line) => line.startsWith(" 100%"));
  return lines.slice(start, start + ROWS).map((line) => line.slice(7));
};
/** Columns of a sign below the dates. */
const column = (lines: readonly string[], char: string) => {
  const line = lines[lines.findIndex((text) => text.startsWith("   0%")) + 2];
  return [...(line ?? "")].flatMap((found, at) => (found === char ? [at] : []));
};
const level = (percent: number, changes: Partial<Look> = {}) =>
  plot(drawn([pass(3, { filesystems: [disk(percent, { highWatermarkPercent: 100 })] })], changes));

describe("a chart", () => {
  it.each([40, 60, 80, 120, 200])("of %i columns is no wider", (width) => {
    for (const unicode of [true, false]) {
      const lines = drawn(week(), { width, unicode });
      expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(Math.max(width, 46));
      expect(Math.max(...plot(lines).map((line) => [...line].length))).toBeLessThanOrEqual(width - 7);
    }
  });

  it("in ASCII holds nothing else, without colours nothing that colours", () => {
    const lines = drawn(week(), { unicode: false }).join("\n");
    expect(lines).toMatch(/^[\x0a\x20-\x7e]+$/);
    expect(drawn(week()).join("\n")).not.toMatch(/\x1b/);
  });

  it("says the same with colours", () => {
    const coloured = drawn(week(), { colours: pc.createColors(true) }).join("\n");
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(drawn(week()).join("\n"));
    expect(coloured).toContain("\u001b[");
  });

  it("reaches up to the figure at its left: 100 % fills all rows, 50 % half of them, 0 % none", () => {
    for (const [percent, rows] of [
      [100, 9],
      [90, 9],
      [50, 5],
      [0, 0],
    ] as const)
      expect(level(percent, { unicode: false }).filter((line) => line.includes("#"))).toHaveLength(rows);
  });

  it("has eight levels a row", () => {
    expect(level(75).filter((line) => /[▁-█]/.test(line))).toHaveLength(8);
    expect(level(75)[2]).toMatch(/▄/);
    expect(level(71)[2]).toMatch(/▁/);
    expect(level(79)[2]).toMatch(/█/);
  });

  it("puts each pass below its moment, and the worst of several on top", () => {
    const lines = drawn([pass(7), pass(3.5), pass(3.499, { outcome: "failed", exitCode: 69 }), pass(0)]);
    expect(column(lines, "·")).toEqual([7, 79]);
    expect(column(lines, "✗")).toEqual([43]);
    expect(lines.at(-1)).toContain("✗ failed   · had nothing to do");
  });

  it("draws no line where passes are missing", () => {
    const days = [7, 6.5, 6, 5.5, 1, 0.5, 0];
    const rows = plot(
      drawn(
        days.map((day) => pass(day)),
        { unicode: false },
      ),
    );
    const line = rows.find((text) => text.includes("#")) ?? "";
    const gap = /#(?<gap> +)#/.exec(line)?.groups?.gap ?? "";
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
    expect(drawn([pass(0)], {}, [NOW, NOW]).length).toBeGreaterThan(ROWS);
  });

  it("keeps figures beyond the scale, and moments beyond the time, within it", () => {
    const wild = [pass(900, { filesystems: [disk(1e9)] }), pass(-900, { filesystems: [disk(-50)] })];
    const lines = plot(drawn(wild, { unicode: false }));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(73);
  });

  it("names a filesystem safely", () => {
    const path = "/\u001b[31m\u202e";
    expect(drawn([pass(1, { filesystems: [emptied(90, 50, { path })] })])[0]).toBe("/\\u001b[31m\\u202e");
  });
});
