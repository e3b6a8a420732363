import cliui from "cliui";
import type { Colors } from "picocolors/types";
import { visible } from "../text.ts";

/** A cell's text, made safe to show here; with a style where it has a colour. */
export type Cell = string | { readonly text: string; readonly style: (text: string) => string };

export interface TableLook {
  readonly colours: Colors;
  /** Columns that the table may take; `null`: as many as it wants. */
  readonly width: number | null;
}

const GAP = 2;
/** With less room than this beside the other columns, prose goes below its row. */
const LEAST_PROSE = 28;
const UNBOUNDED = 100_000;

/**
 * Columns without lines between them. The last one is prose: it takes the room that the others leave and is wrapped
 * there, or goes below its row, indented, where they leave too little.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { colours, width }: TableLook,
): string[] {
  const titles: Cell[] = head.map((text) => ({ text, style: colours.bold }));
  const columns = head
    .slice(0, -1)
    .map((_, column) =>
      Math.max(...[titles, ...rows].map((row) => visible(textOf(row[column] ?? "")).length)),
    );
  const before = columns.reduce((sum, column) => sum + column + GAP, 0);
  const room = width === null ? UNBOUNDED : width - before;
  const below = room < LEAST_PROSE && rows.some((row) => textOf(row.at(-1) ?? "") !== "");
  const indent = Math.min(GAP + (columns[0] ?? 0), 13);
  return [titles, ...rows].flatMap((row, index) => {
    const cells = columns.map((column, at) => [row[at] ?? "", column + GAP] as const);
    const prose = row.at(-1) ?? "";
    if (!below) return layout([...cells, [prose, room]]);
    const under =
      index === 0 || textOf(prose) === "" ? [] : hanging(" ".repeat(indent), indent, prose, width);
    return [...layout(cells), ...under];
  });
}

/**
 * Text beside a first part, in lines that fit.
 * @param start may be coloured
 * @param startWidth columns that `start` takes, and the indent of the lines that follow
 */
export function hanging(start: string, startWidth: number, text: Cell, width: number | null): string[] {
  const room = width === null ? UNBOUNDED : Math.max(20, width - startWidth);
  const [first = "", ...rest] = layout([[text, room]]);
  return [`${start}${first}`, ...rest.map((line) => `${" ".repeat(startWidth)}${line}`)];
}

/** Text in lines of at most so many columns; `null`: in one. */
export const wrap = (text: Cell, width: number | null): string[] => hanging("", 0, text, width);

function layout(cells: readonly (readonly [cell: Cell, width: number])[]): string[] {
  const ui = cliui({ width: UNBOUNDED, wrap: true });
  ui.div(
    ...cells.map(([cell, width]) => {
      // It trims what it wraps: an indent is padding.
      const indent = textOf(cell).search(/[^ ]|$/);
      return { text: shown(cell), width, padding: [0, 0, 0, indent] as const };
    }),
  );
  return ui.toString().split("\n");
}

const textOf = (cell: Cell) => (typeof cell === "string" ? cell : cell.text);
const shown = (cell: Cell) => (typeof cell === "string" ? visible(cell) : cell.style(visible(cell.text)));
