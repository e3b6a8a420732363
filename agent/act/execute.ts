import { objectKept, passEndedEarly, type StepReport, stepFinished } from "../log/events.ts";
import type { Candidates, PlanContext } from "../plan/decide.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { pruneBuildCache } from "./build-cache.ts";
import type { Acted, ActPorts, Ending } from "./ports.ts";
import { type Fate, Removals } from "./removals.ts";
import type { Tally } from "./tally.ts";

/** The gates are asked before each step, and again after this many deletions or seconds, whichever comes first. */
const RECHECK_AFTER_DELETIONS = 10;
const RECHECK_AFTER_SECONDS = 2;

/**
 * The rules first, since the prune may end early with room enough; containers before the images they hold; the build
 * cache last: its prune fails on a full disk on 28.5.
 */
const STEPS: readonly Pick<StepReport, "by" | "kind">[] = [
  { by: "orphans", kind: "container" },
  { by: "retention", kind: "image" },
  { by: "prune", kind: "container" },
  { by: "prune", kind: "image" },
  { by: "prune", kind: "build-cache" },
];

type Step = (typeof STEPS)[number];

/** Which step removes it. */
const stepOf = ({ rule }: Judged): string => rule?.split("/")[0] ?? "prune";

/**
 * Goes through this very plan, object by object; what was planned is looked at once more immediately before it is
 * deleted, by the same rules.
 * @param pressed the pass is also about `prune`, which ends where the low watermark is reached
 */
export async function execute(
  ports: ActPorts,
  plan: Plan,
  candidates: Candidates,
  context: PlanContext,
  settings: Settings,
  pressed: boolean,
): Promise<Acted> {
  const { journal, clock, stop, tally } = ports;
  for (const object of plan.keep) tally.add(object, "kept", object.because);
  const removals = new Removals(ports, candidates, context, settings, tally);
  let ending: Ending | null = null;
  let sinceCheck = 0;
  let checkedAt = ports.gatesAskedAt;
  let done = 0;
  let left = 0;
  const stepsLeft: Step[] = [];
  let steps = 0;
  const total = plan.remove.length;

  for (const step of STEPS) {
    const { by, kind } = step;
    const objects = plan.remove.filter((object) => object.kind === kind && stepOf(object) === by);
    const wanted = kind === "build-cache" ? pressed && settings.prune.buildCache : objects.length > 0;
    if (!wanted) continue;
    const before = countsOf(tally);
    const startedAt = clock.elapsed();
    // The gates have just been asked when the first step starts.
    ending ??= await mayGoOn(steps++ > 0, by);
    if (ending !== null) {
      stepsLeft.push(step);
      leave(objects);
      continue;
    }
    if (kind === "build-cache") ending = await pruneBuildCache(ports, settings.prune);
    else ending = await removeEach(objects, by);
    const after = countsOf(tally);
    journal.emit(
      stepFinished({
        by,
        kind,
        removed: after.removed - before.removed,
        kept: after.kept - before.kept,
        gone: after.gone - before.gone,
        failed: after.failed - before.failed,
        claimedBytes: after.claimedBytes - before.claimedBytes,
        durationSeconds: (clock.elapsed() - startedAt) / 1000,
      }),
    );
  }
  if (ending !== null) reportEnding(ending);
  return { ending };

  /** Whether the next deletion may happen; the gates are asked only when it is time. */
  async function mayGoOn(now: boolean, by: Step["by"]): Promise<Ending | null> {
    if (stop.aborted) return { by: "stop" };
    if (by === "prune" && pressed && (await ports.roomEnough())) return { by: "low-watermark" };
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

  async function removeEach(objects: readonly Judged[], by: Step["by"]): Promise<Ending | null> {
    for (const [index, object] of objects.entries()) {
      const stopHere = await mayGoOn(false, by);
      if (stopHere !== null) {
        leave(objects.slice(index));
        return stopHere;
      }
      const fate: Fate = await removals.remove(object);
      ports.progress(++done, total);
      sinceCheck++;
      if (fate.notReached) left++;
      if (fate.ending !== null) {
        leave(objects.slice(index + 1));
        return fate.ending;
      }
    }
    return null;
  }

  /** What the pass does not come to any more stays, and the log says why. */
  function leave(objects: readonly Judged[]): void {
    const reason = "the pass ended before it came to this";
    for (const object of objects) {
      journal.emit(objectKept({ ...object, action: "keep", because: "not-reached", reason }));
      tally.add(object, "kept", "not-reached");
    }
    left += objects.length;
  }

  function reportEnding(end: Ending): void {
    const kinds = [...new Set(stepsLeft.map(({ kind }) => kind))];
    if (end.by === "gate") journal.emit(passEndedEarly(end.verdict.reason, left, kinds, "warn"));
    else if (end.by === "stop") journal.emit(passEndedEarly("told to stop", left, kinds, "warn"));
    else if (end.by === "low-watermark")
      journal.emit(passEndedEarly("every filesystem is below the low watermark", left, kinds, "info"));
    else journal.emit(passEndedEarly(end.error.message, left, kinds, "error"));
  }
}

function countsOf(tally: Tally) {
  return {
    removed: tally.count("removed"),
    kept: tally.count("kept"),
    gone: tally.count("gone"),
    failed: tally.count("failed"),
    claimedBytes: tally.claimedBytes,
  };
}
