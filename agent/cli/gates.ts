import type { Colors } from "picocolors/types";
import type { BusyService } from "../gates/converging.ts";
import type { LiveMatch } from "../gates/live-run.ts";
import type { Verdict } from "../gates/verdict.ts";
import { formatDuration } from "../units.ts";
import { hanging } from "./table.ts";

const SHOWN_NAMES = 3;
/** For so long, in seconds, a deploy may just take its time. */
const STUCK_AFTER = 3600;
/** And a run. */
const LONG_RUN = 24 * 3600;

/** One verdict as lines that fit. */
export function gateLines(gate: Verdict, colours: Colors, width: number | null): string[] {
  const { green, yellow, red } = colours;
  const word = { open: green("open   "), closed: yellow("closed "), unknown: red("unknown") }[gate.verdict];
  return hanging(`  ${word}  ${gate.gate.padEnd(13)}  `, 26, gateWords(gate), width);
}

/** The reason, with what the facts know beyond it: each run or service by name, and for how long. */
export function gateWords({ gate, verdict, reason, facts }: Verdict): string {
  if (verdict !== "closed") return reason;
  const said = (lead: string, names: readonly string[], count: number) => {
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    return `${lead}: ${names.join("; ")}${more}`;
  };
  const since = (seconds: number) => (seconds > 0 ? ` for ${formatDuration(seconds)}` : "");
  if (gate === "live-run" && Array.isArray(facts.live) && facts.live.length > 0) {
    const matches = facts.live as readonly LiveMatch[];
    // The containers of a service that is named go without saying.
    const tasks = matches.filter(
      ({ kind, name }) =>
        kind === "container" &&
        matches.some((one) => one.kind === "service" && name.startsWith(`${one.name}.`)),
    );
    const live = matches.filter((match) => !tasks.includes(match)).slice(0, SHOWN_NAMES);
    const names = live.map(({ kind, name, ageSeconds }) => `${kind} ${name}, live${since(ageSeconds)}`);
    return said("a CI run is live", names, Number(facts.liveCount) - tasks.length);
  }
  const busy = busyOf({ gate, facts });
  if (busy.length > 0) {
    const names = busy
      .slice(0, SHOWN_NAMES)
      .map(
        ({ service, why, busySeconds }) =>
          `${service} (${why}${busySeconds > 0 ? "," : ""}${since(busySeconds)})`,
      );
    const [only] = busy;
    const stuck = only !== undefined && only.busySeconds > STUCK_AFTER ? "stuck" : "converging";
    const lead = busy.length === 1 ? `a service is ${stuck}` : "services are converging";
    return said(lead, names, Number(facts.busyCount));
  }
  return reason;
}

const busyOf = ({ gate, facts }: Pick<Verdict, "gate" | "facts">): readonly BusyService[] =>
  gate === "converging" && Array.isArray(facts.busy) ? (facts.busy as readonly BusyService[]) : [];

/** What to look at, and which setting lets passes go on, where a gate is closed by mistake or for long. */
export function gateWayOut(verdict: Verdict): string | null {
  const [busy] = busyOf(verdict);
  if (busy !== undefined)
    return `docker service ps ${busy.service} shows why; convergence.ignoreStuckAfter in the settings lets passes go on beside a stuck service`;
  const [live] = Array.isArray(verdict.facts.live) ? (verdict.facts.live as readonly LiveMatch[]) : [];
  if (verdict.gate === "live-run" && live !== undefined && live.ageSeconds > LONG_RUN)
    return `if ${live.name} is no run any more: docker ${live.kind} rm ${live.name}; liveRuns.ignoreOlderThan in the settings lets passes go on`;
  return null;
}
