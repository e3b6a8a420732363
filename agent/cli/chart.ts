import type { Colors } from "picocolors/types";
import { type Curve, type Mark, type Point, stepAt } from "../state/passes.ts";
import { visible } from "../text.ts";
import { hanging, type Look, PLAIN_WIDTH } from "./screen.ts";
import { calendarTicks } from "./ticks.ts";

/** How full a disk was over time, and what happened meanwhile. */
export interface Chart {
  readonly title: string;
  readonly curve: Pick<Curve, "stretches" | "marks">;
  /** Milliseconds, from and to. */
  readonly range: readonly [number, number];
  readonly marks: readonly { readonly at: number; readonly mark: Mark }[];
  readonly words: Readonly<Partial<Record<Mark, string>>>;
}

const SIGNS = {
  unicode: {
    ...{ high: "╌", low: "┈", axis: "│", label: "┤", corner: "└", floor: "─", tick: "┬" },
    fill: [..." ▁▂▃▄▅▆▇█"],
    marks: { removed: "▼", quiet: "·", deferred: "○", pressure: "▲", failed: "✗" },
  },
  ascii: {
    ...{ high: "-", low: ".", axis: "|", label: "+", corner: "+", floor: "-", tick: "+" },
    fill: [" ", "#"],
    marks: { removed: "v", quiet: ".", deferred: "o", pressure: "^", failed: "x" },
  },
};

export const MARK_COLOURS: Readonly<Record<Mark, (colours: Colors) => (text: string) => string>> = {
  removed: ({ green }) => green,
  deferred: ({ yellow }) => yellow,
  pressure: ({ red }) => red,
  failed: ({ red }) => red,
  quiet: ({ dim }) => dim,
};
/** What shows where several share a column: the first of these. */
const WORST_FIRST: readonly Mark[] = ["failed", "pressure", "removed", "deferred", "quiet"];

/** Each row is a tenth of the disk; the figure at its left is that of its upper edge. */
const ROWS = 10;
const LABEL = 6;
const WIDEST = 120;

export function chart({ title, curve, range, marks, words }: Chart, look: Look): string[] {
  const { bold, dim, red, yellow, cyan } = look.colours;
  const signs = look.unicode ? SIGNS.unicode : SIGNS.ascii;
  const columns = Math.max(10, Math.min(look.width ?? PLAIN_WIDTH, WIDEST) - LABEL - 1);
  const [from, to] = range[0] < range[1] ? range : [range[0] - 1, range[1] + 1];
  const columnOf = (at: number) =>
    clamp(Math.round(((at - from) / (to - from)) * (columns - 1)), columns - 1);
  const momentOf = (column: number) => from + (column / (columns - 1)) * (to - from);
  const heights = heightsOf(curve.stretches, columnOf);

  const body = Array.from({ length: ROWS }, (_, row) => {
    const cells = Array.from({ length: columns }, (_, column) => {
      const high = stepAt(curve.marks.high, momentOf(column));
      const low = stepAt(curve.marks.low, momentOf(column));
      const filled = clamp(((heights.get(column) ?? 0) / 100) * ROWS - (ROWS - 1 - row), 1);
      const fill = signs.fill[Math.ceil(filled * (signs.fill.length - 1))] ?? " ";
      // A mark shows on what is all empty or all full.
      if (filled > 0 && filled < 1) return (high !== null && row <= rowOf(high) ? yellow : cyan)(fill);
      if (high !== null && rowOf(high) === row) return red(signs.high);
      if (low !== null && rowOf(low) === row) return dim(signs.low);
      return filled === 0 ? " " : (high !== null && row <= rowOf(high) ? yellow : cyan)(fill);
    });
    const label = row % 2 === 0 ? `${100 - row * 10}%` : "";
    const axis = `${label.padStart(LABEL - 1)} ${label === "" ? signs.axis : signs.label}`;
    return `${dim(axis)}${cells.join("")}`.trimEnd();
  });

  const worst = new Map<number, Mark>();
  for (const mark of WORST_FIRST.toReversed())
    for (const one of marks) if (one.mark === mark) worst.set(columnOf(one.at), mark);
  const sign = (mark: Mark) => MARK_COLOURS[mark](look.colours)(signs.marks[mark]);
  const used = new Set(worst.values());
  const legend = (Object.keys(words) as Mark[]).flatMap((mark) =>
    used.has(mark) ? [`${signs.marks[mark]} ${words[mark]}`] : [],
  );
  const shown = Array.from({ length: columns }, (_, column) => {
    const mark = worst.get(column);
    return mark === undefined ? " " : sign(mark);
  });
  const watermarks = (["high", "low"] as const).flatMap((which) => {
    const last = curve.marks[which].at(-1);
    return last === undefined ? [] : [`${signs[which].repeat(2)} ${which} watermark ${last.percent}%`];
  });
  const indent = " ".repeat(LABEL + 1);
  const { floor, dates } = axisOf([from, to], columns, signs, columnOf);
  return [
    bold(visible(title)),
    ...(watermarks.length === 0 ? [] : [`${indent}${dim(watermarks.join("   "))}`]),
    ...body,
    dim(`${"0%".padStart(LABEL - 1)} ${signs.corner}${floor}`),
    dim(`${indent}${dates}`.trimEnd()),
    `${dim("passes".padEnd(LABEL + 1))}${shown.join("")}`.trimEnd(),
    ...(legend.length === 0 ? [] : hanging(indent, legend.join("   "), look)),
  ];
}

const rowOf = (percent: number) => clamp(Math.floor(((100 - percent) / 100) * ROWS), ROWS - 1);
const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value));

/** The highest percentage in each column; none where looks are missing. */
function heightsOf(stretches: readonly (readonly Point[])[], columnOf: (at: number) => number) {
  const heights = new Map<number, number>();
  for (const points of stretches) {
    for (const [index, { at, percent }] of points.entries()) {
      const next = points[index + 1] ?? { at, percent };
      const [start, end] = [columnOf(at), columnOf(next.at)];
      for (let column = start; column <= end; column++) {
        const here = percent + ((column - start) / Math.max(1, end - start)) * (next.percent - percent);
        heights.set(column, Math.max(here, heights.get(column) ?? 0));
      }
    }
  }
  return heights;
}

function axisOf(
  [from, to]: readonly [number, number],
  columns: number,
  signs: { readonly floor: string; readonly tick: string },
  columnOf: (at: number) => number,
) {
  const floor = Array.from({ length: columns }, () => signs.floor);
  const dates = Array.from({ length: columns }, () => " ");
  for (const { at, label } of calendarTicks(from, to, Math.max(2, Math.floor(columns / 11)))) {
    const column = columnOf(at);
    floor[column] = signs.tick;
    const start = clamp(column - Math.floor(label.length / 2), Math.max(0, columns - label.length));
    // A date that would run into the one before is left to its tick.
    if (dates.slice(Math.max(0, start - 1), start + label.length + 1).some((char) => char !== " ")) continue;
    dates.splice(start, label.length, ...label);
  }
  return { floor: floor.join(""), dates: dates.join("") };
}
