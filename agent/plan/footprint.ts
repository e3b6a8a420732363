import type { ImageDetail } from "../engine/types.ts";
import type { Bytes } from "../units.ts";
import { layerChains } from "./chains.ts";
import { losesAllTags, type Member } from "./family.ts";
import { type Measured, sharedPrefixes } from "./prefixes.ts";

export type Footprint = ReturnType<typeof footprint>;

/**
 * Each layer once, and none that an image outside the group holds: what the disk gets back when all of it goes.
 * @param gone members that are not there any more, and hold nothing
 */
export function footprint(group: readonly Member[], measured: Measured, gone: readonly Member[] = []) {
  const { of, byImage, holders } = layerChains(measured.layers);
  // The group's own chains, numbered anew: a family of many groups has as many lists, each as long as its group's.
  const places = new Map<number, number>();
  const placeOf = (chain: number) => {
    const place = places.get(chain) ?? places.size;
    places.set(chain, place);
    return place;
  };
  const own = new Map(
    group.filter(losesAllTags).map(({ image }) => [image.id, { image, held: of(image).map(placeOf) }]),
  );
  const each = (value: number) => new Array<number>(places.size).fill(value);
  const add = (counts: number[], place: number) => {
    counts[place] = (counts[place] as number) + 1;
  };
  const inGroup = each(0);
  const bytes = each(Number.POSITIVE_INFINITY);
  for (const { image, held } of own.values()) {
    const sizes = sizesOf(image, measured);
    held.forEach((place, index) => {
      add(inGroup, place);
      bytes[place] = Math.min(sizes[index] ?? 0, bytes[place] as number);
    });
  }
  const counted = each(0);
  for (const id of new Set([...own.keys(), ...gone.filter(losesAllTags).map(({ image }) => image.id)])) {
    for (const chain of byImage.get(id) ?? []) {
      const place = places.get(chain);
      if (place !== undefined) add(counted, place);
    }
  }
  // What others hold as well is none of the group's.
  for (const [chain, place] of places)
    if ((holders[chain] ?? 0) > (counted[place] as number)) bytes[place] = 0;
  let total = bytes.reduce((sum, of) => sum + of, 0);
  return {
    /** Bytes that only the members still counted hold. */
    total: () => total,
    remove: ({ image }: Member) => {
      const held = own.get(image.id)?.held ?? [];
      own.delete(image.id);
      for (const place of held) {
        const left = (inGroup[place] as number) - 1;
        inGroup[place] = left;
        if (left === 0) total -= bytes[place] as number;
      }
    },
  };
}

/**
 * Bytes that each layer of an image takes on the disk, oldest first; 0 where its steps are not known. Together they
 * are the size of the image: the containerd store holds each layer as a blob as well, of which the steps say nothing
 * (28.5), so what they leave of the size is shared out in proportion.
 */
export function sizesOf(image: Pick<ImageDetail, "id" | "layers" | "sizeBytes">, measured: Measured) {
  const { layers, sizeBytes } = image;
  const steps = measured.histories.get(image.id);
  if (steps === undefined || layers.length === 0) return [];
  const known = sharedPrefixes(image, measured).flatMap((end, index, all) => {
    const start = all[index - 1] ?? { layers: 0, steps: 0 };
    return layerSizes(
      { layers: layers.slice(start.layers, end.layers) },
      steps.slice(start.steps, end.steps).map((step) => step.sizeBytes),
    );
  });
  const sum = known.reduce((total, bytes) => total + bytes, 0);
  if (sum === 0) return layers.map(() => sizeBytes / layers.length);
  return known.map((bytes) => bytes * Math.max(1, sizeBytes / sum));
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
