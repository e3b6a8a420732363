import { Exit } from "../exit.ts";
import type { Fact } from "../facts.ts";
import { known } from "../facts.ts";
import { factUnknown, objectKept, objectPlanned, passIneffective, prunePlanned } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import { type Look, type Observed, observeCandidates, type Scope } from "../observe/candidates.ts";
import type { GatekeeperPorts } from "../observe/gatekeeper.ts";
import { decide, type PlanContext } from "../plan/decide.ts";
import type { Plan } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { type Memories, remember, sincesOf } from "../state/sightings.ts";
import type { State } from "../state/state.ts";
import type { PassContext, Passed } from "./context.ts";
import type { Asked } from "./gates.ts";
import { learntOfObjects } from "./memory.ts";
import { failed, stopped, withUnread } from "./outcome.ts";
import { idleRules, reportRules, unjudged } from "./rules.ts";

/** What is there, what goes and why. */
export interface Decision {
  readonly observed: Observed;
  readonly memories: Memories;
  readonly plan: Plan;
  readonly planContext: PlanContext;
}

/** A pass that knows what it will remove. */
export interface Decided extends Asked {
  readonly decision: Decision;
}

/** Looks at the objects and decides on each; the same for a pass and for a preview of one. */
export async function makeDecision(
  { reader, settings, clock }: GatekeeperPorts,
  look: Look,
  scope: Scope,
  state: State,
): Promise<Fact<Decision>> {
  const observed = await observeCandidates(reader, look, scope, clock.now());
  if (!observed.known) return observed;
  const now = clock.now();
  const memories = remember(state, observed.value, settings.prune, now);
  const { plan, context } = decide(observed.value, sincesOf(memories), settings, now);
  return known({ observed: observed.value, memories, plan, planContext: context });
}

/** The stage of a pass: makes the decision and logs it; a dry run ends with that. */
export async function decideOn(context: PassContext, asked: Asked): Promise<Decided | Passed> {
  const { ports, settings, options } = context;
  const { prune } = settings;
  const { rules, engine, gatekeeper, state } = asked;
  const scope = { prune: rules.pressed ? prune : null, rules, forecastCache: options.dryRun };
  const look = { engine, ...gatekeeper.seen };
  const decision = await makeDecision({ ...ports, settings }, look, scope, state);
  if (ports.stop.aborted) return { ...asked, ended: stopped(ports.stop) };
  if (!decision.known) {
    ports.journal.emit(factUnknown(decision.what, decision.reason));
    return { ...asked, ended: failed(decision.reason) };
  }
  const { observed, memories, plan } = decision.value;
  for (const { what, reason } of observed.unreadLists) ports.journal.emit(factUnknown(what, reason));
  const cache = scope.prune?.buildCache !== true ? "off" : options.dryRun ? "forecast" : "engine-decides";
  ports.journal.emit(prunePlanned(plan, prune.until, cache));
  for (const object of plan.keep) ports.journal.emit(objectKept(object));
  if (rules.pressed) warnOfIdleLabels(ports.journal, plan, settings);
  for (const event of [...idleRules(observed.ruled), ...unjudged(observed.ruled)]) ports.journal.emit(event);
  // After a list that failed nobody knows what is still there.
  const taught = observed.unreadLists.length === 0 ? learntOfObjects(memories, scope) : {};
  const decided = { ...asked, decision: decision.value, learnt: { ...asked.learnt, ...taught } };
  if (!options.dryRun) return decided;
  for (const object of plan.remove) ports.journal.emit(objectPlanned(object));
  const ended = {
    outcome: "dry-run" as const,
    exitCode: Exit.ok,
    reason: "a dry run removes nothing",
    gate: null,
    keptByPlan: plan.keep.length,
    rules: reportRules(rules, observed.ruled, null),
  };
  return { ...decided, ended: withUnread(ended, observed) };
}

/** A label rule that matches nothing while images without the label pile up: the oldest silent failure. */
function warnOfIdleLabels(journal: Journal, plan: Plan, { prune }: Settings): void {
  if (prune.labels.length === 0 || !prune.images) return;
  const images = [...plan.remove, ...plan.keep].filter(
    ({ kind, rule }) => kind === "image" && rule === undefined,
  );
  const unselected = images.filter(({ because }) => because === "not-selected");
  const judgedByAge = images.filter(({ because }) => ["expired", "young", "undatable"].includes(because));
  const old = unselected.filter(({ ageSeconds }) => ageSeconds !== null && ageSeconds > prune.until);
  if (judgedByAge.length > 0 || old.length === 0) return;
  journal.emit(
    passIneffective({
      cause: "labels-match-nothing",
      reason: "no dangling image carries a label of prune.labels, while old ones without it pile up",
      labels: prune.labels.map(({ text }) => text),
      unselectedImages: old.length,
      unselectedBytes: old.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
    }),
  );
}
