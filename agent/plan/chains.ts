import { oncePer } from "../collections.ts";

/**
 * Gives each item of a list a number that stands for it together with all items before it: two lists have the same
 * numbers up to where they first differ. (The same layer on another base is other bytes on disk.)
 */
export function newChains() {
  // By number (0: the beginning), the first item that came after it, and the others. Most have one: no text is hashed.
  const first: { readonly text: string; readonly next: number }[] = [];
  const others = new Map<number, Map<string, number>>();
  let last = 0;
  const nextOf = (chain: number, text: string): number => {
    const known = first[chain];
    if (known?.text === text) return known.next;
    if (known === undefined) {
      first[chain] = { text, next: ++last };
      return last;
    }
    const more = others.get(chain) ?? new Map<string, number>();
    const found = more.get(text);
    if (found === undefined) others.set(chain, more.set(text, ++last));
    return found ?? last;
  };
  return {
    of: (list: readonly string[]): number[] => {
      let chain = 0;
      return list.map((text) => {
        chain = nextOf(chain, text);
        return chain;
      });
    },
    /** By chain: in how many of the lists it is. */
    holders: (lists: Iterable<readonly number[]>): number[] => {
      const counts = new Array<number>(last + 1).fill(0);
      for (const list of lists) for (const chain of list) counts[chain] = (counts[chain] as number) + 1;
      return counts;
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
  /** By chain: how many of the images have it. */
  const holders = chains.holders(byImage.values());
  /** Also of an image that is not among them. */
  const of = ({ id, layers }: { readonly id: string; readonly layers: readonly string[] }) =>
    byImage.get(id) ?? chains.of(layers);
  return { byImage, holders, of };
});
