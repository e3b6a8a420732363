import Table from "cli-table3";
import type { Colors } from "picocolors/types";
import { colours } from "../colours.ts";
import { visible } from "../text.ts";

/** Columns without lines, safe to show whatever the cells hold. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  pc: Colors = colours,
): string {
  const none = "";
  const out = new Table({
    head: head.map(pc.bold),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      top: none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      bottom: none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      left: none,
      "left-mid": none,
      mid: none,
      "mid-mid": none,
      right: none,
      "right-mid": none,
      middle: none,
    },
  });
  out.push(...rows.map((row) => row.map(visible)));
  return out
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
