import { type Fact, known, unknown } from "../facts.ts";
import { unaskedGates } from "../gates/gates.ts";
import { lockGate } from "../gates/lock.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { AuditEvent, RuleReport } from "../log/events.ts";
import type { Observed } from "../observe/candidates.ts";
import { byClockOfNow, engineTrouble } from "../observe/clock.ts";
import type { Engine } from "../observe/engine.ts";
import { Gatekeeper } from "../observe/gatekeeper.ts";
import type { Plan } from "../plan/plan.ts";
import { rulesOf } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import type { PassPorts } from "./context.ts";
import { makeDecision } from "./decide.ts";
import { emergencyOf } from "./emergency.ts";
import { type Pressure, readPressure } from "./pressure.ts";
import { reportRules, warnings } from "./rules.ts";
import { meet, rootsNow } from "./survey.ts";

export interface PreviewPorts extends Pick<PassPorts, "reader" | "clock" | "host"> {
  readonly settings: Settings;
}

/** What the gates say now: all four, in order, also those behind one that is not open. */
export interface GatesPreview {
  readonly state: State;
  readonly pressure: Pressure;
  readonly engine: Fact<Engine>;
  /** What is wrong with the clock, so that a pass would not go on; `null`: nothing that is known. */
  readonly clockTrouble: string | null;
  readonly gates: readonly Verdict[];
  /** `null` where the engine cannot be asked. */
  readonly gatekeeper: Gatekeeper | null;
}

/** @param twice look at runs and services twice, as a pass does, instead of once */
export async function previewGates({ settings, clock, host, reader }: PreviewPorts, twice: boolean) {
  const { state, trouble } = byClockOfNow({ clock, host }, host.loadState().state);
  const engine = await meet({ reader, clock, host });
  const pressure = await readPressure(host, settings.disk, rootsNow({ host, clock }, engine, state));
  const held = await host.lockIsHeld();
  const lock = lockGate(host.lockFile, held.known ? known(!held.value) : held);
  const gates = [withEmergency(settings, pressure), lock];
  if (!engine.known) {
    const all = [...gates, ...unaskedGates(engine.reason)];
    return { state, pressure, engine, clockTrouble: trouble, gatekeeper: null, gates: all };
  }
  const gatekeeper = new Gatekeeper({ reader, settings, clock }, engine.value, state.busy);
  const verdicts = await (twice ? gatekeeper.lookTwice(new AbortController().signal) : gatekeeper.look());
  const clockTrouble = trouble ?? engineTrouble({ clock }, engine.value);
  return { state, pressure, engine, clockTrouble, gatekeeper, gates: [...gates, ...verdicts] };
}

/** The verdict on the disk, and what a pass would make of one that is very full. */
function withEmergency(settings: Settings, pressure: Pressure): Verdict {
  const { verdict } = pressure;
  const emergency = emergencyOf(settings, pressure)?.why;
  return emergency === undefined
    ? verdict
    : { ...verdict, reason: `${verdict.reason}; ${emergency}`, facts: { ...verdict.facts, emergency } };
}

/** What a pass under pressure would remove now, whatever the gates say. */
export interface PlanPreview {
  readonly plan: Plan;
  readonly rules: readonly RuleReport[];
  /** Rules that name nothing, though they look as if they should; and size limits that cannot be judged. */
  readonly idle: readonly AuditEvent<"pass.ineffective" | "fact.unknown">[];
  /** Lists that could not be read: what they hold is not in the plan. */
  readonly unread: Observed["unreadLists"];
}

export async function previewPlan(
  ports: PreviewPorts,
  { state, pressure, engine, clockTrouble, gatekeeper }: GatesPreview,
): Promise<Fact<PlanPreview>> {
  if (clockTrouble !== null) return unknown("the time", clockTrouble);
  if (!engine.known || gatekeeper === null) return engine.known ? unknown("the plan", "not asked") : engine;
  const rules = rulesOf(ports.settings, true);
  const prune = emergencyOf(ports.settings, pressure)?.prune ?? ports.settings.prune;
  const scope = { prune, rules, networks: prune.networksAbove !== null, forecastCache: true };
  const look = { engine: engine.value, ...gatekeeper.seen };
  const decision = await makeDecision(ports, look, scope, state);
  if (!decision.known) return decision;
  const { plan, observed } = decision.value;
  return known({
    plan,
    rules: reportRules(rules, observed.ruled, null),
    idle: warnings(plan, observed.ruled, scope.prune),
    unread: observed.unreadLists,
  });
}
