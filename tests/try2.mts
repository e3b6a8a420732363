import { EMPTY_STATE, saveState } from "../agent/audit/state.ts";
import { week } from "./unit/history/support.ts";
import { GiB, NOW } from "./unit/support.ts";

const shift = Date.now() - NOW;
const passes = [...Array(4).keys()].flatMap((w) =>
  week().map((p) => ({
    ...p,
    pass: p.pass.slice(1) + w,
    startedAt: p.startedAt + shift - (3 - w) * 7 * 86400e3,
    filesystems: [
      ...p.filesystems.map((f) => ({ ...f, lowWatermarkPercent: 60 })),
      {
        path: "/data",
        usedPercent: 20 + w * 3,
        availableBytes: 700 * GiB,
        totalBytes: 900 * GiB,
        inodesUsedPercent: 4,
        highWatermarkPercent: 77.8,
      },
    ],
    rules:
      p.outcome === "pruned"
        ? [
            {
              list: "retention" as const,
              name: "ci-apps",
              matched: 14 - w,
              removed: 3,
              failed: 0,
              keptBytes: 4 * GiB,
            },
          ]
        : [],
  })),
);
saveState("/tmp/dev-state2", { ...EMPTY_STATE, passes: passes as never });
