import * as v from "valibot";
import { flag, listOf, reading, seconds, size, strings, text } from "./shapes.ts";
import { namesOf } from "./wire.ts";

/** Where the engine's bytes are, from `GET /system/df`: JSON -> our types, which types.ts names. Pure. */

const usedImage = v.pipe(
  v.object({
    Id: v.string(),
    RepoTags: strings,
    RepoDigests: strings,
    Size: size,
    SharedSize: size,
    Created: v.nullish(seconds, 0),
  }),
  v.transform((image) => ({
    id: image.Id,
    ...namesOf(image),
    ownBytes: Math.max(0, image.Size - image.SharedSize),
    /** Layers that some other image holds as well. */
    sharedBytes: image.SharedSize,
    createdAt: image.Created,
  })),
);

const usedContainer = v.pipe(
  v.object({
    Id: v.string(),
    Names: strings,
    ImageID: text,
    State: text,
    SizeRw: size,
    Mounts: listOf(v.object({ Type: text, Name: text })),
  }),
  v.transform(({ Id, Names, ImageID, State, SizeRw, Mounts }) => ({
    id: Id,
    name: (Names[0] ?? Id).replace(/^\//, ""),
    imageId: ImageID,
    running: State === "running",
    /** What it wrote into itself. */
    bytes: SizeRw,
    /** Names of the volumes that it mounts. */
    volumes: Mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name !== "" ? [Name] : [])),
  })),
);

const usedVolume = v.pipe(
  v.object({ Name: v.string(), UsageData: v.nullish(v.object({ Size: size })) }),
  v.transform(({ Name, UsageData }) => ({ name: Name, bytes: UsageData?.Size ?? 0 })),
);

const usedCache = v.pipe(
  v.object({ Size: size, Shared: flag, InUse: flag }),
  v.transform(({ Size, Shared, InUse }) => ({ bytes: Size, shared: Shared, inUse: InUse })),
);

export const toDiskUsage = reading(
  "disk usage",
  v.pipe(
    v.object({
      LayersSize: size,
      Images: listOf(usedImage),
      Containers: listOf(usedContainer),
      Volumes: listOf(usedVolume),
      BuildCache: listOf(usedCache),
    }),
    v.transform(({ LayersSize, Images, Containers, Volumes, BuildCache }) => ({
      /** All layers together, each counted once. */
      layersBytes: LayersSize,
      images: Images,
      containers: Containers,
      volumes: Volumes,
      buildCache: BuildCache,
    })),
  ),
);
