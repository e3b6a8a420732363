import {
  objectFailed,
  objectGone,
  objectKept,
  objectRemoved,
  passEndedEarly,
  type StepReport,
  stepFinished,
  stepSkipped,
} from "../audit/events.ts";
import { EngineError } from "../engine/errors.ts";
import type { CacheRecord } from "../engine/types.ts";
import { judgeCacheRecord } from "../plan/build-cache.ts";
import { judgeContainer } from "../plan/containers.ts";
import { type ImageContext, judgeImage } from "../plan/images.ts";
import type { Candidates } from "../plan/index.ts";
import type { Judged, ObjectKind, Plan, Rule } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import type { Acted, ActPorts, Ending } from "./ports.ts";

/** The gates are asked before each step, and again after this many deletions or seconds, whichever comes first. */
const RECHECK_AFTER_DELETIONS = 10;
const RECHECK_AFTER_SECONDS = 2;

const STEPS: readonly ObjectKind[] = ["container", "image", "build-cache"];

type Fate = { readonly fate: "removed" | "gone" | "kept" | "failed"; readonly ending: Ending | null };

/**
 * Goes through this very plan, object by object; what was planned is looked at once more immediately before it is
 * deleted, by the same rules. Containers first, then images, then build cache (which fails on a full disk on 28.5).
 */
export async function execute(
  ports: ActPorts,
  plan: Plan,
  candidates: Candidates,
  context: ImageContext,
  settings: Settings,
): Promise<Acted> {
  const { reader, writer, journal, clock, stop } = ports;
  const { prune } = settings;
  const summaries = new Map(candidates.containers.map(({ summary }) => [summary.id, summary]));
  const images = new Map(candidates.images.map(({ summary }) => [summary.id, summary]));
  const removed: Judged[] = [];
  let kept = 0;
  let gone = 0;
  let failed = 0;
  let claimedBytes = 0;
  let ending: Ending | null = null;
  let sinceCheck = 0;
  let checkedAt = ports.gatesAskedAt;
  let done = 0;
  let left = 0;
  const stepsLeft: ObjectKind[] = [];
  let steps = 0;
  const total = plan.remove.length;

  for (const kind of STEPS) {
    const objects = plan.remove.filter((object) => object.kind === kind);
    const wanted = kind === "build-cache" ? prune.buildCache : objects.length > 0;
    if (!wanted) continue;
    const before: StepReport = {
      kind,
      removed: removed.length,
      kept,
      gone,
      failed,
      claimedBytes,
      durationSeconds: 0,
    };
    const startedAt = clock.elapsed();
    // The gates have just been asked when the first step starts.
    ending ??= await mayGoOn(steps++ > 0);
    if (ending !== null) {
      stepsLeft.push(kind);
      leave(objects);
      continue;
    }
    if (kind === "build-cache") ending = await pruneBuildCache();
    else ending = await removeEach(objects, kind === "container" ? removeContainer : removeImage);
    journal.emit(
      stepFinished({
        kind,
        removed: removed.length - before.removed,
        kept: kept - before.kept,
        gone: gone - before.gone,
        failed: failed - before.failed,
        claimedBytes: claimedBytes - before.claimedBytes,
        durationSeconds: (clock.elapsed() - startedAt) / 1000,
      }),
    );
  }
  if (ending !== null) reportEnding(ending);
  return { removed, kept, gone, failed, claimedBytes, objects: [], rules: [], ending };

  /** Whether the next deletion may happen; the gates are asked only when it is time. */
  async function mayGoOn(now: boolean): Promise<Ending | null> {
    if (stop.aborted) return { by: "stop" };
    if (await ports.roomEnough()) return { by: "low-watermark" };
    const due =
      now ||
      sinceCheck >= RECHECK_AFTER_DELETIONS ||
      clock.elapsed() - checkedAt >= RECHECK_AFTER_SECONDS * 1000;
    if (!due) return null;
    const verdict = await ports.askGates();
    sinceCheck = 0;
    checkedAt = clock.elapsed();
    // Told to stop while asking: the verdict may be no more than the echo of that.
    if (stop.aborted) return { by: "stop" };
    return verdict === null ? null : { by: "gate", verdict };
  }

  async function removeEach(
    objects: readonly Judged[],
    remove: (object: Judged) => Promise<Fate>,
  ): Promise<Ending | null> {
    for (const [index, object] of objects.entries()) {
      const stopHere = await mayGoOn(false);
      if (stopHere !== null) {
        leave(objects.slice(index));
        return stopHere;
      }
      const { fate, ending: cause } = await remove(object);
      ports.progress(++done, total);
      sinceCheck++;
      if (fate === "removed") {
        removed.push(object);
        claimedBytes += object.sizeBytes ?? 0;
      } else if (fate === "failed") failed++;
      else if (fate === "gone") gone++;
      else kept++;
      if (cause !== null) {
        leave(objects.slice(index + 1));
        return cause;
      }
    }
    return null;
  }

  /** What the pass does not come to any more stays, and the log says why. */
  function leave(objects: readonly Judged[]): void {
    for (const object of objects) keep(object, "not-reached", "the pass ended before it came to this");
    kept += objects.length;
    left += objects.length;
  }

  function keep(object: Judged, rule: Rule, reason: string): void {
    journal.emit(objectKept({ ...object, action: "keep", rule, reason }));
  }

  async function removeContainer(object: Judged): Promise<Fate> {
    const summary = summaries.get(object.id);
    return attempt(
      object,
      async () =>
        summary === undefined
          ? null
          : judgeContainer({ summary, detail: await reader.container(object.id, false) }, prune, clock.now()),
      () => writer.removeContainer(object.id),
    );
  }

  async function removeImage(object: Judged): Promise<Fate> {
    const summary = images.get(object.id);
    return attempt(
      object,
      async () =>
        summary === undefined
          ? null
          : judgeImage({ summary, detail: await reader.image(object.id) }, context, prune, clock.now()),
      () => writer.removeImage(object.id),
    );
  }

  /** Looks once more, then deletes; tells outcomes apart by status. */
  async function attempt(
    object: Judged,
    judgeAgain: () => Promise<Judged | null>,
    remove: () => Promise<void>,
  ): Promise<Fate> {
    let sent = false;
    try {
      const judged = await judgeAgain();
      if (judged === null || judged.action === "keep") {
        keep(
          { ...object, ...judged },
          judged?.rule ?? "unreadable",
          judged?.reason ?? "it could not be read",
        );
        return { fate: "kept", ending: null };
      }
      if (stop.aborted) {
        keep(object, "not-reached", "the pass ended before it came to this");
        left++;
        return { fate: "kept", ending: { by: "stop" } };
      }
      sent = true;
      await remove();
      journal.emit(objectRemoved(object));
      return { fate: "removed", ending: null };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.kind === "gone") {
        journal.emit(objectGone(object));
        return { fate: "gone", ending: null };
      }
      if (error.kind === "in-use") {
        keep(object, "in-use", "the engine refuses: it is in use (409)");
        return { fate: "kept", ending: null };
      }
      const ending = error.endsThePass ? endingOf(error) : null;
      // The answer was lost, and with it whether the engine did it: an object that is gone now was removed by us.
      const untold = sent && (error.endsThePass || error.kind === "malformed");
      if (untold && error.kind !== "stopped" && (await isGone(judgeAgain))) {
        journal.emit(objectRemoved(object));
        return { fate: "removed", ending };
      }
      journal.emit(objectFailed(object, error.message, error.status ?? null, untold ? "unknown" : "no"));
      return { fate: "failed", ending };
    }
  }

  async function isGone(lookAgain: () => Promise<unknown>): Promise<boolean> {
    try {
      await lookAgain();
      return false;
    } catch (error) {
      if (error instanceof EngineError) return error.kind === "gone";
      throw error;
    }
  }

  /** The engine decides, and reports ids alone; what is listed beforehand gives them sizes, ages and names. */
  async function pruneBuildCache(): Promise<Ending | null> {
    try {
      const listed = (await listBuildCache()).map((record) => judgeCacheRecord(record, prune, clock.now()));
      if (stop.aborted) return { by: "stop" };
      const pruned = await writer.pruneBuildCache(prune.until);
      const forecast = new Map(listed.map((object) => [object.id, object]));
      for (const id of pruned.ids) {
        const object = { ...cacheRecordByEngine(id), ...told(forecast.get(id)) };
        forecast.delete(id);
        removed.push(object);
        journal.emit(objectRemoved(object));
      }
      claimedBytes += pruned.claimedBytes;
      for (const object of forecast.values()) {
        if (object.action === "keep") journal.emit(objectKept(object));
        else keep(object, "engine-kept", "the engine kept it: used since, or a younger record builds on it");
      }
      kept += forecast.size;
      return null;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.kind === "gone") {
        journal.emit(stepSkipped("build-cache", "this engine has no build cache to prune (404)"));
        return null;
      }
      failed++;
      const untold = error.endsThePass || error.kind === "malformed";
      journal.emit(
        objectFailed(
          cacheRecordByEngine("*"),
          error.message,
          error.status ?? null,
          untold ? "unknown" : "no",
        ),
      );
      return error.endsThePass ? endingOf(error) : null;
    }
  }

  /** For the log alone: where it cannot be had (or not cheaply, before API 1.42), the prune goes on without. */
  async function listBuildCache(): Promise<readonly CacheRecord[]> {
    try {
      return (await reader.buildCache(false)) ?? [];
    } catch (error) {
      if (error instanceof EngineError && !error.endsThePass) return [];
      throw error;
    }
  }

  function endingOf(error: EngineError): Ending {
    return error.kind === "stopped" ? { by: "stop" } : { by: "engine", error };
  }

  function reportEnding(end: Ending): void {
    if (end.by === "gate") journal.emit(passEndedEarly(end.verdict.reason, left, stepsLeft, "warn"));
    else if (end.by === "stop") journal.emit(passEndedEarly("told to stop", left, stepsLeft, "warn"));
    else if (end.by === "low-watermark")
      journal.emit(passEndedEarly("every filesystem is below the low watermark", left, stepsLeft, "info"));
    else journal.emit(passEndedEarly(end.error.message, left, stepsLeft, "error"));
  }
}

/** What the list told of a record; why it goes is the engine's to say. */
function told(listed: Judged | undefined): Partial<Judged> {
  if (listed === undefined) return {};
  const { names, sizeBytes, ageSeconds, ageBasis } = listed;
  return { names, sizeBytes, ageSeconds, ageBasis };
}

/** A record that only the engine's report names: engines before API 1.42 list none beforehand. */
function cacheRecordByEngine(id: string): Judged {
  return {
    kind: "build-cache",
    id,
    names: [],
    sizeBytes: null,
    ageSeconds: null,
    ageBasis: "last-used",
    action: "remove",
    rule: "expired",
    reason: "not used for longer than prune.until, by the engine's own account",
  };
}
