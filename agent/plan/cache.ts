import type { ImageDetail } from "../engine/types.ts";
import type { Settings } from "../settings/settings.ts";
import { formatDuration, type Seconds } from "../units.ts";
import { type Family, isNamedBy, losesAllTags, type Member } from "./family.ts";
import type { Because, OwnHistory } from "./own-history.ts";
import type { Judged, Kept } from "./plan.ts";
import { NOT_MEASURED } from "./prefixes.ts";
import { judgeFamily, type Memory, type RetentionContext } from "./retention.ts";
import { parseReference } from "./usage.ts";

/** What the ledger of uses says, as far as the last tier needs it. */
export interface CacheHistory {
  readonly settings: Settings["cache"];
  readonly own: OwnHistory;
  /** When an image came, where that is known, and when it was used last. Milliseconds by image id. */
  readonly came: Readonly<Record<string, number>>;
  readonly used: Readonly<Record<string, number>>;
  /** Names by which an image was seen to be pulled. By image id. */
  readonly pulled: Readonly<Record<string, readonly string[]>>;
  /** A name for an image, for reasons: `"app:1.4"`. */
  nameOf(id: string): string;
}

/**
 * The last tier: all images that no rule of the settings names. What protects in a family protects here (users, keep
 * labels, names to keep, the grace); of the rest, those go first that by the host's own history are least likely to be
 * wanted again. Pure.
 */
export function judgeCache(family: Family, context: RetentionContext, history: CacheHistory, now: number) {
  const { judged, ranks } = judgeFamily(family, contextOf(context, history), NOT_MEASURED, now);
  const members = new Map(family.members.map((member) => [member.image.id, member]));
  const order = new Map(
    history.own.order(members.keys(), now / 1000).map(({ id }, place) => [id, place] as const),
  );
  const verdicts = judged.map((object): Judged => {
    const member = members.get(object.id);
    if (object.action === "keep" || member === undefined) return object;
    const known = order.has(object.id) && history.came[object.id] !== undefined;
    const kept = stays(member, history) ?? (known ? null : UNKNOWN);
    if (kept !== null) return { ...object, action: "keep", ...kept };
    const because = history.own.because(object.id, now / 1000);
    const reason = because === undefined ? "" : explain(because, (id) => history.nameOf(id));
    return { ...object, because: "evicted", reason };
  });
  return {
    ranks,
    keep: verdicts.filter(({ action }) => action === "keep"),
    evict: verdicts
      .filter(({ action }) => action === "remove")
      .sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)),
  };
}

const UNKNOWN = { because: "not-in-ledger", reason: "the ledger of uses does not know it yet" } as const;

/** The same memory, by the ledger: when each image came and was used last. Pure. */
export function contextOf(context: RetentionContext, { came, used }: CacheHistory): RetentionContext {
  const { firstSeen } = context.memory;
  const seen = Object.entries(came).map(([id, at]) => [id, Math.min(at, firstSeen[id] ?? at)] as const);
  const memory: Memory = { firstSeen: { ...firstSeen, ...Object.fromEntries(seen) }, lastUsed: used };
  return { ...context, memory };
}

/** Why an image stays that could go by its age; `null`: nothing speaks for it. */
function stays(member: Member, { settings: { keep, local }, pulled }: CacheHistory): Kept | null {
  const { image } = member;
  if (isNamedBy(keep, image)) return { because: "keep-image", reason: "cache.keep names it" };
  const unknown = local === "keep" ? localName(image, pulled[image.id] ?? []) : undefined;
  if (unknown !== undefined)
    return {
      because: "local",
      reason: `no registry is known to have ${unknown}, so it could not be pulled again`,
    };
  if (!losesAllTags(member)) return { because: "tagged", reason: "it has another name, which a rule owns" };
  return null;
}

/**
 * A name of whose repository no registry is known to have the image; `undefined`: all could be pulled again. On classic
 * stores a digest comes from a registry. The containerd store makes one of the image's own id for every name it has.
 */
function localName({ id, tags, digests, pulledFrom = [] }: ImageDetail, pulled: readonly string[]) {
  const ofRegistries = digests.filter((digest) => !digest.endsWith(`@${id}`));
  const known = new Set([...ofRegistries, ...pulledFrom, ...pulled].map(withoutPort));
  const names = tags.length > 0 ? tags : digests;
  return names.length === 0 ? "it" : names.find((name) => !known.has(withoutPort(name)));
}

/** The repository, without its registry's port, which the containerd store does not remember. */
const withoutPort = (name: string) => parseReference(name).name.replace(/^([^/]*):\d+\//, "$1/");

const TIMES = ["never used", "used once", "used twice"];

/**
 * Why an image has its place in the order of eviction, in numbers: `"used once, superseded by app:1.4, idle 5d; of 62
 * images like this 1 % came back within 3 days"`. `nameOf` turns the ledger's id of an image into what people call it.
 */
export function explain(because: Because, nameOf: (id: string) => string): string {
  const { uses, idle, superseded, supersededBy, alike, cameBack, savesNext } = because;
  const state = !superseded
    ? "named by the newest run of a project"
    : supersededBy === null
      ? "named by no project's newest run"
      : `superseded by ${nameOf(supersededBy)}`;
  const facts = `${TIMES[uses] ?? `used ${uses} times`}, ${state}, idle ${span(idle)}`;
  const history =
    alike === 0
      ? "no image here was idle as long before"
      : `of ${alike} images like this ${percent(cameBack)} came back within 3 days`;
  const next = savesNext >= 0.005 ? `; a next version is expected to reuse ${percent(savesNext)} of it` : "";
  return `${facts}; ${history}${next}`;
}

/** Whole hours are enough for what is idle for days. */
const span = (seconds: Seconds) => formatDuration(seconds >= 86_400 ? seconds - (seconds % 3600) : seconds);

function percent(share: number): string {
  const value = 100 * share;
  return value > 0 && value < 0.5 ? "less than 1 %" : `${value.toFixed(0)} %`;
}
