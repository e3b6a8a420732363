import {
  countByKind,
  type PassFinished,
  passFinished,
  passIneffective,
  stateUnwritable,
} from "./audit/events.ts";
import { holders } from "./audit/holders.ts";
import { loadState, type State, saveState, stillSeen } from "./audit/state.ts";
import type { Course, Ended, PassOptions, PassPorts } from "./course.ts";
import { EngineError } from "./engine/errors.ts";
import type { EngineReader } from "./engine/reader.ts";
import { Exit, type ExitCode } from "./exit.ts";
import { nextDeferrals, type Pressure, readable, readPressure, toRecord } from "./pressure.ts";
import type { Settings } from "./settings/settings.ts";

/** Measures the disk again, says whether it helped, and records the pass. */
export async function report(
  ports: PassPorts,
  settings: Settings,
  options: PassOptions,
  course: Course,
  ended: Ended,
): Promise<ExitCode> {
  const { clock, journal } = ports;
  const engineRoot = course.engine?.info.rootDir ?? course.state.engineRoot;
  const after = await readPressure(settings.disk, engineRoot);
  let { outcome, exitCode, reason } = ended;
  const ranThrough = outcome === "pruned" || outcome === "nothing-eligible" || outcome === "incomplete";
  const pressed = !options.withoutPressure && after.verdict.verdict === "open";
  if (ranThrough && pressed && ended.gate === null && !ports.stop.aborted) {
    journal.emit(
      passIneffective({
        cause: "pressure-remains",
        reason: after.verdict.reason,
        removed: ended.acted?.removed.length ?? 0,
        holders: await readHolders(ports.reader, after, engineRoot),
      }),
    );
    if (outcome === "pruned") outcome = "pressure-remains";
    if (exitCode === Exit.ok) {
      exitCode = Exit.pressureRemains;
      reason = `${reason}, but the disk is still ${after.verdict.reason}`;
    }
  }
  const deferrals = nextDeferrals(course.state, outcome, course.startedAt);
  const now = clock.now();
  const deferredFor = deferrals.since === null ? null : (now - deferrals.since) / 1000;
  const fields: PassFinished = {
    outcome,
    exitCode,
    reason,
    freedBytes: freed(course.before, after),
    claimedBytes: ended.acted?.claimedBytes ?? 0,
    durationSeconds: (now - course.startedAt) / 1000,
    filesystems: readable(after.filesystems),
    removed: countByKind(ended.acted?.removed ?? []),
    kept: (ended.keptByPlan ?? 0) + (ended.acted?.kept ?? 0),
    failed: ended.acted?.failed ?? 0,
    deferralsInARow: deferrals.count,
    deferredForSeconds: deferredFor,
    engineRequests: ports.requests(),
    gate: ended.gate,
  };
  const { warnAfterPasses, warnAfter } = settings.deferrals;
  const tooLong =
    outcome === "deferred" &&
    (deferrals.count >= warnAfterPasses || (deferredFor !== null && deferredFor >= warnAfter));
  const level = exitCode !== Exit.ok ? "error" : tooLong || outcome === "incomplete" ? "warn" : "info";
  journal.emit(passFinished(fields, level));
  if (!options.dryRun) {
    record(ports, { ...course.state, deferrals }, course.startedAt, fields, {
      engineRoot,
      ...(course.gatekeeper === null ? {} : { busySince: course.gatekeeper.busySince }),
      ...(course.seenDangling === null
        ? {}
        : {
            firstSeenDangling: stillSeen(
              course.state.firstSeenDangling,
              course.seenDangling,
              course.startedAt,
            ),
          }),
    });
  }
  return exitCode;
}

/** Available space now less that before, over the filesystems that both looks could read. Pure. */
export function freed(before: Pressure, after: Pressure): number {
  const earlier = new Map(readable(before.filesystems).map((filesystem) => [filesystem.device, filesystem]));
  return readable(after.filesystems).reduce((sum, { device, availableBytes }) => {
    const was = earlier.get(device);
    return was === undefined ? sum : sum + availableBytes - was.availableBytes;
  }, 0);
}

async function readHolders(reader: EngineReader, after: Pressure, engineRoot: string | null) {
  const root = readable(after.filesystems).find(
    ({ paths }) => engineRoot !== null && paths.includes(engineRoot),
  );
  try {
    return holders(await reader.diskUsage(), root ?? null);
  } catch (error) {
    if (error instanceof EngineError) return `not known: ${error.message}`;
    throw error;
  }
}

/** Adds the pass to the state as it stands now: a pass that was turned away may have been recorded meanwhile. */
export function record(
  { stateDir, journal, pass }: PassPorts,
  state: State,
  startedAt: number,
  finished: PassFinished,
  changes: Partial<State>,
): void {
  try {
    const passes = [...loadState(stateDir).state.passes, toRecord(pass, startedAt, finished)];
    saveState(stateDir, { ...state, passes, ...changes });
  } catch (error) {
    journal.emit(stateUnwritable((error as Error).message));
  }
}
