import { oncePer } from "../collections.ts";

/**
 * Gives each item of a list a number that stands for it together with all items before it: two lists have the same
 * numbers up to where they first differ. (The same layer on another base is other bytes on disk.)
 */
export function newChains() {
  const items = new Map<string, number>();
  // By number (0: the beginning), the first item that came after it; further ones by number and item.
  const first: { item: number; next: number }[] = [];
  const more = new Map<number, number>();
  let last = 0;
  const itemOf = (text: string): number => {
    const known = items.get(text);
    if (known !== undefined) return known;
    items.set(text, items.size);
    return items.size - 1;
  };
  const nextOf = (chain: number, item: number): number => {
    const known = first[chain];
    if (known === undefined) {
      first[chain] = { item, next: ++last };
      return last;
    }
    if (known.item === item) return known.next;
    const key = chain * MOST_ITEMS + item;
    const found = more.get(key);
    if (found !== undefined) return found;
    more.set(key, ++last);
    return last;
  };
  return {
    of: (list: readonly string[]): number[] => {
      let chain = 0;
      return list.map((text) => {
        chain = nextOf(chain, itemOf(text));
        return chain;
      });
    },
  };
}

/** No host has 67 million different layers; with as many chains a key of both is still an exact number. */
const MOST_ITEMS = 2 ** 26;

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
