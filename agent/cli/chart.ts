import type { Colors } from "picocolors/types";
import { type Curve, type Mark, markOf, type PastPass, type Point, stepAt } from "../state/passes.ts";
import { visible } from "../text.ts";
import { formatBytes } from "../units.ts";
import { calendarTicks } from "./ticks.ts";

export interface ChartOptions {
  /** Columns that the chart may take, the figures at its left included. */
  readonly width: number;
  readonly rows: number;
  /** `false`: nothing but ASCII. */
  readonly unicode: boolean;
  readonly colours: Colors;
}

interface Pen {
  readonly high: string;
  readonly low: string;
  readonly axis: string;
  readonly axisAtLabel: string;
  readonly corner: string;
  readonly floor: string;
  readonly floorAtTick: string;
  readonly marks: Readonly<Record<Mark, string>>;
  /** Dots in a cell, across and down. */
  readonly across: number;
  readonly down: number;
  /** @param dots from the top left, row by row */
  cell(dots: readonly boolean[]): string;
}

/** Bits of a braille cell's dots, row by row, in its Unicode block. Source: Unicode 1.0, U+2800 to U+28FF. */
const BRAILLE_BITS = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];

const UNICODE: Pen = {
  high: "╌",
  low: "┈",
  axis: "│",
  axisAtLabel: "┤",
  corner: "└",
  floor: "─",
  floorAtTick: "┬",
  marks: { removed: "▼", quiet: "·", deferred: "○", pressure: "▲", failed: "✗" },
  across: 2,
  down: 4,
  cell: (dots) =>
    String.fromCharCode(dots.reduce((sum, dot, at) => sum + (dot ? (BRAILLE_BITS[at] ?? 0) : 0), 0x2800)),
};

const ASCII: Pen = {
  high: "-",
  low: ".",
  axis: "|",
  axisAtLabel: "+",
  corner: "+",
  floor: "-",
  floorAtTick: "+",
  marks: { removed: "v", quiet: ".", deferred: "o", pressure: "^", failed: "x" },
  across: 1,
  down: 1,
  cell: () => "*",
};

const MARK_WORDS: Readonly<Record<Mark, string>> = {
  removed: "removed something",
  deferred: "put off",
  pressure: "pressure remained",
  failed: "failed",
  quiet: "nothing to do",
};
/** What shows where several passes share a column: the first of these. */
const MARK_ORDER = Object.keys(MARK_WORDS) as Mark[];
const ORDER: readonly Mark[] = ["failed", "pressure", "removed", "deferred", "quiet"];

const LABEL = 6;

/** One filesystem's usage over time, with the watermarks as they were and the passes below. Pure. */
export function chart(
  curve: Curve,
  passes: readonly PastPass[],
  range: readonly [number, number],
  options: ChartOptions,
): string[] {
  const { colours, rows } = options;
  const pen = options.unicode ? UNICODE : ASCII;
  const columns = Math.max(10, options.width - LABEL - 1);
  const [from, to] = range[0] < range[1] ? range : [range[0] - 1, range[1] + 1];
  const columnOf = (at: number) => Math.round(((at - from) / (to - from)) * (columns - 1));
  const rowOf = (percent: number) => clamp(Math.round(((100 - percent) / 100) * (rows - 1)), rows - 1);
  const dots = drawn(curve, [from, to], columns, rows, pen);
  const colouredMark: Record<Mark, (text: string) => string> = {
    removed: colours.green,
    deferred: colours.yellow,
    pressure: colours.red,
    failed: colours.red,
    quiet: colours.dim,
  };

  const labels = rowLabels(curve, rows, rowOf);
  const body = Array.from({ length: rows }, (_, row) => {
    const text = labels.get(row);
    const cells = Array.from({ length: columns }, (_, column) => {
      const own = Array.from(
        { length: pen.across * pen.down },
        (_, at) =>
          dots[row * pen.down + Math.floor(at / pen.across)]?.[column * pen.across + (at % pen.across)] ===
          true,
      );
      const at = from + (column / (columns - 1)) * (to - from);
      const high = stepAt(curve.marks.high, at);
      if (own.some(Boolean))
        return (high !== null && row <= rowOf(high) ? colours.yellow : colours.cyan)(pen.cell(own));
      if (high !== null && rowOf(high) === row) return colours.red(pen.high);
      const low = stepAt(curve.marks.low, at);
      return low !== null && rowOf(low) === row ? colours.dim(pen.low) : " ";
    });
    const axis = `${(text ?? "").padStart(LABEL - 1)} ${text === undefined ? pen.axis : pen.axisAtLabel}`;
    return `${colours.dim(axis)}${cells.join("")}`.trimEnd();
  });

  const ticks = calendarTicks(from, to, Math.max(2, Math.floor(columns / 11)));
  const floor = Array.from({ length: columns }, () => pen.floor);
  const dates = Array.from({ length: columns }, () => " ");
  for (const { at, label } of ticks) {
    const column = columnOf(at);
    floor[column] = pen.floorAtTick;
    const start = clamp(column - Math.floor(label.length / 2), Math.max(0, columns - label.length));
    // A date that would run into the one before is left to its tick.
    if (dates.slice(Math.max(0, start - 1), start + label.length + 1).some((char) => char !== " ")) continue;
    dates.splice(start, label.length, ...label);
  }
  const found = new Map<number, Mark>();
  for (const pass of passes) {
    const column = clamp(columnOf(pass.startedAt), columns - 1);
    const mark = markOf(pass);
    const there = found.get(column);
    if (there === undefined || ORDER.indexOf(mark) < ORDER.indexOf(there)) found.set(column, mark);
  }
  const marks = Array.from({ length: columns }, (_, column) => {
    const mark = found.get(column);
    return mark === undefined ? " " : colouredMark[mark](pen.marks[mark]);
  });
  const used = new Set(found.values());
  const legend = MARK_ORDER.filter((mark) => used.has(mark))
    .map((mark) => `${colouredMark[mark](pen.marks[mark])} ${MARK_WORDS[mark]}`)
    .join("   ");
  return [
    ...heading(curve, pen, colours),
    ...body,
    colours.dim(`${" ".repeat(LABEL)}${pen.corner}${floor.join("")}`),
    colours.dim(`${" ".repeat(LABEL + 1)}${dates.join("")}`.trimEnd()),
    `${colours.dim("passes".padEnd(LABEL + 1))}${marks.join("")}`.trimEnd(),
    ...(legend === "" ? [] : [`${" ".repeat(LABEL + 1)}${legend}`]),
  ];
}

function heading(curve: Curve, pen: Pen, colours: Colors): string[] {
  const { usedPercent, availableBytes, totalBytes } = curve.last;
  const mark = (steps: readonly Point[], line: string, word: string) => {
    const last = steps.at(-1);
    return last === undefined ? [] : [`${line.repeat(2)} ${word} watermark ${last.percent}%`];
  };
  const marks = [...mark(curve.marks.high, pen.high, "high"), ...mark(curve.marks.low, pen.low, "low")];
  return [
    `${colours.bold(visible(curve.path))}  ${usedPercent}% used, ${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left`,
    ...(marks.length === 0 ? [] : [`${" ".repeat(LABEL + 1)}${colours.dim(marks.join("   "))}`]),
  ];
}

/** Every fifth of the scale, and the high watermark in place of what stands in its row. */
function rowLabels(curve: Curve, rows: number, rowOf: (percent: number) => number): Map<number, string> {
  const labels = new Map([100, 80, 60, 40, 20, 0].map((percent) => [rowOf(percent), `${percent}%`]));
  const last = curve.marks.high.at(-1);
  if (last !== undefined && rows > 5) labels.set(rowOf(last.percent), `${last.percent}%`);
  return labels;
}

/** The curve as dots, row by row from the top. */
function drawn(
  curve: Curve,
  [from, to]: readonly [number, number],
  columns: number,
  rows: number,
  { across, down }: Pen,
): boolean[][] {
  const [width, height] = [columns * across, rows * down];
  const dots = Array.from({ length: height }, () => Array.from({ length: width }, () => false));
  const x = (at: number) => clamp(Math.round(((at - from) / (to - from)) * (width - 1)), width - 1);
  // The middle of a row is its figure.
  const y = (percent: number) =>
    clamp(Math.floor((((100 - percent) / 100) * (rows - 1) + 0.5) * down), height - 1);
  for (const stretch of curve.stretches) {
    for (const [index, point] of stretch.entries()) {
      const next = stretch[index + 1] ?? point;
      for (const [column, row] of line([x(point.at), y(point.percent)], [x(next.at), y(next.percent)])) {
        const cells = dots[row];
        if (cells !== undefined) cells[column] = true;
      }
    }
  }
  return dots;
}

/** Bresenham's line, both ends included. */
function* line(
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
): Generator<readonly [number, number]> {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
  for (let step = 0; step <= steps; step++) {
    const part = steps === 0 ? 0 : step / steps;
    yield [Math.round(x0 + (x1 - x0) * part), Math.round(y0 + (y1 - y0) * part)];
  }
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value));
