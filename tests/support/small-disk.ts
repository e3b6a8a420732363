import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, rmSync, statfsSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { findTool } from "./engines.ts";

const MIB = 1024 * 1024;

/** The data disk of a test host: an ext4 file system small enough to be filled. */
export class SmallDisk {
  /** Mount point. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the file that is to be mounted, without a reserve for root. Without `inodes` mkfs.ext4 chooses their number.
   * @throws Error with what mkfs.ext4 said
   */
  static format(file: string, mib = 512, inodes?: number): void {
    closeSync(openSync(file, "w"));
    truncateSync(file, mib * MIB);
    const count = inodes === undefined ? [] : ["-N", String(inodes)];
    const args = ["-q", "-F", "-m", "0", ...count, file];
    const made = spawnSync(findTool("mkfs.ext4") ?? "mkfs.ext4", args, { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`mkfs.ext4 failed: ${made.stderr}`);
  }

  /** Bytes that are used, and that an unprivileged writer can still use. */
  #bytes(): { used: number; free: number } {
    const s = statfsSync(this.path);
    return { used: (s.blocks - s.bfree) * s.bsize, free: s.bavail * s.bsize };
  }

  /** Use% as df shows it: ceil(100 * used / (used + free)). */
  percent(): number {
    const { used, free } = this.#bytes();
    return Math.ceil((100 * used) / (used + free));
  }

  /** Bytes an unprivileged writer can still use. */
  freeBytes(): number {
    return this.#bytes().free;
  }

  /**
   * Puts one plain file on the disk so that {@link percent} is `target`, or leaves things as they are when it is
   * already higher. 100 leaves not one free byte.
   * @throws Error when the disk did not get that full
   */
  fill(target: number): void {
    const file = this.#ballast;
    const { used, free } = this.#bytes();
    const size = () => (existsSync(file) ? statSync(file).size : 0);
    const more = Math.ceil(((target - 0.5) / 100) * (used + free)) - used;
    if (more > 0) fallocate(file, size() + more);
    if (target >= 100) {
      for (let step = MIB; step >= 4096; step /= 4) {
        while (fallocate(file, size() + step)) {
          // until the step no longer fits
        }
      }
    }
    if (this.percent() < target) throw new Error(`the disk did not reach ${target} %`);
  }

  /** Removes the file that {@link fill} put there. */
  unfill(): void {
    rmSync(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }
}

/** Grows a file to `size` bytes with real blocks; false when the disk has no room for it. */
function fallocate(path: string, size: number): boolean {
  return spawnSync("fallocate", ["-l", String(Math.floor(size)), path], { stdio: "ignore" }).status === 0;
}
