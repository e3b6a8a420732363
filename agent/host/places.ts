import { statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Where the state lives: the option, the setting, systemd's StateDirectory, else the usual place of this user. */
export function stateDirectory(
  option: string | undefined,
  setting: string | null,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): string {
  const fromSystemd = env.STATE_DIRECTORY?.split(":")[0];
  if (option !== undefined) return option;
  if (setting !== null) return setting;
  if (fromSystemd !== undefined && fromSystemd !== "") return fromSystemd;
  if (uid === 0) return "/var/lib/ci-docker-prune";
  return join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "ci-docker-prune");
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

/** The pass id: systemd's own where it started us, so that `journalctl _SYSTEMD_INVOCATION_ID=…` finds the pass. */
export function passId(env: Readonly<Record<string, string | undefined>>): string {
  const id = env.INVOCATION_ID;
  if (id !== undefined && /^[0-9a-f]{32}$/.test(id)) return id;
  // It tells passes apart and guards nothing, and node:crypto costs the quiet pass 3 ms.
  return Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join("");
}
