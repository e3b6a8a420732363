import { type EngineReader, STOPPED_STATES } from "../engine/reader.ts";
import { Inspector, inParallel, orNull, orUnknown, orUnread } from "../engine/tolerant.ts";
import type { ContainerDetail, ContainerSummary, ImageDetail, ImageSummary } from "../engine/types.ts";
import { type Fact, known } from "../facts.ts";
import type { Observation } from "../gates/observation.ts";
import { limitOf, type PruneInForce } from "../plan/age.ts";
import { type ContainerFacts, worthInspecting } from "../plan/containers.ts";
import type { Candidates, Ruled } from "../plan/decide.ts";
import { type ImageFacts, keptByListing } from "../plan/images.ts";
import { anyInForce, type Rules } from "../settings/rules.ts";
import type { Engine } from "./engine.ts";
import { observeLineage } from "./lineage.ts";
import { NOTHING_RULED, observeRuled } from "./ruled.ts";

/** What a pass, or a preview of one, goes by. */
export interface Scope {
  /** `null`: not about `prune`, but about rules that do not wait for pressure alone. */
  readonly prune: PruneInForce | null;
  readonly rules: Rules;
  /** Networks are looked at, whatever the disk says. */
  readonly networks: boolean;
  /** List the build cache, for a plan that is only shown: in a pass that acts the engine decides, and reports. */
  readonly forecastCache: boolean;
  /**
   * Whether this one is inspected for the plan; absent: all are. A pass that acts looks at each right before its
   * deletion anyway, and most go by that look alone: what the list shows as old enough is a candidate.
   */
  readonly inspects?: (id: string) => boolean;
}

/** The engine, and what the last look at the gates has seen. */
export interface Look extends Pick<Observation, "live" | "services"> {
  readonly engine: Engine;
}

/** Candidates, and what could not be read of them: such objects stay, and so does all that depends on them. */
export interface Observed extends Candidates {
  /** Lists, each with the reason. */
  readonly unreadLists: readonly { readonly what: string; readonly reason: string }[];
  /** Why the networks could not be listed; they stay, and a pass that is about the disk is whole without them. */
  readonly unreadNetworks: string | null;
  /** Single objects; `null`: none. `all`: every inspection that was asked for failed. */
  readonly unreadObjects: Inspector["unread"];
  /** Also for the looks before the deletions, which `unreadObjects` then counts as well. */
  readonly inspector: Inspector;
}

/**
 * Lists what may be left behind, and inspects what is old enough to go. A list that fails leaves its own kind unread
 * and the kinds that depend on it: images on containers, which may use them. Unknown where the containers that run
 * are, or where no engine answers.
 */
export async function observeCandidates(
  reader: EngineReader,
  { engine, live, services }: Look,
  { prune, rules, networks, forecastCache, inspects = () => true }: Scope,
  now: number,
): Promise<Fact<Observed>> {
  if (!live.known) return live;
  const ruled = anyInForce(rules);
  if (ruled && !services.known) return services;
  const inspector = new Inspector(reader, engine.bootedAt);
  const limit = (kind: "containers" | "images") => (prune === null ? 0 : limitOf(prune, kind).seconds);
  const classic = engine.info.imageStore === "classic";
  const unreadLists: { what: string; reason: string }[] = [];
  return orUnknown("the objects to judge", async () => {
    const needed = prune?.containers || prune?.images || ruled || networks;
    const [stopped, dangling, onNetworks] = await Promise.all([
      needed ? list("the stopped containers", () => reader.containers(STOPPED_STATES)) : [],
      prune?.images ? list("the dangling images", () => reader.danglingImages()) : [],
      networks ? orUnread("the networks", () => reader.networks()) : known([]),
    ]);
    const all = [...new Map([...(stopped ?? []), ...live.value].map((one) => [one.id, one])).values()];
    const named = stopped === null ? null : await observeByRules(all);
    const containers = prune?.containers ? await inspectContainers(stopped ?? []) : [];
    // An image that a rule names is that rule's alone.
    const images = named === null ? [] : await inParallel(dangling ?? [], inspectImage);
    const lineage = await list("the parents of images", () =>
      observeLineage(reader, images, classic, (below) => inspectImage(below)),
    );
    return {
      containers,
      images: lineage?.images ?? [],
      everyContainer: all,
      parents: lineage?.parents ?? new Set<string>(),
      // A container that nobody could list may be on any of them.
      networks: onNetworks.known && stopped !== null ? onNetworks.value : [],
      unreadNetworks: onNetworks.known ? null : onNetworks.reason,
      buildCache:
        prune?.buildCache && forecastCache
          ? ((await list("the build cache", () => reader.buildCache(true))) ?? [])
          : [],
      ruled: named ?? (stopped === null ? NOTHING_RULED : await orphansAlone(all)),
      unreadLists,
      inspector,
      get unreadObjects() {
        return inspector.unread;
      },
    };
  });

  /** `null` where it fails; throws EngineError where there is no engine. */
  async function list<T>(what: string, question: () => Promise<T>): Promise<T | null> {
    const answer = await orUnread(what, question);
    if (answer.known) return answer.value;
    unreadLists.push({ what, reason: answer.reason });
    return null;
  }

  async function observeByRules(all: readonly ContainerSummary[]): Promise<Ruled | null> {
    if (!ruled || !services.known) return NOTHING_RULED;
    const seen = { containers: all, services: services.value, engine };
    return list("the images that rules name", () => observeRuled(inspector, rules, seen, now));
  }

  function orphansAlone(all: readonly ContainerSummary[]): Promise<Ruled> {
    const seen = { containers: all, services: [], engine };
    return observeRuled(inspector, { ...rules, retention: [] }, seen, now);
  }

  function inspectContainers(stopped: readonly ContainerSummary[]): Promise<ContainerFacts[]> {
    return inParallel(stopped, async (summary) => {
      if (!worthInspecting(summary, limit("containers"), now)) return { summary, detail: null };
      if (!inspects(summary.id)) return { summary, detail: containerByList(summary), byList: true };
      return { summary, detail: orNull(await inspector.container(summary.id, true)) };
    });
  }

  async function inspectImage(summary: ImageSummary): Promise<ImageFacts> {
    if (keptByListing(summary, limit("images"), now)) return { summary, detail: null };
    if (!inspects(summary.id)) return { summary, detail: imageByList(summary), byList: true };
    return { summary, detail: orNull(await inspector.image(summary.id)) };
  }
}

/** As if it had been inspected, as far as the list tells: with nothing that would make it younger. */
const containerByList = ({ id, state, createdAt }: ContainerSummary): ContainerDetail => ({
  ...{ id, state, createdAt },
  ...{ startedAt: null, finishedAt: null, exitCode: null, oomKilled: false, sizeBytes: null },
});
const imageByList = (summary: ImageSummary): ImageDetail => ({ ...summary, lastTaggedAt: null, layers: [] });
