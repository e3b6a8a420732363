import type { EngineReader } from "../engine/reader.ts";
import { inParallel } from "../engine/tolerant.ts";
import type { ImageSummary } from "../engine/types.ts";
import { type ImageFacts, isDangling } from "../plan/images.ts";

export interface Lineage {
  /** Dangling images, and those without a name on which they were made. */
  readonly images: readonly ImageFacts[];
  /** Ids of images with a child that is not among these. */
  readonly parents: ReadonlySet<string>;
}

/**
 * Follows dangling images down to the nameless ones on which they were made: steps of a classic build, which the engine
 * does not list as dangling while they have a child. The full list of images, which takes seconds on the containerd
 * store, is spared where nothing is old enough to go, and on the classic store where nothing has a parent: there the
 * engine itself refuses to remove one under its child (409), which the containerd store does not. Throws EngineError.
 */
export async function observeLineage(
  reader: EngineReader,
  dangling: readonly ImageFacts[],
  classic: boolean,
  inspect: (below: ImageSummary) => Promise<ImageFacts>,
): Promise<Lineage> {
  const old = dangling.filter(({ detail }) => detail !== null);
  if (old.length === 0 || (classic && old.every(({ detail }) => detail?.parentId === "")))
    return { images: dangling, parents: new Set() };
  const all = new Map((await reader.allImages()).map((image) => [image.id, image]));
  // The containerd store lists a nameless record beside an image that lost one of its names: it is tagged.
  const nameless = classic ? dangling : dangling.filter(({ summary: { id } }) => !all.get(id)?.tags.length);
  const known = new Set(nameless.map(({ summary }) => summary.id));
  const below: ImageFacts[] = [];
  const followed = nameless.filter(({ detail }) => detail !== null);
  await inParallel(followed, ({ summary: { id } }) => follow(all.get(id)?.parentId));
  const others = [...all.values()].filter(({ id }) => !known.has(id));
  return {
    images: [...nameless, ...below],
    parents: new Set(others.map(({ parentId }) => parentId).filter((id) => id !== "")),
  };

  async function follow(id: string | undefined): Promise<void> {
    const summary = all.get(id ?? "");
    if (summary === undefined || !isDangling(summary) || known.has(summary.id)) return;
    known.add(summary.id);
    const facts = await inspect(summary);
    below.push({ ...facts, below: true });
    if (facts.detail !== null) await follow(summary.parentId);
  }
}
