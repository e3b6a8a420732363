import type { ImageDetail, ImageSummary } from "../engine/types.ts";
import { type Age, isFuture, isPast, limitOf, type PruneInForce, UNDATED, youngest } from "./age.ts";
import { type Judged, keptByLabels, verdictsOn } from "./plan.ts";

/** A dangling image, or a nameless one below it, and its detail where that was needed and could be had. */
export interface ImageFacts {
  readonly summary: ImageSummary;
  /** `null`: not asked, because the summary alone keeps it (`keptByListing`); or it went before it could be asked. */
  readonly detail: ImageDetail | null;
  /** It was not inspected yet: `detail` is what the list tells, and the look before its deletion judges it. */
  readonly byList?: true;
  /** Dangling ones were made on it: it can only go after them. */
  readonly below?: true;
}

export interface ImageContext {
  /** Ids of images that a container uses which will still be there when images are removed. */
  readonly used: ReadonlySet<string>;
  /** Ids of images on which something was made that stays. */
  readonly parents: ReadonlySet<string>;
  /** Milliseconds by id: when our own state first saw this image dangling. */
  readonly firstSeen: Readonly<Record<string, number>>;
}

/** Reproducible builds and Nix write a Created of 1970 or 1980: before this it says nothing. 2000-01-01. */
const MEANINGFUL_SINCE = 946_684_800_000;

/**
 * Whether the listing alone keeps the image, so that it need not be inspected: it has a name, or its Created makes it
 * young (the youngest moment counts, so a later one would only make it younger).
 */
export function keptByListing(summary: ImageSummary, until: number, now: number): boolean {
  return !isDangling(summary) || isYoung(summary, until, now);
}

/** Whether it has neither tag nor digest. Classic stores also call images dangling that only a digest names. */
export function isDangling({ tags, digests }: ImageSummary): boolean {
  return tags.length === 0 && digests.length === 0;
}

function isYoung({ createdAt }: ImageSummary, until: number, now: number): boolean {
  if (createdAt === null || isFuture(createdAt, now)) return false;
  return !isPast(youngest({ created: createdAt }, now), until);
}

/**
 * The verdict on a dangling image. It goes when nothing uses it, it has no child, and the *youngest* thing that dates
 * it is older than the limit. (The engine's own prune counts from the config's Created alone, and on classic stores
 * takes digest-only images for dangling: the warm cache of every Swarm stack that is scaled down.)
 */
export function judgeImage(
  { summary, detail }: ImageFacts,
  context: ImageContext,
  prune: PruneInForce,
  now: number,
): Judged {
  const { id } = summary;
  const limit = limitOf(prune, "images");
  const image = detail ?? summary;
  const age = imageAge(image, context.firstSeen[sightingOf(image, now)] ?? null, now);
  // On the containerd store an inspection counts packed bytes alone (28.5, 29), the list unpacked ones as well.
  const sizeBytes = Math.max(summary.sizeBytes, image.sizeBytes);
  const { keep, remove } = verdictsOn(
    { kind: "image", id, names: image.tags.length > 0 ? image.tags : image.digests, sizeBytes },
    age,
  );
  if (image.tags.length > 0) return keep("tagged", "it has a tag: tagged images are the cache");
  if (image.digests.length > 0)
    return keep("has-digest", "it was pulled by digest: such images are the cache of services");
  if (detail === null && !isYoung(summary, limit.seconds, now))
    return keep("unreadable", "it could not be inspected");
  if (context.used.has(id)) return keep("in-use", "a container uses it");
  if (context.parents.has(id)) return keep("parent", "another image was built on it");
  const byLabel = keptByLabels({ ...summary.labels, ...detail?.labels }, prune);
  if (byLabel !== null) return keep(byLabel.because, byLabel.reason);
  if (isPast(age, limit.seconds)) return remove("expired", `dangling and older than ${limit.key}`);
  return isDated(image) && !isImageOfFuture(image, now)
    ? keep("young", `younger than ${limit.key}`)
    : keep("undatable", `its Created says nothing: it stays until it was seen dangling for ${limit.key}`);
}

export function isDated({ createdAt }: ImageSummary): boolean {
  return createdAt !== null && createdAt >= MEANINGFUL_SINCE;
}

/** When its last name was given, or lost, as the engine tells. */
const taggedAt = (image: ImageSummary | ImageDetail): number | null =>
  "lastTaggedAt" in image ? image.lastTaggedAt : null;

export const isImageOfFuture = (image: ImageSummary | ImageDetail, now: number): boolean =>
  isFuture(image.createdAt, now) || isFuture(taggedAt(image), now);

/**
 * The key of an image in our own sightings: its id. Where its last name is dated in the future, that date is part of
 * the key, so that the sightings start anew once it gets and loses another name. Pure.
 */
export function sightingOf(image: ImageSummary | ImageDetail, now: number): string {
  const at = taggedAt(image);
  return isFuture(at, now) ? `${image.id} ${at}` : image.id;
}

/** By the youngest of Created and LastTagTime; where those say nothing, by our own first sight of it as well. */
function imageAge(image: ImageSummary | ImageDetail, firstSeen: number | null, now: number): Age {
  const at = taggedAt(image);
  const tagged = isFuture(at, now) ? null : at;
  if (isDated(image) && !isImageOfFuture(image, now))
    return youngest({ created: image.createdAt, "last-tagged": tagged }, now);
  if (firstSeen === null) return UNDATED;
  return youngest({ "first-seen-dangling": firstSeen, "last-tagged": tagged }, now);
}

/** What earlier passes saw dangling comes first: a builder is least likely to want it. */
export function inOrderOfSafety(images: readonly Judged[], firstSeen: Readonly<Record<string, number>>) {
  const seen = ({ id }: Judged) => firstSeen[id] ?? Number.POSITIVE_INFINITY;
  return [...images].sort((a, b) => {
    const [first, second] = [seen(a), seen(b)];
    return first === second ? (b.ageSeconds ?? 0) - (a.ageSeconds ?? 0) : first - second;
  });
}
