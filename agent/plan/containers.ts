import type { ContainerDetail, ContainerSummary } from "../engine/types.ts";
import {
  type Age,
  isFuture,
  isPast,
  limitOf,
  type Moments,
  type PruneInForce,
  UNDATED,
  youngest,
} from "./age.ts";
import { type Judged, keptByLabels, verdictsOn } from "./plan.ts";

/** A container that the engine lists as stopped, and its detail where it was worth asking. */
export interface ContainerFacts {
  readonly summary: ContainerSummary;
  /** `null`: created too recently to be past any limit, so not asked; or it went before it could be asked. */
  readonly detail: ContainerDetail | null;
  /** It was not inspected yet: `detail` is what the list tells, and the look before its deletion judges it. */
  readonly byList?: true;
  /** Milliseconds: when our own state first saw it there stopped; of what the future dates. */
  readonly firstSeen?: number | undefined;
}

const STOPPED = ["exited", "dead"];

/** Whether an inspection may find the container past the limit: only one that was created before it can be. */
export function worthInspecting(summary: ContainerSummary, until: number, now: number): boolean {
  return now - summary.createdAt > until * 1000 || isFuture(summary.createdAt, now);
}

/** Whether one of its dates is in the future: then it comes from a clock that was ahead. */
export function isContainerOfFuture({ summary, detail }: ContainerFacts, now: number): boolean {
  const { createdAt = null, startedAt = null, finishedAt = null } = detail ?? {};
  return [summary.createdAt, createdAt, startedAt, finishedAt].some((at) => isFuture(at, now));
}

/** One that could not be removed is dead, whether it ever started or not; one that exited has run. */
export const neverStarted = ({ state, startedAt }: Ran): boolean =>
  state === "created" || (state === "dead" && startedAt === null);
type Ran = Pick<ContainerDetail, "state"> & { readonly startedAt: number | null | undefined };

/** By our first sight of it, and by whatever it did since the clock is right again. */
function ageSeen(firstSeen: number | undefined, moments: Moments, now: number): Age {
  if (firstSeen === undefined) return UNDATED;
  const past = Object.entries(moments).filter(([, at]) => !isFuture(at ?? null, now));
  return youngest({ "first-seen": firstSeen, ...Object.fromEntries(past) }, now);
}

/**
 * The verdict on a stopped container. It goes when it exited or died longer ago than the limit, counted from when it
 * *finished*; or when it was created longer ago and never started. (The engine's own prune counts from Created: a long
 * job's container would go a second after its exit.)
 */
export function judgeContainer(
  facts: ContainerFacts,
  volumeKeepers: ReadonlyMap<string, string>,
  prune: PruneInForce,
  now: number,
): Judged {
  const { summary, detail } = facts;
  const state = detail?.state ?? summary.state;
  const never = neverStarted({ state, startedAt: detail?.startedAt });
  const finished = detail?.finishedAt ?? null;
  // Finished is the youngest of the three, unless the clock was set in between.
  const moments = { finished, started: detail?.startedAt, created: detail?.createdAt ?? summary.createdAt };
  const ofFuture = isContainerOfFuture(facts, now);
  const limit = limitOf(prune, "containers");
  const age = ofFuture ? ageSeen(facts.firstSeen, moments, now) : youngest(moments, now);
  const { keep, remove } = verdictsOn(
    { kind: "container", id: summary.id, names: summary.names, sizeBytes: detail?.sizeBytes ?? null },
    age,
  );
  if (!STOPPED.includes(state) && state !== "created") return keep("in-use", `it is ${state}`);
  const byLabel = keptByLabels(summary.labels, prune);
  if (byLabel !== null) return keep(byLabel.because, byLabel.reason);
  if (STOPPED.includes(state) && !never && finished === null && detail !== null && !facts.byList)
    return keep("undatable", "the engine does not say when it finished");
  if (ofFuture && !isPast(age, limit.seconds))
    return keep("undatable", `dated in the future: it stays until it was seen stopped for ${limit.key}`);
  if (!isPast(age, limit.seconds)) return keep("young", `younger than ${limit.key}`);
  if (detail === null) return keep("unreadable", "it could not be inspected");
  const holding = volumeKeepers.get(summary.id);
  if (holding !== undefined) return keep("holds-volumes", holding);
  if (facts.byList) return remove("expired", `created longer ago than ${limit.key}`);
  return never
    ? remove("expired", `created longer ago than ${limit.key} and never started`)
    : remove("expired", `${state} for longer than ${limit.key}`);
}
