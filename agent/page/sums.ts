import type { RuleReport } from "../audit/events.ts";
import { KINDS, type PastPass } from "../history/passes.ts";
import { calendarSpans } from "../history/ticks.ts";
import type { Judged, ObjectKind } from "../plan/plan.ts";
import type { Bytes } from "../units.ts";

/** What was removed within one day or week. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly bytes: Readonly<Record<ObjectKind, Bytes>>;
  /** Of passes that did not tell it by kind: versions before 0.2. */
  readonly untold: Bytes;
  readonly objects: number;
}

/** By days, or by weeks from Monday on where that would be more than two months of them; empty ones included. */
export function removedOverTime(passes: readonly PastPass[], from: number, to: number): Bucket[] {
  return calendarSpans(from, to).map(([begin, end]) => {
    const within = passes.filter(({ startedAt }) => startedAt >= begin && startedAt < end);
    const sum = (read: (pass: PastPass) => number | undefined) =>
      within.reduce((total, pass) => total + (read(pass) ?? 0), 0);
    return {
      from: begin,
      to: end,
      bytes: Object.fromEntries(
        KINDS.map((kind) => [kind, sum(({ removedBytes }) => removedBytes?.[kind])]),
      ) as Bucket["bytes"],
      untold: sum(({ removedBytes, claimedBytes }) => (removedBytes === undefined ? claimedBytes : 0)),
      objects: sum(({ removed }) => Object.values(removed).reduce((total, count) => total + count, 0)),
    };
  });
}

/** Why passes were put off, or ended by a gate. */
export interface Deferrals {
  readonly gate: string;
  readonly count: number;
  readonly last: number;
  /** Most frequent first. */
  readonly reasons: readonly { readonly reason: string; readonly count: number }[];
}

/** By gate, most frequent first. */
export function deferralsByGate(passes: readonly PastPass[]): Deferrals[] {
  const put = passes.filter(
    ({ outcome, gate }) => gate !== null && (outcome === "deferred" || outcome === "incomplete"),
  );
  const gates = [...new Set(put.map(({ gate }) => gate as string))];
  return gates
    .map((gate) => {
      const own = put.filter((pass) => pass.gate === gate);
      const reasons = new Map<string, number>();
      for (const { reason } of own) reasons.set(timeless(reason), (reasons.get(timeless(reason)) ?? 0) + 1);
      return {
        gate,
        count: own.length,
        last: Math.max(...own.map(({ startedAt }) => startedAt)),
        reasons: [...reasons].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
      };
    })
    .sort((a, b) => b.count - a.count);
}

/** `"web (0 of 1 tasks run, for 2d 4h)"` and the same an hour later are one reason. */
const timeless = (reason: string): string =>
  reason.replace(/,? for \d+(?:\.\d+)?(?:ms|[dhms])(?: \d+[dhms])?(?=[);,]|$)/g, "");

/** One rule over all passes. */
export interface RuleSum {
  readonly policy: string;
  readonly removed: number;
  readonly failed: number;
  /** In the last pass that went by it. */
  readonly matched: number;
  readonly keptBytes: Bytes | null;
}

export function rulesOverTime(passes: readonly PastPass[]): RuleSum[] {
  const found = new Map<string, RuleReport[]>();
  for (const rule of passes.flatMap(({ rules = [] }) => rules)) {
    const policy = `${rule.list}/${rule.name}`;
    found.set(policy, [...(found.get(policy) ?? []), rule]);
  }
  return [...found].map(([policy, reports]) => ({
    policy,
    removed: reports.reduce((sum, { removed }) => sum + removed, 0),
    failed: reports.reduce((sum, { failed }) => sum + failed, 0),
    matched: reports.at(-1)?.matched ?? 0,
    keptBytes: reports.at(-1)?.keptBytes ?? null,
  }));
}

/** The largest of what stays; one entry an object. */
export function largest(kept: readonly Judged[], most: number): Judged[] {
  const byId = new Map(kept.map((object) => [`${object.kind} ${object.id}`, object]));
  return [...byId.values()]
    .filter(({ sizeBytes }) => sizeBytes !== null && sizeBytes > 0)
    .sort((a, b) => (b.sizeBytes ?? 0) - (a.sizeBytes ?? 0))
    .slice(0, most);
}

/** A round number of bytes, in binary units, that is not below this: the top of a scale. */
export function roundUp(bytes: Bytes): Bytes {
  if (bytes <= 0) return 1;
  const unit = 1024 ** Math.floor(Math.log2(bytes) / 10);
  const step =
    [1, 2, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100, 200, 300, 400, 600, 800, 1024].find(
      (count) => count * unit >= bytes,
    ) ?? 1024;
  return step * unit;
}
