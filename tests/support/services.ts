/** Swarm services on an engine. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";

/** What {@link createService} creates. */
export interface ServiceSpec {
  /** Service name. */
  name: string;
  /** Image reference; it is looked up locally (no registry can be reached). */
  image: string;
  /** Replicas, or completions of a replicated job; default 1. */
  replicas?: number;
  /** Labels of the service. */
  labels?: Record<string, string>;
  /** Command; default sleeps for an hour (jobs: exits at once). */
  cmd?: readonly string[];
  /** Default "replicated". */
  mode?: "replicated" | "global" | "replicated-job" | "global-job";
  /** Health check command, run every 0.5 s, unhealthy at the first failure. */
  healthCmd?: readonly string[];
  /** Placement constraints. */
  constraints?: readonly string[];
  /** Restart condition; default: the engine's ("any"; jobs: "none"). */
  restartCondition?: "none" | "any";
  /** Time a task gets between SIGTERM and SIGKILL, in ms; default 200. */
  stopGraceMs?: number;
  /** Handed to the nodes for their pull, as `--with-registry-auth` does. */
  login?: { readonly username: string; readonly password: string; readonly serveraddress: string };
  /** Resolve only when every wanted task runs; default false. Fails after 30 s. */
  waitForRunning?: boolean;
}

/**
 * Creates a service and returns its id.
 * @throws Error with the tasks' states when `waitForRunning` is not fulfilled in 30 s
 */
export async function createService(docker: Docker, spec: ServiceSpec): Promise<string> {
  const mode = spec.mode ?? "replicated";
  const job = mode.endsWith("-job");
  const replicas = spec.replicas ?? 1;
  const modes = {
    replicated: { Replicated: { Replicas: replicas } },
    global: { Global: {} },
    "replicated-job": { ReplicatedJob: { MaxConcurrent: replicas, TotalCompletions: replicas } },
    "global-job": { GlobalJob: {} },
  };
  const body = {
    Name: spec.name,
    Labels: spec.labels ?? {},
    Mode: modes[mode],
    TaskTemplate: {
      ContainerSpec: {
        Image: spec.image,
        Command: [...(spec.cmd ?? (job ? ["/bin/busybox", "true"] : ["/bin/busybox", "sleep", "3600"]))],
        StopGracePeriod: (spec.stopGraceMs ?? 200) * 1e6,
        ...(spec.healthCmd === undefined
          ? {}
          : { Healthcheck: { Test: ["CMD", ...spec.healthCmd], Interval: 5e8, Timeout: 2e9, Retries: 1 } }),
      },
      ...(spec.restartCondition === undefined ? {} : { RestartPolicy: { Condition: spec.restartCondition } }),
      Placement: { Constraints: [...(spec.constraints ?? [])] },
      Networks: [{ Target: "host" }],
    },
  };
  const options = body as unknown as Docker.CreateServiceOptions;
  const service = await (spec.login === undefined
    ? docker.createService(options)
    : docker.createService(spec.login, options));
  const id = (service as unknown as { id: string }).id;
  if (spec.waitForRunning === true) await waitForTasks(docker, id, mode.startsWith("global") ? 1 : replicas);
  return id;
}

async function waitForTasks(docker: Docker, service: string, wanted: number): Promise<void> {
  for (let end = Date.now() + 30_000; ; ) {
    const tasks = (await docker.listTasks({ filters: { service: [service] } })) as Task[];
    if (tasks.filter((t) => t.Status?.State === "running").length >= wanted) return;
    if (Date.now() > end) {
      const states = tasks.map((t) => `${t.Status?.State} ${t.Status?.Err ?? ""}`.trim()).join("; ");
      throw new Error(`service ${service} did not reach ${wanted} running tasks in 30 s: ${states}`);
    }
    await sleep(50);
  }
}

interface Task {
  Status?: { State?: string; Err?: string };
}
