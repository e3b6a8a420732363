import type { Settings } from "../settings/settings.ts";
import type { Seconds } from "../units.ts";

/** What an age was counted from. `none`: nothing dates this object. */
export type AgeBasis =
  | "finished"
  | "started"
  | "created"
  | "last-tagged"
  | "first-seen-dangling"
  /** When our own state first saw it: the engine does not say when it came to this host. */
  | "first-seen"
  | "last-used"
  | "none";

export interface Age {
  readonly seconds: Seconds | null;
  readonly basis: AgeBasis;
}

export const UNDATED: Age = { seconds: null, basis: "none" };

/** Milliseconds; `null`: not known. */
export type Moments = Readonly<Partial<Record<AgeBasis, number | null | undefined>>>;

/** The age by the youngest moment that is known. One in the future gives a negative age: younger than any limit. */
export function youngest(moments: Moments, now: number): Age {
  let last: { readonly at: number; readonly basis: AgeBasis } | null = null;
  for (const basis of Object.keys(moments) as AgeBasis[]) {
    const at = moments[basis] ?? null;
    if (at !== null && (last === null || at > last.at)) last = { at, basis };
  }
  return last === null ? UNDATED : { seconds: Math.floor((now - last.at) / 1000), basis: last.basis };
}

/** So many seconds after now a date may lie and still count: clocks differ a little. */
const FUTURE_SLACK = 3600;

/** Dated by a clock that was ahead: such a date says nothing, and would keep its object for as long as it is ahead. */
export function isFuture(at: number | null, now: number): boolean {
  return at !== null && at - now > FUTURE_SLACK * 1000;
}

/** The age limit of one kind, and the key of the settings that sets it, for reasons. */
export interface Limit {
  readonly seconds: Seconds;
  readonly key: string;
}

/** `prune` as it holds in one pass. */
export interface PruneAges extends Pick<Settings["prune"], "until" | "containers" | "images"> {
  /** In an emergency: the limit that stands in for all others. */
  readonly shorter?: Limit;
}
export type PruneInForce = Settings["prune"] & PruneAges;

/** The limit of one kind: that of an emergency, else its own where it has one, else `prune.until`. Pure. */
export function limitOf(prune: PruneAges, kind: "containers" | "images" | "buildCache"): Limit {
  if (prune.shorter !== undefined) return prune.shorter;
  const own = kind === "buildCache" ? true : prune[kind];
  return typeof own === "object"
    ? { seconds: own.until, key: `prune.${kind}.until` }
    : { seconds: prune.until, key: "prune.until" };
}

/** Whether the age is known and above the limit. */
export function isPast(age: Age, limit: Seconds): boolean {
  return age.seconds !== null && age.seconds > limit;
}
