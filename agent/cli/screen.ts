import cliui from "cliui";
import type { Colors } from "picocolors/types";
import { colours } from "../colours.ts";
import { visible, visibleDeep } from "../text.ts";

export interface Look {
  readonly colours: Colors;
  /** Columns; `null`: no terminal, so lines may be as long as they are. */
  readonly width: number | null;
  /** Block characters can be shown. */
  readonly unicode: boolean;
}

/** A chart needs a width where there is none. */
export const PLAIN_WIDTH = 80;

export function screenOf(
  out: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
  ascii: boolean,
): Pick<Look, "width" | "unicode"> {
  const asked = Number(env.COLUMNS);
  const width =
    out.isTTY === true && out.columns ? out.columns : Number.isInteger(asked) && asked > 0 ? asked : null;
  // locale(7): LC_ALL before LC_CTYPE before LANG; none of them is the C locale.
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "C";
  return { width: width === null ? null : Math.max(40, width), unicode: !ascii && /utf-?8/i.test(locale) };
}

export const terminal = (ascii = false): Look => ({
  ...screenOf(process.stdout, process.env, ascii),
  colours,
});

/** Writes lines for a person, or a document for a program. */
export function show(what: readonly string[] | object): void {
  const text = Array.isArray(what) ? what.join("\n") : JSON.stringify(visibleDeep(what), null, 2);
  process.stdout.write(`${text}\n`);
}

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
export function table(head: readonly string[] | null, rows: readonly (readonly Cell[])[], look: Look) {
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

/** Texts that cliui would neither wrap nor measure otherwise than by their length. */
const PLAIN = /^[ -~…→×]*$/;

/** One row, in as many lines as its longest cell takes. */
function layout(cells: readonly (readonly [cell: Cell, width: number])[]): string[] {
  // Nearly all rows: cliui takes a millisecond for each, and a plan may have thousands.
  if (cells.every(([cell, width]) => PLAIN.test(textOf(cell)) && textOf(cell).length <= width)) {
    const padded = cells.map(([cell, width], at) => {
      const rest = at === cells.length - 1 ? 0 : width - textOf(cell).length;
      return `${shown(cell)}${" ".repeat(rest)}`;
    });
    return [padded.join("").trimEnd()];
  }
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
