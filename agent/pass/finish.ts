import type { EngineReader } from "../engine/reader.ts";
import { Exit, type ExitCode } from "../exit.ts";
import {
  countByKind,
  factUnknown,
  type PassFinished,
  passFinished,
  passIneffective,
  stateDamaged,
  stateUnwritable,
} from "../log/events.ts";
import { exportMetrics } from "../metrics/textfile.ts";
import { observeHolders } from "../observe/holders.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import { addToTotals } from "../state/totals.ts";
import type { Course, Ended, PassOptions, PassPorts } from "./context.ts";
import { nextDeferrals, type Pressure, readable, readPressure, reported, toRecord } from "./pressure.ts";

/** For the look at the host, in milliseconds: a pass that is done must end. */
const HOLDERS_DEADLINE = 5000;

/** Measures the disk again, says whether it helped, and records the pass. */
export async function report(
  ports: PassPorts,
  settings: Settings,
  options: PassOptions,
  course: Course,
  ended: Ended,
): Promise<ExitCode> {
  const { clock, journal } = ports;
  const { tally } = course;
  const engineRoot = course.engine?.info.rootDir ?? course.state.engineRoot;
  const after = await readPressure(ports.host, settings.disk, engineRoot);
  let { outcome, exitCode, reason } = ended;
  if (after.verdict.verdict === "unknown" && course.before.verdict.verdict !== "unknown") {
    journal.emit(factUnknown("whether the pass helped", after.verdict.reason));
    if (exitCode === Exit.ok && outcome !== "deferred") {
      exitCode = Exit.unavailable;
      reason = `${reason}, but the disk cannot be read any more: ${after.verdict.reason}`;
    }
  }
  const ranThrough = outcome === "pruned" || outcome === "nothing-eligible" || outcome === "incomplete";
  const pressed = course.rules.pressed && !options.withoutPressure && after.verdict.verdict === "open";
  if (ranThrough && pressed && ended.gate === null && !ports.stop.aborted) {
    journal.emit(
      passIneffective({
        cause: "pressure-remains",
        reason: after.verdict.reason,
        removed: tally.removed.length,
        holders: await readHolders(ports.reader, after, engineRoot, clock.now()),
      }),
    );
    if (outcome === "pruned") outcome = "pressure-remains";
    if (exitCode === Exit.ok) {
      exitCode = Exit.pressureRemains;
      reason = `${reason}, but the disk is still ${after.verdict.reason}`;
    }
  }
  const deferrals = deferralsAfter(options, course, outcome);
  const now = clock.now();
  const deferredFor = deferrals.since === null ? null : (now - deferrals.since) / 1000;
  const fields: PassFinished = {
    outcome,
    exitCode,
    reason,
    freedBytes: freed(course.before, after),
    claimedBytes: tally.claimedBytes,
    durationSeconds: (now - course.startedAt) / 1000,
    filesystems: reported(after, settings.disk, course.before),
    removed: countByKind(tally.removed),
    removedBytes: tally.claimedByKind,
    kept: tally.count("kept") + (ended.keptByPlan ?? 0),
    gone: tally.count("gone"),
    failed: tally.count("failed"),
    objects: tally.objects,
    rules: ended.rules ?? [],
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
    await record(ports, settings, course.startedAt, fields, {
      deferrals,
      engineRoot,
      ...(course.engine === null ? {} : { engineVersion: course.engine.version.version }),
      ...(course.gatekeeper === null ? {} : { busy: course.gatekeeper.busy }),
      ...(course.dangling === null ? {} : { dangling: course.dangling }),
      ...course.families,
    });
  }
  return exitCode;
}

/** A pass that a person asked for without pressure counts for nothing when it is put off. */
function deferralsAfter(options: PassOptions, course: Course, outcome: PassFinished["outcome"]) {
  const { state, before, startedAt } = course;
  const byHand = options.withoutPressure && before.verdict.verdict !== "open";
  return options.dryRun || (byHand && outcome === "deferred")
    ? state.deferrals
    : nextDeferrals(state, outcome, startedAt);
}

/** Available space now less that before, over the filesystems that both looks could read. Pure. */
export function freed(before: Pressure, after: Pressure): number {
  const earlier = new Map(readable(before.filesystems).map((filesystem) => [filesystem.device, filesystem]));
  return readable(after.filesystems).reduce((sum, { device, availableBytes }) => {
    const was = earlier.get(device);
    return was === undefined ? sum : sum + availableBytes - was.availableBytes;
  }, 0);
}

async function readHolders(reader: EngineReader, after: Pressure, engineRoot: string | null, now: number) {
  const filesystem = readable(after.filesystems).find(
    ({ paths }) => engineRoot !== null && paths.includes(engineRoot),
  );
  const root = engineRoot === null ? null : { path: engineRoot, filesystem: filesystem ?? null };
  const found = await observeHolders(reader, root, AbortSignal.timeout(HOLDERS_DEADLINE), now);
  return found.known ? found.value : `not known: ${found.reason}`;
}

/**
 * The state that earlier passes left. A file that was read and not understood is set aside.
 * @param dryRun leave it where it is
 */
export function readState({ host, journal, clock }: PassPorts, dryRun: boolean): State {
  const { state, damage } = host.loadState();
  if (damage !== null) {
    const aside = damage.kind === "not-understood" && !dryRun ? host.setAside(clock.now()) : null;
    journal.emit(stateDamaged(damage.reason, aside ?? "left where it is"));
  }
  return state;
}

/**
 * Adds the pass, and what it learnt, to the state as it stands now: another pass may have been recorded meanwhile. A
 * file that cannot be read is not replaced. Then the metrics, where they are wanted; also without a state.
 */
export async function record(
  { host, journal, pass, version }: PassPorts,
  settings: Settings,
  startedAt: number,
  finished: PassFinished,
  learnt: Partial<State>,
): Promise<void> {
  const endedAt = startedAt + finished.durationSeconds * 1000;
  const change = (before: State): State => ({
    ...before,
    ...learnt,
    totals: addToTotals(before.totals, finished, settings, before.deferrals.count, endedAt),
  });
  let next: State;
  try {
    next = host.updateState(toRecord(pass, startedAt, finished), change);
  } catch (error) {
    journal.emit(stateUnwritable((error as Error).message));
    next = change(host.loadState().state);
  }
  const trouble = await exportMetrics({ version, endedAt, finished, state: next, settings });
  if (trouble !== null) journal.emit(trouble);
}
