import { type EngineReader, LIVE_STATES } from "../engine/reader.ts";
import { Inspector, orNull, orUnknown } from "../engine/tolerant.ts";
import type { ContainerSummary, Service } from "../engine/types.ts";
import { type Fact, known, unknown } from "../facts.ts";
import { busyWhy, SETTLED_UPDATES, tasksAreDone } from "../gates/converging.ts";
import { isRun, runRules } from "../gates/live-run.ts";
import type { Observation } from "../gates/observation.ts";
import type { Settings } from "../settings/settings.ts";
import type { Engine } from "./engine.ts";
import { observeOverdue } from "./ruled.ts";

/** One look at runs and services. The swarm state comes from the caller's last `/info`. */
export async function observe(
  reader: EngineReader,
  engine: Engine,
  settings: Settings,
  now: number,
): Promise<Observation> {
  const { swarm } = engine.info;
  const manager = swarm.role === "manager";
  const localTasks = swarm.role === "worker" && settings.convergence.onWorker === "local-tasks";
  const live = await orUnknown("the containers", () => reader.containers(LIVE_STATES));
  const overdue = live.known
    ? await orUnknown("the containers past their limit", () =>
        observeOverdue(new Inspector(reader, engine.bootedAt), settings, live.value, now),
      )
    : live;
  const builders = live.known
    ? await orUnknown("the builders", () => readIdleBuilders(reader, settings, live.value))
    : live;
  const services: Fact<readonly Service[]> = manager
    ? await orUnknown("the services", () => readServices(reader))
    : swarm.role === "none" || localTasks
      ? known([])
      : unknown("the services", swarm.role === "worker" ? "this node is a swarm worker" : swarm.why);
  return {
    swarm: known(swarm),
    services,
    failingGlobals: services.known
      ? await orUnknown("the tasks of global services", () => readFailingGlobals(reader, services.value))
      : services,
    live: overdue.known ? live : overdue,
    overdue: overdue.known ? overdue.value : new Set(),
    idleBuilders: builders.known ? builders.value : new Set(),
    starting: localTasks
      ? await orUnknown("the containers that start", () => reader.startingContainers())
      : known<ContainerSummary[]>([]),
  };
}

/** The container of a builder that the docker-container driver of buildx made. */
const BUILDER = /^buildx_buildkit_/;

/**
 * A build holds a command open in the container of its builder; without one it idles, or was left behind. One that
 * cannot be inspected, or does not tell, is taken for busy. Throws EngineError.
 */
async function readIdleBuilders(
  reader: EngineReader,
  { liveRuns }: Settings,
  live: readonly ContainerSummary[],
): Promise<ReadonlySet<string>> {
  const rules = runRules(liveRuns);
  const inspector = new Inspector(reader);
  const idle = new Set<string>();
  for (const container of live) {
    const builds = container.state === "running" && container.names.some((name) => BUILDER.test(name));
    if (!builds || !isRun(rules, container)) continue;
    if (orNull(await inspector.container(container.id, false))?.execs === 0) idle.add(container.id);
  }
  return idle;
}

async function readServices(reader: EngineReader): Promise<readonly Service[]> {
  const services = await reader.services();
  // What looks unsettled by its counts may be done by its tasks.
  const short = services.filter((service) => busyWhy(service, false) !== null && isByCounts(service));
  if (short.length === 0) return services;
  const tasks = await orUnknown("the tasks of services", () => reader.tasks(short));
  if (!tasks.known) return services;
  return services.map((service) => {
    if (!short.includes(service)) return service;
    const own = tasks.value.filter(({ serviceId }) => serviceId === service.id);
    return { ...service, tasksDone: tasksAreDone(service, own) };
  });
}

const isByCounts = ({ mode, status, updateState }: Service): boolean =>
  status !== null &&
  status.running < status.desired &&
  ["replicated", "global"].includes(mode) &&
  SETTLED_UPDATES.includes(updateState);

/** A global service whose image is bad desires 0 tasks most of the time; its failed ones wait at "ready". */
async function readFailingGlobals(reader: EngineReader, services: readonly Service[]) {
  const idle = services.filter(({ mode, status }) => mode === "global" && status?.desired === 0);
  const tasks = await reader.tasks(idle, "ready");
  return new Set(
    tasks.filter(({ state }) => state === "rejected" || state === "failed").map((task) => task.serviceId),
  );
}
