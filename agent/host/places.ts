import { fstatSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** There is no place for the state; the message names the way out. */
export class NoPlace extends Error {
  override readonly name = "NoPlace";
}

/**
 * Where the state lives: the option, the setting, systemd's StateDirectory of our own units, else the usual place of
 * this user. Throws {@link NoPlace} for a user without a home.
 */
export function stateDirectory(
  option: string | undefined,
  setting: string | null,
  env: Environment = process.env,
  uid = process.getuid?.() ?? 0,
): string {
  if (option !== undefined && option !== "") return option;
  if (setting !== null) return setting;
  // A shell or a CI runner that is a service itself hands its own down.
  const ours = env.STATE_DIRECTORY?.split(":").find((dir) => OURS.includes(basename(dir)));
  if (ours !== undefined) return ours;
  if (uid === 0) return `/var/lib/${NAME}`;
  return join(env.XDG_STATE_HOME || join(home(), ".local", "state"), NAME);
}

const NAME = "ci-docker-prune";
/** StateDirectory= of our units: of passes, and of `auth apply`. */
const OURS = [NAME, "ci-docker-auth"];

/** Where it is needed: to load it takes a quiet pass half a millisecond. */
const os = (): typeof import("node:os") => process.getBuiltinModule?.("node:os") ?? require("node:os");

function home(): string {
  try {
    // "" where HOME is empty.
    const dir = os().homedir();
    if (dir !== "") return dir;
  } catch {
    // No HOME, and no entry in the user database.
  }
  throw new NoPlace("there is no place for the state: this user has no home; name one with --state-dir");
}

/** This folder, or the nearest one above it that exists: what can be locked where the folder cannot be made. */
export function nearestFolder(path: string): string {
  return isFolder(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * The pass id: systemd's own where it started us, so that `journalctl _SYSTEMD_INVOCATION_ID=…` finds the pass. One
 * that was handed down, as to each command of a CI job, is none: passes would be taken for one.
 */
export function passId(env: Environment, pid = process.pid): string {
  const id = env.INVOCATION_ID;
  // Since systemd 248; before it, a service is told by its standard output.
  const { SYSTEMD_EXEC_PID } = env;
  const ours =
    SYSTEMD_EXEC_PID === undefined ? journalListens(env.JOURNAL_STREAM) : SYSTEMD_EXEC_PID === `${pid}`;
  if (ours && id !== undefined && /^[0-9a-f]{32}$/.test(id)) return id;
  // It tells passes apart and guards nothing, and node:crypto costs the quiet pass 3 ms.
  return Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join("");
}

/** systemd.exec(5): JOURNAL_STREAM holds device and inode of the stream, to be compared with our own stdout's. */
export function journalListens(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(1, { bigint: true });
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
