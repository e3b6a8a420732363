import type { ContainerSummary, ImageDetail, ImageSummary } from "../engine/types.ts";
import { limitOf } from "../plan/age.ts";
import { isContainerOfFuture } from "../plan/containers.ts";
import type { Candidates, Remembered, Ruled } from "../plan/decide.ts";
import { isDangling, sightingOf } from "../plan/images.ts";
import { isUndated } from "../plan/retention.ts";
import { userOf } from "../plan/usage.ts";
import { CACHE_RULE } from "../settings/rule-names.ts";
import type { Settings } from "../settings/settings.ts";
import type { Seconds } from "../units.ts";
import type { Sightings, State } from "./state.ts";

/**
 * The sightings of what is there now. A gap that is too long, or a clock that went back, starts one anew. Pure.
 * @param maxGap milliseconds between two listings that still count as one stretch
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

/**
 * Whether an earlier inspection showed a date in the future, which no list tells: of containers only such are
 * remembered, and such images have a key of their own ({@link sightingOf}). Pure.
 */
export function datedByFuture(dangling: Sightings): (id: string) => boolean {
  const ids = new Set(
    Object.keys(dangling).flatMap((key) => (isPlainImage(key) ? [] : (key.split(" ")[0] ?? []))),
  );
  return (id) => ids.has(id);
}

const isPlainImage = (key: string) => key.startsWith("sha256:") && !key.includes(" ");

/** How much further apart than the age limit two listings may lie: for the jitter of a timer. */
const LISTING_SLACK: Seconds = 3600;

/** Milliseconds. */
const maxGap = (until: Seconds) => 1000 * (until + LISTING_SLACK);

/** The sightings of the images that are dangling now. Pure. */
export function danglingSeen(
  before: Sightings,
  images: readonly (ImageSummary | ImageDetail)[],
  until: Seconds,
  now: number,
): Sightings {
  const ids = images.filter(isDangling).map((image) => sightingOf(image, now));
  return stillSeen(before, ids, maxGap(until), now);
}

/** Deferred passes do not look at images; with a longer gap nobody knows whether one came anew meanwhile. */
const FAMILY_GAP = 7 * 24 * 3_600_000;

export interface Memories {
  readonly dangling: Sightings;
  readonly families: Pick<State, "undated" | "uses">;
}

export function remember(
  before: Pick<State, "dangling" | "undated" | "uses">,
  {
    images,
    ruled,
    containers = [],
  }: Pick<Candidates, "images" | "ruled"> & Partial<Pick<Candidates, "containers">>,
  prune: Pick<Settings["prune"], "until" | "containers" | "images">,
  now: number,
): Memories {
  const summaries = images.map(({ summary, detail }) => detail ?? summary);
  const ofFuture = containers
    .filter((facts) => isContainerOfFuture(facts, now))
    .map(({ summary }) => summary.id);
  return {
    dangling: {
      ...danglingSeen(before.dangling, summaries, limitOf(prune, "images").seconds, now),
      ...stillSeen(before.dangling, ofFuture, maxGap(limitOf(prune, "containers").seconds), now),
    },
    families: rememberFamilies(before, ruled, now),
  };
}

/** The same as a plan takes it: milliseconds by image id. Pure. */
export function sincesOf({ dangling, families }: Memories): Remembered {
  return {
    dangling: sinceOf(dangling),
    firstSeen: sinceOf(families.undated),
    lastUsed: families.uses,
  };
}

function rememberFamilies(
  before: Pick<State, "undated" | "uses">,
  { families, waiting, users }: Pick<Ruled, "families" | "waiting" | "users">,
  now: number,
): Pick<State, "undated" | "uses"> {
  const all = [...families, ...waiting];
  const images = all.flatMap(({ members }) => members.map(({ image }) => image));
  // Whoever used it before was not seen: what goes by its last use counts as used when it is seen first.
  const byUse = new Set(
    all
      // The last tier has the ledger.
      .filter(({ rule }) => rule.unusedFor !== null && rule.name !== CACHE_RULE)
      .flatMap(({ members }) => members.map(({ image }) => image.id)),
  );
  const undated = images.filter(isUndated).map(({ id }) => id);
  const uses = images.flatMap((image) => {
    const known = before.uses[image.id];
    // Later than now: from a clock that was ahead.
    const last =
      userOf(image, users) !== null ? now : known !== undefined && known <= now ? known : undefined;
    if (last !== undefined) return [[image.id, last] as const];
    return byUse.has(image.id) ? [[image.id, now] as const] : [];
  });
  return { undated: stillSeen(before.undated, undated, FAMILY_GAP, now), uses: Object.fromEntries(uses) };
}

/** How many images of which no rule has said yet whether they are of a family are remembered as used. */
const MOST_USES = 500;

/**
 * What a pass that was put off still learns: which images are in use while runs are live. The next one that looks at
 * families forgets those that belong to none. Pure. @param now milliseconds
 */
export function rememberUses(
  before: State["uses"],
  live: readonly Pick<ContainerSummary, "imageId">[],
  now: number,
): State["uses"] {
  const uses = { ...before, ...Object.fromEntries(live.map(({ imageId }) => [imageId, now])) };
  return Object.fromEntries(
    Object.entries(uses)
      .sort(([, a], [, b]) => b - a)
      .slice(0, MOST_USES),
  );
}
