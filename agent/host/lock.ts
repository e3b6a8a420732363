import { spawn } from "node:child_process";
import { constants, promises as fs } from "node:fs";
import { type Fact, known, unknown } from "../facts.ts";

/** An exclusive lock, held until released or until this process ends, however it ends. */
export interface Lock {
  release(): Promise<void>;
}

/** util-linux flock's answer when somebody else holds the lock; any value that flock does not use itself. */
const CONFLICT = 42;

/**
 * Takes an exclusive flock(2) on `path` without waiting, through util-linux' flock. A launcher that holds
 * `flock --shared PATH job…` keeps us out, and so does another pass.
 *
 * flock locks belong to the open file description: the child locks the descriptor it inherits from us and ends; the
 * lock stays with our descriptor, and the kernel drops it when we die. `path` may be a folder.
 * @returns the lock, `null` when somebody else holds it, or unknown
 */
export async function takeLock(path: string): Promise<Fact<Lock | null>> {
  const what = `lock ${path}`;
  let file: fs.FileHandle;
  try {
    file = await openAny(path);
  } catch (error) {
    return unknown(what, (error as Error).message);
  }
  const outcome = await runFlock(file.fd);
  if (outcome === 0) return known({ release: () => file.close() });
  await file.close();
  if (outcome === CONFLICT) return known(null);
  return unknown(what, typeof outcome === "string" ? outcome : `flock ended with code ${outcome}`);
}

/** For writing and created when absent, so that launchers find it; else, on a full or foreign disk, as it stands. */
async function openAny(path: string): Promise<fs.FileHandle> {
  try {
    return await fs.open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
  } catch (error) {
    try {
      return await fs.open(path, constants.O_RDONLY);
    } catch {
      throw error;
    }
  }
}

function runFlock(fd: number): Promise<number | string> {
  return new Promise((resolve) => {
    const child = spawn(
      "flock",
      ["--exclusive", "--nonblock", "--conflict-exit-code", String(CONFLICT), "3"],
      {
        stdio: ["ignore", "ignore", "ignore", fd],
      },
    );
    child.once("error", (error) => resolve(`flock could not be run: ${error.message}`));
    child.once("exit", (code, signal) => resolve(code ?? `flock was ended by ${signal}`));
  });
}

/**
 * Whether somebody holds the lock now, shared or exclusive, without taking it (taking it for a moment could turn a
 * launcher away). Source: /proc/locks, proc(5): `1: FLOCK ADVISORY WRITE <pid> <major:minor:inode> 0 EOF`.
 */
export async function lockIsHeld(path: string): Promise<Fact<boolean>> {
  try {
    const [{ ino }, locks] = await Promise.all([
      fs.stat(path, { bigint: true }),
      fs.readFile("/proc/locks", "utf8"),
    ]);
    const held = locks.split("\n").some((line) => {
      const fields = line.split(/\s+/);
      // The device is left out: btrfs and overlayfs show another one here than stat does.
      return fields[1] === "FLOCK" && fields[5]?.split(":")[2] === ino.toString();
    });
    return known(held);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return known(false);
    return unknown(`lock ${path}`, (error as Error).message);
  }
}
