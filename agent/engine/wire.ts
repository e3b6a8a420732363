import * as v from "valibot";
import * as is from "./shapes.ts";

/**
 * Engine JSON -> our types, which types.ts names; pure. Only the fields needed are looked at, and those must have the
 * right shape: anything else is `malformed`, hence unknown, hence blocks.
 */

const mount = is.made(
  is.fields({
    /** `"volume"`, `"bind"` … */
    type: ["Type", is.text],
    name: ["Name", is.text],
    path: ["Source", is.text],
    destination: ["Destination", is.text],
  }),
  ({ name, path, ...mount }) => ({
    ...mount,
    /** A volume's name; the path on the host of a bind mount. Of others the destination alone tells them apart. */
    source: mount.type === "volume" ? name : path,
  }),
);

const anything = v.nullish(is.recordOf(v.unknown()), {});

/** `["/build-7"]` -> `["build-7"]` */
const withoutSlash = (names: readonly string[]) => names.map((name) => name.replace(/^\//, ""));
export const slashless = is.made(is.strings, withoutSlash);

const containerSummary = is.fields({
  id: ["Id", v.string()],
  names: ["Names", is.made(is.toldStrings, withoutSlash)],
  imageId: ["ImageID", v.string()],
  /** The image as it was named when the container was made; an id where that name is gone. */
  imageName: ["Image", is.text],
  state: ["State", v.string()],
  createdAt: ["Created", is.made(v.number(), (at) => at * 1000)],
  labels: ["Labels", is.toldLabels],
  mounts: ["Mounts", is.listOf(mount)],
  networks: ["NetworkSettings", is.made(is.within("Networks", anything), Object.keys)],
});

export const toContainers = is.reading("containers", v.array(containerSummary));

const containerState = is.fields({
  state: ["Status", v.string()],
  /** `null`: it never started. */
  startedAt: ["StartedAt", is.time],
  finishedAt: ["FinishedAt", is.time],
  /** Of the last run; 0 also for one that never ran. */
  exitCode: ["ExitCode", v.nullish(v.number(), null)],
  /** The kernel killed a process in it for lack of memory; its exit code may be 0 all the same. */
  oomKilled: ["OOMKilled", is.flag],
});

const containerDetail = is.made(
  is.fields({
    id: ["Id", v.string()],
    createdAt: ["Created", is.time],
    state: ["State", containerState],
    sizeBytes: ["SizeRw", is.sizeOrNull],
    execs: ["ExecIDs", v.optional(v.nullable(v.array(v.string())))],
  }),
  ({ state, execs, ...container }) => ({
    ...container,
    ...state,
    /** `execs`: commands that are being executed in it; absent: not told. */
    ...(execs === undefined ? {} : { execs: execs?.length ?? 0 }),
  }),
);

export const toContainer = is.reading("container", containerDetail);

/**
 * 20.10 writes `<none>:<none>` and `<none>@<none>` for what has no tag or digest; others null or []. The containerd
 * store lists what was pulled by digest among the tags (28.5), where it is no tag: `"app@sha256:…"`; and the bare id
 * of some images among their digests (28.5, 29), where it is no name.
 */
export function withNames<T extends Record<"tags" | "digests", readonly string[]>>(image: T): T {
  const digests = [...image.digests, ...image.tags.filter(isDigest)];
  return {
    ...image,
    tags: image.tags.filter((tag) => tag !== "<none>:<none>" && !isDigest(tag)),
    digests: [...new Set(digests)].filter((digest) => digest !== "<none>@<none>" && !BARE_ID.test(digest)),
  };
}

const isDigest = (name: string) => name.includes("@");
const BARE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

export const IMAGE = {
  id: ["Id", v.string()],
  tags: ["RepoTags", is.toldStrings],
  digests: ["RepoDigests", is.toldStrings],
} as const;

const imageSummary = is.made(
  is.fields({
    ...IMAGE,
    parentId: ["ParentId", v.optional(v.string(), "")],
    sizeBytes: ["Size", is.size],
    labels: ["Labels", is.labels],
    /** Of the config; `null`: absent or the zero time. */
    createdAt: ["Created", is.seconds],
  }),
  withNames,
);

export const toImages = is.reading("images", v.array(imageSummary));

const imageDetail = is.made(
  is.fields({
    ...IMAGE,
    parentId: ["Parent", v.optional(v.string(), "")],
    sizeBytes: ["Size", is.size],
    labels: ["Config", is.within("Labels", is.labels)],
    createdAt: ["Created", is.time],
    lastTaggedAt: ["Metadata", is.within("LastTagTime", is.time)],
    /** Digests of its layers, oldest first; a layer is the same in two images where all below it are as well. */
    layers: ["RootFS", is.within("Layers", is.strings)],
  }),
  withNames,
);

export const toImage = is.reading("image", imageDetail);

/** Source: `Identity` of GET /images/{name}/json, API 1.53. */
export const toPulledFrom = is.reading(
  "image",
  is.made(
    v.object({ Identity: is.within("Pull", is.listOf(v.object({ Repository: v.string() }))) }),
    ({ Identity }) => Identity.map(({ Repository }) => Repository),
  ),
);

const network = is.fields({
  id: ["Id", v.string()],
  name: ["Name", v.string()],
  /** `"bridge"`, `"overlay"` … */
  driver: ["Driver", is.text],
  /** `"local"`, or `"swarm"` and the like. */
  scope: ["Scope", v.string()],
  createdAt: ["Created", is.time],
  labels: ["Labels", is.labels],
  ingress: ["Ingress", is.flag],
  /** Only a pattern for networks of a swarm. */
  configOnly: ["ConfigOnly", is.flag],
  /** Of containers that run; none in a list. */
  endpoints: ["Containers", is.made(anything, (containers) => Object.keys(containers).length)],
});

export const toNetworks = is.reading("networks", v.array(network));
export const toNetwork = is.reading("network", network);

const cacheRecord = is.made(
  is.fields({
    id: ["ID", v.string()],
    /** `"regular"`, `"source.local"`, `"internal"`, `"frontend"` … */
    type: ["Type", is.text],
    description: ["Description", is.text],
    sizeBytes: ["Size", is.size],
    lastUsedAt: ["LastUsedAt", is.time],
    inUse: ["InUse", v.optional(v.boolean(), false)],
    shared: ["Shared", v.optional(v.boolean(), false)],
    /** Ids of the records it was built on: none of them goes while it is there. */
    parents: ["Parents", is.strings],
    // Before API 1.42, or an empty text.
    parent: ["Parent", is.text],
  }),
  ({ parent, ...record }) => ({
    ...record,
    parents: [...record.parents, parent].filter((id) => id !== ""),
  }),
);

export const toBuildCache = is.reading(
  "build cache",
  is.made(v.object({ BuildCache: v.nullable(v.array(cacheRecord)) }), ({ BuildCache }) => BuildCache ?? []),
);

/** A second prune at the same time is answered 200 with `CachesDeleted: null` (engine 20.10 to 28.5). */
export const toCachePruned = is.reading(
  "build cache prune",
  is.fields({ ids: ["CachesDeleted", is.strings], claimedBytes: ["SpaceReclaimed", is.size] }),
);

export const toCommitted = is.reading("commit", v.object({ Id: v.string() }));

const step = is.made(
  v.object({ Size: is.count, Created: v.optional(v.number(), 0), CreatedBy: is.text }),
  ({ Size, Created, CreatedBy }) => ({
    /** 0 for one that only changes the config, and on classic stores for a layer of empty files or folders. */
    sizeBytes: Size,
    /** When and by what it was made: the same in all images built on its layer. */
    mark: `${Created} ${CreatedBy}`,
  }),
);

/** The steps that `docker image history` shows, oldest first. */
export const toHistory = is.reading(
  "image history",
  is.made(v.array(step), (steps) => steps.reverse()),
);
