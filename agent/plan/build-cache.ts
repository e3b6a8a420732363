import type { CacheRecord } from "../engine/types.ts";
import type { Settings } from "../settings/settings.ts";
import { isPast, youngest } from "./age.ts";
import { type Judged, verdictsOn } from "./plan.ts";

/** Kept by a prune without `all` (BuildKit's own records). */
const INTERNAL = ["internal", "frontend"];

/**
 * What the engine's prune is expected to take: it decides by LastUsedAt itself, and also keeps a record whose child
 * it keeps, so this is a forecast, and the engine's report is what the log records.
 * @param now milliseconds
 */
export function judgeCacheRecord(record: CacheRecord, prune: Settings["prune"], now: number): Judged {
  const age = youngest([{ at: record.lastUsedAt, basis: "last-used" }], now);
  const { keep, remove } = verdictsOn({
    kind: "build-cache",
    id: record.id,
    names: record.description === "" ? [] : [record.description],
    sizeBytes: record.sizeBytes,
    ageSeconds: age.seconds,
    ageBasis: age.basis,
  });
  if (record.inUse) return keep("in-use", "a build uses it");
  if (record.shared) return keep("shared", "an image shares it");
  if (INTERNAL.includes(record.type)) return keep("shared", "BuildKit keeps it for itself");
  if (age.seconds === null) return keep("undatable", "the engine does not say when it was last used");
  return isPast(age, prune.until)
    ? remove("expired", "not used for longer than prune.until")
    : keep("young", "used more recently than prune.until");
}
