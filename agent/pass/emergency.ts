import { crossings } from "../gates/disk-pressure.ts";
import { limitOf, type PruneInForce } from "../plan/age.ts";
import type { Settings } from "../settings/settings.ts";
import { formatDuration } from "../units.ts";
import { type Pressure, readable } from "./pressure.ts";

/** The disk is so full that a shorter age limit holds (`prune.emergency`). */
export interface Emergency {
  /** `"emergency: / is 97% full, the mark is 95%: age limit 1h instead of 24h"` */
  readonly why: string;
  readonly prune: PruneInForce;
}

/**
 * Whether this look at the disk makes an emergency: there is pressure, every filesystem could be read, and one has
 * reached the mark. Inodes make one against a mark in percent alone: of another they have no part of their own, and
 * their high watermark would be an emergency already. Pure.
 */
export function emergencyOf({ prune, disk }: Settings, { filesystems, verdict }: Pressure): Emergency | null {
  const { emergency } = prune;
  if (emergency === null || verdict.verdict !== "open") return null;
  const inodes = disk.inodes === true && emergency.at.kind === "used-percent";
  const over = readable(filesystems).flatMap((filesystem) => crossings(filesystem, emergency.at, inodes));
  if (over.length === 0) return null;
  const limits = (["containers", "images", "buildCache"] as const)
    .filter((kind) => prune[kind] !== false)
    .map((kind) => formatDuration(limitOf(prune, kind).seconds));
  const usual = [...new Set(limits)].join(" and ");
  return {
    why: `emergency: ${over.join("; ")}: age limit ${formatDuration(emergency.until)} instead of ${usual}`,
    prune: { ...prune, shorter: { seconds: emergency.until, key: "prune.emergency.until" } },
  };
}
