import { groupBy } from "../collections.ts";
import type { DiskUsage, UsedVolume } from "../engine/types.ts";
import type { Filesystem } from "../host/disk.ts";
import type { HostUsage } from "../host/usage.ts";
import { shortId } from "../text.ts";
import { type Bytes, formatBytes, formatDuration } from "../units.ts";
import { repositoryOf } from "./usage.ts";
import { isAnonymous } from "./volumes.ts";

export const HOLDER_TITLES = {
  images: "images",
  containers: "files that containers wrote",
  volumes: "volumes",
  "build-cache": "build cache",
  "container-logs": "logs of containers",
  swarm: "Swarm's own state",
  "deleted-files": "deleted files still open",
  /** What is left of the used space; the name is older than the other parts. */
  "outside-docker": "not accounted for by the engine",
} as const;

/** One kind of thing that holds space on the engine's filesystem. */
export interface Holder {
  readonly what: keyof typeof HOLDER_TITLES;
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
 * @param root the filesystem under the engine's root; `null`: not readable, so there is no remainder
 */
export function holders(usage: DiskUsage, host: HostUsage, root: Filesystem | null, now: number): Holder[] {
  const known = [
    ...[images(usage, now), containers(usage), volumes(usage), buildCache(usage)],
    ...[logs(usage, host), swarm(host), deleted(host)].filter((holder) => holder !== null),
  ];
  const rest = root === null ? [] : [remainder(root, sum(known), host)];
  return [...known, ...rest].filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}

/** Of a kind that is told as one. */
const UNPARTED = { count: null, largest: [], wayOut: null };

interface Sized {
  readonly bytes: Bytes;
}

const sum = (all: readonly Sized[]): Bytes => all.reduce((total, { bytes }) => total + bytes, 0);

/** What there is to say of things of one kind that each hold some. */
interface Kind<T extends Sized> {
  readonly note: string;
  readonly part?: (one: T) => Omit<Part, "bytes">;
  readonly wayOut: (largest: T) => string | null;
}

function holder<T extends Sized>(what: Holder["what"], all: readonly T[], { note, part, wayOut }: Kind<T>) {
  const sorted = all.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const [largest] = sorted;
  return {
    what,
    bytes: sum(all),
    count: all.length,
    note,
    largest:
      part === undefined ? [] : sorted.slice(0, SHOWN).map((one) => ({ ...part(one), bytes: one.bytes })),
    wayOut: largest === undefined ? null : wayOut(largest),
  };
}

/** One group a repository, largest first; `null`: the nameless images. Pure. */
export function imageGroups({ images: all, containers: users }: DiskUsage) {
  const used = new Set(users.map(({ imageId }) => imageId));
  const byRepository = groupBy(all, ({ tags, digests }) => {
    const name = tags[0] ?? digests[0];
    return name === undefined ? null : repositoryOf(name);
  });
  const groups = [...byRepository].map(([repository, members]) => ({
    repository,
    // About what removing all of it frees: what is its own, and the largest part that it shares with others once.
    bytes:
      members.reduce((total, { ownBytes }) => total + ownBytes, 0) +
      Math.max(...members.map(({ sharedBytes }) => sharedBytes)),
    names: members.reduce(
      (total, { tags, digests }) => total + Math.max(1, tags.length || digests.length),
      0,
    ),
    /** How many some container uses, running or not. */
    inUse: members.filter(({ id }) => used.has(id)).length,
    oldest: members.reduce<number | null>(
      (least, { createdAt }) => (createdAt === null ? least : Math.min(least ?? createdAt, createdAt)),
      null,
    ),
  }));
  return groups.sort((a, b) => b.bytes - a.bytes);
}

function images(usage: DiskUsage, now: number): Holder {
  const groups = imageGroups(usage);
  const tagged = usage.images.filter(({ tags }) => tags.length > 0).length;
  const unused = groups.find(({ repository, inUse }) => repository !== null && inUse === 0)?.repository;
  const told = holder("images", groups, {
    note: `${tagged} of them tagged: the cache, which a pass never takes without a rule`,
    part: ({ repository, names, inUse, oldest }) => {
      const age =
        oldest === null || now - oldest < MINUTE ? "" : `, oldest ${formatDuration((now - oldest) / 1000)}`;
      const use = inUse === 0 ? "none in use" : `${inUse} in use`;
      const note = `${names} ${names === 1 ? "name" : "names"}${age}, ${use}`;
      return { name: repository ?? "dangling images", note };
    },
    wayOut: () =>
      tagged === 0 || unused === undefined
        ? null
        : `a rule of retention for ${unused}, or: docker image rm $(docker image ls -q ${unused})`,
  });
  // Layers that repositories share count once.
  return { ...told, bytes: usage.layersBytes, count: usage.images.length };
}

function containers({ containers: all }: DiskUsage): Holder {
  const { length } = all.filter(({ running }) => running);
  return holder("containers", all, {
    note: `${length} of them running; what they wrote into themselves`,
    part: ({ name, running }) => ({ name, note: running ? "running" : "stopped" }),
    wayOut: ({ name, running }) =>
      running ? `docker exec ${name} du -xh / shows what it wrote; it goes when ${name} is made anew` : null,
  });
}

function volumes(usage: DiskUsage): Holder {
  const users = (volume: UsedVolume) =>
    usage.containers.filter((container) => container.volumes.includes(volume.name)).map(({ name }) => name);
  const orphaned = usage.volumes.filter((volume) => isAnonymous(volume.name) && users(volume).length === 0);
  const anonymous =
    orphaned.length === 0
      ? ""
      : `; ${orphaned.length} anonymous without a container, ${formatBytes(sum(orphaned))}`;
  return holder("volumes", usage.volumes, {
    note: `a pass never takes volumes${anonymous}`,
    part: (volume) => {
      const names = users(volume);
      const use = names.length === 0 ? "no container has it" : `used by ${names.slice(0, SHOWN).join(", ")}`;
      return { name: volume.name, note: `${cacheOf(volume.name)?.whose ?? ""}${use}` };
    },
    wayOut: (volume) => {
      const { name } = volume;
      const [user] = users(volume);
      const own =
        user === undefined
          ? `docker volume rm ${name}, once nobody needs what is in it`
          : `${user} holds ${name}: empty it there`;
      return cacheOf(name)?.wayOut ?? own;
    },
  });
}

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
  const told = holder("build-cache", own, {
    note: busy === 0 ? "what a pass leaves was used within prune.until" : `${busy} in use by a build`,
    wayOut: () => "a shorter prune.until, or a bound by size: builder.gc in daemon.json",
  });
  return { ...told, count: all.length };
}

function logs(usage: DiskUsage, { logs: files }: HostUsage): Holder | null {
  if (files === null) return null;
  const owners = new Map(usage.containers.map((container) => [container.id, container]));
  return holder("container-logs", files, {
    note: "log files of containers; they go with their container",
    part: ({ containerId }) => {
      const owner = owners.get(containerId);
      if (owner === undefined) return { name: shortId(containerId), note: "its container is gone" };
      return { name: owner.name, note: owner.running ? "running" : "stopped" };
    },
    wayOut: ({ path }) =>
      `truncate -s 0 ${path}; and log-opts max-size in daemon.json for containers made later`,
  });
}

function swarm({ swarmBytes }: HostUsage): Holder | null {
  return swarmBytes === null
    ? null
    : { ...UNPARTED, what: "swarm", bytes: swarmBytes, note: "Swarm's own state: the raft log of a manager" };
}

function deleted({ deleted: files }: HostUsage): Holder | null {
  if (files === null) return null;
  return holder("deleted-files", files, {
    note: "deleted, but a process still has them open",
    part: ({ path, pid }) => ({ name: path, note: `open in process ${pid}` }),
    wayOut: ({ pid }) => `restart process ${pid} (ps ${pid}; lsof +L1 lists them all)`,
  });
}

function remainder({ usedBytes, paths }: Filesystem, known: Bytes, host: HostUsage): Holder {
  const unread = [
    ...(host.logs === null ? ["container logs"] : []),
    ...(host.deleted === null ? ["deleted files that are still open"] : []),
  ];
  const also = unread.length === 0 ? "" : `; ${unread.join(" and ")} could not be measured and count here`;
  return {
    ...UNPARTED,
    what: "outside-docker",
    bytes: Math.max(0, usedBytes - known),
    note: `${HOLDER_TITLES["outside-docker"]}${also}`,
    wayOut: `du -xh -d2 ${paths[0] ?? "/"} | sort -h | tail`,
  };
}
