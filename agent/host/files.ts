import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  type Stats,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Bytes, formatBytes, type Seconds } from "../units.ts";
import { PAUSE, pause } from "./clock.ts";
import { kindOf, openFolder, removeFile, statLink, TooLarge, UnsafeFile } from "./paths.ts";

/**
 * The one way to read a file and the one way to write one. Folders of lesser users are among those that root reads and
 * writes in (a textfile collector's, a CI user's ~/.docker), so nothing is done by name that a descriptor can do, no
 * link is followed unseen, and nothing waits for a FIFO. A test forbids node:fs' own calls elsewhere.
 */

export interface ReadOptions {
  readonly maxBytes: Bytes;
  /** The last part of the path may be a link, as what an operator names often is. Refused otherwise. */
  readonly links?: boolean;
  /** A pipe is read to its end as well, for so many seconds at most: `--settings <(…)`. Refused otherwise. */
  readonly pipes?: Seconds;
}

export interface FileRead {
  readonly bytes: Buffer;
  /** Of the very file that was read. */
  readonly stats: Stats;
}

function opened<T>(path: string, flags: number, work: (fd: number) => T, mode?: number): T {
  const fd = openSync(path, flags, mode);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/** Reads a regular file whole. Throws what the filesystem says (ENOENT, EACCES, ELOOP, …), or UnsafeFile. */
export function readFile(path: string, options: ReadOptions): FileRead {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  const flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | (options.links ? 0 : O_NOFOLLOW);
  return opened(path, flags, (fd) => readWhole(fd, path, options, true));
}

/** The last bytes of a regular file, as text from its first whole line on. Throws as {@link readFile} does. */
export function readTail(path: string, bytes: Bytes): string {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  return opened(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, (fd) => {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new UnsafeFile(`${path} is ${kindOf(stats)}, not a file`);
    const from = Math.max(0, stats.size - bytes);
    const tail = Buffer.alloc(stats.size - from);
    const read = readSync(fd, tail, 0, tail.length, from);
    const text = tail.toString("utf8", 0, read);
    return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
  });
}

/** So long the writer of a pipe may take to open it. */
const NO_WRITER: Seconds = 5;

/** The same of what is open already, such as standard input. @param path what to call it in errors */
export const readOpen = (fd: number, path: string, options: ReadOptions): FileRead =>
  readWhole(fd, path, options, false);

/**
 * @param fresh we opened it just now: of a pipe, the other end may not be open yet, which reads as one that has ended
 */
function readWhole(fd: number, path: string, { maxBytes, pipes = 0 }: ReadOptions, fresh: boolean): FileRead {
  const stats = fstatSync(fd);
  const piped = stats.isFIFO() || stats.isSocket();
  if (!stats.isFile() && !(piped && pipes > 0))
    throw new UnsafeFile(`${path} is ${kindOf(stats)}, not a file`);
  if (stats.size > maxBytes) throw tooLarge(path, maxBytes);
  const chunks: Buffer[] = [];
  const chunk = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(stats.size, 4096)) + 1);
  let size = 0;
  let waited = 0;
  for (;;) {
    const read = readSome(fd, chunk);
    if (read === null || (read === 0 && piped && fresh && size === 0)) {
      if (waited >= (read === null ? pipes : Math.min(pipes, NO_WRITER)))
        throw new UnsafeFile(`${path} gave nothing to read within ${Math.round(waited * 100) / 100} s`);
      pause(PAUSE);
      waited += PAUSE;
      continue;
    }
    if (read === 0) return { bytes: Buffer.concat(chunks), stats };
    size += read;
    if (size > maxBytes) throw tooLarge(path, maxBytes);
    chunks.push(Buffer.from(chunk.subarray(0, read)));
  }
}

/** `null`: there is nothing yet. */
function readSome(fd: number, into: Buffer): number | null {
  try {
    return readSync(fd, into, 0, into.length, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return null;
    throw error;
  }
}

const tooLarge = (path: string, maxBytes: Bytes) =>
  new TooLarge(`${path} is larger than ${formatBytes(maxBytes)}`);

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface WriteOptions {
  /** Permissions, whatever the umask: `0o644`. */
  readonly mode: number;
  /** `"folder"`: as the folder's, where root writes. Absent: whoever writes. */
  readonly owner?: Owner | "folder";
  /** `false`: not waited for until it is on the disk; a power failure may cost the file. */
  readonly durable?: boolean;
  /** The folder is closed to all but its owner, which must be one of these; a link is refused. */
  readonly folderOf?: readonly number[];
  /** What was read before, `null` for nothing: FileChanged where something else stands there by now. */
  readonly expect?: Stats | null;
}

export class FileChanged extends Error {
  override readonly name = "FileChanged";
}

/**
 * Replaces a file as a whole, so that no reader ever sees half of it: a new file under a name that nobody can foretell,
 * renamed over the old one. Only a regular file, or nothing, is replaced. Throws what the filesystem says, UnsafeFile
 * or FileChanged; the old file is then as it was.
 */
export function replaceFile(path: string, text: string, options: WriteOptions): void {
  const folder = openFolder(dirname(path), options.folderOf);
  try {
    // By the descriptor where the folder may be swapped for a link meanwhile.
    const at = options.folderOf === undefined ? path : `/proc/self/fd/${folder}/${basename(path)}`;
    const existing = statLink(at);
    if (existing !== null && !existing.isFile())
      throw new UnsafeFile(`${path} is ${kindOf(existing)}: it is not replaced`);
    sweep(at);
    const { fd, temporary } = openFresh(at);
    try {
      fill(fd, text, options, folder);
      if (options.expect !== undefined && !isSame(options.expect, statLink(at)))
        throw new FileChanged(`${path} was changed by somebody else meanwhile`);
      renameSync(temporary, at);
    } catch (error) {
      removeFile(temporary);
      throw error;
    }
    if (options.durable !== false) syncFolder(folder);
  } finally {
    closeSync(folder);
  }
}

/** Writes the text to a new file, gives it its owner and mode, and closes it. */
function fill(fd: number, text: string, { mode, owner, durable = true }: WriteOptions, folder: number): void {
  try {
    writeAll(fd, Buffer.from(text, "utf8"));
    give(fd, owner === "folder" ? rootFor(fstatSync(folder)) : owner);
    fchmodSync(fd, mode);
    if (durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const isSame = (a: Stats | null, b: Stats | null): boolean =>
  a === null || b === null
    ? a === b
    : a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;

const TO_WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Adds a line to a file, which is made where it is missing. Throws as {@link replaceFile} does. */
export function appendLine(path: string, line: string, options: WriteOptions): void {
  const append = (fd: number) => {
    const size = own(fd, path, options);
    try {
      writeAll(fd, Buffer.from(`${line}\n`, "utf8"));
    } catch (error) {
      // Half a line would spoil the next one too.
      ftruncateSync(fd, size);
      throw error;
    }
  };
  opened(path, TO_WRITE | constants.O_APPEND, append, options.mode);
}

/**
 * Writes a line of always the same length over the one that is there. No reader sees half of it, but after a power
 * failure it may be damaged. Throws as {@link replaceFile} does.
 */
export function overwriteLine(path: string, line: string, options: WriteOptions): void {
  const overwrite = (fd: number) => {
    own(fd, path, options);
    writeSync(fd, Buffer.from(`${line}\n`, "utf8"), 0, null, 0);
  };
  opened(path, TO_WRITE, overwrite, options.mode);
}

/** Makes sure that it is a file, and gives a new one its owner and mode. Returns its size. */
function own(fd: number, path: string, { mode, owner }: Pick<WriteOptions, "mode" | "owner">): number {
  const stats = fstatSync(fd);
  if (!stats.isFile()) throw new UnsafeFile(`${path} is ${kindOf(stats)}, not a file`);
  if (stats.nlink > 1) throw new UnsafeFile(`${path} has another name as well (hard link)`);
  if (stats.size === 0) {
    give(fd, owner === "folder" ? rootFor(lstatSync(dirname(path))) : owner);
    fchmodSync(fd, mode);
  }
  return stats.size;
}

/** Root gives what it writes to whoever owns the folder; others cannot give anything away. */
const rootFor = (folder: Stats): Owner | undefined => (process.geteuid?.() === 0 ? folder : undefined);

function give(fd: number, owner: Owner | undefined): void {
  if (owner === undefined) return;
  const { uid, gid } = fstatSync(fd);
  if (uid !== owner.uid || gid !== owner.gid) fchownSync(fd, owner.uid, owner.gid);
}

const TEMPORARY = /^(\d+)-[0-9a-z]+\.new$/;

/** A file that was not there before. Not node:crypto's random name: loading that takes the quiet pass 3 ms. */
function openFresh(path: string): { readonly fd: number; readonly temporary: string } {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  for (let tries = 1; ; tries++) {
    const random = Math.random().toString(36).slice(2, 12);
    const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${random}.new`);
    try {
      return { fd: openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), temporary };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries === 5) throw error;
    }
  }
}

/** Removes what writers of this file left behind that were killed in the middle. */
function sweep(path: string): void {
  const start = `.${basename(path)}.`;
  for (const name of namesIn(dirname(path))) {
    if (!name.startsWith(start)) continue;
    const pid = TEMPORARY.exec(name.slice(start.length))?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) removeFile(join(dirname(path), name));
  }
}

/** What is in a folder; nothing where that cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function syncFolder(fd: number): void {
  try {
    fsyncSync(fd);
  } catch {
    // Some filesystems cannot sync a folder; the file itself is on the disk.
  }
}
