import type { ImageSummary } from "./engine/types.ts";
import { isDangling } from "./plan/images.ts";
import type { Seconds } from "./units.ts";

/** Something seen in one listing after the other. Milliseconds. */
export interface Sighting {
  readonly since: number;
  readonly lastSeen: number;
}

/** By id. */
export type Sightings = Readonly<Record<string, Sighting>>;

/**
 * The sightings of what is there now. A gap that is too long, or a clock that went back, starts one anew. Pure.
 * @param maxGap milliseconds between two listings that still count as one stretch
 * @param now milliseconds
 */
export function stillSeen(before: Sightings, ids: readonly string[], maxGap: number, now: number): Sightings {
  return Object.fromEntries(
    ids.map((id) => {
      const seen = Object.hasOwn(before, id) ? before[id] : undefined;
      const goesOn =
        seen !== undefined &&
        seen.since <= seen.lastSeen &&
        seen.lastSeen <= now &&
        now - seen.lastSeen <= maxGap;
      return [id, { since: goesOn ? seen.since : now, lastSeen: now }];
    }),
  );
}

/** Milliseconds by id: since when each has been seen. */
export function sinceOf(sightings: Sightings): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(sightings).map(([id, { since }]) => [id, since]));
}

/** How much further apart than `prune.until` two listings of images may lie: for the jitter of a timer. */
const LISTING_SLACK: Seconds = 3600;

/** The sightings of the images that are dangling now. Pure. @param now milliseconds */
export function danglingSeen(
  before: Sightings,
  images: readonly ImageSummary[],
  until: Seconds,
  now: number,
): Sightings {
  const ids = images.filter(isDangling).map(({ id }) => id);
  return stillSeen(before, ids, 1000 * (until + LISTING_SLACK), now);
}
