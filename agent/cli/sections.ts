import type { LiveMatch } from "../gates/live-run.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { PlanPreview } from "../pass/preview.ts";
import { SNAPSHOT_RULE } from "../settings/rule-names.ts";
import { formatBytes, formatDuration } from "../units.ts";
import type { Look } from "./screen.ts";
import { table } from "./table.ts";

export function gateLines(gates: readonly Verdict[], look: Look): string[] {
  const { green, yellow, red } = look.colours;
  const style = { open: green, closed: yellow, unknown: red };
  const rows = gates.map(({ gate, verdict, reason, facts }) => {
    const [live] = (facts.live ?? []) as readonly LiveMatch[];
    const since = live === undefined ? "" : `, for ${formatDuration(live.ageSeconds)}`;
    return [{ text: `  ${verdict}`, style: style[verdict] }, gate, `${reason}${since}`];
  });
  return table(null, rows, look);
}

/** What each rule of the settings names here, and what of it a pass removes; with an empty line before it. */
export function ruleTable({ rules, plan: { remove } }: PlanPreview, look: Look): string[] {
  // What `snapshots commit` makes is a family of its own on every host; most have none.
  const shown = rules.filter(
    ({ matched, list, name }) => matched > 0 || list !== "retention" || name !== SNAPSHOT_RULE,
  );
  if (shown.length === 0) return [];
  const rows = shown.map(({ list, name, matched, keptBytes }) => [
    `  ${list}/${name}`,
    String(matched),
    String(remove.filter(({ rule }) => rule === `${list}/${name}`).length),
    keptBytes === null || matched === 0 ? "" : formatBytes(keptBytes),
    "",
  ]);
  return ["", ...table(["Rules", "NAMES", "REMOVES", "OF ITS OWN", ""], rows, look)];
}
