import { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { CachePruned, CacheRecord } from "../engine/types.ts";
import { event, objectEvent } from "../log/events.ts";
import { limitOf } from "../plan/age.ts";
import { judgeBuildCache } from "../plan/build-cache.ts";
import type { Judged } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { Ended, type GatesGuard } from "./guard.ts";
import { type ActPorts, endingOf } from "./ports.ts";
import { Report } from "./report.ts";

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
  const report = new Report(ports);
  try {
    const records = await listBuildCache(reader);
    // While the gates are asked, an emergency may end: so the limit is chosen after that, and sent at once.
    await guard.check();
    const shorter = turn === "second" ? ports.emergency() : usual;
    const prune = shorter ?? usual;
    const listed = judgeBuildCache(records, prune, clock.now());
    const limit = limitOf(prune, "buildCache");
    const pruned = shorter === null ? NOTHING : await ports.writer.pruneBuildCache(limit.seconds);
    const forecast = new Map(listed.map((object) => [object.id, object]));
    for (const id of pruned.ids) {
      const object = { ...cacheRecordByEngine(id, limit.key), ...told(forecast.get(id)) };
      forecast.delete(id);
      journal.emit(objectEvent("removed", object));
      tally.addRemoved(object, 0);
    }
    tally.claim("build-cache", pruned.claimedBytes);
    if (turn === "first") return;
    for (const object of forecast.values())
      report.tell(object, { fate: "kept", kept: object.action === "keep" ? object : ENGINE_KEPT });
  } catch (error) {
    if (error instanceof Ended) return;
    if (!(error instanceof EngineError)) throw error;
    if (error.endsThePass) guard.end(endingOf(error));
    if (error.kind === "gone") {
      const reason = "this engine has no build cache to prune (404)";
      journal.emit(event("step.skipped", { kind: "build-cache", reason }));
      return;
    }
    const unknown = error.endsThePass || error.kind === "malformed";
    report.tell(cacheRecordByEngine("*", "its age limit"), { fate: "failed", error, unknown });
  }
}

const NOTHING: CachePruned = { ids: [], claimedBytes: 0 };
const ENGINE_KEPT = {
  because: "engine-kept",
  reason: "the engine kept it: used since, or a younger record builds on it",
} as const;

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
