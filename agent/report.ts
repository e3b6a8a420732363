import type { Acted } from "./act/ports.ts";
import {
  countByKind,
  factUnknown,
  type PassFinished,
  passFinished,
  passIneffective,
  stateDamaged,
  stateUnwritable,
  sumSizes,
} from "./audit/events.ts";
import { holders } from "./audit/holders.ts";
import { loadState, type State, saveState, setAside } from "./audit/state.ts";
import type { Course, Ended, PassOptions, PassPorts } from "./course.ts";
import { EngineError } from "./engine/errors.ts";
import type { EngineReader } from "./engine/reader.ts";
import { Exit, type ExitCode } from "./exit.ts";
import type { ObjectKind } from "./plan/plan.ts";
import { nextDeferrals, type Pressure, readable, readPressure, reported, toRecord } from "./pressure.ts";
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
  if (after.verdict.verdict === "unknown" && course.before.verdict.verdict !== "unknown") {
    journal.emit(factUnknown("whether the pass helped", after.verdict.reason));
    if (exitCode === Exit.ok && outcome !== "deferred") {
      exitCode = Exit.unavailable;
      reason = `${reason}, but the disk cannot be read any more: ${after.verdict.reason}`;
    }
  }
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
  const underPressure = course.before.verdict.verdict === "open";
  const deferrals =
    options.dryRun || (outcome === "deferred" && !underPressure)
      ? course.state.deferrals
      : nextDeferrals(course.state, outcome, course.startedAt);
  const now = clock.now();
  const deferredFor = deferrals.since === null ? null : (now - deferrals.since) / 1000;
  const fields: PassFinished = {
    outcome,
    exitCode,
    reason,
    freedBytes: freed(course.before, after),
    claimedBytes: ended.acted?.claimedBytes ?? 0,
    durationSeconds: (now - course.startedAt) / 1000,
    filesystems: reported(after, settings.disk, course.before),
    removed: countByKind(ended.acted?.removed ?? []),
    removedBytes: removedBytes(ended.acted),
    kept: (ended.keptByPlan ?? 0) + (ended.acted?.kept ?? 0),
    gone: ended.acted?.gone ?? 0,
    failed: ended.acted?.failed ?? 0,
    objects: ended.acted?.objects ?? [],
    rules: ended.acted?.rules ?? [],
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
    record(ports, course.startedAt, fields, {
      deferrals,
      engineRoot,
      ...(course.gatekeeper === null ? {} : { busy: course.gatekeeper.busy }),
      ...(course.dangling === null ? {} : { dangling: course.dangling }),
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

/** The engine's claim by kind; the build cache's prune tells one sum, not that of each record. Pure. */
export function removedBytes(acted: Acted | undefined): PassFinished["removedBytes"] {
  const { removed, claimedBytes } = acted ?? { removed: [], claimedBytes: 0 };
  const sizeOf = (kind: ObjectKind) => sumSizes(removed.filter((object) => object.kind === kind));
  const [container, image] = [sizeOf("container"), sizeOf("image")];
  return { container, image, "build-cache": Math.max(0, claimedBytes - container - image) };
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

/**
 * The state that earlier passes left. A file that was read and not understood is set aside.
 * @param dryRun leave it where it is
 */
export function readState({ stateDir, journal, clock }: PassPorts, dryRun: boolean): State {
  const { state, damage } = loadState(stateDir);
  if (damage !== null) {
    const aside = damage.kind === "not-understood" && !dryRun ? setAside(stateDir, clock.now()) : null;
    journal.emit(stateDamaged(damage.reason, aside ?? "left where it is"));
  }
  return state;
}

/**
 * Adds the pass, and what it learnt, to the state as it stands now: another pass may have been recorded meanwhile. A
 * file that cannot be read is not replaced.
 */
export function record(
  { stateDir, journal, pass }: PassPorts,
  startedAt: number,
  finished: PassFinished,
  learnt: Partial<State>,
): void {
  const { state, damage } = loadState(stateDir);
  try {
    if (damage !== null) throw new Error(damage.reason);
    saveState(stateDir, {
      ...state,
      ...learnt,
      passes: [...state.passes, toRecord(pass, startedAt, finished)],
    });
  } catch (error) {
    journal.emit(stateUnwritable((error as Error).message));
  }
}
