import type { ImageDetail, Step } from "../engine/types.ts";
import type { Bytes } from "../units.ts";
import type { Member } from "./retention.ts";

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

/** A layer's key is all layers up to it: the same diff on another base is other bytes on disk. */
const chainsOf = (layers: readonly string[]): string[] =>
  layers.map((_, index) => layers.slice(0, index + 1).join());

/** An image with other names keeps all of its layers: taking ours away gives nothing back. */
export const goesWhole = ({ image, references }: Member): boolean => image.tags.length <= references.length;

/**
 * Each layer once, and none that an image outside the group holds: what the disk gets back when all of it goes.
 * @param there the layers of the images that hold some; of the group's own none counts as outside
 */
export function footprint(
  group: readonly Member[],
  measured: Measured,
  there: Measured["layers"] = measured.layers,
): Footprint {
  const going = group.filter(goesWhole);
  const ids = new Set(going.map(({ image }) => image.id));
  const outside = new Set([...there].flatMap(([id, list]) => (ids.has(id) ? [] : chainsOf(list))));
  const bytes = new Map<string, Bytes>();
  const holders = new Map<string, number>();
  for (const { image } of going) {
    const sizes = sizesOf(image, measured);
    chainsOf(image.layers).forEach((chain, index) => {
      if (outside.has(chain)) return;
      const size = sizes[index] ?? 0;
      bytes.set(chain, Math.min(size, bytes.get(chain) ?? size));
      holders.set(chain, (holders.get(chain) ?? 0) + 1);
    });
  }
  return {
    total: () =>
      [...holders].reduce((sum, [chain, count]) => sum + (count > 0 ? (bytes.get(chain) ?? 0) : 0), 0),
    remove: ({ image }) => {
      if (!ids.has(image.id)) return;
      for (const chain of chainsOf(image.layers)) {
        if (holders.has(chain)) holders.set(chain, (holders.get(chain) ?? 0) - 1);
      }
    },
  };
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
  const told = partings(image, steps, measured).flatMap((end, index, all) => {
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
function partings(
  { id, layers }: Pick<ImageDetail, "id" | "layers">,
  steps: readonly Step[],
  measured: Measured,
): readonly Part[] {
  const shared = new Map<number, number>();
  const bounds = layers.map((_, depth) => possibleSteps(steps, layers.length, depth));
  for (const [other, theirs] of measured.layers) {
    const depth = inCommon(layers, theirs, (a, b) => a === b);
    const possible = depth === 0 ? undefined : bounds[depth];
    const history = measured.histories.get(other);
    if (other === id || possible === undefined || history === undefined) continue;
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
function possibleSteps(steps: readonly Step[], layers: number, depth: number) {
  const possible = [...steps.keys(), steps.length].filter((count) => {
    const below = steps.slice(0, count).filter(({ sizeBytes }) => sizeBytes > 0).length;
    const above = steps.slice(count).filter(({ sizeBytes }) => sizeBytes > 0).length;
    return (
      below <= depth && depth <= count && above <= layers - depth && layers - depth <= steps.length - count
    );
  });
  return { least: Math.min(...possible), most: Math.max(...possible) };
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
