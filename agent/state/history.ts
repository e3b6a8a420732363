import type { ContainerSummary, ImageDetail } from "../engine/types.ts";
import type { CacheHistory } from "../plan/cache.ts";
import type { Arrival } from "../plan/forecast.ts";
import { PACKED, runsOf } from "../plan/ledger.ts";
import { OwnHistory } from "../plan/own-history.ts";
import type { Settings } from "../settings/settings.ts";
import { shortId } from "../text.ts";
import { type KnownImage, type Ledger, type LedgerLine, toLedgerImage } from "./ledger.ts";

/** What the last tier goes by, from the ledger of uses. Pure. */
export function historyOf(ledger: Ledger, settings: Settings["cache"]): CacheHistory {
  const own = new OwnHistory();
  for (const run of runsOf(ledger.uses)) own.record(run);
  return {
    settings,
    own,
    came: Object.fromEntries(
      [...ledger.images.values()].flatMap((image) => (isGone(image) ? [] : [[image.id, image.cameAt]])),
    ),
    // In order of time: the last one counts.
    used: Object.fromEntries(ledger.uses.map(({ at, image }) => [image.id, at * 1000])),
    pulled: Object.fromEntries([...ledger.images.values()].map(({ id, pulled }) => [id, pulled])),
    nameOf: (id) => ledger.images.get(id)?.names[0] ?? shortId(id),
  };
}

/** A pass evicted it, and no line says that it came again: if it is on this host, nobody knows since when. */
const isGone = ({ cameAt, evictedAt }: KnownImage) => evictedAt !== null && evictedAt > cameAt;

/** Milliseconds: a container that was made so near to a use that is known is that use. */
const SAME_USE = 600_000;

/** What the ledger does not know yet: images that came, names that changed, containers that run. Pure. */
export function newLines(
  ledger: Ledger,
  engine: string,
  { images, live }: { readonly images: readonly ImageDetail[]; readonly live: readonly ContainerSummary[] },
  now: number,
): LedgerLine[] {
  const known = new Set(images.map(({ id }) => id));
  const came = images.flatMap(({ id, tags, digests, sizeBytes }): LedgerLine[] => {
    const before = ledger.images.get(id);
    const isBack = before !== undefined && isGone(before);
    const names = (facts: { readonly names: readonly string[]; readonly digests: readonly string[] }) =>
      [...facts.names, ...facts.digests].sort().join(" ");
    if (before !== undefined && !isBack && names(before) === names({ names: tags, digests })) return [];
    const { bytes, layers } = before ?? { bytes: Math.round(sizeBytes / PACKED) || null, layers: [] };
    return [{ image: id, at: now, names: tags, digests, bytes, layers }];
  });
  const uses = live.flatMap(({ imageId, createdAt, state }): LedgerLine[] => {
    if (state !== "running" || !known.has(imageId)) return [];
    const told = ledger.uses.some(
      ({ at, image }) => image.id === imageId && Math.abs(at * 1000 - createdAt) < SAME_USE,
    );
    return told ? [] : [{ use: imageId, at: Math.min(createdAt, now), group: null }];
  });
  const lines = [...came, ...uses];
  return lines.length === 0 || ledger.engine === engine ? lines : [{ engine, at: now }, ...lines];
}

/** The images that came, by digest: an id differs between image stores. What has none was not pulled. Pure. */
export function arrivalsOf({ images, regrets }: Ledger): Arrival[] {
  return [...images.values()].flatMap((image): Arrival[] => {
    const [digest] = image.digests.map((name) => name.slice(name.indexOf("@") + 1)).sort();
    if (digest === undefined) return [];
    const again = regrets.filter(({ id }) => id === image.id).length;
    return [{ image: { ...toLedgerImage(image), id: digest }, times: 1 + again }];
  });
}
