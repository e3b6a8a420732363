/** What is known of where the text goes. */
export interface Screen {
  /** Columns; `null`: no terminal, so lines may be as long as they are. */
  readonly width: number | null;
  /** Block and braille characters can be shown. */
  readonly unicode: boolean;
}

/** A chart needs a width where there is none. */
export const PLAIN_WIDTH = 80;

/** @param ascii asked for by an option */
export function screenOf(
  out: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
  ascii: boolean,
): Screen {
  const asked = Number(env.COLUMNS);
  const width =
    out.isTTY === true && out.columns ? out.columns : Number.isInteger(asked) && asked > 0 ? asked : null;
  // locale(7): LC_ALL before LC_CTYPE before LANG; none of them is the C locale.
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "C";
  return { width: width === null ? null : Math.max(40, width), unicode: !ascii && /utf-?8/i.test(locale) };
}
