import type { PassRecord } from "../../agent/state/state.ts";
import { DAY, GiB, NOW } from "./support.ts";

export type Disk = PassRecord["filesystems"][number];

export const disk = (usedPercent: number, changes: Partial<Disk> = {}): Disk => ({
  path: "/",
  usedPercent,
  availableBytes: ((100 - usedPercent) / 100) * 64 * GiB,
  totalBytes: 64 * GiB,
  inodesUsedPercent: 10,
  highWatermarkPercent: 80,
  ...changes,
});

/** A disk that a pass brought from one level to another. */
export const emptied = (from: number, to: number, changes: Partial<Disk> = {}): Disk =>
  disk(to, {
    before: { usedPercent: from, availableBytes: ((100 - from) / 100) * 64 * GiB, inodesUsedPercent: 12 },
    ...changes,
  });

let count = 0;

/** Below the watermark, unless told otherwise. @param daysAgo before NOW */
export function pass(daysAgo: number, changes: Partial<PassRecord> = {}): PassRecord {
  return {
    pass: (count++).toString(16).padStart(32, "0"),
    startedAt: NOW - daysAgo * DAY * 1000,
    durationSeconds: 0.01,
    outcome: "below-watermark",
    exitCode: 0,
    reason: "below the high watermark of 80%: the cache stays as it is",
    gate: "disk-pressure",
    filesystems: [disk(50)],
    freedBytes: 0,
    claimedBytes: 0,
    removed: { container: 0, image: 0, "build-cache": 0 },
    removedBytes: { container: 0, image: 0, "build-cache": 0 },
    kept: 0,
    failed: 0,
    objects: [],
    rules: [],
    ...changes,
  };
}

/** A week in the life of a host: filled, put off twice, emptied, a day missed, and failed at the end. */
export function week(): PassRecord[] {
  return [
    pass(7, { filesystems: [disk(52)] }),
    pass(6, { filesystems: [disk(66)] }),
    pass(5, { filesystems: [disk(79)] }),
    pass(4, {
      outcome: "deferred",
      reason: "a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app",
      gate: "live-run",
      durationSeconds: 3.4,
      filesystems: [emptied(84, 84)],
    }),
    pass(3.5, {
      outcome: "deferred",
      reason: "a service is converging: web (0 of 1 tasks run, for 4h)",
      gate: "converging",
      durationSeconds: 0.4,
      filesystems: [emptied(88, 88)],
    }),
    pass(3, {
      outcome: "pruned",
      reason: "the plan is done",
      gate: null,
      durationSeconds: 74,
      filesystems: [emptied(91, 58)],
      freedBytes: 21 * GiB,
      claimedBytes: 24 * GiB,
      removed: { container: 12, image: 31, "build-cache": 140 },
      removedBytes: { container: GiB, image: 15 * GiB, "build-cache": 8 * GiB },
      kept: 44,
      objects: [
        { kind: "image", fate: "removed", reason: "expired", count: 31 },
        { kind: "image", fate: "kept", reason: "young", count: 7 },
      ],
    }),
    pass(1, { filesystems: [disk(73)] }),
    pass(0.01, {
      outcome: "failed",
      exitCode: 69,
      reason: "GET /version: connect ENOENT /run/docker.sock",
      gate: null,
      filesystems: [disk(82)],
    }),
  ];
}
