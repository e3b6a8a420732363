import { groupBy } from "../collections.ts";
import type { ImageFacts } from "./images.ts";
import type { Judged } from "./plan.ts";

/** By the id of each image, the ids of those among these that were made directly on it. */
function childrenOf(facts: readonly ImageFacts[]): (id: string) => readonly string[] {
  const children = groupBy(facts, ({ summary, detail }) => detail?.parentId || summary.parentId);
  return (id) => (children.get(id) ?? []).map(({ summary }) => summary.id);
}

/**
 * An image goes only where all that was made on it goes before. Pure.
 * @returns the verdicts, without those on images that are candidates only below others, and have to stay with them
 */
export function withChildren(facts: readonly ImageFacts[], judged: readonly Judged[]): Judged[] {
  const verdicts = new Map(judged.map((one) => [one.id, one]));
  const children = childrenOf(facts);
  const goes = new Map<string, boolean>();
  const mayGo = (id: string): boolean => {
    const found = goes.get(id);
    if (found !== undefined) return found;
    // Against a circle, which no engine makes.
    goes.set(id, false);
    const may = verdicts.get(id)?.action === "remove" && children(id).every(mayGo);
    goes.set(id, may);
    return may;
  };
  const below = new Set(facts.flatMap((one) => (one.below ? one.summary.id : [])));
  return judged.flatMap((one): Judged[] => {
    if (one.action === "keep" || mayGo(one.id)) return [one];
    if (below.has(one.id)) return [];
    return [{ ...one, action: "keep", because: "parent", reason: "another image was built on it" }];
  });
}

/** The same images as they come, but each after those that were made on it. Pure. */
export function afterChildren(facts: readonly ImageFacts[], images: readonly Judged[]): Judged[] {
  const byId = new Map(images.map((one) => [one.id, one]));
  const children = childrenOf(facts);
  return childrenFirst(images, ({ id }) => children(id).flatMap((child) => byId.get(child) ?? []));
}

/** The same objects as they come, but each after its children. Pure. */
export function childrenFirst(objects: readonly Judged[], childrenOf: (object: Judged) => readonly Judged[]) {
  const placed = new Set<Judged>();
  const seen = new Set<Judged>();
  const place = (object: Judged): void => {
    if (seen.has(object)) return;
    seen.add(object);
    childrenOf(object).forEach(place);
    placed.add(object);
  };
  objects.forEach(place);
  return [...placed];
}
