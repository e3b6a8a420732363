import type { MeasuredPass } from "../../agent/metrics/metrics.ts";
import { renderMetrics } from "../../agent/metrics/metrics.ts";
import { allRules } from "../../agent/settings/rules.ts";
import { NO_DEFERRALS } from "../../agent/state/state.ts";
import { addToTotals, NO_TOTALS } from "../../agent/state/totals.ts";
import { filesystem, finished, GiB, NOW, settingsOf } from "../unit/support.ts";

/** A text in which every family is there that ever can be. */
export function everyMetric(): Promise<string> {
  const settings = settingsOf({
    disk: { lowWatermark: "60%" },
    retention: [{ name: "sha-tags", match: { repositories: ["ci/app"] }, keepCount: 3 }],
    orphans: [{ name: "workers", label: "ci.worker", stoppedLongerThan: "1h" }],
  });
  const before = addToTotals(
    { totals: NO_TOTALS, deferrals: NO_DEFERRALS },
    finished(),
    allRules(settings),
    NOW - 3_600_000,
  );
  const pass = finished({
    outcome: "deferred",
    gate: "lock",
    deferralsInARow: 1,
    filesystems: [filesystem(), filesystem({ paths: ["/srv"], device: "2" })],
    objects: [
      { kind: "image", fate: "removed", reason: "expired", count: 2 },
      { kind: "container", fate: "failed", reason: "timeout", count: 1 },
    ],
    rules: [{ list: "retention", name: "sha-tags", matched: 5, removed: 2, failed: 0, keptBytes: GiB }],
  });
  const measured: MeasuredPass = {
    version: "1.2.3",
    endedAt: NOW,
    finished: pass,
    settings,
    state: {
      engineVersion: "28.5.1",
      deferrals: { count: 1, since: NOW },
      totals: addToTotals({ totals: before, deferrals: NO_DEFERRALS }, pass, allRules(settings), NOW),
      cache: {
        ...{ at: NOW, uses: 100, warmUses: 97, evictions: 12, regrets: 1 },
        ...{ since: 1, gapSeconds: 60, workingSetBytes: 30 * GiB },
      },
    },
    mountPoint: (path) => path,
  };
  return renderMetrics(measured);
}
