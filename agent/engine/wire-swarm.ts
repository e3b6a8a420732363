import * as v from "valibot";
import { count, flag, labels, listOf, reading, recordOf, text, time } from "./shapes.ts";

/** The engine and its swarm: JSON -> our types, which types.ts names. Pure. */

const apiVersion = v.pipe(v.string(), v.regex(/^\d+\.\d+$/));

/** The newest and the oldest API version this engine speaks; an engine that names no oldest takes any. */
export const toVersion = reading(
  "version",
  v.pipe(
    v.object({
      Version: v.string(),
      ApiVersion: apiVersion,
      MinAPIVersion: v.nullish(v.union([apiVersion, v.literal("")]), ""),
    }),
    v.transform(({ Version, ApiVersion, MinAPIVersion }) => ({
      version: Version,
      newestApi: ApiVersion,
      oldestApi: MinAPIVersion || "0.0",
    })),
  ),
);

type SwarmState =
  | { readonly role: "none" }
  | { readonly role: "manager" }
  | { readonly role: "worker" }
  /** Locked, pending, in error, without a quorum: nothing can be said of its services. */
  | { readonly role: "unclear"; readonly why: string };

/** A manager without a quorum says active and ControlAvailable, with Error set (engine 20.10 to 28.5). */
const swarm = v.pipe(
  v.nullish(v.object({ LocalNodeState: text, ControlAvailable: flag, Error: text }), {}),
  v.transform(({ LocalNodeState: state, ControlAvailable, Error: error }): SwarmState => {
    if (state === "inactive") return { role: "none" };
    if (error !== "") return { role: "unclear", why: error };
    if (state !== "active") return { role: "unclear", why: `this node's swarm state is "${state}"` };
    return { role: ControlAvailable ? "manager" : "worker" };
  }),
);

export const toInfo = reading(
  "info",
  v.pipe(
    v.object({
      ID: text,
      DockerRootDir: v.string(),
      DriverStatus: listOf(v.array(v.string())),
      Containerd: v.nullish(v.object({ Address: text })),
      SystemTime: time,
      Swarm: swarm,
    }),
    v.transform((info) => ({
      /** `id` tells engines apart; absent: not told. */
      ...(info.ID === "" ? {} : { id: info.ID }),
      rootDir: info.DockerRootDir,
      imageStore: info.DriverStatus.some(
        ([key, value]) => key === "driver-type" && value === "io.containerd.snapshotter.v1",
      )
        ? ("containerd" as const)
        : ("classic" as const),
      /** From engine 29 on: `"/run/containerd/containerd.sock"` where the engine did not start it. */
      containerdSocket: info.Containerd?.Address || null,
      /** What the engine takes for now; `null`: not told. */
      systemTime: info.SystemTime,
      swarm: info.Swarm,
    })),
  ),
);

const MODES = {
  Replicated: "replicated",
  Global: "global",
  ReplicatedJob: "replicated-job",
  GlobalJob: "global-job",
} as const;

const mode = v.pipe(
  recordOf(v.unknown()),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    const [name = ""] = Object.keys(value).filter((key) => value[key] != null);
    if (Object.hasOwn(MODES, name)) {
      const details: Readonly<Record<string, unknown>> = Object(value[name]);
      return { name: MODES[name as keyof typeof MODES], details };
    }
    addIssue({ message: `unknown mode "${name}"` });
    return NEVER;
  }),
);

const taskTemplate = v.nullish(
  v.object({
    ContainerSpec: v.nullish(v.object({ Image: text })),
    RestartPolicy: v.nullish(v.object({ Condition: text })),
  }),
);

const status = v.pipe(
  v.object({ RunningTasks: count, DesiredTasks: count, CompletedTasks: v.optional(count, 0) }),
  v.transform((tasks) => ({
    running: tasks.RunningTasks,
    desired: tasks.DesiredTasks,
    completed: tasks.CompletedTasks,
  })),
);

const numberOr1 = (value: unknown) => (typeof value === "number" ? value : 1);

const service = v.pipe(
  v.object({
    ID: v.string(),
    CreatedAt: time,
    UpdatedAt: time,
    Spec: v.object({ Name: v.string(), Labels: labels, Mode: mode, TaskTemplate: taskTemplate }),
    PreviousSpec: v.nullish(v.object({ TaskTemplate: taskTemplate })),
    ServiceStatus: v.nullish(status, null),
    UpdateStatus: v.nullish(v.object({ State: text })),
  }),
  v.transform(({ ID, CreatedAt, UpdatedAt, Spec, PreviousSpec, ServiceStatus, UpdateStatus }) => ({
    id: ID,
    name: Spec.Name,
    labels: Spec.Labels,
    mode: Spec.Mode.name,
    /** Replicated services: how many tasks were asked for. */
    replicas: numberOr1(Spec.Mode.details.Replicas),
    /** Replicated jobs: how many completions make it done. */
    totalCompletions: numberOr1(Spec.Mode.details.TotalCompletions),
    /** `null`: the engine did not say. */
    status: ServiceStatus,
    /** Whether a task that ended is followed by another: `"any"`, `"on-failure"` (an end that failed), `"none"`. */
    restart: Spec.TaskTemplate?.RestartPolicy?.Condition || "any",
    /** `"none"` when no update was ever made or asked for. */
    updateState: UpdateStatus?.State || "none",
    /** As written in its spec, and in the one that a rollback goes back to: `"redis:7-alpine@sha256:…"`. */
    images: [Spec, PreviousSpec]
      .map((spec) => spec?.TaskTemplate?.ContainerSpec?.Image ?? "")
      .filter((image) => image !== ""),
    createdAt: CreatedAt ?? 0,
    updatedAt: UpdatedAt ?? 0,
  })),
);

export const toServices = reading("services", v.array(service));

const task = v.pipe(
  v.object({
    ServiceID: v.string(),
    Slot: v.nullish(v.number(), 0),
    NodeID: text,
    CreatedAt: time,
    DesiredState: v.string(),
    Status: v.object({
      State: v.string(),
      Timestamp: time,
      ContainerStatus: v.nullish(v.object({ ContainerID: text })),
    }),
  }),
  v.transform(({ ServiceID, Slot, NodeID, CreatedAt, DesiredState, Status }) => ({
    serviceId: ServiceID,
    /** What it is one of several in: the number of its slot, of a global service the node. */
    slot: Slot > 0 ? String(Slot) : NodeID,
    createdAt: CreatedAt,
    /** `"running"`, `"failed"`, `"rejected"` … */
    state: Status.State,
    desiredState: DesiredState,
    /** When it came into this state. */
    at: Status.Timestamp,
    /** A container was made for it; it may have run, whatever its state is now. */
    hadContainer: (Status.ContainerStatus?.ContainerID ?? "") !== "",
  })),
);

export const toTasks = reading("tasks", v.array(task));
