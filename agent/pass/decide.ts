import { Exit } from "../exit.ts";
import { type Fact, known } from "../facts.ts";
import { event, factUnknown, objectEvent, prunePlanned } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import { type Look, type Observed, observeCandidates, type Scope } from "../observe/candidates.ts";
import type { GatekeeperPorts } from "../observe/gatekeeper.ts";
import { isContainerOfFuture } from "../plan/containers.ts";
import { decide, type PlanContext } from "../plan/decide.ts";
import { isImageOfFuture } from "../plan/images.ts";
import { NOT_NEEDED, type Plan } from "../plan/plan.ts";
import { historyOf, newLines } from "../state/history.ts";
import type { Ledger } from "../state/ledger.ts";
import { datedByFuture, type Memories, remember, sincesOf } from "../state/sightings.ts";
import type { State } from "../state/state.ts";
import { figuresOf } from "../state/warmth.ts";
import type { PassContext, Passed } from "./context.ts";
import { type Emergency, emergencyOf } from "./emergency.ts";
import { addToLedger, expectedEvictions, LEDGER } from "./evictions.ts";
import type { Asked } from "./gates.ts";
import type { HostPorts } from "./host.ts";
import { learntOfObjects } from "./memory.ts";
import { failed, stopped, withUnread } from "./outcome.ts";
import { rememberedRoots } from "./pressure.ts";
import { reportRules, warnings } from "./rules.ts";

export interface Decision {
  readonly observed: Observed;
  readonly memories: Memories;
  readonly plan: Plan;
  readonly planContext: PlanContext;
  /** `null`: the last tier is off. */
  readonly ledger: Ledger | null;
}

/** A pass that knows what it will remove. */
export interface Decided extends Asked {
  readonly decision: Decision;
  readonly emergency: Emergency | null;
}

/** Looks at the objects and decides on each; the same for a pass and for a preview of one. */
export async function makeDecision(
  { reader, settings, clock, host }: GatekeeperPorts & { readonly host: Pick<HostPorts, "loadLedger"> },
  look: Look,
  scope: Scope,
  state: State,
): Promise<Fact<Decision>> {
  const observed = await observeCandidates(reader, look, scope, clock.now());
  if (!observed.known) return observed;
  const now = clock.now();
  const memories = remember(state, observed.value, settings.prune, now);
  const { cache } = settings;
  const ledger = cache.evict === "never" ? null : host.loadLedger(look.engine.info.id ?? "", now);
  const history = ledger === null ? {} : { history: historyOf(ledger, cache) };
  const remembered = { ...sincesOf(memories), ...history };
  const prune = scope.prune ?? settings.prune;
  const { plan, context } = decide(observed.value, remembered, { prune }, now);
  return known({ observed: observed.value, memories, plan, planContext: context, ledger });
}

/** The stage of a pass: makes the decision and logs it; a dry run ends with that. */
export async function decideOn(context: PassContext, asked: Asked): Promise<Decided | Passed> {
  const { ports, settings, options } = context;
  const { rules, engine, gatekeeper, state, before } = asked;
  const emergency = emergencyOf(settings, before);
  const prune = emergency?.prune ?? settings.prune;
  const scope = {
    prune: rules.pressed ? prune : null,
    rules,
    networks: prune.networksAbove !== null,
    forecastCache: options.dryRun,
    // In an emergency all are: what goes anyway is told apart from what goes by the shorter limit alone.
    ...(options.dryRun || emergency !== null ? {} : { inspects: datedByFuture(state.dangling) }),
  };
  const look = { engine, ...gatekeeper.seen };
  const decision = await makeDecision({ ...ports, settings }, look, scope, state);
  if (ports.stop.aborted) return { ...asked, ended: stopped(ports.stop) };
  if (!decision.known) {
    ports.journal.emit(factUnknown(decision.what, decision.reason));
    return { ...asked, ended: failed(decision.reason) };
  }
  const { observed, memories, plan } = decision.value;
  const { containers, images } = observed;
  for (const { what, reason } of observed.unreadLists) ports.journal.emit(factUnknown(what, reason));
  if (observed.unreadNetworks !== null)
    ports.journal.emit(factUnknown("the networks", observed.unreadNetworks));
  const cache = scope.prune?.buildCache !== true ? "off" : options.dryRun ? "forecast" : "engine-decides";
  const byList = new Set(
    [...containers, ...images].flatMap((facts) => (facts.byList ? facts.summary.id : [])),
  );
  ports.journal.emit(prunePlanned(plan, prune, cache, plan.remove.filter(({ id }) => byList.has(id)).length));
  for (const object of plan.keep) ports.journal.emit(objectEvent("kept", object));
  for (const event of warnings(plan, observed.ruled, scope.prune)) ports.journal.emit(event);
  // After a list that failed nobody knows what is still there.
  const taught = observed.unreadLists.length === 0 ? learntOfObjects(memories, scope) : {};
  const { ledger } = decision.value;
  const warmth = { cache: ledger === null ? null : figuresOf(ledger, ports.clock.now()) };
  const learnt = { ...asked.learnt, ...taught, ...warmth };
  const decided = { ...asked, emergency, decision: decision.value, learnt };
  noteInLedger(context, asked, decision.value);
  if (!options.dryRun) return decided;
  warnOfFuture(ports.journal, observed, ports.clock.now());
  const tier = expectedEvictions(settings, before, rememberedRoots({ ...state, ...learnt }), plan);
  for (const object of [...plan.remove, ...tier.go]) ports.journal.emit(objectEvent("planned", object));
  for (const object of tier.spared)
    ports.journal.emit(objectEvent("kept", { ...object, action: "keep", ...NOT_NEEDED }));
  const ended = {
    outcome: "dry-run" as const,
    exitCode: Exit.ok,
    reason: "a dry run removes nothing",
    gate: null,
    keptByPlan: plan.keep.length + tier.spared.length,
    rules: reportRules(rules, observed.ruled, null),
  };
  return { ...decided, ended: withUnread(ended, observed) };
}

/** One warning, however many there are: a clock was ahead when they were made, on this host or where they come from. */
export function warnOfFuture(
  journal: Journal,
  { containers, images }: Pick<Observed, "containers" | "images">,
  now: number,
): void {
  const ofFuture = [
    ...containers.filter((facts) => isContainerOfFuture(facts, now)),
    ...images.filter(({ summary, detail }) => isImageOfFuture(detail ?? summary, now)),
  ];
  const [first] = ofFuture;
  if (first === undefined) return;
  const those = `${ofFuture.length} dated in the future, such as ${first.summary.id}`;
  const reason = `${those}: they go when a pass first saw them longer ago than the age limit`;
  journal.emit(event("fact.unknown", { what: "the age of objects", reason }, "warn"));
}

/** Writes into the ledger of uses what this look taught, and says what is wrong with it. A dry run writes nothing. */
function noteInLedger({ ports, options }: PassContext, { engine, gatekeeper }: Asked, decision: Decision) {
  const { ledger, observed } = decision;
  if (ledger === null) return;
  for (const warning of ledger.warnings) ports.journal.emit(factUnknown(LEDGER, warning));
  const { families, waiting } = observed.ruled;
  const images = [...families, ...waiting].flatMap(({ members }) => members.map(({ image }) => image));
  const { live } = gatekeeper.seen;
  const seen = { images: [...new Set(images)], live: live.known ? live.value : [] };
  const lines = newLines(ledger, engine.info.id ?? "", seen, ports.clock.now());
  if (!options.dryRun) addToLedger(ports, lines);
}
