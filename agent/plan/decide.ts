import type { CacheRecord, ContainerSummary, ImageSummary, NetworkSummary } from "../engine/types.ts";
import { CACHE_RULE, ruleId } from "../settings/rule-names.ts";
import { type PruneInForce, UNDATED } from "./age.ts";
import { judgeBuildCache } from "./build-cache.ts";
import { type CacheHistory, judgeCache } from "./cache.ts";
import { type ContainerFacts, judgeContainer } from "./containers.ts";
import type { Family } from "./family.ts";
import { type ImageContext, type ImageFacts, inOrderOfSafety, judgeImage } from "./images.ts";
import { withChildren } from "./lineage.ts";
import { judgeNetworks } from "./networks.ts";
import { judgeOrphan, type OrphanFacts } from "./orphans.ts";
import { type Judged, type Plan, verdictsOn } from "./plan.ts";
import type { Measured } from "./prefixes.ts";
import { judgeFamily, type Memory, type Rank, type RetentionContext } from "./retention.ts";
import type { Users } from "./usage.ts";
import { volumeKeepers } from "./volumes.ts";

export interface Candidates {
  readonly containers: readonly ContainerFacts[];
  readonly images: readonly ImageFacts[];
  /** Every container there is, whatever its state. */
  readonly everyContainer: readonly ContainerSummary[];
  /** Ids of images on which something was made that is not among `images`. */
  readonly parents: ReadonlySet<string>;
  /** Networks of local scope; empty where they are not asked for. */
  readonly networks: readonly NetworkSummary[];
  /** Empty where no forecast was asked for. */
  readonly buildCache: readonly CacheRecord[];
  readonly ruled: Ruled;
}

/** What the rules of `retention`, `snapshots` and `orphans` name. */
export interface Ruled {
  readonly orphans: readonly OrphanFacts[];
  readonly families: readonly Family[];
  /** Of rules that wait for pressure while there is none. */
  readonly waiting: readonly Family[];
  /** Names of rules that fit some image, even if an earlier rule claimed it. */
  readonly named: ReadonlySet<string>;
  readonly measured: Measured;
  /** Ids of images with a name that lost another one to a younger image, where the engine tells (containerd store). */
  readonly displaced: ReadonlySet<string>;
  /** By rule: images that its repositories name, and that carry none of its labels. */
  readonly lookalikes: ReadonlyMap<string, readonly ImageSummary[]>;
  /** Images that a rule may name, and that the engine refuses to show. */
  readonly unread: readonly ImageSummary[];
  readonly users: Users;
  /** There may be services: this is a swarm manager. */
  readonly manager: boolean;
  /** Why the services that may use an image are not known; `null`: they are. */
  readonly servicesUnread: string | null;
}

/** What the verdicts came from, for the look before each deletion. */
export interface PlanContext {
  /** Containers through which somebody finds volumes, by id, and why each stays. */
  readonly volumeKeepers: ReadonlyMap<string, string>;
  readonly images: ImageContext;
  readonly retention: RetentionContext;
  readonly history: CacheHistory | undefined;
  readonly ranks: ReadonlyMap<string, ReadonlyMap<string, Rank>>;
}

/** What our own state remembers. Milliseconds by image id. */
export interface Remembered extends Memory {
  /** By the ledger of uses; absent: the last tier is off. */
  readonly history?: CacheHistory;
  readonly dangling: Readonly<Record<string, number>>;
}

/**
 * Candidates -> what goes and what stays, each with its reason. Pure. What a rule of the settings names is judged by
 * that rule alone. In an emergency what would go anyway is first, and judged as ever: it may be enough.
 */
export function decide(
  candidates: Candidates,
  remembered: Remembered,
  { prune }: { readonly prune: PruneInForce },
  now: number,
): Verdicts {
  const all = judgeAll(candidates, remembered, prune, now);
  if (prune.shorter === undefined) return all;
  const { shorter: _, ...usual } = prune;
  const { remove } = judgeAll(candidates, remembered, usual, now).plan;
  const goAnyway = new Set(remove.map(({ id }) => id));
  const only = all.plan.remove.filter(({ id }) => !goAnyway.has(id));
  return {
    ...all,
    plan: {
      ...all.plan,
      remove: [...remove, ...only.map((one) => ({ ...one, inEmergency: true as const }))],
    },
  };
}

interface Verdicts {
  readonly plan: Plan;
  readonly context: PlanContext;
}

function judgeAll(candidates: Candidates, remembered: Remembered, prune: PruneInForce, now: number) {
  const { ruled } = candidates;
  const orphans = ruled.orphans.map((facts) => judgeOrphan(facts, prune.keepLabels, now));
  const ofRules = new Set(orphans.map(({ id }) => id));
  const keepers = volumeKeepers(candidates.everyContainer);
  const containers = candidates.containers
    .filter(({ summary }) => !ofRules.has(summary.id))
    .map((facts) => ({ ...facts, firstSeen: remembered.dangling[facts.summary.id] }))
    .map((facts) => judgeContainer(facts, keepers, prune, now));

  const retention: RetentionContext = {
    users: ruled.users,
    servicesUnread: ruled.servicesUnread,
    keepLabels: prune.keepLabels,
    keepImages: prune.keepImages,
    displaced: ruled.displaced,
    memory: remembered,
  };
  const families = ruled.families
    .filter(({ rule }) => rule.name !== CACHE_RULE)
    .map((family) => ({ rule: family.rule, ...judgeFamily(family, retention, ruled.measured, now) }));
  const last = ruled.families.find(({ rule }) => rule.name === CACHE_RULE);
  const { history } = remembered;
  const tier = last === undefined || history === undefined ? null : judgeCache(last, retention, history, now);
  const named = [...families.flatMap(({ judged }) => judged), ...ruled.unread.map(unread)];
  const inFamilies = new Set(named.map(({ id }) => id));

  const used = stillUsed(candidates.everyContainer, containers);
  const images: ImageContext = { used, parents: candidates.parents, firstSeen: remembered.dangling };
  const unnamed = candidates.images.filter(({ summary }) => !inFamilies.has(summary.id));
  const dangling = withChildren(
    candidates.images,
    unnamed.map((facts) => judgeImage(facts, images, prune, now)),
  );
  const buildCache = judgeBuildCache(candidates.buildCache, prune, now);
  const networks = judgeNetworks(candidates.networks, candidates.everyContainer, prune, now);
  return {
    context: {
      ...{ volumeKeepers: keepers, images, retention, history },
      ranks: new Map([
        ...families.map(({ rule, ranks }) => [ruleId(rule), ranks] as const),
        ...(last === undefined || tier === null ? [] : [[ruleId(last.rule), tier.ranks] as const]),
      ]),
    },
    plan: {
      keep: [
        ...[...orphans, ...containers, ...named, ...networks, ...dangling, ...buildCache].filter(stays),
        ...(tier?.keep ?? []),
      ],
      ...(tier === null ? {} : { evict: tier.evict }),
      remove: [
        ...[...orphans, ...containers].filter(goes),
        ...named.filter(goes),
        ...networks.filter(goes),
        ...inOrderOfSafety(dangling.filter(goes), remembered.dangling),
        ...buildCache.filter(goes),
      ],
    },
  };
}

const goes = ({ action }: Judged) => action === "remove";
const stays = ({ action }: Judged) => action === "keep";

function unread({ id, tags, digests, sizeBytes }: ImageSummary): Judged {
  const names = tags.length > 0 ? tags : digests;
  const { keep } = verdictsOn({ kind: "image", id, names, sizeBytes }, UNDATED);
  return keep("unreadable", "it could not be inspected, so no rule is applied to it");
}

/** Images of containers that will still be there. An orphan's image stays for this pass: its stop may fail. */
function stillUsed(everyContainer: readonly ContainerSummary[], containers: readonly Judged[]): Set<string> {
  const leaving = new Set(containers.filter(goes).map(({ id }) => id));
  return new Set(everyContainer.filter(({ id }) => !leaving.has(id)).map(({ imageId }) => imageId));
}
