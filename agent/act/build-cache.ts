import { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { CachePruned, CacheRecord } from "../engine/types.ts";
import { objectFailed, objectKept, objectRemoved, stepSkipped } from "../log/events.ts";
import { limitOf } from "../plan/age.ts";
import { judgeBuildCache } from "../plan/build-cache.ts";
import type { Judged, ReasonCode } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { Ended, type GatesGuard } from "./guard.ts";
import { type ActPorts, endingOf } from "./ports.ts";

/**
 * The engine decides, and reports ids alone; what is listed beforehand gives them sizes, ages and names.
 * @param turn in an emergency it is pruned twice, and what stays is told of the second time
 */
export async function pruneBuildCache(
  ports: ActPorts,
  guard: GatesGuard,
  usual: Settings["prune"],
  turn: "only" | "first" | "second",
): Promise<void> {
  const { reader, journal, clock, tally } = ports;
  const keep = (object: Judged, because: ReasonCode, reason: string) => {
    journal.emit(objectKept({ ...object, action: "keep", because, reason }));
    tally.add(object, "kept", because);
  };
  try {
    const records = await listBuildCache(reader);
    // Before the limit is chosen: while the gates are asked, an emergency may end.
    await guard.check();
    const shorter = turn === "second" ? ports.emergency() : usual;
    const prune = shorter ?? usual;
    const listed = judgeBuildCache(records, prune, clock.now());
    const limit = limitOf(prune, "buildCache");
    const pruned = shorter === null ? NOTHING : await guard.writer().pruneBuildCache(limit.seconds);
    const forecast = new Map(listed.map((object) => [object.id, object]));
    for (const id of pruned.ids) {
      const object = { ...cacheRecordByEngine(id, limit.key), ...told(forecast.get(id)) };
      forecast.delete(id);
      journal.emit(objectRemoved(object));
      tally.addRemoved(object, 0);
    }
    tally.claim("build-cache", pruned.claimedBytes);
    if (turn === "first") return;
    for (const object of forecast.values()) {
      if (object.action === "keep") keep(object, object.because, object.reason);
      else keep(object, "engine-kept", "the engine kept it: used since, or a younger record builds on it");
    }
  } catch (error) {
    if (error instanceof Ended) return;
    if (!(error instanceof EngineError)) throw error;
    if (error.endsThePass) guard.end(endingOf(error));
    if (error.kind === "gone") {
      journal.emit(stepSkipped("build-cache", "this engine has no build cache to prune (404)"));
      return;
    }
    const untold = error.endsThePass || error.kind === "malformed";
    const all = cacheRecordByEngine("*", "its age limit");
    journal.emit(objectFailed(all, error.message, error.status ?? null, untold ? "unknown" : "no"));
    tally.add(all, "failed", error.kind);
  }
}

const NOTHING: CachePruned = { ids: [], claimedBytes: 0 };

/** For the log alone: where it cannot be had (or not cheaply, before API 1.42), the prune goes on without. */
async function listBuildCache(reader: EngineReader): Promise<readonly CacheRecord[]> {
  try {
    return (await reader.buildCache(false)) ?? [];
  } catch (error) {
    if (error instanceof EngineError && !error.endsThePass) return [];
    throw error;
  }
}

/** What the list told of a record; why it goes is the engine's to say. */
function told(listed: Judged | undefined): Partial<Judged> {
  if (listed === undefined) return {};
  const { names, sizeBytes, ageSeconds, ageBasis } = listed;
  return { names, sizeBytes, ageSeconds, ageBasis };
}

/** A record that only the engine's report names: engines before API 1.42 list none beforehand. */
function cacheRecordByEngine(id: string, limit: string): Judged {
  return {
    kind: "build-cache",
    id,
    names: [],
    sizeBytes: null,
    ageSeconds: null,
    ageBasis: "last-used",
    action: "remove",
    because: "expired",
    reason: `not used for longer than ${limit}, by the engine's own account`,
  };
}
