import * as v from "valibot";
import { EngineError } from "./errors.ts";
import type {
  CachePruned,
  CacheRecord,
  ContainerDetail,
  ContainerSummary,
  DiskUsage,
  EngineInfo,
  ImageDetail,
  ImageSummary,
  Service,
  ServiceMode,
  Step,
  SwarmState,
  Task,
} from "./types.ts";

/**
 * Engine JSON -> our types; pure. Only the fields needed are looked at, and those must have the right shape:
 * anything else is `malformed`, hence unknown, hence blocks.
 */

const labels = v.nullish(v.record(v.string(), v.string()), {});
const strings = v.nullish(v.array(v.string()), []);
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** RFC 3339 -> ms. The zero time of Go (year 1) and an empty text mean "never"; so does anything before 1970. */
const time = v.nullish(
  v.pipe(
    v.string(),
    v.rawTransform<string, number | null>(({ dataset, addIssue, NEVER }) => {
      if (dataset.value === "") return null;
      const at = Date.parse(dataset.value);
      if (Number.isNaN(at)) {
        addIssue({ message: "not a time" });
        return NEVER;
      }
      return at <= 0 ? null : at;
    }),
  ),
  "",
);

function read<T extends v.GenericSchema>(what: string, schema: T, body: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  throw new EngineError(
    "malformed",
    `${what}: unexpected answer${path === null ? "" : ` at ${path}`}: ${issue.message}`,
  );
}

export function toVersion(body: unknown): { version: string; apiVersion: string } {
  const schema = v.object({ Version: v.string(), ApiVersion: v.pipe(v.string(), v.regex(/^\d+\.\d+$/)) });
  const { Version, ApiVersion } = read("version", schema, body);
  return { version: Version, apiVersion: ApiVersion };
}

export function toInfo(body: unknown): EngineInfo {
  const schema = v.object({
    DockerRootDir: v.string(),
    DriverStatus: v.nullish(v.array(v.array(v.string()))),
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
    rootDir: info.DockerRootDir,
    imageStore: containerd ? "containerd" : "classic",
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

const MODES: Readonly<Record<string, ServiceMode>> = {
  Replicated: "replicated",
  Global: "global",
  ReplicatedJob: "replicated-job",
  GlobalJob: "global-job",
};

const taskTemplate = v.nullish(
  v.object({ ContainerSpec: v.nullish(v.object({ Image: v.nullish(v.string(), "") })) }),
);

const serviceSchema = v.array(
  v.object({
    ID: v.string(),
    CreatedAt: time,
    UpdatedAt: time,
    Spec: v.object({
      Name: v.string(),
      Labels: labels,
      Mode: v.record(v.string(), v.unknown()),
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
    const mode = MODES[modeName];
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
    state: task.Status.State,
    desiredState: task.DesiredState,
    at: task.Status.Timestamp,
    hadContainer: (task.Status.ContainerStatus?.ContainerID ?? "") !== "",
  }));
}

export function toContainers(body: unknown): ContainerSummary[] {
  const schema = v.array(
    v.object({
      Id: v.string(),
      Names: strings,
      ImageID: v.string(),
      Image: v.nullish(v.string(), ""),
      State: v.string(),
      Created: v.number(),
      Labels: labels,
      NetworkSettings: v.nullish(v.object({ Networks: v.nullish(v.record(v.string(), v.unknown())) })),
    }),
  );
  return read("containers", schema, body).map((container) => ({
    id: container.Id,
    names: container.Names.map((name) => name.replace(/^\//, "")),
    imageId: container.ImageID,
    imageName: container.Image,
    state: container.State,
    createdAt: container.Created * 1000,
    labels: container.Labels,
    networks: Object.keys(container.NetworkSettings?.Networks ?? {}),
  }));
}

export function toContainer(body: unknown): ContainerDetail {
  const schema = v.object({
    Id: v.string(),
    Created: time,
    State: v.object({
      Status: v.string(),
      StartedAt: time,
      FinishedAt: time,
      ExitCode: v.nullish(v.number()),
      OOMKilled: v.nullish(v.boolean(), false),
    }),
    SizeRw: v.nullish(v.number()),
  });
  const container = read("container", schema, body);
  return {
    id: container.Id,
    state: container.State.Status,
    createdAt: container.Created,
    startedAt: container.State.StartedAt,
    finishedAt: container.State.FinishedAt,
    exitCode: container.State.ExitCode ?? null,
    oomKilled: container.State.OOMKilled,
    sizeBytes: container.SizeRw ?? null,
  };
}

/**
 * 20.10 writes `<none>:<none>` and `<none>@<none>` for what has no tag or digest; others null or []. The containerd
 * store lists what was pulled by digest among the tags (28.5), where it is no tag: `"app@sha256:…"`.
 */
function namesOf(image: { readonly RepoTags: readonly string[]; readonly RepoDigests: readonly string[] }) {
  const digests = [...image.RepoDigests, ...image.RepoTags.filter(isDigest)];
  return {
    tags: image.RepoTags.filter((tag) => tag !== "<none>:<none>" && !isDigest(tag)),
    digests: [...new Set(digests)].filter((digest) => digest !== "<none>@<none>"),
  };
}

const isDigest = (name: string) => name.includes("@");

export function toImages(body: unknown): ImageSummary[] {
  const schema = v.array(
    v.object({
      Id: v.string(),
      ParentId: v.optional(v.string(), ""),
      RepoTags: strings,
      RepoDigests: strings,
      Size: v.number(),
      Created: v.number(),
      Labels: labels,
    }),
  );
  return read("images", schema, body).map((image) => ({
    id: image.Id,
    ...namesOf(image),
    parentId: image.ParentId,
    sizeBytes: image.Size,
    labels: image.Labels,
    // Absent is 0, or -62135596800 on 20.10: the zero time.
    createdAt: image.Created > 0 ? image.Created * 1000 : null,
  }));
}

export function toImage(body: unknown): ImageDetail {
  const schema = v.object({
    Id: v.string(),
    Parent: v.optional(v.string(), ""),
    RepoTags: strings,
    RepoDigests: strings,
    Size: v.number(),
    Created: time,
    Metadata: v.nullish(v.object({ LastTagTime: time })),
    RootFS: v.nullish(v.object({ Layers: strings })),
    Config: v.nullish(v.object({ Labels: labels })),
  });
  const image = read("image", schema, body);
  return {
    id: image.Id,
    ...namesOf(image),
    parentId: image.Parent,
    sizeBytes: image.Size,
    labels: image.Config?.Labels ?? {},
    createdAt: image.Created,
    lastTaggedAt: image.Metadata?.LastTagTime ?? null,
    layers: image.RootFS?.Layers ?? [],
  };
}

const cacheSchema = v.object({
  ID: v.string(),
  Description: v.optional(v.string(), ""),
  Size: v.number(),
  Type: v.optional(v.string(), ""),
  LastUsedAt: time,
  InUse: v.optional(v.boolean(), false),
  Shared: v.optional(v.boolean(), false),
});

export function toBuildCache(body: unknown): CacheRecord[] {
  const schema = v.object({ BuildCache: v.nullable(v.array(cacheSchema)) });
  return (read("build cache", schema, body).BuildCache ?? []).map((record) => ({
    id: record.ID,
    type: record.Type,
    description: record.Description,
    sizeBytes: record.Size,
    lastUsedAt: record.LastUsedAt,
    inUse: record.InUse,
    shared: record.Shared,
  }));
}

/** A second prune at the same time is answered 200 with `CachesDeleted: null` (engine 20.10 to 28.5). */
export function toCachePruned(body: unknown): CachePruned {
  const schema = v.object({ CachesDeleted: strings, SpaceReclaimed: v.number() });
  const { CachesDeleted, SpaceReclaimed } = read("build cache prune", schema, body);
  return { ids: CachesDeleted, claimedBytes: SpaceReclaimed };
}

export function toCommitted(body: unknown): string {
  return read("commit", v.object({ Id: v.string() }), body).Id;
}

/** The steps that `docker image history` shows, oldest first. */
export function toHistory(body: unknown): Step[] {
  const step = v.object({
    Size: count,
    Created: v.optional(v.number(), 0),
    CreatedBy: v.nullish(v.string(), ""),
  });
  return read("image history", v.array(step), body)
    .map(({ Size, Created, CreatedBy }) => ({ sizeBytes: Size, mark: `${Created} ${CreatedBy}` }))
    .reverse();
}

/** -1 means "not measured". */
const size = v.nullish(
  v.pipe(
    v.number(),
    v.transform((bytes) => Math.max(0, bytes)),
  ),
  0,
);

export function toDiskUsage(body: unknown): DiskUsage {
  const schema = v.object({
    LayersSize: size,
    Images: v.nullish(
      v.array(
        v.object({
          Id: v.string(),
          RepoTags: strings,
          RepoDigests: strings,
          Size: size,
          SharedSize: size,
          Created: v.nullish(v.number(), 0),
        }),
      ),
      [],
    ),
    Containers: v.nullish(
      v.array(
        v.object({
          Id: v.string(),
          Names: strings,
          ImageID: v.optional(v.string(), ""),
          State: v.optional(v.string(), ""),
          SizeRw: size,
          Mounts: v.nullish(
            v.array(v.object({ Type: v.optional(v.string()), Name: v.optional(v.string()) })),
            [],
          ),
        }),
      ),
      [],
    ),
    Volumes: v.nullish(
      v.array(v.object({ Name: v.string(), UsageData: v.nullish(v.object({ Size: size })) })),
      [],
    ),
    BuildCache: v.nullish(
      v.array(
        v.object({
          Size: size,
          Shared: v.optional(v.boolean(), false),
          InUse: v.optional(v.boolean(), false),
        }),
      ),
      [],
    ),
  });
  const usage = read("disk usage", schema, body);
  return {
    layersBytes: usage.LayersSize,
    images: usage.Images.map((image) => ({
      id: image.Id,
      ...namesOf(image),
      ownBytes: Math.max(0, image.Size - image.SharedSize),
      sharedBytes: image.SharedSize,
      createdAt: image.Created > 0 ? image.Created * 1000 : null,
    })),
    containers: usage.Containers.map(({ Id, Names, ImageID, State, SizeRw, Mounts }) => ({
      id: Id,
      name: (Names[0] ?? Id).replace(/^\//, ""),
      imageId: ImageID,
      running: State === "running",
      bytes: SizeRw,
      volumes: Mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name !== undefined ? [Name] : [])),
    })),
    volumes: usage.Volumes.map(({ Name, UsageData }) => ({ name: Name, bytes: UsageData?.Size ?? 0 })),
    buildCache: usage.BuildCache.map(({ Size, Shared, InUse }) => ({
      bytes: Size,
      shared: Shared,
      inUse: InUse,
    })),
  };
}
