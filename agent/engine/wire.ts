import * as v from "valibot";
import { count, flag, labels, listOf, reading, recordOf, seconds, strings, text, time } from "./shapes.ts";

/**
 * Engine JSON -> our types, which types.ts names; pure. Only the fields needed are looked at, and those must have the
 * right shape: anything else is `malformed`, hence unknown, hence blocks.
 */

const mount = v.pipe(
  v.object({ Type: text, Name: text, Source: text, Destination: text }),
  v.transform(({ Type, Name, Source, Destination }) => ({
    /** `"volume"`, `"bind"` … */
    type: Type,
    /** A volume's name; the path on the host of a bind mount. Of others the destination alone tells them apart. */
    source: Type === "volume" ? Name : Source,
    destination: Destination,
  })),
);

const containerSummary = v.pipe(
  v.object({
    Id: v.string(),
    Names: strings,
    ImageID: v.string(),
    Image: text,
    State: v.string(),
    Created: v.number(),
    Labels: labels,
    Mounts: listOf(mount),
    NetworkSettings: v.nullish(v.object({ Networks: v.nullish(recordOf(v.unknown())) })),
  }),
  v.transform((container) => ({
    id: container.Id,
    names: container.Names.map((name) => name.replace(/^\//, "")),
    imageId: container.ImageID,
    /** The image as it was named when the container was made; an id where that name is gone. */
    imageName: container.Image,
    state: container.State,
    createdAt: container.Created * 1000,
    labels: container.Labels,
    mounts: container.Mounts,
    networks: Object.keys(container.NetworkSettings?.Networks ?? {}),
  })),
);

export const toContainers = reading("containers", v.array(containerSummary));

const containerDetail = v.pipe(
  v.object({
    Id: v.string(),
    Created: time,
    State: v.object({
      Status: v.string(),
      StartedAt: time,
      FinishedAt: time,
      ExitCode: v.nullish(v.number(), null),
      OOMKilled: flag,
    }),
    SizeRw: v.nullish(v.number(), null),
    ExecIDs: v.optional(v.nullable(v.array(v.string()))),
  }),
  v.transform(({ Id, Created, State, SizeRw, ExecIDs }) => ({
    id: Id,
    state: State.Status,
    createdAt: Created,
    /** `null`: it never started. */
    startedAt: State.StartedAt,
    finishedAt: State.FinishedAt,
    /** Of the last run; 0 also for one that never ran. */
    exitCode: State.ExitCode,
    /** The kernel killed a process in it for lack of memory; its exit code may be 0 all the same. */
    oomKilled: State.OOMKilled,
    sizeBytes: SizeRw,
    /** `execs`: commands that are being executed in it; absent: not told. */
    ...(ExecIDs === undefined ? {} : { execs: ExecIDs?.length ?? 0 }),
  })),
);

export const toContainer = reading("container", containerDetail);

/**
 * 20.10 writes `<none>:<none>` and `<none>@<none>` for what has no tag or digest; others null or []. The containerd
 * store lists what was pulled by digest among the tags (28.5), where it is no tag: `"app@sha256:…"`; and the bare id
 * of some images among their digests (28.5, 29), where it is no name.
 */
export function namesOf({ RepoTags, RepoDigests }: Record<"RepoTags" | "RepoDigests", readonly string[]>) {
  const digests = [...RepoDigests, ...RepoTags.filter(isDigest)];
  return {
    tags: RepoTags.filter((tag) => tag !== "<none>:<none>" && !isDigest(tag)),
    digests: [...new Set(digests)].filter((digest) => digest !== "<none>@<none>" && !BARE_ID.test(digest)),
  };
}

const isDigest = (name: string) => name.includes("@");
const BARE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

const imageSummary = v.pipe(
  v.object({
    Id: v.string(),
    ParentId: v.optional(v.string(), ""),
    RepoTags: strings,
    RepoDigests: strings,
    Size: v.number(),
    Created: seconds,
    Labels: labels,
  }),
  v.transform((image) => ({
    id: image.Id,
    ...namesOf(image),
    parentId: image.ParentId,
    sizeBytes: image.Size,
    labels: image.Labels,
    /** Of the config; `null`: absent or the zero time. */
    createdAt: image.Created,
  })),
);

export const toImages = reading("images", v.array(imageSummary));

const imageDetail = v.pipe(
  v.object({
    Id: v.string(),
    Parent: v.optional(v.string(), ""),
    RepoTags: strings,
    RepoDigests: strings,
    Size: v.number(),
    Created: time,
    Metadata: v.nullish(v.object({ LastTagTime: time })),
    RootFS: v.nullish(v.object({ Layers: strings })),
    Config: v.nullish(v.object({ Labels: labels })),
  }),
  v.transform((image) => ({
    id: image.Id,
    ...namesOf(image),
    parentId: image.Parent,
    sizeBytes: image.Size,
    labels: image.Config?.Labels ?? {},
    createdAt: image.Created,
    lastTaggedAt: image.Metadata?.LastTagTime ?? null,
    /** Digests of its layers, oldest first; a layer is the same in two images where all below it are as well. */
    layers: image.RootFS?.Layers ?? [],
  })),
);

export const toImage = reading("image", imageDetail);

/** Source: `Identity` of GET /images/{name}/json, API 1.53. */
export const toPulledFrom = reading(
  "image",
  v.pipe(
    v.object({ Identity: v.nullish(v.object({ Pull: listOf(v.object({ Repository: v.string() })) })) }),
    v.transform(({ Identity }) => (Identity?.Pull ?? []).map(({ Repository }) => Repository)),
  ),
);

const network = v.pipe(
  v.object({
    Id: v.string(),
    Name: v.string(),
    Driver: text,
    Scope: v.string(),
    Created: time,
    Labels: labels,
    Ingress: flag,
    ConfigOnly: flag,
    Containers: v.nullish(recordOf(v.unknown()), {}),
  }),
  v.transform((one) => ({
    id: one.Id,
    name: one.Name,
    /** `"bridge"`, `"overlay"` … */
    driver: one.Driver,
    /** `"local"`, or `"swarm"` and the like. */
    scope: one.Scope,
    createdAt: one.Created,
    labels: one.Labels,
    ingress: one.Ingress,
    /** Only a pattern for networks of a swarm. */
    configOnly: one.ConfigOnly,
    /** Of containers that run; none in a list. */
    endpoints: Object.keys(one.Containers).length,
  })),
);

export const toNetworks = reading("networks", v.array(network));
export const toNetwork = reading("network", network);

const cacheRecord = v.pipe(
  v.object({
    ID: v.string(),
    Description: text,
    Size: v.number(),
    Type: text,
    LastUsedAt: time,
    InUse: v.optional(v.boolean(), false),
    Shared: v.optional(v.boolean(), false),
    // Before API 1.42 one parent, or an empty text.
    Parent: text,
    Parents: strings,
  }),
  v.transform((record) => ({
    id: record.ID,
    /** `"regular"`, `"source.local"`, `"internal"`, `"frontend"` … */
    type: record.Type,
    description: record.Description,
    sizeBytes: record.Size,
    lastUsedAt: record.LastUsedAt,
    inUse: record.InUse,
    shared: record.Shared,
    /** Ids of the records it was built on: none of them goes while it is there. */
    parents: [...record.Parents, record.Parent].filter((id) => id !== ""),
  })),
);

export const toBuildCache = reading(
  "build cache",
  v.pipe(
    v.object({ BuildCache: v.nullable(v.array(cacheRecord)) }),
    v.transform(({ BuildCache }) => BuildCache ?? []),
  ),
);

/** A second prune at the same time is answered 200 with `CachesDeleted: null` (engine 20.10 to 28.5). */
export const toCachePruned = reading(
  "build cache prune",
  v.pipe(
    v.object({ CachesDeleted: strings, SpaceReclaimed: v.number() }),
    v.transform(({ CachesDeleted, SpaceReclaimed }) => ({
      ids: CachesDeleted,
      claimedBytes: SpaceReclaimed,
    })),
  ),
);

export const toCommitted = reading("commit", v.object({ Id: v.string() }));

const step = v.pipe(
  v.object({ Size: count, Created: v.optional(v.number(), 0), CreatedBy: text }),
  v.transform(({ Size, Created, CreatedBy }) => ({
    /** 0 for one that only changes the config, and on classic stores for a layer of empty files or folders. */
    sizeBytes: Size,
    /** When and by what it was made: the same in all images built on its layer. */
    mark: `${Created} ${CreatedBy}`,
  })),
);

/** The steps that `docker image history` shows, oldest first. */
export const toHistory = reading(
  "image history",
  v.pipe(
    v.array(step),
    v.transform((steps) => steps.reverse()),
  ),
);
