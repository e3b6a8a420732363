import { oncePer } from "../collections.ts";

/**
 * Gives each item of a list a number that stands for it together with all items before it: two lists have the same
 * numbers up to where they first differ. (The same layer on another base is other bytes on disk.)
 */
export function newChains() {
  const numbers = new Map<string, number>();
  return {
    of: (list: readonly string[]): number[] => {
      // 0: the beginning of any list.
      let chain = 0;
      return list.map((text) => {
        const key = `${chain} ${text}`;
        chain = numbers.get(key) ?? numbers.size + 1;
        if (chain > numbers.size) numbers.set(key, chain);
        return chain;
      });
    },
  };
}

type LayersById = ReadonlyMap<string, readonly string[]>;

/** The layers of every image as chains. Made once for each map: with 1000 images of 60 layers it would take seconds. */
export const layerChains = oncePer((layersById: LayersById) => {
  const chains = newChains();
  const byImage: ReadonlyMap<string, readonly number[]> = new Map(
    [...layersById].map(([id, list]) => [id, chains.of(list)]),
  );
  const holders = new Map<number, number>();
  for (const list of byImage.values())
    for (const chain of list) holders.set(chain, (holders.get(chain) ?? 0) + 1);
  /** Also of an image that is not among them. */
  const of = ({ id, layers }: { readonly id: string; readonly layers: readonly string[] }) =>
    byImage.get(id) ?? chains.of(layers);
  return { byImage, holders, of };
});
