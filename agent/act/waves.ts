import type { ImageDetail } from "../engine/types.ts";
import { newChains } from "../plan/chains.ts";
import type { Judged } from "../plan/plan.ts";

/** What tells which image was made on which. */
export type Made = Pick<ImageDetail, "id" | "parentId" | "layers">;

/**
 * The objects in waves, each in the order given: an image is in a later wave than those that were made on it, by their
 * parent or by layers that begin with all of its own. Of the objects of one wave, none waits for another. Pure.
 */
export function inWaves(objects: readonly Judged[], images: ReadonlyMap<string, Made>): Judged[][] {
  const above = madeOn(objects, images);
  const waveOf = new Map<string, number>();
  const find = (id: string): number => {
    const found = waveOf.get(id);
    if (found !== undefined) return found;
    // Against a circle, which no engine makes.
    waveOf.set(id, 0);
    const wave = Math.max(-1, ...(above.get(id) ?? []).map(find)) + 1;
    waveOf.set(id, wave);
    return wave;
  };
  const waves: Judged[][] = [];
  for (const object of objects) {
    const wave = find(object.id);
    while (waves.length <= wave) waves.push([]);
    waves[wave]?.push(object);
  }
  return waves;
}

/** By the id of each object, the ids of those that were made directly on it. Pure. */
function madeOn(objects: readonly Judged[], images: ReadonlyMap<string, Made>) {
  const known = objects.flatMap(({ id }) => images.get(id) ?? []);
  const ids = new Set(known.map(({ id }) => id));
  const chains = newChains();
  const paths = new Map(known.map(({ id, layers }) => [id, chains.of(layers)]));
  const endingAt = new Map<number, string[]>();
  for (const { id } of known) {
    const end = paths.get(id)?.at(-1);
    if (end !== undefined) endingAt.set(end, [...(endingAt.get(end) ?? []), id]);
  }
  const above = new Map<string, string[]>();
  const add = (upper: string, lower: string) => above.set(lower, [...(above.get(lower) ?? []), upper]);
  for (const { id, parentId } of known) {
    if (ids.has(parentId)) add(id, parentId);
    // The nearest below is enough: that one in turn waits for this one.
    const below = paths
      .get(id)
      ?.slice(0, -1)
      .findLast((place) => endingAt.has(place));
    for (const lower of below === undefined ? [] : (endingAt.get(below) ?? [])) add(id, lower);
  }
  return above;
}
