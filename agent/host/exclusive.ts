import { closeSync, constants, openSync } from "node:fs";
import type { Seconds } from "../units.ts";
import { PAUSE, pause } from "./clock.ts";
import { removeFile, statLink, UnsafeFile } from "./paths.ts";

/** Seconds after which whoever made a lock file is taken for dead: it is held for milliseconds. */
const STALE: Seconds = 2;

/**
 * Does `work` while no other process does anything under the same name. The lock is a file that is there meanwhile: a
 * kernel's lock would take a child process, ten times what the work of a quiet pass takes. Throws what `work` throws,
 * and what the filesystem says where the file cannot be made, or one that was left behind cannot be removed.
 */
export function exclusively<T>(path: string, work: () => T): T {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  let seen = 0;
  for (let waited = 0; ; ) {
    try {
      closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const inode = statLink(path)?.ino ?? 0;
    if (inode !== seen) waited = 0;
    seen = inode;
    if (waited >= STALE && !removeFile(path))
      throw new UnsafeFile(`${path} is in the way of all who write here, and cannot be removed`);
    pause(PAUSE);
    waited += PAUSE;
  }
  try {
    return work();
  } finally {
    removeFile(path);
  }
}
