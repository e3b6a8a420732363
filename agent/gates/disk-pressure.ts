import { type Fact, whyUnknown } from "../facts.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Settings } from "../settings/settings.ts";
import { type Bytes, formatBytes, formatWatermark, type Watermark } from "../units.ts";
import { type Verdict, verdictsOf } from "./verdict.ts";

type DiskSettings = Settings["disk"];

/** Inodes have no bytes: against a mark in bytes they are judged by this percentage. */
export const INODE_PERCENT = 80;

/** Open under pressure: a pass is worth its while. Closed below the high watermark on all: nothing is pruned. */
export function diskPressure(settings: DiskSettings, filesystems: readonly Fact<Filesystem>[]): Verdict {
  const { open, closed, unknown } = verdictsOf("disk-pressure");
  const { highWatermark, inodes } = settings;
  const readable = filesystems.flatMap((fact) => (fact.known ? [fact.value] : []));
  const facts = { highWatermark: formatWatermark(highWatermark), filesystems: readable };
  if (filesystems.length === 0) return unknown("none of the watched paths exists", facts);
  if (readable.length < filesystems.length) return unknown(whyUnknown(...filesystems), facts);
  const over = readable.flatMap((filesystem) => crossings(filesystem, highWatermark, inodes));
  return over.length > 0
    ? open(`under pressure: ${over.join("; ")}`, facts)
    : closed(`below the high watermark of ${facts.highWatermark}: nothing is pruned`, facts);
}

/** In words, what of this filesystem has reached the mark; empty when nothing has. */
export function crossings(filesystem: Filesystem, mark: Watermark, inodes: DiskSettings["inodes"]): string[] {
  const where = filesystem.paths[0] ?? "?";
  const found: string[] = [];
  if (mark.kind === "used-percent" && filesystem.usedPercent >= mark.percent) {
    found.push(`${where} is ${filesystem.usedPercent}% full, the mark is ${mark.percent}%`);
  }
  if (mark.kind === "free-bytes" && filesystem.availableBytes < mark.bytes) {
    found.push(
      `${where} has ${formatBytes(filesystem.availableBytes)} left, the mark is ${formatBytes(mark.bytes)}`,
    );
  }
  const { inodesUsedPercent, freeInodes } = filesystem;
  if (inodes === false || inodesUsedPercent === null || freeInodes === null) return found;
  const inodeMark = formatInodeMark(mark, inodes);
  if (typeof inodes === "number" && freeInodes < inodes) {
    found.push(`${where} has ${freeInodes} inodes left, the mark is ${inodeMark}`);
  }
  if (inodes === true && inodesUsedPercent >= inodePercent(mark)) {
    found.push(`${where} has ${inodesUsedPercent}% of its inodes in use, the mark is ${inodeMark}`);
  }
  return found;
}

/** The percentage by which inodes are judged where `disk.inodes` names no number of its own. */
export const inodePercent = (mark: Watermark): number =>
  mark.kind === "used-percent" ? mark.percent : INODE_PERCENT;

/** `"80%"`, `"250000 free"` */
export const formatInodeMark = (mark: Watermark, inodes: DiskSettings["inodes"]): string =>
  typeof inodes === "number" ? `${inodes} free` : `${inodePercent(mark)}%`;

/** The mark as df's Use%, of which a mark in bytes is another part on each filesystem; one decimal. */
export function markPercent({ usedBytes, availableBytes }: Filesystem, mark: Watermark): number {
  if (mark.kind === "used-percent") return mark.percent;
  const whole = usedBytes + availableBytes;
  return whole === 0 ? 100 : Math.max(0, Math.round(1000 * (1 - mark.bytes / whole)) / 10);
}

/** The filesystem as it would be with so many bytes fewer in use. Inodes stay as they are. Pure. */
export function withFreed(filesystem: Filesystem, bytes: Bytes): Filesystem {
  const freed = Math.min(bytes, filesystem.usedBytes);
  const usedBytes = filesystem.usedBytes - freed;
  const availableBytes = filesystem.availableBytes + freed;
  const usedPercent = Math.ceil((100 * usedBytes) / Math.max(1, usedBytes + availableBytes));
  return { ...filesystem, usedBytes, availableBytes, usedPercent };
}

/** Every filesystem is known and below the mark. */
export function belowEverywhere(
  filesystems: readonly Fact<Filesystem>[],
  mark: Watermark,
  inodes: DiskSettings["inodes"],
): boolean {
  return (
    filesystems.length > 0 &&
    filesystems.every((fact) => fact.known && crossings(fact.value, mark, inodes).length === 0)
  );
}
