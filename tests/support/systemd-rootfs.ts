/** The root file system of the hosts with systemd: built once, kept beside those of the engines. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildRootfs } from "./debian-rootfs.ts";
import { engineCacheDir, findTool } from "./engines.ts";
import type { Missing } from "./nix.ts";

/** Debian release of the hosts; CDP_SYSTEMD_SUITE=trixie for the next one (systemd 257, Docker 26.1). */
export const SUITE = process.env.CDP_SYSTEMD_SUITE || "bookworm";
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "docker.io", "iptables", "iproute2"],
  ...(SUITE === "bookworm" ? [] : ["docker-cli"]),
  ...["util-linux", "e2fsprogs", "jq"],
];
const TOOLS = ["mkfs.ext4", "mount", "unshare", "nsenter", "setpriv", "ip", "fallocate", "jq"];

const home = () => join(engineCacheDir(), "systemd", SUITE);

/** Its path, whether or not it is there. */
export function systemdRootfs(): string {
  return join(home(), "rootfs");
}

/** Why no host can be started here; `null` when one can. Builds the root file system when it is not in the cache. */
export function systemdHostMissing(): Missing {
  if (process.platform !== "linux") return "systemd needs Linux";
  if (process.getuid?.() !== 0) return "systemd as PID 1 needs root (mounts and namespaces)";
  const recipe = `${SUITE} ${PACKAGES.join(",")}\n`;
  const file = (folder: string) => join(folder, "recipe");
  const built = existsSync(file(home())) && readFileSync(file(home()), "utf8") === recipe;
  const missing = [...TOOLS, ...(built ? [] : ["mmdebstrap"])].filter((tool) => !findTool(tool));
  if (missing.length > 0)
    return `missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`;
  const filesystems = readFileSync("/proc/filesystems", "utf8");
  const unknown = ["overlay", "cgroup2"].filter((type) => !filesystems.includes(`\t${type}\n`));
  if (unknown.length > 0) return `this kernel has no ${unknown.join(" and no ")}`;
  if (!existsSync("/dev/loop-control")) return "no loop devices on this machine";
  try {
    if (!built) buildRootfs(home(), SUITE, PACKAGES, (work) => writeFileSync(file(work), recipe));
    return null;
  } catch (error) {
    return (error as Error).message.split("\n").at(-1)!.slice(0, 200);
  }
}
