import { workingSet } from "../plan/forecast.ts";
import { coverageOf, type Ledger } from "./ledger.ts";
import type { Warmth } from "./types.ts";

const DAY = 86_400_000;
export const WARMTH_DAYS = 7;

/** Also by day: of 24 hours up to now, oldest first, each by its last moment. Pure. */
export function warmthOf(ledger: Ledger, now: number) {
  const from = now - WARMTH_DAYS * DAY;
  const days = Array.from({ length: WARMTH_DAYS }, (_, day) => {
    return { until: from + (day + 1) * DAY, uses: 0, warmUses: 0 };
  });
  const lastUse = new Map<string, number>();
  for (const use of ledger.uses) {
    const at = use.at * 1000;
    const { id } = use.image;
    const before = lastUse.get(id);
    lastUse.set(id, at);
    const day = days[Math.floor((at - from) / DAY)];
    // What no registry has was built here: it is never pulled.
    if (day === undefined || !ledger.images.get(id)?.digests.length) continue;
    day.uses++;
    if (wasHere(ledger, id, before, at)) day.warmUses++;
  }
  const sum = (key: "uses" | "warmUses") => days.reduce((total, day) => total + day[key], 0);
  const lately = ({ at }: { readonly at: number }) => at > from && at <= now;
  const gaps = ledger.gaps
    .filter(({ to }) => to > from)
    .map((gap) => ({ ...gap, from: Math.max(gap.from, from) }));
  return {
    at: now,
    days,
    uses: sum("uses"),
    warmUses: sum("warmUses"),
    evictions: ledger.evictions.filter(lately).length,
    regrets: ledger.regrets.filter(lately).length,
    since: ledger.since ?? 0,
    gapSeconds: coverageOf({ ...ledger, gaps }).gapSeconds,
    workingSetBytes: Math.round(workingSet(ledger.uses, now / 1000)),
  };
}

/** It was used before and did not come anew since then, or it was there when the ledger began. */
function wasHere({ images, regrets, since }: Ledger, id: string, before: number | undefined, at: number) {
  if (before === undefined) return images.get(id)?.firstAt === since;
  return !regrets.some((regret) => regret.id === id && regret.at > before && regret.at <= at);
}

/** Without the days: what the state keeps. Pure. */
export function figuresOf(ledger: Ledger, now: number): Warmth {
  const { days: _, ...figures } = warmthOf(ledger, now);
  return figures;
}
