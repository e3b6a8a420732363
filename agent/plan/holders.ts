import type { DiskUsage, UsedImage, UsedVolume } from "../engine/types.ts";
import type { Filesystem } from "../host/disk.ts";
import type { HostUsage } from "../host/usage.ts";
import { type Bytes, formatBytes, formatDuration } from "../units.ts";

/** One kind of thing that holds space on the engine's filesystem. */
export interface Holder {
  readonly what:
    | "images"
    | "containers"
    | "volumes"
    | "build-cache"
    | "container-logs"
    | "swarm"
    | "deleted-files"
    /** What is left of the used space; the name is older than the other parts. */
    | "outside-docker";
  readonly bytes: Bytes;
  /** `null`: not countable. */
  readonly count: number | null;
  /** Why a pass leaves it, or what it is. */
  readonly note: string;
  /** Its largest parts, at most three, largest first. */
  readonly largest: readonly Part[];
  /** A command or a setting that frees it; `null`: none beyond what a pass does. */
  readonly wayOut: string | null;
}

export interface Part {
  /** A repository, a volume, a container, a path. */
  readonly name: string;
  readonly bytes: Bytes;
  readonly note: string;
}

const SHOWN = 3;
const MINUTE = 60_000;

/**
 * What holds the engine's filesystem, largest first; kinds that hold nothing are left out. Pure.
 * @param rootFilesystem the filesystem under the engine's root; `null`: not readable, so there is no remainder
 * @param now milliseconds, for ages
 */
export function holders(
  usage: DiskUsage,
  host: HostUsage,
  rootFilesystem: Filesystem | null,
  now: number,
): Holder[] {
  const inEngine = [images(usage, now), containers(usage), volumes(usage), buildCache(usage)];
  const measured = [...inEngine, ...logs(usage, host), ...swarm(host), ...deleted(host)];
  const known = measured.reduce((sum, { bytes }) => sum + bytes, 0);
  const rest = rootFilesystem === null ? [] : [remainder(rootFilesystem, known, host)];
  return [...measured, ...rest].filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}

/** Images of one repository, or the nameless ones. */
export interface ImageGroup {
  /** `"registry.example.org/team/app"`; `null`: dangling. */
  readonly repository: string | null;
  /** Its own layers, and the largest part that it shares with others once: about what removing all of it frees. */
  readonly bytes: Bytes;
  readonly names: number;
  /** How many of its images some container uses, running or not. */
  readonly inUse: number;
  readonly oldest: number | null;
}

/** One group a repository, largest first. Pure. */
export function imageGroups({ images: all, containers: users }: DiskUsage): ImageGroup[] {
  const used = new Set(users.map(({ imageId }) => imageId));
  const byRepository = new Map<string | null, UsedImage[]>();
  for (const image of all) {
    const name = image.tags[0] ?? image.digests[0];
    const repository = name === undefined ? null : repositoryOf(name);
    byRepository.set(repository, [...(byRepository.get(repository) ?? []), image]);
  }
  return [...byRepository]
    .map(([repository, members]) => ({
      repository,
      bytes:
        members.reduce((sum, { ownBytes }) => sum + ownBytes, 0) +
        Math.max(...members.map(({ sharedBytes }) => sharedBytes)),
      names: members.reduce((sum, { tags, digests }) => sum + Math.max(1, tags.length || digests.length), 0),
      inUse: members.filter(({ id }) => used.has(id)).length,
      oldest: members.reduce<number | null>(
        (least, { createdAt }) => (createdAt === null ? least : Math.min(least ?? createdAt, createdAt)),
        null,
      ),
    }))
    .sort((a, b) => b.bytes - a.bytes);
}

/** `"host:5000/app:1"` and `"app@sha256:…"` -> the repository. */
export function repositoryOf(name: string): string {
  const bare = name.split("@")[0] ?? name;
  const colon = bare.lastIndexOf(":");
  return colon > bare.lastIndexOf("/") ? bare.slice(0, colon) : bare;
}

function images(usage: DiskUsage, now: number): Holder {
  const groups = imageGroups(usage);
  const tagged = usage.images.filter(({ tags }) => tags.length > 0).length;
  const unused = groups.find(({ repository, inUse }) => repository !== null && inUse === 0);
  return {
    what: "images",
    bytes: usage.layersBytes,
    count: usage.images.length,
    note: `${tagged} of them tagged: the cache, which a pass never takes without a rule`,
    largest: groups.slice(0, SHOWN).map(({ repository, bytes, names, inUse, oldest }) => {
      const age =
        oldest === null || now - oldest < MINUTE ? "" : `, oldest ${formatDuration((now - oldest) / 1000)}`;
      const use = inUse === 0 ? "none in use" : `${inUse} in use`;
      return {
        name: repository ?? "dangling images",
        bytes,
        note: `${names} ${names === 1 ? "name" : "names"}${age}, ${use}`,
      };
    }),
    wayOut:
      tagged === 0 || unused === undefined
        ? null
        : `a rule of retention for ${unused.repository}, or: docker image rm $(docker image ls -q ${unused.repository})`,
  };
}

function containers({ containers: all }: DiskUsage): Holder {
  const running = all.filter((container) => container.running).length;
  const [largest] = [...all].sort((a, b) => b.bytes - a.bytes);
  return {
    what: "containers",
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    count: all.length,
    note: `${running} of them running; what they wrote into themselves`,
    largest: parts(all, ({ name, bytes, running: runs }) => ({
      name,
      bytes,
      note: runs ? "running" : "stopped",
    })),
    wayOut:
      largest === undefined || !largest.running
        ? null
        : `docker exec ${largest.name} du -xh / shows what it wrote; it goes when ${largest.name} is made anew`,
  };
}

function volumes(usage: DiskUsage): Holder {
  const users = (volume: UsedVolume) =>
    usage.containers.filter((container) => container.volumes.includes(volume.name)).map(({ name }) => name);
  const [largest] = [...usage.volumes].sort((a, b) => b.bytes - a.bytes);
  const orphaned = usage.volumes.filter((volume) => isAnonymous(volume.name) && users(volume).length === 0);
  const anonymous =
    orphaned.length === 0
      ? ""
      : `; ${orphaned.length} anonymous without a container, ${formatBytes(orphaned.reduce((sum, { bytes }) => sum + bytes, 0))}`;
  return {
    what: "volumes",
    bytes: usage.volumes.reduce((sum, { bytes }) => sum + bytes, 0),
    count: usage.volumes.length,
    note: `a pass never takes volumes${anonymous}`,
    largest: parts(usage.volumes, (volume) => {
      const names = users(volume);
      const use = names.length === 0 ? "no container has it" : `used by ${names.slice(0, SHOWN).join(", ")}`;
      return { name: volume.name, bytes: volume.bytes, note: `${cacheOf(volume.name)?.whose ?? ""}${use}` };
    }),
    wayOut:
      largest === undefined
        ? null
        : (cacheOf(largest.name)?.wayOut ??
          (users(largest).length === 0
            ? `docker volume rm ${largest.name}, once nobody needs what is in it`
            : `${users(largest)[0]} holds ${largest.name}: empty it there`)),
  };
}

/** The engine names a volume without a name by 64 hexadecimal digits. */
const isAnonymous = (name: string) => /^[0-9a-f]{64}$/.test(name);

/** Volumes that are caches of builders and runners, with the command that bounds them. */
function cacheOf(volume: string): { readonly whose: string; readonly wayOut: string } | null {
  // docker/buildx driver/docker-container: "buildx_buildkit_<node>_state", where <node> is the builder and a number.
  const builder = /^buildx_buildkit_(.+?)\d+_state$/.exec(volume)?.[1];
  if (builder !== undefined)
    return {
      whose: `cache of the builder ${builder}, `,
      wayOut: `docker buildx prune --builder ${builder} --filter until=24h, as the user who made it`,
    };
  if (/^runner-.*-cache-[0-9a-f]{32}/.test(volume))
    return {
      whose: "cache of a GitLab runner, ",
      wayOut: `docker volume rm ${volume}, or the runner's clear-docker-cache script`,
    };
  return null;
}

function buildCache({ buildCache: all }: DiskUsage): Holder {
  // Shared records are image layers as well, counted there already.
  const own = all.filter(({ shared }) => !shared);
  const busy = own.filter(({ inUse }) => inUse).length;
  return {
    what: "build-cache",
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
    count: all.length,
    note: busy === 0 ? "what a pass leaves was used within prune.until" : `${busy} in use by a build`,
    largest: [],
    wayOut: "a shorter prune.until, or a bound by size: builder.gc in daemon.json",
  };
}

function logs(usage: DiskUsage, { logs: files }: HostUsage): Holder[] {
  if (files === null) return [];
  const owners = new Map(usage.containers.map((container) => [container.id, container]));
  const [largest] = files;
  return [
    {
      what: "container-logs",
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      count: files.length,
      note: "log files of containers; they go with their container",
      largest: parts(files, ({ containerId, bytes }) => {
        const owner = owners.get(containerId);
        const note = owner === undefined ? "its container is gone" : owner.running ? "running" : "stopped";
        return { name: owner?.name ?? containerId.slice(0, 12), bytes, note };
      }),
      wayOut:
        largest === undefined
          ? null
          : `truncate -s 0 ${largest.path}; and log-opts max-size in daemon.json for containers made later`,
    },
  ];
}

function swarm({ swarmBytes }: HostUsage): Holder[] {
  const note = "Swarm's own state: the raft log of a manager";
  return swarmBytes === null
    ? []
    : [{ what: "swarm", bytes: swarmBytes, count: null, note, largest: [], wayOut: null }];
}

function deleted({ deleted: files }: HostUsage): Holder[] {
  if (files === null) return [];
  const [largest] = files;
  return [
    {
      what: "deleted-files",
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      count: files.length,
      note: "deleted, but a process still has them open",
      largest: parts(files, ({ path, bytes, pid }) => ({
        name: path,
        bytes,
        note: `open in process ${pid}`,
      })),
      wayOut:
        largest === undefined
          ? null
          : `restart process ${largest.pid} (ps ${largest.pid}; lsof +L1 lists them all)`,
    },
  ];
}

function remainder({ usedBytes, paths }: Filesystem, known: Bytes, host: HostUsage): Holder {
  const unread = [
    ...(host.logs === null ? ["container logs"] : []),
    ...(host.deleted === null ? ["deleted files that are still open"] : []),
  ];
  const also = unread.length === 0 ? "" : `; ${unread.join(" and ")} could not be measured and count here`;
  return {
    what: "outside-docker",
    bytes: Math.max(0, usedBytes - known),
    count: null,
    note: `not accounted for by the engine${also}`,
    largest: [],
    wayOut: `du -xh -d2 ${paths[0] ?? "/"} | sort -h | tail`,
  };
}

function parts<T extends { readonly bytes: Bytes }>(all: readonly T[], toPart: (one: T) => Part): Part[] {
  return [...all]
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, SHOWN)
    .map(toPart);
}
