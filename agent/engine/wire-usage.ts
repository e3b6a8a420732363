import * as v from "valibot";
import { read, size, strings } from "./shapes.ts";
import type { DiskUsage } from "./types.ts";
import { namesOf } from "./wire.ts";

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
