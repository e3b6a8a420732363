import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** A path that holds something else than what may be read or replaced there. The message names the path. */
export class UnsafeFile extends Error {
  override readonly name = "UnsafeFile";
}

/** It holds more than is read. */
export class TooLarge extends UnsafeFile {}

export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isFIFO()) return "a FIFO";
  return stats.isSocket() ? "a socket" : "a device";
}

/**
 * A descriptor of a folder.
 * @param owners it is closed to all but its owner, which must be one of these; a link is refused
 */
export function openFolder(path: string, owners?: readonly number[]): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  if (owners === undefined) return openSync(path, O_RDONLY | O_DIRECTORY);
  if (statLink(path)?.isSymbolicLink()) throw new UnsafeFile(`${path} is a symbolic link`);
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const { uid, mode } = fstatSync(fd);
    if (!owners.includes(uid)) throw new UnsafeFile(`${path} belongs to another user (${uid})`);
    if ((mode & 0o077) !== 0) fchmodSync(fd, 0o700);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** What is there, not followed where it is a link; `null` where nothing is. */
export function statLink(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/** Whether something is there, and may be seen. Never throws. */
export const exists = (path: string): boolean => existsSync(path);

/** Whether it is gone afterwards. Never throws. */
export function removeFile(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Gives a file another name in its folder. Throws what the filesystem says. */
export function renameFile(path: string, to: string): void {
  renameSync(path, join(dirname(path), to));
}

/**
 * Makes a folder and those above it, closed to other users as the folder of our unit is: whoever can open the state
 * folder can hold it as the default lock, and keep every pass out. Not `recursive: true`: node 20 spins for ever where
 * the kernel answers ENOENT to any mkdir, as below /proc.
 */
export function makeFolder(path: string, mode = 0o750): void {
  if (statLink(path)?.isDirectory()) return;
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeFolder(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}
