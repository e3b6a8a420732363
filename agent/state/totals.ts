import type { ObjectCount, PassFinished, RuleReport } from "../log/events.ts";
import type { ListedRule } from "../settings/rules.ts";
import { type Checked, isCount, isText, isWord, listOf, objectOf, orNull, recordOf } from "./checks.ts";

const counts = recordOf(isCount);

const isRuleTotals = objectOf({
  list: isWord<RuleReport["list"]>(),
  name: isText,
  /** Images or containers that it named when a pass last went by it; `null`: none has yet. */
  matched: orNull(isCount),
  /** That of the last pass that went by it. */
  keptBytes: orNull(isCount),
  /** Passes that went by it. */
  passes: isCount,
  /** Of those, in which it named at least one. */
  matchedPasses: isCount,
  removed: isCount,
  failed: isCount,
});

/**
 * What has come together over all passes: a pass is a process of its own and remembers nothing, so the state does, and
 * the metrics count on across passes. A state that is lost starts them at 0, which Prometheus takes for a restart.
 */
export const isTotals = objectOf({
  /** Passes, by outcome. */
  passes: counts,
  /** Deferred passes, by gate. */
  deferred: counts,
  /** The deferrals in a row as they stand now, by the gate that made each. */
  deferralsInARow: counts,
  /** Removed and failed objects; no two entries of one kind, fate and reason. */
  objects: listOf(
    objectOf({
      kind: isWord<ObjectCount["kind"]>(),
      fate: isWord<ObjectCount["fate"]>(),
      reason: isWord<ObjectCount["reason"]>(),
      count: isCount,
    }),
  ),
  /** What was measured after passes that removed something; a pass after which there was less room adds nothing. */
  freedBytes: isCount,
  claimedBytes: isCount,
  /** One of each rule of the settings. */
  rules: listOf(isRuleTotals),
  /** When a pass last came to its end with exit code 0, neither deferred nor cut short; milliseconds. */
  lastSuccessAt: orNull(isCount),
});

export type Totals = Checked<typeof isTotals>;
type RuleTotals = Checked<typeof isRuleTotals>;

export const NO_TOTALS: Totals = {
  passes: {},
  deferred: {},
  deferralsInARow: {},
  objects: [],
  freedBytes: 0,
  claimedBytes: 0,
  rules: [],
  lastSuccessAt: null,
};

type RuleName = Pick<RuleReport, "list" | "name">;

/** Adds a pass. @param before what was remembered before it. Pure. */
export function addToTotals(
  { totals, deferrals }: { readonly totals: Totals; readonly deferrals: { readonly count: number } },
  finished: PassFinished,
  rules: readonly ListedRule[],
  endedAt: number,
): Totals {
  const { outcome, exitCode, gate, objects, deferralsInARow } = finished;
  const deferred = outcome === "deferred" && gate !== null;
  const wentOn = deferred && deferralsInARow > deferrals.count;
  const cutShort = outcome === "incomplete" || outcome === "deferred";
  const removedAny = Object.values(finished.removed).some((count) => count > 0);
  return {
    passes: increment(totals.passes, outcome),
    deferred: deferred ? increment(totals.deferred, gate) : totals.deferred,
    deferralsInARow:
      deferralsInARow === 0 ? {} : wentOn ? increment(totals.deferralsInARow, gate) : totals.deferralsInARow,
    objects: objects
      .filter(({ fate }) => fate === "removed" || fate === "failed")
      .reduce(addCount, totals.objects),
    freedBytes: totals.freedBytes + (removedAny ? Math.max(0, finished.freedBytes) : 0),
    claimedBytes: totals.claimedBytes + finished.claimedBytes,
    rules: rules.map((rule) => {
      const { list, name } = rule;
      const before = totals.rules.find((one) => same(one, rule)) ?? { ...UNSEEN, list, name };
      const now = finished.rules.find((one) => same(one, rule));
      return now === undefined ? before : addReport(before, now);
    }),
    lastSuccessAt: exitCode === 0 && !cutShort ? endedAt : totals.lastSuccessAt,
  };
}

function increment(counts: Readonly<Record<string, number>>, key: string): Record<string, number> {
  return { ...counts, [key]: (counts[key] ?? 0) + 1 };
}

function addCount(counts: readonly ObjectCount[], one: ObjectCount): readonly ObjectCount[] {
  const { kind, fate, reason } = one;
  const at = counts.findIndex(
    (other) => other.kind === kind && other.fate === fate && other.reason === reason,
  );
  const before = counts[at];
  return before === undefined
    ? [...counts, one]
    : counts.with(at, { ...before, count: before.count + one.count });
}

const same = (a: RuleName, b: RuleName) => a.list === b.list && a.name === b.name;

const UNSEEN = { matched: null, keptBytes: null, passes: 0, matchedPasses: 0, removed: 0, failed: 0 };

function addReport(before: RuleTotals, { matched, keptBytes, removed, failed }: RuleReport): RuleTotals {
  return {
    ...before,
    matched,
    keptBytes,
    passes: before.passes + 1,
    matchedPasses: before.matchedPasses + (matched > 0 ? 1 : 0),
    removed: before.removed + removed,
    failed: before.failed + failed,
  };
}
