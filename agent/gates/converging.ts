import { groupBy } from "../collections.ts";
import type { Service, Task } from "../engine/types.ts";
import { whyUnknown } from "../facts.ts";
import type { Settings } from "../settings/settings.ts";
import { formatDuration } from "../units.ts";
import { type Observation, SERVICE_NAME_LABEL } from "./observation.ts";
import { type Verdict, verdictsOf } from "./verdict.ts";

export interface BusyService {
  readonly id: string;
  readonly service: string;
  readonly why: string;
  /** Since it was first seen busy, in one look after the other, without a change of the service in between. */
  readonly busySeconds: number;
}

const { open, closed, unknown } = verdictsOf("converging");
/** States of an update in which a service may be settled; in others, and those of engines to come, it is not. */
export const SETTLED_UPDATES = ["none", "completed", "rollback_completed"];
const SHOWN = 10;
/** Seconds after which the reason names the setting that would end the wait. */
const LONG = 3600;

/**
 * Why this service counts as converging; `null` when it is settled. The table this comes from, with the states that
 * look settled and are not, is in docs/development/engine-notes.md.
 */
export function busyWhy(service: Service, failingGlobal: boolean): string | null {
  const { status, mode } = service;
  if (status === null) return "the engine does not say how many tasks it has";
  if (!SETTLED_UPDATES.includes(service.updateState))
    return `update ${service.updateState.replace("_", " ")}`;
  const { running, desired, completed } = status;
  switch (mode) {
    case "replicated-job":
      return completed < service.totalCompletions
        ? `${completed} of ${service.totalCompletions} completions`
        : null;
    case "global-job":
      return desired > 0 ? `${desired} tasks to complete` : null;
    case "global":
      if (desired === 0 && failingGlobal) return "its tasks fail or are rejected";
      break;
  }
  return running === desired || service.tasksDone === true ? null : `${running} of ${desired} tasks run`;
}

/**
 * Closed while a service converges: a deploy, an update or a pull is in flight.
 * @param busySince milliseconds by service id: since when it has been seen busy (gatekeeper.ts knows, over passes)
 */
export function converging(
  settings: Settings["convergence"],
  observation: Observation,
  busySince: Readonly<Record<string, number>>,
  now: number,
): Verdict {
  const { swarm, services, failingGlobals } = observation;
  if (!swarm.known) return unknown(whyUnknown(swarm));
  switch (swarm.value.role) {
    case "none":
      return open("this engine is not part of a swarm");
    case "unclear":
      return unknown(`the swarm cannot be asked: ${swarm.value.why}`);
    case "worker":
      return settings.onWorker === "local-tasks"
        ? localTasks(observation)
        : unknown(
            'a worker cannot see the services of its swarm (convergence.onWorker: "local-tasks" judges by its own)',
          );
  }
  if (!services.known || !failingGlobals.known) return unknown(whyUnknown(services, failingGlobals));
  const busy = busyServices(services.value, failingGlobals.value, busySince, now);
  const limit = settings.ignoreStuckAfter;
  const blocking = busy.filter(({ busySeconds }) => limit === null || busySeconds <= limit);
  const ignored = busy.filter((service) => !blocking.includes(service));
  const facts = {
    services: services.value.length,
    busy: blocking.slice(0, SHOWN),
    busyCount: blocking.length,
    ignored,
  };
  const [first] = blocking;
  if (first === undefined) {
    const but =
      ignored.length === 0 ? "" : ` but ${ignored.length} that no longer counts, stuck for too long`;
    return open(`no service is converging${but}`, facts);
  }
  const more = blocking.length === 1 ? "" : ` and ${blocking.length - 1} more`;
  const since = first.busySeconds > 0 ? `, for ${formatDuration(first.busySeconds)}` : "";
  const letGo =
    limit === null && first.busySeconds > LONG
      ? "; convergence.ignoreStuckAfter ends the wait for one that is stuck"
      : "";
  return closed(`a service is converging: ${first.service} (${first.why}${since})${more}${letGo}`, facts);
}

export function busyServices(
  services: readonly Service[],
  failingGlobals: ReadonlySet<string>,
  busySince: Readonly<Record<string, number>>,
  now: number,
): BusyService[] {
  return services.flatMap((service) => {
    const why = busyWhy(service, failingGlobals.has(service.id));
    if (why === null) return [];
    // A change of the service starts its clock anew: what is stuck now is not what was stuck then.
    const since = Math.max(busySince[service.id] ?? now, service.updatedAt);
    const busySeconds = Math.max(0, Math.round((now - since) / 1000));
    return [{ id: service.id, service: service.name, why, busySeconds }];
  });
}

/** A worker that judges by what it has: a task container that is about to run, restarts, or is not healthy yet. */
function localTasks({ live, starting }: Observation): Verdict {
  if (!live.known || !starting.known) return unknown(whyUnknown(live, starting));
  const unsettled = [
    ...live.value.filter(({ state }) => state !== "running" && state !== "paused"),
    ...starting.value,
  ];
  const names = [...new Set(unsettled.flatMap(({ labels }) => labels[SERVICE_NAME_LABEL] ?? []))];
  return names.length === 0
    ? open("no task on this worker is starting")
    : closed(`a task on this worker is starting: ${names[0]}`, { startingServices: names });
}

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
    // Nobody knows which came last.
    if (ofSlot.some(({ createdAt }) => createdAt === null) || before?.createdAt === latest?.createdAt)
      return false;
    if (latest?.state === "running") return ++running <= status.running;
    if (latest === undefined) return false;
    if (latest.state === "complete") return restart === "none" || restart === "on-failure";
    const waits = latest.desiredState === "ready" && NOT_YET.includes(latest.state);
    return waits && before?.state === "complete";
  });
}
