import * as v from "valibot";
import { count, labels, read, recordOf, strings, time } from "./shapes.ts";
import type {
  CachePruned,
  CacheRecord,
  ContainerDetail,
  ContainerSummary,
  ImageDetail,
  ImageSummary,
  NetworkDetail,
  NetworkSummary,
  Step,
} from "./types.ts";

/**
 * Engine JSON -> our types; pure. Only the fields needed are looked at, and those must have the right shape:
 * anything else is `malformed`, hence unknown, hence blocks.
 */

/** Volumes have a name, bind mounts a source; anything else is told apart by its destination alone. */
const mounts = v.nullish(
  v.array(
    v.pipe(
      v.object({
        Type: v.nullish(v.string(), ""),
        Name: v.nullish(v.string(), ""),
        Source: v.nullish(v.string(), ""),
        Destination: v.nullish(v.string(), ""),
      }),
      v.transform(({ Type, Name, Source, Destination }) => ({
        type: Type,
        source: Type === "volume" ? Name : Source,
        destination: Destination,
      })),
    ),
  ),
  [],
);

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
      Mounts: mounts,
      NetworkSettings: v.nullish(v.object({ Networks: v.nullish(recordOf(v.unknown())) })),
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
    mounts: container.Mounts,
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
    ExecIDs: v.optional(v.nullable(v.array(v.string()))),
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
    ...(container.ExecIDs === undefined ? {} : { execs: container.ExecIDs?.length ?? 0 }),
  };
}

/**
 * 20.10 writes `<none>:<none>` and `<none>@<none>` for what has no tag or digest; others null or []. The containerd
 * store lists what was pulled by digest among the tags (28.5), where it is no tag: `"app@sha256:…"`; and the bare id
 * of some images among their digests (28.5, 29), where it is no name.
 */
export function namesOf(image: {
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
}) {
  const digests = [...image.RepoDigests, ...image.RepoTags.filter(isDigest)];
  return {
    tags: image.RepoTags.filter((tag) => tag !== "<none>:<none>" && !isDigest(tag)),
    digests: [...new Set(digests)].filter((digest) => digest !== "<none>@<none>" && !BARE_ID.test(digest)),
  };
}

const isDigest = (name: string) => name.includes("@");
const BARE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

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

/** Source: `Identity` of GET /images/{name}/json, API 1.53. */
export function toPulledFrom(body: unknown): string[] {
  const pulls = v.nullish(v.array(v.object({ Repository: v.string() })), []);
  const schema = v.object({ Identity: v.nullish(v.object({ Pull: pulls })) });
  return (read("image", schema, body).Identity?.Pull ?? []).map(({ Repository }) => Repository);
}

const networkSchema = v.object({
  Id: v.string(),
  Name: v.string(),
  Driver: v.nullish(v.string(), ""),
  Scope: v.string(),
  Created: time,
  Labels: labels,
  Ingress: v.nullish(v.boolean(), false),
  ConfigOnly: v.nullish(v.boolean(), false),
  // Empty in lists.
  Containers: v.nullish(recordOf(v.unknown()), {}),
});

const toNetworkDetail = (network: v.InferOutput<typeof networkSchema>): NetworkDetail => ({
  id: network.Id,
  name: network.Name,
  driver: network.Driver,
  scope: network.Scope,
  createdAt: network.Created,
  labels: network.Labels,
  ingress: network.Ingress,
  configOnly: network.ConfigOnly,
  endpoints: Object.keys(network.Containers).length,
});

export function toNetworks(body: unknown): NetworkSummary[] {
  return read("networks", v.array(networkSchema), body).map(toNetworkDetail);
}

export function toNetwork(body: unknown): NetworkDetail {
  return toNetworkDetail(read("network", networkSchema, body));
}

const cacheSchema = v.object({
  ID: v.string(),
  Description: v.optional(v.string(), ""),
  Size: v.number(),
  Type: v.optional(v.string(), ""),
  LastUsedAt: time,
  InUse: v.optional(v.boolean(), false),
  Shared: v.optional(v.boolean(), false),
  // Before API 1.42 one parent, or an empty text.
  Parent: v.nullish(v.string(), ""),
  Parents: strings,
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
    parents: [...record.Parents, record.Parent].filter((id) => id !== ""),
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
