import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type LedgerImage, projectOf } from "../../agent/plan/ledger.ts";
import type { ReplayRun } from "../../agent/plan/replay.ts";
import { layersOf, parseReference, type Reference } from "./layers.ts";

/** A line of a trace: a run of a recipe at a time (seconds since 1970), with the references it named. */
export interface TraceLine {
  readonly at: number;
  readonly recipe: string;
  readonly images: readonly string[];
}

/** A file's text; a name in .gz is unpacked. */
export function readText(file: string | URL): string {
  const bytes = readFileSync(file);
  return (String(file).endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** Lines of a trace in order of time; throws where a line is not a run. */
export function readTrace(file: string | URL): TraceLine[] {
  const lines = readText(file).split("\n");
  const runs = lines.flatMap((text, index): TraceLine[] => {
    if (text.trim() === "") return [];
    const line = JSON.parse(text) as Partial<TraceLine>;
    if (typeof line.at !== "number" || typeof line.recipe !== "string" || !Array.isArray(line.images))
      throw new Error(`${String(file)}, line ${index + 1}: not {"at", "recipe", "images"}`);
    return [line as TraceLine];
  });
  return runs.sort((a, b) => a.at - b.at);
}

/** Runs as the replay takes them: every reference with its layers, every run with a length of 5 to 30 minutes. */
export function toRuns(lines: readonly TraceLine[]): ReplayRun[] {
  const firstUse = new Map<string, number>();
  const named = new Map<string, Reference>();
  for (const { at, images } of lines) {
    for (const name of images) {
      if (named.has(name)) continue;
      const reference = parseReference(name);
      named.set(name, reference);
      if (!firstUse.has(reference.pin)) firstUse.set(reference.pin, at);
    }
  }
  const known = new Map<string, LedgerImage>();
  for (const [id, { repository, pin }] of named) {
    const layers = layersOf(id, firstUse.get(pin)!);
    known.set(id, { id, repository, layers, bytes: layers.reduce((sum, { bytes }) => sum + bytes, 0) });
  }
  const length = generator(1);
  return lines.map(({ at, images: names }) => {
    const images = [...new Set(names)].map((name) => known.get(name)!);
    return { at, seconds: 300 + Math.floor(1500 * length()), project: projectOf(images), images };
  });
}

/** What an endless disk pulls: no policy can do with less. */
export function floorOf(runs: readonly ReplayRun[]): { bytes: number; pulls: number } {
  const images = new Set(runs.flatMap((run) => run.images));
  const layers = new Map(
    [...images].flatMap((image) => image.layers.map((layer) => [layer.digest, layer.bytes])),
  );
  return { bytes: [...layers.values()].reduce((sum, bytes) => sum + bytes, 0), pulls: images.size };
}

/** Uniform numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
