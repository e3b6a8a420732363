import { readdir as readdirOf, readlink as readlinkOf, stat as statOf } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bytes } from "../units.ts";

/** What holds space on the engine's filesystem and is in no answer of the engine. `null`: not readable, or too slow. */
export interface HostUsage {
  /** Log files of containers, largest first: `<root>/containers/<id>/`, drivers json-file and local. */
  readonly logs: readonly LogFiles[] | null;
  /** Swarm's own state, `<root>/swarm`: mostly the raft log of a manager. */
  readonly swarmBytes: Bytes | null;
  /** Files that have no name any more, but that a process still has open. Largest first. */
  readonly deleted: readonly DeletedFile[] | null;
}

export interface LogFiles {
  readonly containerId: string;
  /** The largest of its files, for whoever wants to empty it. */
  readonly path: string;
  readonly bytes: Bytes;
}

export interface DeletedFile {
  readonly pid: number;
  readonly path: string;
  readonly bytes: Bytes;
}

// Not fs.promises: loading it costs each pass 3 ms, and most passes measure nothing here.
const readdir = promisify(readdirOf);
const readlink = promisify(readlinkOf);
const stat = promisify(statOf);

export const HOST_NOT_READ: HostUsage = { logs: null, swarmBytes: null, deleted: null };

/**
 * Measures what the engine does not tell. Needs root for most of it; whatever cannot be read is `null`.
 * @param giveUp ends the look; what is not measured by then is `null`
 */
export async function readHostUsage(root: string, device: string, giveUp: AbortSignal): Promise<HostUsage> {
  const orNull = <T>(look: Promise<T>) => look.catch(() => null);
  const [logs, swarmBytes, deleted] = await Promise.all([
    orNull(logFiles(join(root, "containers"), giveUp)),
    orNull(folderBytes(join(root, "swarm"), giveUp)),
    orNull(deletedFiles(device, giveUp)),
  ]);
  return { logs, swarmBytes, deleted };
}

const largestFirst = (a: { readonly bytes: Bytes }, b: { readonly bytes: Bytes }) => b.bytes - a.bytes;

async function logFiles(folder: string, giveUp: AbortSignal): Promise<LogFiles[]> {
  const found: LogFiles[] = [];
  for (const { name: containerId } of await entries(folder)) {
    const files: { path: string; bytes: Bytes }[] = [];
    for (const part of ["", "local-logs"]) {
      const inner = join(folder, containerId, part);
      for (const { name } of await entries(inner)) {
        giveUp.throwIfAborted();
        if (!/-json\.log(\.|$)|^container\.log(\.|$)/.test(name)) continue;
        files.push({ path: join(inner, name), bytes: await bytesOf(join(inner, name)) });
      }
    }
    const [largest] = files.sort(largestFirst);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (largest !== undefined && bytes > 0) found.push({ containerId, path: largest.path, bytes });
  }
  return found.sort(largestFirst);
}

/** What is in a folder; nothing where it is not there. @throws where it cannot be read */
async function entries(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

/** Allocated bytes, as du counts them; 0 for a file that went meanwhile. */
const bytesOf = (path: string): Promise<Bytes> =>
  stat(path).then(
    ({ blocks }) => blocks * 512,
    () => 0,
  );

async function folderBytes(folder: string, giveUp: AbortSignal): Promise<Bytes> {
  let sum = 0;
  for (const entry of await entries(folder)) {
    giveUp.throwIfAborted();
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await folderBytes(path, giveUp);
    else if (entry.isFile()) sum += await bytesOf(path);
  }
  return sum;
}

/** By /proc, as `lsof +L1` does. @throws where not every process may be looked at: without root, or in a sandbox */
async function deletedFiles(device: string, giveUp: AbortSignal): Promise<DeletedFile[]> {
  if ((await entries("/proc/1/fd")).length === 0) throw new Error("other processes are hidden");
  const found = new Map<number, DeletedFile>();
  for (const { name: pid } of await entries("/proc")) {
    giveUp.throwIfAborted();
    for (const { name } of /^\d+$/.test(pid) ? await entries(`/proc/${pid}/fd`) : []) {
      const link = `/proc/${pid}/fd/${name}`;
      const to = await readlink(link).catch(() => "");
      if (!to.startsWith("/") || !to.endsWith(" (deleted)")) continue;
      const file = await stat(link).catch(() => null);
      if (file === null || !file.isFile() || file.nlink > 0 || String(file.dev) !== device) continue;
      const path = to.slice(0, -" (deleted)".length);
      found.set(file.ino, { pid: Number(pid), path, bytes: file.blocks * 512 });
    }
  }
  return [...found.values()].sort(largestFirst);
}
