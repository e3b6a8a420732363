import si from "systeminformation";

export interface MountName {
  readonly device: string;
  readonly type: string;
  readonly mountPoint: string;
}

/**
 * Names the filesystem that holds each path, by the longest mount point above it.
 * For reports only: it runs df, may come back empty without an error (bad PATH, no /proc) and hangs with any hung
 * mount (systeminformation 5.33); hence the deadline, after which nothing is named.
 */
export async function nameMounts(paths: readonly string[], deadlineSeconds = 1) {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never[]>((resolve) => {
    timer = setTimeout(() => resolve([]), deadlineSeconds * 1000);
  });
  const mounts = await Promise.race([si.fsSize().catch(() => []), late]);
  clearTimeout(timer);
  const names = new Map<string, MountName>();
  for (const path of paths) {
    const [best] = mounts
      .filter(({ mount }) => mount === "/" || path === mount || path.startsWith(`${mount}/`))
      .sort((a, b) => b.mount.length - a.mount.length);
    if (best !== undefined) names.set(path, { device: best.fs, type: best.type, mountPoint: best.mount });
  }
  return names;
}
