import type { DiskUsage } from "../engine/types.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Bytes } from "../units.ts";

/** What holds space on the engine's filesystem, as far as a cheap look tells. */
export interface Holder {
  readonly what: "images" | "containers" | "volumes" | "build-cache" | "outside-docker";
  readonly bytes: Bytes;
  /** `null`: not countable. */
  readonly count: number | null;
  readonly note: string;
}

/** Largest first. Pure. @param rootFilesystem the filesystem under the engine's root; `null` when not readable */
export function holders(usage: DiskUsage, rootFilesystem: Filesystem | null): Holder[] {
  const { images, containers, volumes, buildCache } = usage;
  const inDocker = images.bytes + containers.bytes + volumes.bytes + buildCache.bytes;
  const known: Holder[] = [
    {
      what: "images",
      bytes: images.bytes,
      count: images.count,
      note: `${images.tagged} of them tagged: the cache, which a pass never takes`,
    },
    {
      what: "containers",
      bytes: containers.bytes,
      count: containers.count,
      note: `${containers.running} of them running; what they wrote into themselves`,
    },
    { what: "volumes", bytes: volumes.bytes, count: volumes.count, note: "a pass never takes volumes" },
    {
      what: "build-cache",
      bytes: buildCache.bytes,
      count: buildCache.count,
      note: "still younger than prune.until, in use, or shared",
    },
  ];
  const outside: Holder[] =
    rootFilesystem === null
      ? []
      : [
          {
            what: "outside-docker",
            bytes: Math.max(0, rootFilesystem.usedBytes - inDocker),
            count: null,
            note: "on the same filesystem as the engine's root, but not the engine's; container logs count here",
          },
        ];
  return [...known, ...outside].sort((a, b) => b.bytes - a.bytes);
}
