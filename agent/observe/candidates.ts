import pMap from "p-map";
import { EngineError } from "../engine/errors.ts";
import { apiAtLeast, type EngineReader, LIVE_STATES, STOPPED_STATES } from "../engine/reader.ts";
import type {
  ContainerDetail,
  ContainerSummary,
  EngineInfo,
  EngineVersion,
  Service,
  Task,
} from "../engine/types.ts";
import { type Fact, known, unknown } from "../facts.ts";
import type { Observation } from "../gates/observation.ts";
import { worthInspecting } from "../plan/containers.ts";
import type { Candidates } from "../plan/decide.ts";
import { type ImageFacts, keptByListing } from "../plan/images.ts";
import type { Settings } from "../settings/settings.ts";
import { inForce, NOTHING_RULED, observeOverdue, observeRuled, type Rules } from "./ruled.ts";

/** Inspections under way at once: 4 is where 20.10 on two cores stops getting faster. */
const CONCURRENCY = 4;

/** Runs a question; what the engine does not answer is unknown, a bug stays an exception. */
export async function ask<T>(what: string, question: () => Promise<T>): Promise<Fact<T>> {
  try {
    return known(await question());
  } catch (error) {
    if (error instanceof EngineError) return unknown(what, error.message);
    throw error;
  }
}

export interface Engine {
  readonly version: EngineVersion;
  readonly info: EngineInfo;
}

/** Who answers at the socket: the first thing asked. */
export function observeEngine(reader: EngineReader): Promise<Fact<Engine>> {
  return ask("the engine", async () => {
    const version = await reader.version();
    return { version, info: await reader.info() };
  });
}

/** One look at runs and services. The swarm state comes from the caller's last `/info`. @param now milliseconds */
export async function observe(
  reader: EngineReader,
  engine: Engine,
  settings: Settings,
  now: number,
): Promise<Observation> {
  const { swarm } = engine.info;
  const manager = swarm.role === "manager";
  const localTasks = swarm.role === "worker" && settings.convergence.onWorker === "local-tasks";
  const live = await ask("the containers", () => reader.containers(LIVE_STATES));
  const overdue = live.known
    ? await ask("the containers past their limit", () =>
        observeOverdue(reader, settings.orphans, settings.prune.keepLabels, live.value, now),
      )
    : live;
  const services: Fact<readonly Service[]> = manager
    ? await ask("the services", () => readServices(reader, engine.version.apiVersion))
    : swarm.role === "none" || localTasks
      ? known([])
      : unknown("the services", swarm.role === "worker" ? "this node is a swarm worker" : swarm.why);
  return {
    swarm: known(swarm),
    services,
    failingGlobals: services.known
      ? await ask("the tasks of global services", () => readFailingGlobals(reader, services.value))
      : services,
    live: overdue.known ? live : overdue,
    overdue: overdue.known ? overdue.value : new Set(),
    starting: localTasks
      ? await ask("the containers that start", () => reader.startingContainers())
      : known<ContainerSummary[]>([]),
  };
}

async function readServices(reader: EngineReader, apiVersion: string): Promise<Service[]> {
  const services = await reader.services();
  if (apiAtLeast(apiVersion, "1.41")) return services;
  // Before API 1.41 there is no ServiceStatus: count the tasks that are meant to run.
  const tasks = await reader.tasks(
    services.map(({ id }) => id),
    ["running"],
  );
  return services.map((service) => ({ ...service, status: countTasks(service, tasks) }));
}

/** Pure. What ServiceStatus would say, for the two modes those engines know. */
export function countTasks(service: Service, tasks: readonly Task[]): Service["status"] {
  const own = tasks.filter((task) => task.serviceId === service.id && task.desiredState === "running");
  return {
    running: own.filter(({ state }) => state === "running").length,
    desired: service.mode === "replicated" ? service.replicas : own.length,
    completed: 0,
  };
}

/** A global service whose image is bad desires 0 tasks most of the time; its failed ones wait at "ready". */
async function readFailingGlobals(
  reader: EngineReader,
  services: readonly Service[],
): Promise<ReadonlySet<string>> {
  const idle = services.filter(({ mode, status }) => mode === "global" && status?.desired === 0);
  const tasks = await reader.tasks(
    idle.map(({ id }) => id),
    ["ready"],
  );
  return new Set(
    tasks.filter(({ state }) => state === "rejected" || state === "failed").map((task) => task.serviceId),
  );
}

/** What a pass, or a preview of one, goes by. */
export interface Scope {
  /** What `prune` is about is looked at: the disk is under pressure, or nobody asks whether it is. */
  readonly prune: boolean;
  readonly rules: Rules;
  /**
   * List the build cache as well, for a plan that is shown and not acted on; a pass that acts lets the engine decide,
   * and records what it reports.
   */
  readonly forecastCache: boolean;
}

/**
 * Lists what may be left behind, and inspects what is old enough to go.
 * @param live the containers of the last look at the gates
 * @param services those of the same look
 * @param now milliseconds
 */
export function observeCandidates(
  reader: EngineReader,
  engine: Engine,
  settings: Pick<Settings, "prune">,
  scope: Scope,
  { live, services }: Pick<Observation, "live" | "services">,
  now: number,
): Promise<Fact<Candidates>> {
  if (!live.known) return Promise.resolve(live);
  const { rules } = scope;
  const ruled = [...rules.orphans, ...rules.retention].some((rule) => inForce(rules, rule));
  if (ruled && !services.known) return Promise.resolve(services);
  const prune = scope.prune ? settings.prune : NOTHING_TO_PRUNE(settings.prune);
  return ask("the objects to judge", async () => {
    const stopped = prune.containers || prune.images || ruled ? await reader.containers(STOPPED_STATES) : [];
    const containers = prune.containers
      ? await pMap(stopped, async (summary) => ({ summary, detail: await containerDetail(summary) }), {
          concurrency: CONCURRENCY,
        })
      : [];
    const dangling = prune.images ? await reader.danglingImages() : [];
    const inspected = await pMap(
      dangling,
      async (summary) => ({
        summary,
        detail: keptByListing(summary, prune.until, now) ? null : await orUnread(reader.image(summary.id)),
      }),
      { concurrency: CONCURRENCY },
    );
    // The containerd store lists a nameless record beside an image that lost one of its names: no candidate, it is tagged.
    const images =
      engine.info.imageStore === "classic"
        ? inspected
        : inspected.filter(({ detail }) => detail === null || detail.tags.length === 0);
    const all = [
      ...new Map([...stopped, ...live.value].map((container) => [container.id, container])).values(),
    ];
    return {
      containers,
      images,
      everyContainer: all,
      parents: await readParents(images),
      buildCache: prune.buildCache && scope.forecastCache ? ((await reader.buildCache(true)) ?? []) : [],
      ruled:
        ruled && services.known
          ? await observeRuled(reader, engine, rules, { containers: all, services: services.value }, now)
          : NOTHING_RULED,
    };
  });

  /** The size is for the log; where it takes too long, or fails, the container is judged without. */
  async function containerDetail(summary: ContainerSummary): Promise<ContainerDetail | null> {
    if (!worthInspecting(summary, prune.until, now)) return null;
    try {
      return await reader.container(summary.id, true);
    } catch (error) {
      if (!(error instanceof EngineError) || ["unreachable", "stopped"].includes(error.kind)) throw error;
      return orUnread(reader.container(summary.id, false));
    }
  }

  /**
   * The containerd store lists parents as dangling and would delete one under its child; the classic store lists
   * only childless images and refuses the others (409), so the costly list of all images is spared there.
   */
  async function readParents(images: readonly ImageFacts[]): Promise<ReadonlySet<string>> {
    if (engine.info.imageStore === "classic" || images.every(({ detail }) => detail === null))
      return new Set();
    return new Set((await reader.allImages()).map(({ parentId }) => parentId).filter((id) => id !== ""));
  }
}

const NOTHING_TO_PRUNE = (prune: Settings["prune"]): Settings["prune"] => ({
  ...prune,
  containers: false,
  images: false,
  buildCache: false,
});

/** One object that is gone, or that the engine refuses to show, is unread; an engine that does not answer is unknown. */
async function orUnread<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof EngineError && !error.endsThePass) return null;
    throw error;
  }
}
