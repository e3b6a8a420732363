import { spawn } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { type Fact, known, unknown } from "../facts.ts";
import type { Seconds } from "../units.ts";
import { readFile } from "./files.ts";
import { kindOf } from "./paths.ts";
import { currentStop } from "./stop.ts";

/** An exclusive lock, held until released or until this process ends, however it ends. */
export interface Lock {
  release(): Promise<void>;
  /**
   * Whether launchers that open the path now still meet this lock: not once the file was removed, or another one put
   * in its place. The reason where they do not.
   */
  held(): Fact<true>;
}

/** util-linux flock's answer when somebody else holds the lock; any value that flock does not use itself. */
const CONFLICT = 42;
const FLOCK_DEADLINE: Seconds = 5;
/** How often a file is taken that was replaced between being opened and being locked. */
const TRIES = 3;

/**
 * Takes an exclusive flock(2) on `path` without waiting, through util-linux' flock. A launcher that holds
 * `flock --shared PATH job…` keeps us out, and so does another pass.
 *
 * flock locks belong to the open file description: the child locks the descriptor it inherits from us and ends; the
 * lock stays with our descriptor, and the kernel drops it when we die. `path` may be a folder.
 * @returns the lock, `null` when somebody else holds it, or unknown
 */
export async function takeLock(path: string, deadline = FLOCK_DEADLINE): Promise<Fact<Lock | null>> {
  const what = `lock ${path}`;
  for (let tries = 1; ; tries++) {
    let fd: number;
    try {
      fd = openAny(path);
    } catch (error) {
      return unknown(what, (error as Error).message);
    }
    const outcome = await runFlock(fd, deadline);
    const lock: Lock = {
      release: async () => closeSync(fd),
      held: () => stillThere(fd, path),
    };
    if (outcome === 0) {
      const there = lock.held();
      if (there.known) return known(lock);
      if (tries === TRIES) return there;
    }
    closeSync(fd);
    if (outcome === CONFLICT) return known(null);
    if (outcome !== 0)
      return unknown(what, typeof outcome === "string" ? outcome : `flock ended with code ${outcome}`);
  }
}

/**
 * For writing and created when absent, so that launchers find it; else, on a full or foreign disk, as it stands.
 * Nothing is made through a link, and nothing waited for. Throws what the filesystem says.
 */
function openAny(path: string): number {
  const { O_RDWR, O_RDONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o666);
  } catch (error) {
    try {
      fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    } catch {
      throw error;
    }
  }
  const stats = fstatSync(fd);
  if (stats.isFile() || stats.isDirectory()) return fd;
  closeSync(fd);
  throw new Error(`it is ${kindOf(stats)}, neither a file nor a folder`);
}

function stillThere(fd: number, path: string): Fact<true> {
  const ours = fstatSync(fd);
  let theirs: Stats | null = null;
  try {
    theirs = statSync(path);
  } catch {
    // Removed, or in a folder that was.
  }
  return theirs?.ino === ours.ino && theirs.dev === ours.dev
    ? known(true)
    : unknown(`lock ${path}`, "the file was removed or replaced meanwhile: launchers hold another one");
}

function runFlock(fd: number, deadline: Seconds): Promise<number | string> {
  return new Promise((resolve) => {
    const args = ["--exclusive", "--nonblock", "--conflict-exit-code", String(CONFLICT), "3"];
    const child = spawn("flock", args, { stdio: ["ignore", "ignore", "ignore", fd] });
    const stop = currentStop()?.signal;
    const end = (outcome: number | string) => {
      clearTimeout(timer);
      stop?.removeEventListener("abort", onStop);
      resolve(outcome);
    };
    const giveUp = (why: string) => {
      child.kill("SIGKILL");
      child.unref();
      end(why);
    };
    const onStop = () => giveUp("told to stop");
    const timer = setTimeout(() => giveUp(`flock gave no answer within ${deadline} s`), deadline * 1000);
    if (stop?.aborted) onStop();
    else stop?.addEventListener("abort", onStop, { once: true });
    child.once("error", (error) => end(`flock could not be run: ${error.message}`));
    child.once("exit", (code, signal) => end(code ?? `flock was ended by ${signal}`));
  });
}

/**
 * Whether somebody holds the lock now, shared or exclusive, without taking it (taking it for a moment could turn a
 * launcher away). Source: /proc/locks, proc(5): `1: FLOCK ADVISORY WRITE <pid> <major:minor:inode> 0 EOF`.
 */
export async function lockIsHeld(path: string): Promise<Fact<boolean>> {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const { ino } = statSync(path, { bigint: true });
    const held = linesOf("/proc/locks").flatMap((line) => {
      const [, kind, , , , file = ""] = line.split(/\s+/);
      return kind === "FLOCK" && file.endsWith(`:${ino}`) ? [file.split(":").slice(0, 2).join(":")] : [];
    });
    if (held.length === 0) return known(false);
    // An inode of the same number on another filesystem may be locked: the device must fit as well. Not stat's: btrfs
    // and overlayfs show another one there than the kernel does.
    const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    try {
      const device = deviceOf(fd);
      return known(device === null || held.some((one) => one.toLowerCase() === device));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return known(false);
    return unknown(`lock ${path}`, (error as Error).message);
  }
}

/** `"00:1b"`, as /proc/locks writes the device of an open file; `null` where it cannot be told. */
function deviceOf(fd: number): string | null {
  try {
    const mount = linesOf(`/proc/self/fdinfo/${fd}`).find((line) => line.startsWith("mnt_id:"));
    const id = mount?.split(/\s+/)[1];
    const device = linesOf("/proc/self/mountinfo")
      .find((line) => line.startsWith(`${id} `))
      ?.split(" ")[2];
    const [major, minor] = (device ?? "")
      .split(":")
      .map((part) => Number(part).toString(16).padStart(2, "0"));
    return device === undefined ? null : `${major}:${minor}`;
  } catch {
    return null;
  }
}

const linesOf = (path: string) =>
  readFile(path, { maxBytes: 16 * 1024 * 1024 })
    .bytes.toString("latin1")
    .split("\n");
