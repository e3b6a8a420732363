import { event, type PassFinished } from "../log/events.ts";
import { exportMetrics } from "../metrics/textfile.ts";
import type { Scope } from "../observe/candidates.ts";
import { clockMark } from "../observe/clock.ts";
import type { Gatekeeper } from "../observe/gatekeeper.ts";
import { allRules, inForce } from "../settings/rules.ts";
import { type Memories, rememberUses } from "../state/sightings.ts";
import { NO_DEFERRALS, type State } from "../state/state.ts";
import { addToTotals } from "../state/totals.ts";
import type { Found, PassContext, PassPorts } from "./context.ts";
import { toRecord } from "./pressure.ts";

/**
 * The state that earlier passes left. A file that was read and not understood is set aside.
 * @param dryRun leave it where it is
 */
export function recall({ host, journal, clock }: PassPorts, dryRun: boolean): State {
  const { state, damage } = host.loadState();
  if (damage !== null) {
    const aside = damage.kind === "not-understood" && !dryRun ? host.setAside(clock.now()) : null;
    journal.emit(event("state.damaged", { reason: damage.reason, setAside: aside ?? "left where it is" }));
  }
  return state;
}

/**
 * Adds the pass, and what it learnt, to the state as it stands now: another pass may have been recorded meanwhile. A
 * file that cannot be read is not replaced. Then the metrics, where they are wanted; also without a state.
 */
export async function record(
  { ports, settings, startedAt }: PassContext,
  finished: PassFinished,
  learnt: Partial<State>,
): Promise<void> {
  const { host, journal, pass, version } = ports;
  const endedAt = startedAt.now + finished.durationSeconds * 1000;
  const change = (before: State): State => ({
    ...before,
    ...learnt,
    totals: addToTotals(before, finished, allRules(settings), endedAt),
  });
  let next: State;
  try {
    next = host.updateState(toRecord(pass, startedAt.now, finished), change);
  } catch (error) {
    journal.emit(event("state.unwritable", { reason: (error as Error).message }));
    next = change(host.loadState().state);
  }
  const trouble = await exportMetrics({ version, endedAt, finished, state: next, settings });
  if (trouble !== null) journal.emit(trouble);
}

/** What the clocks say now, and what earlier passes saw as it reads by them: said once, it is the usual again. */
export function learntOfClock({ ports }: PassContext, { state, clockTrouble }: Found): Partial<State> {
  const { dangling, busy, undated, uses } = state;
  return {
    clock: clockMark(ports),
    ...(clockTrouble === null ? {} : { dangling, busy, undated, uses }),
  };
}

/** What a look at the objects teaches, as far as they were looked at. Pure. */
export function learntOfObjects({ dangling, families }: Memories, { prune, rules }: Scope): Partial<State> {
  return {
    ...(prune?.images || prune?.containers ? { dangling } : {}),
    ...(rules.retention.some((rule) => inForce(rules, rule)) ? families : {}),
  };
}

/** Which images are in use while a run is live: nobody sees it later. Pure. */
export function learntWhileDeferred(state: State, { seen }: Gatekeeper, now: number): Partial<State> {
  const { live } = seen;
  return live.known ? { undated: state.undated, uses: rememberUses(state.uses, live.value, now) } : {};
}

/** How the deferrals in a row go on after this pass. Pure. @param startedAt milliseconds */
export function nextDeferrals(
  { deferrals }: Pick<State, "deferrals">,
  outcome: PassFinished["outcome"],
  startedAt: number,
): State["deferrals"] {
  if (outcome === "deferred") return { count: deferrals.count + 1, since: deferrals.since ?? startedAt };
  // A pass that could not look, or was stopped, says nothing about runs and services.
  return ["failed", "incomplete", "dry-run"].includes(outcome) ? deferrals : NO_DEFERRALS;
}

/** The same; a pass that a person asked for without pressure counts for nothing when it is put off. Pure. */
export function deferralsAfter(
  { options, startedAt }: PassContext,
  { state, before }: Found,
  outcome: PassFinished["outcome"],
): State["deferrals"] {
  const byHand = options.withoutPressure && before.verdict.verdict !== "open";
  return options.dryRun || (byHand && outcome === "deferred")
    ? state.deferrals
    : nextDeferrals(state, outcome, startedAt.now);
}
