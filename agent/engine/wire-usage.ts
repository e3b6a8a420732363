import * as v from "valibot";
import * as is from "./shapes.ts";
import { IMAGE, slashless, withNames } from "./wire.ts";

/** Where the engine's bytes are, from `GET /system/df`: JSON -> our types, which types.ts names. Pure. */

const usedImage = is.made(
  is.fields({
    ...IMAGE,
    size: ["Size", is.size],
    /** Layers that some other image holds as well. */
    sharedBytes: ["SharedSize", is.size],
    createdAt: ["Created", v.nullish(is.seconds, 0)],
  }),
  ({ size, ...image }) => ({ ...withNames(image), ownBytes: Math.max(0, size - image.sharedBytes) }),
);

const usedContainer = is.made(
  is.fields({
    id: ["Id", v.string()],
    names: ["Names", slashless],
    imageId: ["ImageID", is.text],
    state: ["State", is.text],
    /** What it wrote into itself. */
    bytes: ["SizeRw", is.size],
    mounts: ["Mounts", is.listOf(v.object({ Type: is.text, Name: is.text }))],
  }),
  ({ names, state, mounts, ...container }) => ({
    ...container,
    name: names[0] ?? container.id,
    running: state === "running",
    /** Names of the volumes that it mounts. */
    volumes: mounts.flatMap(({ Type, Name }) => (Type === "volume" && Name !== "" ? [Name] : [])),
  }),
);

const usedVolume = is.fields({
  name: ["Name", v.string()],
  bytes: ["UsageData", is.within("Size", is.size)],
});

const usedCache = is.fields({
  bytes: ["Size", is.size],
  shared: ["Shared", is.flag],
  inUse: ["InUse", is.flag],
});

export const toDiskUsage = is.reading(
  "disk usage",
  is.fields({
    /** All layers together, each counted once. */
    layersBytes: ["LayersSize", is.size],
    images: ["Images", is.listOf(usedImage)],
    containers: ["Containers", is.listOf(usedContainer)],
    volumes: ["Volumes", is.listOf(usedVolume)],
    buildCache: ["BuildCache", is.listOf(usedCache)],
  }),
);
