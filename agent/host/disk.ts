import {
  type BigIntStats,
  type BigIntStatsFs,
  realpathSync,
  stat,
  statfs,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { type Fact, known, unknown } from "../facts.ts";
import type { Bytes, Seconds } from "../units.ts";

/** How full a filesystem is, as df counts it. */
export interface Filesystem {
  /** The watched paths that lie on it, first one first. */
  readonly paths: readonly string[];
  /** Device number; with the path's first mount it tells filesystems apart. */
  readonly device: string;
  readonly totalBytes: Bytes;
  readonly usedBytes: Bytes;
  /** What an ordinary user may still write: without the reserve that ext4 keeps for root. */
  readonly availableBytes: Bytes;
  /** df's Use%: used / (used + available), rounded up. */
  readonly usedPercent: number;
  /** df's IUse%; `null` where the filesystem counts no inodes (btrfs, zfs), as are the two below. */
  readonly inodesUsedPercent: number | null;
  readonly totalInodes: number | null;
  readonly freeInodes: number | null;
}

/** A filesystem on a disk answers in microseconds; one whose server is gone never does. */
const DEADLINE: Seconds = 3;

/**
 * Looks at each path once and groups those on one device.
 * @param required paths that must be readable; the others are left out where they do not exist
 * @returns one fact a filesystem or unreadable path
 * Source: statfs(2). 0.04 ms a path; systeminformation.fsSize runs df and can come back empty without an error,
 * so it names filesystems (mounts.ts) and decides nothing.
 */
export async function readFilesystems(paths: readonly string[], required: (path: string) => boolean) {
  const facts: Fact<Filesystem>[] = [];
  const byDevice = new Map<string, number>();
  const looks = [...new Set(paths)].map((path) => ({ path, answer: lookInTime(path) }));
  // All are asked at once, and awaited one after the other.
  for (const { answer } of looks) answer.catch(() => {});
  for (const { path, answer } of looks) {
    try {
      const [{ dev }, stats] = await answer;
      const device = dev.toString();
      const at = byDevice.get(device);
      const seen = at === undefined ? undefined : facts[at];
      if (at !== undefined && seen?.known) {
        facts[at] = known({ ...seen.value, paths: [...seen.value.paths, path] });
        continue;
      }
      if (stats.blocks === 0n) {
        facts.push(unknown(`disk usage of ${path}`, "the filesystem reports no blocks (hidden by a mount?)"));
        continue;
      }
      byDevice.set(device, facts.length);
      facts.push(known(measure(path, device, stats)));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if ((code === "ENOENT" || code === "ENOTDIR") && !required(path)) continue;
      facts.push(unknown(`disk usage of ${path}`, message));
    }
  }
  return facts;
}

type Looked = readonly [BigIntStats, BigIntStatsFs];
type Look = Promise<Looked>;

/**
 * f_type of filesystems of this host's own disks and memory, which answer at once: ext4, xfs, btrfs, zfs, bcachefs,
 * f2fs, tmpfs, overlayfs. Source: statfs(2), linux/magic.h.
 */
const LOCAL = [
  0xef53n,
  0x58465342n,
  0x9123683en,
  0x2fc12fc1n,
  0xca451a4en,
  0xf2f52010n,
  0x01021994n,
  0x794c7630n,
];

/** Paths that lie on such a filesystem, or on none: they are asked without a thread, which takes 2 ms. */
const local = new Set<string>();

export const localPaths = (): readonly string[] => [...local];

/** @param paths as {@link localPaths} told in an earlier pass */
export function trustLocalPaths(paths: readonly string[]): void {
  for (const path of paths) local.add(path);
}

/** Looks that have not been answered, by path. Each holds a thread of node's until it is, so there is one a path. */
const unanswered = new Map<string, Look>();

/** Node does not end while one of them hangs: main.ts. */
export const hungPaths = (): readonly string[] => [...unanswered.keys()];

async function lookInTime(path: string): Look {
  const trusted = local.delete(path);
  try {
    const looked = await (trusted ? lookNow(path) : lookByThread(path));
    if (LOCAL.includes(looked[1].type)) local.add(path);
    return looked;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") local.add(path);
    throw error;
  }
}

const BIGINT = { bigint: true } as const;

function lookNow(path: string): Looked {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) throw Object.assign(new Error(`${path} does not exist`), { code: "ENOENT" });
  return [stats, statfsSync(path, BIGINT)];
}

// Not fs.promises: loading it costs the quiet pass 2 ms.
const look = (path: string): Look =>
  Promise.all([promisify(stat)(path, BIGINT), promisify(statfs)(path, BIGINT)]);

function lookByThread(path: string): Look {
  const hung = unanswered.has(path);
  const asked = unanswered.get(path) ?? look(path);
  if (!hung) {
    unanswered.set(path, asked);
    const answered = () => unanswered.delete(path);
    asked.then(answered, answered);
  }
  return new Promise<Looked>((resolve, reject) => {
    const late = () => reject(new Error(`the filesystem did not answer within ${DEADLINE} s`));
    // One that hung a moment ago is not waited for again.
    const timer = setTimeout(late, hung ? 0 : DEADLINE * 1000);
    asked.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Pure. @param stats as statfs(2) gave it */
export function measure(path: string, device: string, stats: BigIntStatsFs): Filesystem {
  const used = stats.blocks - stats.bfree;
  // Below the reserve, bavail can read as a huge unsigned number on some filesystems.
  const available = stats.bavail > stats.blocks ? 0n : stats.bavail;
  const usedInodes = stats.files - stats.ffree;
  return {
    paths: [path],
    device,
    totalBytes: Number(stats.blocks * stats.bsize),
    usedBytes: Number(used * stats.bsize),
    availableBytes: Number(available * stats.bsize),
    usedPercent: ceilPercent(used, used + available),
    inodesUsedPercent: stats.files === 0n ? null : ceilPercent(usedInodes, stats.files),
    totalInodes: stats.files === 0n ? null : Number(stats.files),
    freeInodes: stats.files === 0n ? null : Number(stats.ffree),
  };
}

/**
 * Where the filesystem that holds `path` is mounted: the topmost folder above it on the same device, as df finds it.
 * `path` itself where that cannot be told. Not by mounts.ts, which runs df; a bind mount of the same filesystem is
 * passed over, so that a unit's own view of the host names it as the host does.
 */
export function mountPoint(path: string): string {
  try {
    let at = realpathSync(path);
    const { dev } = statSync(at);
    for (let above = dirname(at); above !== at && statSync(above).dev === dev; above = dirname(at))
      at = above;
    return at;
  } catch {
    return path;
  }
}

const ceilPercent = (part: bigint, whole: bigint): number =>
  whole === 0n ? 100 : Number((100n * part + whole - 1n) / whole);
