import { readFile } from "./files.ts";

/** What a filesystem is called, for people. */
export interface MountName {
  readonly device: string;
  readonly type: string;
  readonly mountPoint: string;
}

/**
 * Names the filesystem that holds each path, by the longest mount point above it; none where the kernel does not tell.
 * For reports only. Source: proc_pid_mountinfo(5), `36 35 98:0 /root /mnt rw master:1 - ext4 /dev/sda1 rw`; it asks no
 * filesystem, so none that hangs holds it up.
 */
export function nameMounts(
  paths: readonly string[],
  mountinfo = readMountinfo(),
): ReadonlyMap<string, MountName> {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [place = "", source = ""] = line.split(" - ");
    const [, , , , mountPoint] = place.split(" ");
    const [type, device] = source.split(" ");
    return mountPoint === undefined || type === undefined || device === undefined
      ? []
      : [{ device: unescaped(device), type, mountPoint: unescaped(mountPoint) }];
  });
  const names = new Map<string, MountName>();
  for (const path of paths) {
    const above = mounts.filter(
      ({ mountPoint: at }) => at === "/" || path === at || path.startsWith(`${at}/`),
    );
    // Of several at the same place the last one covers the others.
    const best = above.sort((a, b) => a.mountPoint.length - b.mountPoint.length).at(-1);
    if (best !== undefined) names.set(path, best);
  }
  return names;
}

function readMountinfo(): string {
  try {
    return readFile("/proc/self/mountinfo", { maxBytes: 16 * 1024 * 1024 }).bytes.toString("utf8");
  } catch {
    return "";
  }
}

/** `"\040"` -> a space: the kernel writes spaces, tabs, line ends and backslashes so. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
