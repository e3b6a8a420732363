import type { ImageDetail, Step } from "../engine/types.ts";
import type { Bytes } from "../units.ts";
import { losesAllTags, type Member } from "./family.ts";

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

export interface Footprint {
  /** Bytes that only the members still counted hold. */
  total(): Bytes;
  remove(member: Member): void;
}

/**
 * Each layer once, and none that an image outside the group holds: what the disk gets back when all of it goes.
 * @param there the layers of the images that hold some; of the group's own none counts as outside
 */
export function footprint(
  group: readonly Member[],
  measured: Measured,
  there: Measured["layers"] = measured.layers,
): Footprint {
  const { chainsOf, holders } = chainsIn(there);
  const own = new Map(
    group.filter(losesAllTags).map(({ image }) => [image.id, { image, chains: chainsOf(image.layers) }]),
  );
  // How many of the group hold each, and its bytes; what others hold as well is none of the group's.
  const inGroup = new Map<number, number>();
  const ofThere = new Map<number, number>();
  const bytes = new Map<number, Bytes>();
  for (const { image, chains } of own.values()) {
    const sizes = sizesOf(image, measured);
    chains.forEach((chain, index) => {
      inGroup.set(chain, (inGroup.get(chain) ?? 0) + 1);
      if (there.has(image.id)) ofThere.set(chain, (ofThere.get(chain) ?? 0) + 1);
      const size = sizes[index] ?? 0;
      bytes.set(chain, Math.min(size, bytes.get(chain) ?? size));
    });
  }
  const isOutside = (chain: number) => (holders.get(chain) ?? 0) > (ofThere.get(chain) ?? 0);
  let total = [...inGroup.keys()].reduce(
    (sum, chain) => sum + (isOutside(chain) ? 0 : (bytes.get(chain) ?? 0)),
    0,
  );
  return {
    total: () => total,
    remove: ({ image }) => {
      const chains = own.get(image.id)?.chains ?? [];
      own.delete(image.id);
      for (const chain of chains) {
        const left = (inGroup.get(chain) ?? 0) - 1;
        inGroup.set(chain, left);
        if (left === 0 && !isOutside(chain)) total -= bytes.get(chain) ?? 0;
      }
    },
  };
}

/** A layer on all layers below it, as a number: the same diff on another base is other bytes on disk. */
interface Chains {
  chainsOf(layers: readonly string[]): number[];
  /** Of every image, by its id. */
  readonly byImage: ReadonlyMap<string, readonly number[]>;
  /** How many images hold it. */
  readonly holders: ReadonlyMap<number, number>;
}

const indexed = new WeakMap<Measured["layers"], Chains>();

/** Made once for each measure: with 1000 images of 60 layers the texts alone would take seconds. */
function chainsIn(layers: Measured["layers"]): Chains {
  const known = indexed.get(layers);
  if (known !== undefined) return known;
  const ids = new Map<string, number>();
  const chainsOf = (list: readonly string[]): number[] => {
    let below = -1;
    return list.map((layer) => {
      const key = `${below} ${layer}`;
      below = ids.get(key) ?? ids.size;
      ids.set(key, below);
      return below;
    });
  };
  const holders = new Map<number, number>();
  const byImage = new Map([...layers].map(([id, list]) => [id, chainsOf(list)]));
  for (const chain of [...byImage.values()].flat()) holders.set(chain, (holders.get(chain) ?? 0) + 1);
  const chains = { chainsOf, byImage, holders };
  indexed.set(layers, chains);
  return chains;
}

/**
 * Bytes that each layer of an image takes on the disk, oldest first; 0 where its steps are not known. Together they
 * are the size of the image: the containerd store holds each layer as a blob as well, of which the steps tell nothing
 * (28.5), so what they leave of the size is shared out in proportion.
 */
export function sizesOf(
  image: Pick<ImageDetail, "id" | "layers" | "sizeBytes">,
  measured: Measured,
): readonly Bytes[] {
  const { layers, sizeBytes } = image;
  const steps = measured.histories.get(image.id);
  if (steps === undefined || layers.length === 0) return [];
  const told = sharedPrefixes(image, steps, measured).flatMap((end, index, all) => {
    const start = all[index - 1] ?? { layers: 0, steps: 0 };
    return layerSizes(
      { layers: layers.slice(start.layers, end.layers) },
      steps.slice(start.steps, end.steps).map((step) => step.sizeBytes),
    );
  });
  const sum = told.reduce((total, bytes) => total + bytes, 0);
  if (sum === 0) return layers.map(() => sizeBytes / layers.length);
  return told.map((bytes) => bytes * Math.max(1, sizeBytes / sum));
}

/** So many layers, made by so many steps. */
interface Part {
  readonly layers: number;
  readonly steps: number;
}

/**
 * Where other images part from this one, and its end. Up to there two images have the layers in common, and the steps
 * that made them: this alone tells which steps made the shared layers where layers of 0 bytes are among them.
 */
function sharedPrefixes(
  { id, layers }: Pick<ImageDetail, "id" | "layers">,
  steps: readonly Step[],
  measured: Measured,
): readonly Part[] {
  const shared = new Map<number, number>();
  const bounds = new Map<number, Bounds>();
  const boundsAt = (depth: number): Bounds => {
    const found = bounds.get(depth) ?? possibleSteps(steps, layers.length, depth);
    bounds.set(depth, found);
    return found;
  };
  const { chainsOf, byImage } = chainsIn(measured.layers);
  const mine = chainsOf(layers);
  for (const [other, theirs] of byImage) {
    const depth = depthInCommon(mine, theirs);
    const history = measured.histories.get(other);
    if (other === id || depth === 0 || depth >= layers.length || history === undefined) continue;
    const possible = boundsAt(depth);
    if (shared.get(depth) === possible.most) continue;
    const same = inCommon(steps, history, (a, b) => a.sizeBytes === b.sizeBytes && a.mark === b.mark);
    // Too few in common: the other one tells another history of the same layers (built anew, imported).
    if (same < possible.least) continue;
    shared.set(depth, Math.max(shared.get(depth) ?? 0, Math.min(same, possible.most)));
  }
  const ends: Part[] = [];
  for (const [depth, same] of [...shared].sort(([a], [b]) => a - b)) {
    const before = ends.at(-1) ?? { layers: 0, steps: 0 };
    ends.push({ layers: depth, steps: Math.max(same, before.steps + depth - before.layers) });
  }
  return [...ends, { layers: layers.length, steps: steps.length }];
}

/** Of how many steps the lowest layers can be: each layer has one, and each step with bytes is a layer. */
function possibleSteps(steps: readonly Step[], layers: number, depth: number): Bounds {
  const all = steps.filter(({ sizeBytes }) => sizeBytes > 0).length;
  const bounds = { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };
  let below = 0;
  for (let count = 0; count <= steps.length; count++) {
    const fits =
      below <= depth &&
      depth <= count &&
      all - below <= layers - depth &&
      layers - depth <= steps.length - count;
    if (fits) {
      bounds.least = Math.min(bounds.least, count);
      bounds.most = count;
    }
    if ((steps[count]?.sizeBytes ?? 0) > 0) below++;
  }
  return bounds;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** How many chains two images have in common: those below a common one are common as well. */
function depthInCommon(one: readonly number[], other: readonly number[]): number {
  let [low, high] = [0, Math.min(one.length, other.length)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (one[middle - 1] === other[middle - 1]) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** How many items the two lists begin with alike. */
function inCommon<T>(one: readonly T[], other: readonly T[], alike: (a: T, b: T) => boolean): number {
  const end = Math.min(one.length, other.length);
  let count = 0;
  while (count < end && alike(one[count] as T, other[count] as T)) count++;
  return count;
}

/**
 * Bytes of each layer, oldest first. The history has a step for each layer, and steps of 0 bytes for what only changes
 * the config; a layer of 0 bytes looks the same. Where that leaves a choice the latest such steps are taken for layers:
 * then bytes lie as deep as they can, where they are shared most, and the family counts for no more than it holds.
 */
export function layerSizes({ layers }: Pick<ImageDetail, "layers">, history: readonly Bytes[]): Bytes[] {
  let configOnly = history.length - layers.length;
  const sizes = history.filter((size) => size > 0 || --configOnly < 0);
  // An engine that tells fewer steps than layers: what it tells belongs to the latest ones.
  const missing = Array.from({ length: Math.max(0, layers.length - sizes.length) }, () => 0);
  return [...missing, ...sizes].slice(-layers.length);
}
