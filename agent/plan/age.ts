import type { Seconds } from "../units.ts";
import type { AgeBasis } from "./plan.ts";

export interface Age {
  readonly seconds: Seconds | null;
  readonly basis: AgeBasis;
}

/** A moment that may date an object; `null`: not told. Milliseconds. */
export interface Moment {
  readonly at: number | null;
  readonly basis: AgeBasis;
}

/** The age by the youngest moment told. A moment in the future gives a negative age: younger than any limit. */
export function youngest(moments: readonly Moment[], now: number): Age {
  const told = moments.flatMap(({ at, basis }) => (at === null ? [] : [{ at, basis }]));
  const [first] = told.sort((a, b) => b.at - a.at);
  return first === undefined
    ? { seconds: null, basis: "none" }
    : { seconds: Math.floor((now - first.at) / 1000), basis: first.basis };
}

/** Strictly older than the limit; what nothing dates never is. */
export function isPast(age: Age, limit: Seconds): boolean {
  return age.seconds !== null && age.seconds > limit;
}
