import * as v from "valibot";
import * as is from "./shapes.ts";

/** The engine and its swarm: JSON -> our types, which types.ts names. Pure. */

const apiVersion = v.pipe(v.string(), v.regex(/^\d+\.\d+$/));

/** The newest and the oldest API version this engine speaks; an engine that names no oldest takes any. */
export const toVersion = is.reading(
  "version",
  is.fields({
    version: ["Version", v.string()],
    newestApi: ["ApiVersion", apiVersion],
    oldestApi: [
      "MinAPIVersion",
      is.made(v.nullish(v.union([apiVersion, v.literal("")]), ""), (oldest) => oldest || "0.0"),
    ],
  }),
);

type SwarmState =
  | { readonly role: "none" }
  | { readonly role: "manager" }
  | { readonly role: "worker" }
  /** Locked, pending, in error, without a quorum: nothing can be said of its services. */
  | { readonly role: "unclear"; readonly why: string };

/** A manager without a quorum says active and ControlAvailable, with Error set (engine 20.10 to 28.5). */
const swarm = is.made(
  v.nullish(v.object({ LocalNodeState: is.text, ControlAvailable: is.flag, Error: is.text }), {}),
  ({ LocalNodeState: state, ControlAvailable, Error: error }): SwarmState => {
    if (state === "inactive") return { role: "none" };
    if (error !== "") return { role: "unclear", why: error };
    if (state !== "active") return { role: "unclear", why: `this node's swarm state is "${state}"` };
    return { role: ControlAvailable ? "manager" : "worker" };
  },
);

const imageStore = is.made(is.listOf(v.array(v.string())), (status) =>
  status.some(([key, value]) => key === "driver-type" && value === "io.containerd.snapshotter.v1")
    ? ("containerd" as const)
    : ("classic" as const),
);

export const toInfo = is.reading(
  "info",
  is.fields({
    /** Tells engines apart; absent: not told. */
    id: ["ID", is.made(is.text, (id) => id || undefined)],
    rootDir: ["DockerRootDir", v.string()],
    imageStore: ["DriverStatus", imageStore],
    /** From engine 29 on: `"/run/containerd/containerd.sock"` where the engine did not start it. */
    containerdSocket: ["Containerd", is.made(is.within("Address", is.text), (socket) => socket || null)],
    /** What the engine takes for now; `null`: not told. */
    systemTime: ["SystemTime", is.time],
    swarm: ["Swarm", swarm],
  }),
);

const MODES = {
  Replicated: "replicated",
  Global: "global",
  ReplicatedJob: "replicated-job",
  GlobalJob: "global-job",
} as const;

const mode = v.pipe(
  is.recordOf(v.unknown()),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    const [name = ""] = Object.keys(value).filter((key) => value[key] != null);
    if (!Object.hasOwn(MODES, name)) {
      addIssue({ message: `unknown mode "${name}"` });
      return NEVER;
    }
    const { TotalCompletions }: Readonly<Record<string, unknown>> = Object(value[name]);
    return {
      mode: MODES[name as keyof typeof MODES],
      /** Replicated jobs: how many completions make it done. */
      totalCompletions: typeof TotalCompletions === "number" ? TotalCompletions : 1,
    };
  }),
);

const NO_IMAGE = { Image: "" };

const template = v.nullish(
  is.fields({
    /** `""`: it runs no container, but a plugin. */
    image: [
      "ContainerSpec",
      is.made(v.nullish(v.object({ Image: v.string() }), NO_IMAGE), ({ Image }) => Image),
    ],
    restart: ["RestartPolicy", is.within("Condition", is.text)],
  }),
  {},
);

const spec = is.fields({
  name: ["Name", v.string()],
  labels: ["Labels", is.labels],
  mode: ["Mode", mode],
  template: ["TaskTemplate", template],
});

const status = is.fields({
  running: ["RunningTasks", is.count],
  desired: ["DesiredTasks", is.count],
  completed: ["CompletedTasks", v.optional(is.count, 0)],
});

const timeOr0 = is.made(is.time, (at) => at ?? 0);

const service = is.made(
  is.fields({
    id: ["ID", v.string()],
    spec: ["Spec", spec],
    previous: ["PreviousSpec", is.within("TaskTemplate", template)],
    /** `null`: the engine did not say. */
    status: ["ServiceStatus", v.nullish(status, null)],
    /** `"none"` when no update was ever made or asked for. */
    updateState: ["UpdateStatus", is.made(is.within("State", is.text), (state) => state || "none")],
    createdAt: ["CreatedAt", timeOr0],
    updatedAt: ["UpdatedAt", timeOr0],
  }),
  ({ spec: { mode, template, ...spec }, previous, ...service }) => ({
    ...service,
    ...spec,
    ...mode,
    /** Whether a task that ended is followed by another: `"any"`, `"on-failure"` (an end that failed), `"none"`. */
    restart: template.restart || "any",
    /** As written in its spec, and in the one that a rollback goes back to: `"redis:7-alpine@sha256:…"`. */
    images: [template.image, previous.image].filter((image) => image !== ""),
  }),
);

export const toServices = is.reading("services", v.array(service));

const taskStatus = is.fields({
  /** `"running"`, `"failed"`, `"rejected"` … */
  state: ["State", v.string()],
  /** When it came into this state. */
  at: ["Timestamp", is.time],
  /** A container was made for it; it may have run, whatever its state is now. */
  hadContainer: ["ContainerStatus", is.made(is.within("ContainerID", is.text), (id) => id !== "")],
});

const task = is.made(
  is.fields({
    serviceId: ["ServiceID", v.string()],
    slot: ["Slot", v.nullish(v.number(), 0)],
    node: ["NodeID", is.text],
    createdAt: ["CreatedAt", is.time],
    desiredState: ["DesiredState", v.string()],
    status: ["Status", taskStatus],
  }),
  ({ node, status, ...task }) => ({
    ...task,
    ...status,
    /** What it is one of several in: the number of its slot, of a global service the node. */
    slot: task.slot > 0 ? String(task.slot) : node,
  }),
);

export const toTasks = is.reading("tasks", v.array(task));
