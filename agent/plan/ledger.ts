import type { Bytes, Seconds } from "../units.ts";

/** What the ledger of uses tells: images, their uses, and the runs these make. Times are seconds since 1970. */

export interface Layer {
  readonly digest: string;
  /** Compressed. */
  readonly bytes: Bytes;
}

export interface LedgerImage {
  /** Names the image in the ledger; what `order` takes and returns. */
  readonly id: string;
  /** Without tag and digest: `"ghcr.io/acme/app"`. */
  readonly repository: string;
  /** Compressed layers, each digest once; empty where they could not be told. */
  readonly layers: readonly Layer[];
  /** Compressed size; `null` where it could not be told. */
  readonly bytes: Bytes | null;
}

/** Images that were used together. */
export interface LedgerRun {
  readonly at: Seconds;
  /** What runs again and again: `projectOf(images)`. */
  readonly project: string;
  readonly images: readonly LedgerImage[];
}

/** The repositories of a run identify it. Labels do not: many are unique for each run. */
export function projectOf(images: readonly LedgerImage[]): string {
  return [...new Set(images.map(({ repository }) => repository))].sort().join(" ");
}

/** One line of the ledger: a container started on an image. */
export interface LedgerUse {
  readonly at: Seconds;
  readonly image: LedgerImage;
  /** What groups containers of a run (a compose project, a stack, labels of the settings); `null`: alone. */
  readonly group: string | null;
}

/** Unpacked layers take this many times their compressed size (median layer ratio, Zhao et al., CLUSTER 2019). */
export const PACKED = 2.6;

/** Uses of a group with no longer a gap than this belong to one run. */
const SAME_RUN = 600;

/** Groups uses, which are in order of time, into runs in order of their first use. */
export function runsOf(uses: Iterable<LedgerUse>): LedgerRun[] {
  const runs: { at: Seconds; lastAt: Seconds; images: Map<string, LedgerImage> }[] = [];
  const open = new Map<string, (typeof runs)[number]>();
  for (const { at, image, group } of uses) {
    const before = group === null ? undefined : open.get(group);
    if (before !== undefined && at - before.lastAt <= SAME_RUN) {
      before.lastAt = at;
      before.images.set(image.id, image);
      continue;
    }
    const run = { at, lastAt: at, images: new Map([[image.id, image]]) };
    runs.push(run);
    if (group !== null) open.set(group, run);
  }
  return runs.map(({ at, images: byId }) => {
    const images = [...byId.values()];
    return { at, project: projectOf(images), images };
  });
}
