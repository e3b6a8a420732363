import type { CacheRecord } from "../engine/types.ts";
import { isPast, limitOf, type PruneInForce, youngest } from "./age.ts";
import { type Judged, verdictsOn } from "./plan.ts";

/** Kept by a prune without `all` (BuildKit's own records). */
const INTERNAL = ["internal", "frontend"];

/**
 * What the engine's prune is expected to take: a forecast, since the engine decides by LastUsedAt itself and its report
 * is what the log records. A record stays as long as one that was built on it.
 */
export function judgeBuildCache(records: readonly CacheRecord[], prune: PruneInForce, now: number): Judged[] {
  const judged = records.map((record) => judgeRecord(record, prune, now));
  const parentsOf = new Map(records.map(({ id, parents }) => [id, parents]));
  const pinned = new Set<string>();
  const next = judged.filter(({ action }) => action === "keep").map(({ id }) => id);
  for (let id = next.pop(); id !== undefined; id = next.pop()) {
    for (const parent of parentsOf.get(id) ?? []) {
      if (pinned.has(parent)) continue;
      pinned.add(parent);
      next.push(parent);
    }
  }
  return judged.map((object) =>
    object.action === "remove" && pinned.has(object.id)
      ? { ...object, action: "keep", because: "parent", reason: "a record that stays was built on it" }
      : object,
  );
}

function judgeRecord(record: CacheRecord, prune: PruneInForce, now: number): Judged {
  const limit = limitOf(prune, "buildCache");
  const age = youngest({ "last-used": record.lastUsedAt }, now);
  const { keep, remove } = verdictsOn(
    {
      kind: "build-cache",
      id: record.id,
      names: record.description === "" ? [] : [record.description],
      sizeBytes: record.sizeBytes,
    },
    age,
  );
  if (record.inUse) return keep("in-use", "a build uses it");
  if (record.shared) return keep("shared", "an image shares it");
  if (INTERNAL.includes(record.type)) return keep("shared", "BuildKit keeps it for itself");
  if (age.seconds === null) return keep("undatable", "the engine does not say when it was last used");
  return isPast(age, limit.seconds)
    ? remove("expired", `not used for longer than ${limit.key}`)
    : keep("young", `used more recently than ${limit.key}`);
}
