import type { Colors } from "picocolors/types";
import { colours } from "../colours.ts";
import { visibleDeep } from "../text.ts";

export interface Look {
  readonly colours: Colors;
  /** Columns; `null`: no terminal, so lines may be as long as they are. */
  readonly width: number | null;
  /** Block characters can be shown. */
  readonly unicode: boolean;
}

/** A chart needs a width where there is none. */
export const PLAIN_WIDTH = 80;

/** @param ascii asked for by an option */
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
