import type { ImageDetail } from "../engine/types.ts";
import { isPlainReference, namesTag } from "../settings/globs.ts";
import { matchingLabel } from "../settings/labels.ts";
import type { LabelRule, RetentionRule } from "../settings/settings.ts";
import { type Bytes, formatBytes, formatDuration, parseDuration, type Seconds } from "../units.ts";
import { type Age, isPast, youngest } from "./age.ts";
import { type Footprint, footprint, goesWhole, type Measured } from "./footprint.ts";
import { isDated } from "./images.ts";
import type { Judged, Rule } from "./plan.ts";
import { parseReference, type Users, userOf } from "./usage.ts";

/** One image of a family. */
export interface Member {
  readonly image: ImageDetail;
  /** Its exact names that the rule names; none: only a digest names it. */
  readonly references: readonly string[];
}

/** The images that one rule names. */
export interface Family {
  readonly rule: RetentionRule;
  readonly members: readonly Member[];
}

/** Images that the rule's repositories name, and that carry none of its labels. Pure. */
export function unlabelled({ match }: RetentionRule, images: readonly ImageDetail[]): ImageDetail[] {
  if (match.repositories.length === 0 || match.labels.length === 0) return [];
  const named = { match: { repositories: match.repositories, labels: [] } };
  return images.filter(
    (image) =>
      matchingLabel(image.labels, match.labels) === undefined &&
      image.tags.some((tag) => namesReference(named, tag)),
  );
}

/** What dates an image beside the engine. Milliseconds by image id, from our own state. */
export interface Memory {
  /** First seen, of those whose coming the engine does not date. */
  readonly firstSeen: Readonly<Record<string, number>>;
  /** Last seen in use by a container or service. */
  readonly lastUsed: Readonly<Record<string, number>>;
}

/** What the verdict on one image depends on beside itself: how it stands among the others. */
export interface Standing {
  readonly newest: boolean;
  readonly overCount: boolean;
  readonly overSize: boolean;
}

/** What every verdict of a family depends on. */
export interface RetentionContext {
  readonly users: Users;
  readonly keepLabels: readonly LabelRule[];
  readonly memory: Memory;
  /** Not known on a swarm worker; then nothing of a family goes. */
  readonly servicesUnread: string | null;
}

/**
 * Which rule names which images. A name belongs to the first rule that names it, so an image with several names may be
 * in several families, and each takes only its own names. An image that only a digest names belongs to a family whose
 * rule names its repository with any tag; one without any name is not for retention but for the prune.
 */
export function claim(rules: readonly RetentionRule[], images: readonly ImageDetail[]): Family[] {
  const free = new Map(images.map((image) => [image, new Set(image.tags)]));
  const taken = new Set<ImageDetail>();
  return rules.map((rule) => ({
    rule,
    members: images.flatMap((image) => {
      if (!hasLabel(rule, image)) return [];
      if (image.tags.length === 0) {
        if (taken.has(image) || !namedByDigest(rule, image)) return [];
        taken.add(image);
        return [{ image, references: [] }];
      }
      const references = [...(free.get(image) ?? [])].filter((reference) => namesReference(rule, reference));
      for (const reference of references) free.get(image)?.delete(reference);
      return references.length === 0 ? [] : [{ image, references }];
    }),
  }));
}

/** Whether the rule's labels and names fit the image, whoever owns them. */
export function fits(rule: RetentionRule, image: ImageDetail): boolean {
  const named = image.tags.some((tag) => namesReference(rule, tag)) || namedByDigest(rule, image);
  return hasLabel(rule, image) && (named || rule.match.repositories.length === 0);
}

function hasLabel({ match }: RetentionRule, { labels }: ImageDetail): boolean {
  return match.labels.length === 0 || matchingLabel(labels, match.labels) !== undefined;
}

function namesReference(rule: Pick<RetentionRule, "match">, reference: string): boolean {
  const { name, tag } = parseReference(reference);
  return namesTag(rule, name, tag ?? "latest");
}

/** Of one repository: the engine takes an image with digests of two only by force. */
function namedByDigest({ match }: RetentionRule, { digests }: ImageDetail): boolean {
  const [name, ...more] = new Set(digests.map((digest) => parseReference(digest).name));
  return (
    name !== undefined &&
    more.length === 0 &&
    match.repositories.some(({ repository, tag }) => tag === null && repository.test(name))
  );
}

/**
 * Every image of the family with its verdict. One goes when it is past its time to live, or beyond the count, or
 * beyond the size; each limit is judged by itself over the whole group, so that a stricter limit never brings one
 * back. Whatever protects wins: a user, a keep label, the grace, `keepNewest`.
 * @param measured needed where `needsMeasuring` says so
 * @param now milliseconds
 */
export function judgeFamily(
  family: Family,
  context: RetentionContext,
  measured: Measured,
  now: number,
): { readonly judged: readonly Judged[]; readonly standings: ReadonlyMap<string, Standing> } {
  const standings = new Map<string, Standing>();
  for (const group of groupsOf(family)) {
    for (const [id, standing] of standingsOf(family, group, context, measured, now))
      standings.set(id, standing);
  }
  // The least recently used first: whatever ends the pass early, what is left is what was used last.
  const members = mostRecentFirst(family.members, context.memory, now).reverse();
  return {
    standings,
    judged: members.map((member) =>
      judgeMember(family.rule, member, standings.get(member.image.id) ?? NOTHING, context, now),
    ),
  };
}

const NOTHING: Standing = { newest: false, overCount: false, overSize: false };

/** The verdict on one image, also for the look before its deletion: then with what is there now. Pure. */
export function judgeMember(
  rule: RetentionRule,
  { image, references }: Member,
  standing: Standing,
  context: RetentionContext,
  now: number,
): Judged {
  const { age, ttl, protectedBy } = factsOf(rule, image, context, now);
  const odd = references.find((reference) => !isPlainReference(reference));
  const judge = (action: Judged["action"], because: Rule, reason: string): Judged => ({
    kind: "image",
    id: image.id,
    names: image.tags.length > 0 ? image.tags : image.digests,
    sizeBytes: image.sizeBytes,
    ageSeconds: age.seconds,
    ageBasis: age.basis,
    action,
    rule: because,
    reason,
    policy: `retention/${rule.name}`,
    references,
  });
  if (protectedBy !== null) return judge("keep", protectedBy.rule, protectedBy.reason);
  if (odd !== undefined)
    return judge("keep", "unreadable", "the engine cannot be asked for a name like this");
  if (standing.newest) return judge("keep", "newest", `among the ${rule.keepNewest} of keepNewest`);
  const { limit, by } = ttl as TimeToLive;
  if (limit !== null && isPast(age, limit))
    return judge("remove", "expired", `past its time to live of ${formatDuration(limit)} (${by})`);
  if (standing.overCount) return judge("remove", "over-count", `beyond the ${rule.keepCount} of keepCount`);
  if (standing.overSize)
    return judge("remove", "over-size", `beyond the ${formatBytes(rule.maxTotalSize ?? 0)} of maxTotalSize`);
  return judge("keep", "within-limits", "within all limits of its rule");
}

interface TimeToLive {
  readonly limit: Seconds | null;
  readonly by: string;
}

/** What an image says for itself, whatever the others are. */
function factsOf(rule: RetentionRule, image: ImageDetail, context: RetentionContext, now: number) {
  const age = ageOf(image, context.memory, now);
  const ttl = timeToLive(rule, image);
  return { age, ttl, protectedBy: protection(rule, image, age, ttl, context) };
}

/** Why the image stays, whatever the limits say; `null`: the limits decide. */
function protection(
  rule: RetentionRule,
  image: ImageDetail,
  age: Age,
  ttl: TimeToLive | null,
  { users, keepLabels, servicesUnread }: RetentionContext,
): { readonly rule: Rule; readonly reason: string } | null {
  const user = userOf(image, users);
  if (user !== null) return { rule: "in-use", reason: `${user} uses it` };
  if (servicesUnread !== null) return { rule: "unreadable", reason: servicesUnread };
  if (matchingLabel(image.labels, keepLabels) !== undefined)
    return { rule: "keep-label", reason: "it carries a label of prune.keepLabels" };
  if (ttl === null)
    return { rule: "unreadable", reason: `its label ${rule.ttlLabel} is no time such as "24h"` };
  if (age.seconds === null) return { rule: "undatable", reason: "nothing says when it came to this host" };
  return isPast(age, rule.grace)
    ? null
    : { rule: "young", reason: `younger than its rule's grace of ${formatDuration(rule.grace)}` };
}

/** `null`: its label cannot be understood, and somebody meant something by it. */
function timeToLive({ olderThan, ttlLabel }: RetentionRule, { labels }: ImageDetail): TimeToLive | null {
  if (ttlLabel === null || !Object.hasOwn(labels, ttlLabel)) return { limit: olderThan, by: "olderThan" };
  const limit = parseDuration(labels[ttlLabel] ?? "");
  return limit === undefined ? null : { limit, by: `label ${ttlLabel}` };
}

/**
 * By the youngest of Created and LastTagTime. Without a LastTagTime nothing says when it came to this host (a pull on
 * any classic store, a load on 20.10: its Created is that of a build elsewhere), so our own first sight counts as well.
 */
function ageOf(image: ImageDetail, { firstSeen }: Memory, now: number): Age {
  const created = { at: isDated(image) ? image.createdAt : null, basis: "created" as const };
  if (image.lastTaggedAt !== null)
    return youngest([created, { at: image.lastTaggedAt, basis: "last-tagged" }], now);
  const seen = firstSeen[image.id];
  return seen === undefined
    ? { seconds: null, basis: "none" }
    : youngest([created, { at: seen, basis: "first-seen" }], now);
}

/** Whether our own sight of it is what dates it. */
export function isUndated({ lastTaggedAt }: ImageDetail): boolean {
  return lastTaggedAt === null;
}

function groupsOf({ rule, members }: Family): Member[][] {
  const { perGroup } = rule;
  if (perGroup === null) return [[...members]];
  const groups = new Map<string | null, Member[]>();
  for (const member of members) {
    const key = member.image.labels[perGroup] ?? null;
    groups.set(key, [...(groups.get(key) ?? []), member]);
  }
  return [...groups.values()];
}

/** By their last use; among those that were first seen together, by when they were made. */
function mostRecentFirst(members: readonly Member[], memory: Memory, now: number): Member[] {
  const made = ({ image }: Member) => Math.min(image.createdAt ?? 0, now);
  return [...members].sort(
    (a, b) =>
      lastUse(b.image, memory, now) - lastUse(a.image, memory, now) ||
      made(b) - made(a) ||
      (a.image.id < b.image.id ? -1 : 1),
  );
}

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
  const own = new Set(all.filter(goesWhole).map(({ image }) => image.id));
  const others = new Map([...measured.layers].filter(([id]) => !own.has(id)));
  return Math.round(footprint(members, measured, others).total());
}

function standingsOf(
  { rule }: Family,
  group: readonly Member[],
  context: RetentionContext,
  measured: Measured,
  now: number,
): Map<string, Standing> {
  const order = mostRecentFirst(group, context.memory, now);
  const stays = (member: Member, rank: number) =>
    rank < rule.keepNewest || factsOf(rule, member.image, context, now).protectedBy !== null;
  const overSize =
    rule.maxTotalSize === null || !mayExceed(group, rule.maxTotalSize)
      ? new Set<Member>()
      : beyond(order, rule.maxTotalSize, stays, footprint(group, measured));
  return new Map(
    order.map((member, rank) => [
      member.image.id,
      {
        newest: rank < rule.keepNewest,
        overCount: rule.keepCount !== null && rank >= rule.keepCount,
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
  stays: (member: Member, rank: number) => boolean,
  held: Footprint,
): Set<Member> {
  const gone = new Set<Member>();
  for (let rank = order.length - 1; rank >= 0 && held.total() > budget; rank--) {
    const member = order[rank] as Member;
    if (stays(member, rank) || !goesWhole(member)) continue;
    held.remove(member);
    gone.add(member);
  }
  return gone;
}

/** Whether the plain sum of sizes, which is never too small, exceeds the budget: else nothing need be measured. */
export function mayExceed(members: readonly Member[], budget: Bytes): boolean {
  return members.reduce((sum, { image }) => sum + image.sizeBytes, 0) > budget;
}

/** The rule has a size limit that the plain sum of sizes exceeds in some group. */
export function needsMeasuring(family: Family): boolean {
  const budget = family.rule.maxTotalSize;
  return budget !== null && groupsOf(family).some((group) => mayExceed(group, budget));
}
