import type { ContainerDetail, ContainerSummary } from "../engine/types.ts";
import { SERVICE_NAME_LABEL } from "../gates/observation.ts";
import { matchingLabel } from "../settings/labels.ts";
import type { LabelRule, OrphanRule } from "../settings/settings.ts";
import { formatDuration, type Seconds } from "../units.ts";
import { type Age, isPast, UNDATED, youngest } from "./age.ts";
import { neverStarted } from "./containers.ts";
import { type Judged, keptByLabels, verdictsOn } from "./plan.ts";

export interface OrphanFacts {
  readonly rule: OrphanRule;
  readonly summary: ContainerSummary;
  /** `null`: created too recently to be past the limit, so not asked; or it could not be inspected. */
  readonly detail: ContainerDetail | null;
}

const LIVE = ["running", "paused"];
const STOPPED = ["exited", "dead", "created"];

/** The first rule that names the container and has a limit for the state it is in. Pure. */
export function orphanRule(rules: readonly OrphanRule[], summary: ContainerSummary): OrphanRule | undefined {
  return rules.find(
    (rule) =>
      limitOf(rule, summary.state) !== null && matchingLabel(summary.labels, [rule.label]) !== undefined,
  );
}

function limitOf(rule: OrphanRule, state: string): Seconds | null {
  return STOPPED.includes(state) ? rule.stoppedLongerThan : rule.runningLongerThan;
}

/** Whether an inspection may find it past the limit of its rule. */
export function worthAsking(rule: OrphanRule, summary: ContainerSummary, now: number): boolean {
  const limit = limitOf(rule, summary.state);
  return limit !== null && now - summary.createdAt > limit * 1000;
}

/**
 * The verdict on a container that a rule of `orphans` names. It goes when it has run for longer than the rule allows
 * since it was *started* last, or has been stopped for longer since it *finished* (never started: since it was
 * created). A task of a service stays: its manager would start another.
 */
export function judgeOrphan(
  { rule, summary, detail }: OrphanFacts,
  keepLabels: readonly LabelRule[],
  now: number,
): Judged {
  const state = detail?.state ?? summary.state;
  const limit = limitOf(rule, state);
  const runs = !STOPPED.includes(state);
  const age = runs ? ranFor(summary, detail, now) : stoodFor(summary, detail, now);
  const { keep, remove } = verdictsOn(
    {
      kind: "container",
      id: summary.id,
      names: summary.names,
      sizeBytes: detail?.sizeBytes ?? null,
      rule: `orphans/${rule.name}`,
    },
    age,
  );
  const task = summary.labels[SERVICE_NAME_LABEL];
  if (task !== undefined) return keep("in-use", `it is a task of service ${task}`);
  const byLabel = keptByLabels(summary.labels, { keepLabels, labels: [] });
  if (byLabel !== null) return keep(byLabel.because, byLabel.reason);
  if (runs && !LIVE.includes(state)) return keep("in-use", `it is ${state}`);
  if (limit === null) return keep("in-use", `it is ${state}, for which its rule has no limit`);
  const what = runs ? "runningLongerThan" : "stoppedLongerThan";
  if (detail === null)
    return worthAsking(rule, summary, now)
      ? keep("unreadable", "it could not be inspected")
      : keep("young", `created more recently than ${what}`);
  if (age.seconds === null)
    return keep("undatable", `the engine does not say when it ${runs ? "started" : "finished"}`);
  return isPast(age, limit)
    ? remove("orphaned", `${state} for longer than the ${formatDuration(limit)} of ${what}`)
    : keep("young", `${state} for less than the ${formatDuration(limit)} of ${what}`);
}

/** Age since the last start. One that started before it was created has none: one of the two clocks was wrong. */
function ranFor(summary: ContainerSummary, detail: ContainerDetail | null, now: number): Age {
  const startedAt = detail?.startedAt ?? null;
  const wrong = startedAt !== null && startedAt < (detail?.createdAt ?? summary.createdAt) - 1000;
  return youngest({ started: wrong ? null : startedAt }, now);
}

function stoodFor(summary: ContainerSummary, detail: ContainerDetail | null, now: number): Age {
  const created = detail?.createdAt ?? summary.createdAt;
  if (detail === null || neverStarted(detail)) return youngest({ created }, now);
  const { finishedAt: finished, startedAt: started } = detail;
  return finished === null ? UNDATED : youngest({ finished, started, created }, now);
}
