import * as v from "valibot";
import { EngineError } from "./errors.ts";
import { count, labels, read, recordOf, time } from "./shapes.ts";
import type { EngineInfo, Service, ServiceMode, SwarmState, Task } from "./types.ts";

/** The engine and its swarm: JSON -> our types. Pure. */

/** The newest and the oldest API version this engine speaks; an engine that names no oldest takes any. */
export function toVersion(body: unknown): { version: string; newestApi: string; oldestApi: string } {
  const number = v.pipe(v.string(), v.regex(/^\d+\.\d+$/));
  const schema = v.object({
    Version: v.string(),
    ApiVersion: number,
    MinAPIVersion: v.nullish(v.union([number, v.literal("")]), ""),
  });
  const { Version, ApiVersion, MinAPIVersion } = read("version", schema, body);
  return { version: Version, newestApi: ApiVersion, oldestApi: MinAPIVersion || "0.0" };
}

export function toInfo(body: unknown): EngineInfo {
  const schema = v.object({
    ID: v.nullish(v.string()),
    DockerRootDir: v.string(),
    DriverStatus: v.nullish(v.array(v.array(v.string()))),
    Containerd: v.nullish(v.object({ Address: v.nullish(v.string()) })),
    SystemTime: time,
    Swarm: v.nullish(
      v.object({
        LocalNodeState: v.nullish(v.string()),
        ControlAvailable: v.nullish(v.boolean()),
        Error: v.nullish(v.string()),
      }),
    ),
  });
  const info = read("info", schema, body);
  const containerd = (info.DriverStatus ?? []).some(
    ([key, value]) => key === "driver-type" && value === "io.containerd.snapshotter.v1",
  );
  return {
    ...(info.ID ? { id: info.ID } : {}),
    rootDir: info.DockerRootDir,
    imageStore: containerd ? "containerd" : "classic",
    containerdSocket: info.Containerd?.Address || null,
    systemTime: info.SystemTime,
    swarm: swarmState(info.Swarm ?? {}),
  };
}

/** A manager without a quorum says active and ControlAvailable, with Error set (engine 20.10 to 28.5). */
function swarmState(swarm: {
  LocalNodeState?: string | null | undefined;
  ControlAvailable?: boolean | null | undefined;
  Error?: string | null | undefined;
}): SwarmState {
  const state = swarm.LocalNodeState ?? "";
  if (state === "inactive") return { role: "none" };
  if (swarm.Error) return { role: "unclear", why: swarm.Error };
  if (state !== "active") return { role: "unclear", why: `this node's swarm state is "${state}"` };
  return { role: swarm.ControlAvailable === true ? "manager" : "worker" };
}

const MODES: ReadonlyMap<string, ServiceMode> = new Map([
  ["Replicated", "replicated"],
  ["Global", "global"],
  ["ReplicatedJob", "replicated-job"],
  ["GlobalJob", "global-job"],
]);

const taskTemplate = v.nullish(
  v.object({
    ContainerSpec: v.nullish(v.object({ Image: v.nullish(v.string(), "") })),
    RestartPolicy: v.nullish(v.object({ Condition: v.nullish(v.string()) })),
  }),
);

const serviceSchema = v.array(
  v.object({
    ID: v.string(),
    CreatedAt: time,
    UpdatedAt: time,
    Spec: v.object({
      Name: v.string(),
      Labels: labels,
      Mode: recordOf(v.unknown()),
      TaskTemplate: taskTemplate,
    }),
    PreviousSpec: v.nullish(v.object({ TaskTemplate: taskTemplate })),
    ServiceStatus: v.nullish(
      v.object({ RunningTasks: count, DesiredTasks: count, CompletedTasks: v.optional(count, 0) }),
    ),
    UpdateStatus: v.nullish(v.object({ State: v.optional(v.string(), "") })),
  }),
);

export function toServices(body: unknown): Service[] {
  return read("services", serviceSchema, body).map((service) => {
    const [modeName = ""] = Object.keys(service.Spec.Mode).filter((key) => service.Spec.Mode[key] != null);
    const mode = MODES.get(modeName);
    if (mode === undefined) throw new EngineError("malformed", `services: unknown mode "${modeName}"`);
    const job = service.Spec.Mode.ReplicatedJob as { TotalCompletions?: unknown } | undefined;
    const replicated = service.Spec.Mode.Replicated as { Replicas?: unknown } | undefined;
    const status = service.ServiceStatus;
    return {
      id: service.ID,
      name: service.Spec.Name,
      labels: service.Spec.Labels,
      mode,
      replicas: typeof replicated?.Replicas === "number" ? replicated.Replicas : 1,
      totalCompletions: typeof job?.TotalCompletions === "number" ? job.TotalCompletions : 1,
      status: status
        ? { running: status.RunningTasks, desired: status.DesiredTasks, completed: status.CompletedTasks }
        : null,
      restart: service.Spec.TaskTemplate?.RestartPolicy?.Condition || "any",
      updateState: service.UpdateStatus?.State || "none",
      images: [service.Spec, service.PreviousSpec].flatMap((spec) => {
        const image = spec?.TaskTemplate?.ContainerSpec?.Image;
        return image ? [image] : [];
      }),
      createdAt: service.CreatedAt ?? 0,
      updatedAt: service.UpdatedAt ?? 0,
    };
  });
}

export function toTasks(body: unknown): Task[] {
  const schema = v.array(
    v.object({
      ServiceID: v.string(),
      Slot: v.nullish(v.number(), 0),
      NodeID: v.nullish(v.string(), ""),
      CreatedAt: time,
      DesiredState: v.string(),
      Status: v.object({
        State: v.string(),
        Timestamp: time,
        ContainerStatus: v.nullish(v.object({ ContainerID: v.nullish(v.string(), "") })),
      }),
    }),
  );
  return read("tasks", schema, body).map((task) => ({
    serviceId: task.ServiceID,
    slot: task.Slot > 0 ? String(task.Slot) : task.NodeID,
    createdAt: task.CreatedAt,
    state: task.Status.State,
    desiredState: task.DesiredState,
    at: task.Status.Timestamp,
    hadContainer: (task.Status.ContainerStatus?.ContainerID ?? "") !== "",
  }));
}
