import cliui from "cliui";
import { visible } from "../text.ts";
import type { Look } from "./screen.ts";

/** A cell's text, made safe to show here; with a style where it has a colour. */
export type Cell = string | { readonly text: string; readonly style: (text: string) => string };

const GAP = 2;
/** With less room than this beside the other columns, prose goes below its row. */
const LEAST_PROSE = 28;
const UNBOUNDED = 100_000;

/**
 * Columns without lines between them. The last one is prose: it takes the room that the others leave and is wrapped
 * there, or goes below its row, indented, where they leave too little.
 */
export function table(
  head: readonly string[] | null,
  rows: readonly (readonly Cell[])[],
  look: Look,
): string[] {
  const titles = head?.map((text): Cell => ({ text, style: look.colours.bold }));
  const all = titles === undefined ? rows : [titles, ...rows];
  const columns = Array.from({ length: (all[0]?.length ?? 1) - 1 }, (_, column) =>
    Math.max(...all.map((row) => visible(textOf(row[column] ?? "")).length)),
  );
  const before = columns.reduce((sum, column) => sum + column + GAP, 0);
  const room = look.width === null ? UNBOUNDED : look.width - before;
  const below = room < LEAST_PROSE && rows.some((row) => textOf(row.at(-1) ?? "") !== "");
  const indent = " ".repeat(Math.min(GAP + (columns[0] ?? 0), 13));
  return all.flatMap((row) => {
    const cells = columns.map((column, at) => [row[at] ?? "", column + GAP] as const);
    const prose = row.at(-1) ?? "";
    if (!below) return layout([...cells, [prose, room]]);
    const under = row === titles || textOf(prose) === "" ? [] : hanging(indent, prose, look);
    return [...layout(cells), ...under];
  });
}

/** Text beside a first part, in lines that fit. */
export function hanging(start: Cell, text: Cell, { width }: Pick<Look, "width">): string[] {
  const indent = textOf(start).length;
  const [first = "", ...rest] = layout([[text, width === null ? UNBOUNDED : Math.max(20, width - indent)]]);
  return [`${shown(start)}${first}`, ...rest.map((line) => `${" ".repeat(indent)}${line}`)];
}

export const wrap = (text: Cell, look: Pick<Look, "width">): string[] => hanging("", text, look);

/** `"! the disk …"` */
export const warning = (text: string, look: Look, indent = ""): string[] =>
  hanging({ text: `${indent}! `, style: look.colours.yellow }, text, look);

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
const shown = (cell: Cell) =>
  typeof cell === "string" || cell.text === "" ? visible(textOf(cell)) : cell.style(visible(cell.text));
