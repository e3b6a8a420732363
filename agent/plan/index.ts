import type { CacheRecord } from "../engine/types.ts";
import type { Settings } from "../settings/settings.ts";
import { judgeCacheRecord } from "./build-cache.ts";
import { type ContainerFacts, judgeContainer } from "./containers.ts";
import { type ImageContext, type ImageFacts, inOrderOfSafety, judgeImage } from "./images.ts";
import { type Plan, toPlan } from "./plan.ts";

/** Everything a plan is made from. */
export interface Candidates {
  readonly containers: readonly ContainerFacts[];
  readonly images: readonly ImageFacts[];
  /** Image ids by container id: every container there is. */
  readonly imageOfContainer: ReadonlyMap<string, string>;
  readonly parents: ReadonlySet<string>;
  /** Empty where no forecast was asked for. */
  readonly buildCache: readonly CacheRecord[];
}

/**
 * Candidates -> what goes and what stays, each with its reason. Pure.
 * @param firstSeen milliseconds by image id: when our own state first saw it dangling
 * @param now milliseconds
 * @returns the plan, and the context its images were judged in, for the look before each deletion
 */
export function makePlan(
  candidates: Candidates,
  firstSeen: Readonly<Record<string, number>>,
  prune: Settings["prune"],
  now: number,
): { readonly plan: Plan; readonly context: ImageContext } {
  const containers = candidates.containers.map((facts) => judgeContainer(facts, prune, now));
  const leaving = new Set(containers.filter(({ action }) => action === "remove").map(({ id }) => id));
  const used = new Set(
    [...candidates.imageOfContainer]
      .filter(([container]) => !leaving.has(container))
      .map(([, image]) => image),
  );
  const context: ImageContext = { used, parents: candidates.parents, firstSeen };
  const images = candidates.images.map((facts) => judgeImage(facts, context, prune, now));
  const cache = candidates.buildCache.map((record) => judgeCacheRecord(record, prune, now));
  const plan = toPlan([...containers, ...images, ...cache]);
  return {
    context,
    plan: {
      keep: plan.keep,
      remove: [
        ...plan.remove.filter(({ kind }) => kind === "container"),
        ...inOrderOfSafety(
          plan.remove.filter(({ kind }) => kind === "image"),
          firstSeen,
        ),
        ...plan.remove.filter(({ kind }) => kind === "build-cache"),
      ],
    },
  };
}
