import { groupBy } from "../collections.ts";
import type { ImageFacts } from "./images.ts";
import type { Judged } from "./plan.ts";

/**
 * An image goes only where all that was made on it goes before. Pure.
 * @returns the verdicts, without those on images that are candidates only below others, and have to stay with them
 */
export function withChildren(facts: readonly ImageFacts[], judged: readonly Judged[]): Judged[] {
  const verdicts = new Map(judged.map((one) => [one.id, one]));
  const children = groupBy(facts, ({ summary, detail }) => detail?.parentId || summary.parentId);
  const goes = new Map<string, boolean>();
  const mayGo = (id: string): boolean => {
    const found = goes.get(id);
    if (found !== undefined) return found;
    // Against a circle, which no engine makes.
    goes.set(id, false);
    const above = children.get(id) ?? [];
    const may = verdicts.get(id)?.action === "remove" && above.every(({ summary }) => mayGo(summary.id));
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
