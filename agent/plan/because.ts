import { formatDuration, type Seconds } from "../units.ts";
import type { Because } from "./own-history.ts";

const TIMES = ["never used", "used once", "used twice"];

/**
 * Why an image has its place in the order of eviction, in numbers: `"used once, superseded by app:1.4, idle 5d; of 62
 * images like this 1 % came back within 3 days"`. `nameOf` turns the ledger's id of an image into what people call it.
 */
export function explain(because: Because, nameOf: (id: string) => string): string {
  const { uses, idle, superseded, supersededBy, alike, cameBack, savesNext } = because;
  const state = !superseded
    ? "named by the newest run of a project"
    : supersededBy === null
      ? "named by no project's newest run"
      : `superseded by ${nameOf(supersededBy)}`;
  const facts = `${TIMES[uses] ?? `used ${uses} times`}, ${state}, idle ${span(idle)}`;
  const history =
    alike === 0
      ? "no image here was idle as long before"
      : `of ${alike} images like this ${percent(cameBack)} came back within 3 days`;
  const next = savesNext >= 0.005 ? `; a next version is expected to reuse ${percent(savesNext)} of it` : "";
  return `${facts}; ${history}${next}`;
}

/** Whole hours are enough for what is idle for days. */
const span = (seconds: Seconds) => formatDuration(seconds >= 86_400 ? seconds - (seconds % 3600) : seconds);

function percent(share: number): string {
  const value = 100 * share;
  return value > 0 && value < 0.5 ? "less than 1 %" : `${value.toFixed(0)} %`;
}
