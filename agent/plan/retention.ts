import type { ImageDetail } from "../engine/types.ts";
import { isPlainReference } from "../settings/globs.ts";
import { ruleId } from "../settings/rule-names.ts";
import type { LabelRule, NameGlob, RetentionRule } from "../settings/settings.ts";
import { type Bytes, formatBytes, formatDuration, parseDuration } from "../units.ts";
import { type Age, isPast, UNDATED, youngest } from "./age.ts";
import { type Family, groupsOf, isNamedBy, losesAllTags, type Member } from "./family.ts";
import { type Footprint, footprint } from "./footprint.ts";
import { isDated } from "./images.ts";
import { type Judged, type Kept, keptByLabels, verdictsOn } from "./plan.ts";
import type { Measured } from "./prefixes.ts";
import { type Users, userOf } from "./usage.ts";

/** What dates an image beside the engine. Milliseconds by image id, from our own state. */
export interface Memory {
  /** First seen, of those whose coming the engine does not date. */
  readonly firstSeen: Readonly<Record<string, number>>;
  /** Last seen in use by a container or service. */
  readonly lastUsed: Readonly<Record<string, number>>;
}

/** Where an image stands among those of its group, which decides beside its own facts. */
export interface Rank {
  readonly newest: boolean;
  readonly overCount: boolean;
  readonly overSize: boolean;
}

export interface RetentionContext {
  readonly users: Users;
  readonly keepLabels: readonly LabelRule[];
  readonly keepImages: readonly NameGlob[];
  /**
   * Ids of images that lost a name to a younger image, as the containerd store tells: its LastTagTime shows that too.
   */
  readonly displaced: ReadonlySet<string>;
  readonly memory: Memory;
  /** Not known on a swarm worker; then nothing of a family goes. */
  readonly servicesUnread: string | null;
}

/**
 * Every image of the family with its verdict. One goes when it is past its time to live, or unused for too long, or
 * beyond the count, or beyond the size; each limit is judged by itself over the whole group, so that a stricter limit
 * never brings one back. Whatever protects wins: a user, a keep label, the grace, `keepNewest`.
 * @param measured needed where `needsMeasuring` says so
 */
export function judgeFamily(family: Family, context: RetentionContext, measured: Measured, now: number) {
  const ranks = new Map<string, Rank>();
  for (const group of groupsOf(family)) {
    for (const [id, rank] of ranksOf(family.rule, group, { context, measured }, now)) ranks.set(id, rank);
  }
  // The least recently used first: whatever ends the pass early, what is left is what was used last.
  const members = mostRecentFirst(family.members, context, now).reverse();
  return {
    ranks,
    judged: members.map((member) =>
      judgeMember(family.rule, { ...member, rank: ranks.get(member.image.id) ?? NOTHING }, context, now),
    ),
  };
}

const NOTHING: Rank = { newest: false, overCount: false, overSize: false };

/** The verdict on one image, also for the look before its deletion: then with what is there now. Pure. */
export function judgeMember(
  rule: RetentionRule,
  { image, references, rank }: Member & { readonly rank: Rank },
  context: RetentionContext,
  now: number,
): Judged {
  const { age, ttl, protectedBy } = factsOf(rule, image, context, now);
  const odd = references.find((reference) => !isPlainReference(reference));
  const { keep, remove } = verdictsOn(
    {
      kind: "image",
      id: image.id,
      names: image.tags.length > 0 ? image.tags : image.digests,
      sizeBytes: image.sizeBytes,
      rule: ruleId(rule),
      references,
    },
    age,
  );
  if (protectedBy !== null) return keep(protectedBy.because, protectedBy.reason);
  if (odd !== undefined) return keep("unreadable", "the engine cannot be asked for a name like this");
  if (rank.newest) return keep("newest", `among the ${rule.keepNewest} of keepNewest`);
  const { limit, by } = ttl as TimeToLive;
  if (limit !== null && isPast(age, limit))
    return remove("expired", `past its time to live of ${formatDuration(limit)} (${by})`);
  if (rule.unusedFor !== null && isPast(unusedFor(image, age, context.memory, now), rule.unusedFor))
    return remove("unused", `not used for longer than the ${formatDuration(rule.unusedFor)} of unusedFor`);
  if (rank.overCount) return remove("over-count", `beyond the ${rule.keepCount} of keepCount`);
  if (rank.overSize)
    return remove("over-size", `beyond the ${formatBytes(rule.maxTotalSize ?? 0)} of maxTotalSize`);
  return keep("within-limits", "within all limits of its rule");
}

function factsOf(rule: RetentionRule, image: ImageDetail, context: RetentionContext, now: number) {
  const age = ageOf(image, context.memory, now);
  const ttl = timeToLive(rule, image);
  return { age, ttl, protectedBy: protection(rule, image, { age, ttl }, context) };
}

/** Why the image stays, whatever the limits say; `null`: the limits decide. */
function protection(
  rule: RetentionRule,
  image: ImageDetail,
  { age, ttl }: { readonly age: Age; readonly ttl: TimeToLive | null },
  { users, keepLabels, keepImages, servicesUnread }: RetentionContext,
): Kept | null {
  const user = userOf(image, users);
  if (user !== null) return { because: "in-use", reason: `${user} uses it` };
  if (servicesUnread !== null && rule.madeHere !== true)
    return { because: "unreadable", reason: servicesUnread };
  const byLabel = keptByLabels(image.labels, { keepLabels, labels: [] });
  if (byLabel !== null) return byLabel;
  if (isNamedBy(keepImages, image)) return { because: "keep-image", reason: "prune.keepImages names it" };
  if (ttl === null)
    return { because: "unreadable", reason: `its label ${rule.ttlLabel} is no time such as "24h"` };
  if (age.seconds === null) return { because: "undatable", reason: "nothing says when it came to this host" };
  return isPast(age, rule.grace)
    ? null
    : { because: "young", reason: `younger than its rule's grace of ${formatDuration(rule.grace)}` };
}

type TimeToLive = NonNullable<ReturnType<typeof timeToLive>>;

/** By the label where the image has it. `null`: it cannot be understood, and somebody meant something by it. */
export function timeToLive(
  { olderThan, ttlLabel }: Pick<RetentionRule, "olderThan" | "ttlLabel">,
  { labels }: Pick<ImageDetail, "labels">,
) {
  if (ttlLabel === null || !Object.hasOwn(labels, ttlLabel)) return { limit: olderThan, by: "olderThan" };
  const limit = parseDuration(labels[ttlLabel] ?? "");
  return limit === undefined ? null : { limit, by: `label ${ttlLabel}` };
}

/**
 * By the youngest of Created and LastTagTime. Without a LastTagTime nothing says when it came to this host (a pull on
 * any classic store, a load on 20.10: its Created is that of a build elsewhere), so our own first sight counts as well.
 */
function ageOf(image: ImageDetail, { firstSeen }: Memory, now: number): Age {
  const created = isDated(image) ? image.createdAt : null;
  if (image.lastTaggedAt !== null) return youngest({ created, "last-tagged": image.lastTaggedAt }, now);
  const seen = firstSeen[image.id];
  return seen === undefined ? UNDATED : youngest({ created, "first-seen": seen }, now);
}

/** Since the last use that a pass saw; not before it came to this host. Without a memory nobody knows. */
function unusedFor({ id }: ImageDetail, { seconds }: Age, { lastUsed }: Memory, now: number): Age {
  const used = youngest({ "last-used": lastUsed[id] }, now);
  if (used.seconds === null || seconds === null) return UNDATED;
  return { ...used, seconds: Math.min(used.seconds, seconds) };
}

export function isUndated({ lastTaggedAt }: ImageDetail): boolean {
  return lastTaggedAt === null;
}

/** By their last use; among those that were first seen together, by when they were made. */
function mostRecentFirst(
  members: readonly Member[],
  { memory, displaced }: Pick<RetentionContext, "memory" | "displaced">,
  now: number,
): Member[] {
  const sorted = members
    .map((member) => ({
      member,
      used: lastUse(member.image, memory, now),
      made: Math.min(member.image.createdAt ?? 0, now),
    }))
    .sort((a, b) => b.used - a.used || b.made - a.made || (a.member.image.id < b.member.image.id ? -1 : 1));
  // From the oldest up: an image that lost a name seems a little younger than the one that took it, and goes below it.
  for (let at = sorted.length - 1, taker = null as (typeof sorted)[number] | null; at >= 0; at--) {
    const one = sorted[at] as (typeof sorted)[number];
    if (!displaced.has(one.member.image.id)) taker = one;
    else if (
      taker !== null &&
      one.used === one.member.image.lastTaggedAt &&
      one.used - taker.used < SAME_MOVE
    )
      one.used = taker.used - 1;
  }
  return sorted.sort((a, b) => b.used - a.used).map(({ member }) => member);
}

/**
 * Milliseconds. When a name moves from an image that keeps another one to a newer image, the containerd store notes a
 * LastTagTime for both, that of the older image 4 to 5 ms after the newer one's (28.5, 29): longer on a busy disk.
 */
const SAME_MOVE = 60_000;

/** The last sign of use; a date in the future says nothing, and what nothing dates counts as used just now. */
function lastUse(image: ImageDetail, { firstSeen, lastUsed }: Memory, now: number): number {
  const signs = [
    isDated(image) ? image.createdAt : null,
    image.lastTaggedAt,
    firstSeen[image.id] ?? null,
    lastUsed[image.id] ?? null,
  ].filter((at): at is number => at !== null && at <= now);
  return signs.length === 0 ? now : Math.max(...signs);
}

/**
 * The bytes that nothing outside the family holds; `null` where they were not measured.
 * @param all the members there were: those removed since hold nothing any more
 */
export function sizeOfFamily({ members }: Family, measured: Measured, all: readonly Member[]): Bytes | null {
  if (!members.every(({ image }) => measured.histories.has(image.id))) return null;
  return Math.round(footprint(members, measured, all).total());
}

function ranksOf(
  rule: RetentionRule,
  group: readonly Member[],
  { context, measured }: { readonly context: RetentionContext; readonly measured: Measured },
  now: number,
): Map<string, Rank> {
  const order = mostRecentFirst(group, context, now);
  const stays = (member: Member, place: number) =>
    place < rule.keepNewest || factsOf(rule, member.image, context, now).protectedBy !== null;
  const overSize =
    rule.maxTotalSize === null || !mayExceed(group, rule.maxTotalSize)
      ? new Set<Member>()
      : beyond(order, rule.maxTotalSize, stays, footprint(group, measured));
  return new Map(
    order.map((member, place) => [
      member.image.id,
      {
        newest: place < rule.keepNewest,
        overCount: rule.keepCount !== null && place >= rule.keepCount,
        overSize: overSize.has(member),
      },
    ]),
  );
}

/**
 * Taken away one by one, least recently used first, until the rest fits or only what stays is left. One that has other
 * names is passed over: the disk would get nothing back for those it lost.
 */
function beyond(
  order: readonly Member[],
  budget: Bytes,
  stays: (member: Member, place: number) => boolean,
  held: Footprint,
): Set<Member> {
  const gone = new Set<Member>();
  for (let place = order.length - 1; place >= 0 && held.total() > budget; place--) {
    const member = order[place] as Member;
    if (stays(member, place) || !losesAllTags(member)) continue;
    held.remove(member);
    gone.add(member);
  }
  return gone;
}

/** Whether the plain sum of sizes, which is never too small, exceeds the budget: else nothing need be measured. */
function mayExceed(members: readonly Member[], budget: Bytes): boolean {
  return members.reduce((sum, { image }) => sum + image.sizeBytes, 0) > budget;
}

/** The rule has a size limit that the plain sum of sizes exceeds in some group. */
export function needsMeasuring(family: Family): boolean {
  const budget = family.rule.maxTotalSize;
  return budget !== null && groupsOf(family).some((group) => mayExceed(group, budget));
}
