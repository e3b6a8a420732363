import { oncePer } from "../collections.ts";
import type { ImageDetail, Step } from "../engine/types.ts";
import { layerChains, newChains } from "./chains.ts";

/** What the size of a family is measured by. Empty where no family needs it, or where it could not be read whole. */
export interface Measured {
  /** Of the members, and of the images that share layers with them: the steps, oldest first, by the image's id. */
  readonly histories: ReadonlyMap<string, readonly Step[]>;
  /** The layers of every image there is, by its id. */
  readonly layers: ReadonlyMap<string, readonly string[]>;
  /** Names an image that could not be read, where that is why there is no measure; `null`: all is well. */
  readonly unread: string | null;
}

export const NOT_MEASURED: Measured = { histories: new Map(), layers: new Map(), unread: null };

export interface Part {
  readonly layers: number;
  readonly steps: number;
}

/**
 * Where other images part from this one, and its end. Up to there two images have the layers in common, and the steps
 * that made them: this alone tells which steps made the shared layers where layers of 0 bytes are among them.
 */
export function sharedPrefixes({ id, layers }: Pick<ImageDetail, "id" | "layers">, measured: Measured) {
  const { byImage, partings } = prefixesIn(measured);
  const own = byImage.get(id) ?? { chains: [], steps: [], layered: [0] };
  const { chains, steps } = own;
  const ends: Part[] = [];
  for (let depth = 1; depth < chains.length; depth++) {
    const others = partings.get(chains[depth - 1] as number);
    if (others === undefined) continue;
    const { least, most } = possibleSteps(own, depth);
    // None fits where others tell another history of the same layers: built anew, or imported.
    for (let same = most; same >= least; same--) {
      const way = others.get(steps[same - 1] as number);
      if (way === undefined || way === chains[depth]) continue;
      const before = ends.at(-1) ?? { layers: 0, steps: 0 };
      ends.push({ layers: depth, steps: Math.max(same, before.steps + depth - before.layers) });
      break;
    }
  }
  return [...ends, { layers: layers.length, steps: measured.histories.get(id)?.length ?? 0 }];
}

/**
 * Of how many steps the lowest layers can be: each layer has one, and each step with bytes is a layer. Of those that
 * other images have as well: `most` is below `least` where there are none.
 */
function possibleSteps({ chains, steps, layered }: OfImage, depth: number) {
  const all = layered.length - 1;
  const above = chains.length - depth;
  let most = Math.min(all - above, steps.length);
  while ((layered[most] ?? 0) > depth) most--;
  let least = most + 1;
  while (least > depth && (layered[all] ?? 0) - (layered[least - 1] ?? 0) <= above) least--;
  return { least, most };
}

const SEVERAL = -2;
/** The way of an image that ends there. */
const END = -1;

interface OfImage {
  readonly chains: readonly number[];
  /** As far as another image has them too. */
  readonly steps: readonly number[];
  /** By number of steps, from 0 to all of the image's: how many of them have bytes. */
  readonly layered: readonly number[];
}

/**
 * `byImage`: the layers and the steps of each as chains. `partings`: by the last layer that images have in common, and
 * by the last of the steps that can have made these, the layer with which the images go on that have those steps;
 * `SEVERAL` where they go on differently.
 */
const prefixesIn = oncePer((measured: Measured) => {
  const stepChains = newChains();
  const images = [...layerChains(measured.layers).byImage].flatMap(([id, chains]) => {
    const history = measured.histories.get(id);
    if (history === undefined) return [];
    const layered = [0];
    for (const { sizeBytes } of history) layered.push((layered.at(-1) ?? 0) + (sizeBytes > 0 ? 1 : 0));
    return [{ id, chains, steps: stepChains.of(history.map(({ mark }) => mark)), layered }];
  });
  const haveStep = stepChains.holders(images.map(({ steps }) => steps));
  const byImage = new Map<string, OfImage>(
    images.map((image) => [
      image.id,
      { ...image, steps: image.steps.filter((step) => (haveStep[step] as number) > 1) },
    ]),
  );
  const partings = new Map<number, Map<number, number>>();
  for (const chain of forks(images.map(({ chains }) => chains))) partings.set(chain, new Map());
  for (const image of byImage.values()) {
    image.chains.forEach((chain, index) => {
      const ways = partings.get(chain);
      if (ways === undefined) return;
      const way = image.chains[index + 1] ?? END;
      const { least, most } = possibleSteps(image, index + 1);
      for (let count = most; count >= least; count--) {
        const step = image.steps[count - 1] as number;
        const before = ways.get(step);
        if (before === undefined) ways.set(step, way);
        else if (before !== way && before !== SEVERAL) ways.set(step, SEVERAL);
      }
    });
  }
  return { byImage, partings };
});

/** Chains after which not all lists go on alike. */
function forks(lists: readonly (readonly number[])[]): Set<number> {
  const next = new Map<number, number>();
  const found = new Set<number>();
  for (const list of lists) {
    list.forEach((chain, index) => {
      const way = list[index + 1] ?? END;
      const before = next.get(chain);
      if (before === undefined) next.set(chain, way);
      else if (before !== way) found.add(chain);
    });
  }
  return found;
}
