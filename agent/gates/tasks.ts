import { groupBy } from "../collections.ts";
import type { Service, Task } from "../engine/types.ts";

/** A task in one of these states has not run anything yet. */
const NOT_YET = ["new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"];

/** It has run, or may have: a rejected one that had a container ran on a node that no longer meets a constraint. */
export const hasRun = ({ state, hadContainer }: Task): boolean =>
  state === "rejected" ? hadContainer : !NOT_YET.includes(state);

/**
 * Every task that the service should run, runs, or has ended well and is not followed by another: a service that does
 * its work once. Or it waits for the delay after such an end: one that does it every so often. Pure.
 * @param tasks of this service, whatever state they are meant to be in
 */
export function tasksAreDone({ restart, status }: Service, tasks: readonly Task[]): boolean {
  const slots = groupBy(tasks, ({ slot = "" }) => slot);
  if (status === null || slots.size < status.desired) return false;
  let running = 0;
  return [...slots.values()].every((ofSlot) => {
    const [latest, before] = ofSlot.sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
    if (latest?.state === "running") return ++running <= status.running;
    if (latest === undefined) return false;
    if (latest.state === "complete") return restart === "none" || restart === "on-failure";
    const waits = latest.desiredState === "ready" && NOT_YET.includes(latest.state);
    return waits && before?.state === "complete";
  });
}
