import { colours as pc } from "../colours.ts";
import type { Verdict } from "../gates/verdict.ts";
import { visible } from "../text.ts";

const STYLE = { open: pc.green("open   "), closed: pc.yellow("closed "), unknown: pc.red("unknown") };

/** One verdict as a line. */
export function gateLine({ gate, verdict, reason }: Verdict): string {
  return `${STYLE[verdict]}  ${gate.padEnd(13)}  ${visible(reason)}`;
}
