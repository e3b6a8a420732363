import { Exit, type ExitCode } from "../exit.ts";
import { countByKind, event, factUnknown, type PassFinished } from "../log/events.ts";
import { observeHolders } from "../observe/holders.ts";
import type { Settings } from "../settings/settings.ts";
import { NO_DEFERRALS } from "../state/state.ts";
import { formatDuration, type Seconds } from "../units.ts";
import type { Ended, Found, PassContext, Passed } from "./context.ts";
import { deferralsAfter, record } from "./memory.ts";
import {
  belowWatermark,
  filesystemOf,
  isWatched,
  type Pressure,
  readable,
  readPressure,
  rememberedRoots,
  reported,
} from "./pressure.ts";

/** For the look at the host, in milliseconds: a pass that is done must end. */
const HOLDERS_DEADLINE = 5000;

/** Measures the disk again, says whether the pass helped, and records it. */
export async function finish(context: PassContext, passed: Passed): Promise<ExitCode> {
  const { ports, settings, options } = context;
  const { before, tally, learnt } = passed;
  const after = await readPressure(ports.host, settings.disk, rememberedRoots(rootsAfter(passed)), before);
  const ended = await judgedByDisk(context, passed, after);
  const { outcome } = ended;
  const deferrals = deferralsAfter(context, passed, outcome);
  const deferredFor = deferrals.since === null ? null : (ports.clock.now() - deferrals.since) / 1000;
  const { exitCode, reason } = (!options.dryRun && failedByDeferrals(ended, deferredFor, settings)) || ended;
  const fields: PassFinished = {
    outcome,
    exitCode,
    reason,
    freedBytes: freed(before, after),
    claimedBytes: tally.claimedBytes,
    durationSeconds: secondsSince(context),
    filesystems: reported(after, settings.disk, before),
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
  ports.journal.emit(event("pass.finished", fields, levelOf(fields, settings)));
  if (!options.dryRun) await record(context, fields, { ...learnt, deferrals });
  return exitCode;
}

/** The whole report of a pass that found no pressure, and no rule that does not wait for it: one line. */
export async function finishQuietly(context: PassContext, found: Found): Promise<ExitCode> {
  const { ports, settings, options } = context;
  const below = belowWatermark(found.before, settings.disk, secondsSince(context));
  const reason = `${below.reason}${unseenRoot(found)}`;
  const finished = { ...below, reason, engineRequests: ports.requests() };
  ports.journal.emit(event("pass.finished", finished, "info"));
  if (!options.dryRun) await record(context, finished, { ...found.learnt, deferrals: NO_DEFERRALS });
  return Exit.ok;
}

/** What the verdict says nothing of: the disk where the engine keeps its data is none that was looked at. */
function unseenRoot(found: Found): string {
  const { engineRoot } = rootsAfter(found);
  if (engineRoot === null) return "; no engine could be asked where its data is";
  return isWatched(found.before, engineRoot)
    ? ""
    : `; nobody looks at the disk of the engine's data: there is no ${engineRoot} here`;
}

const secondsSince = ({ ports, startedAt }: PassContext): number =>
  (ports.clock.elapsed() - startedAt.elapsed) / 1000;

const rootsAfter = ({ state, learnt }: Found) => ({ ...state, ...learnt });

/** A pass that did what it could is no success where the disk is still full, or cannot be read. */
async function judgedByDisk(context: PassContext, passed: Passed, after: Pressure): Promise<Ended> {
  const { ports, options } = context;
  const { ended, before, rules, tally } = passed;
  const { verdict, reason } = after.verdict;
  const ok = ended.exitCode === Exit.ok;
  if (verdict === "unknown") {
    if (before.verdict.verdict !== "unknown")
      ports.journal.emit(factUnknown("whether the pass helped", reason));
    if (!ok || ended.outcome === "deferred") return ended;
    const blind = `${ended.reason}, but the disk cannot be read: ${reason}`;
    return { ...ended, exitCode: Exit.unavailable, reason: blind };
  }
  const ranThrough = ["pruned", "nothing-eligible", "incomplete"].includes(ended.outcome);
  const pressed = rules.pressed && !options.withoutPressure && verdict === "open";
  if (!ranThrough || !pressed || ended.gate !== null || ports.stop.aborted) return ended;
  ports.journal.emit(
    event("pass.ineffective", {
      cause: "pressure-remains",
      reason,
      removed: tally.removed.length,
      holders: await readHolders(context, passed, after),
    }),
  );
  const outcome = ended.outcome === "pruned" ? "pressure-remains" : ended.outcome;
  if (!ok) return { ...ended, outcome };
  const inVain = `${ended.reason}, but the disk is still ${reason}`;
  return { ...ended, outcome, exitCode: Exit.pressureRemains, reason: inVain };
}

/** Passes that are put off for ever free nothing: where the settings say so, that fails the unit. */
function failedByDeferrals(
  { outcome, exitCode, reason }: Ended,
  deferredFor: Seconds | null,
  { deferrals: { failAfter } }: Settings,
): Pick<Ended, "exitCode" | "reason"> | null {
  if (outcome !== "deferred" || exitCode !== Exit.ok) return null;
  if (failAfter === null || deferredFor === null || deferredFor < failAfter) return null;
  const longer = `passes have been deferred for longer than deferrals.failAfter (${formatDuration(failAfter)})`;
  return { exitCode: Exit.pressureRemains, reason: `${reason}; ${longer}` };
}

function levelOf(finished: PassFinished, { deferrals }: Settings) {
  const { exitCode, outcome, deferralsInARow, deferredForSeconds } = finished;
  if (exitCode !== Exit.ok) return "error";
  const tooLong =
    deferralsInARow >= deferrals.warnAfterPasses ||
    (deferredForSeconds !== null && deferredForSeconds >= deferrals.warnAfter);
  return outcome === "incomplete" || (outcome === "deferred" && tooLong) ? "warn" : "info";
}

/** Available space now less that before, over the filesystems that both looks could read. Pure. */
export function freed(before: Pressure, after: Pressure): number {
  const earlier = new Map(readable(before.filesystems).map((filesystem) => [filesystem.device, filesystem]));
  return readable(after.filesystems).reduce((sum, { device, availableBytes }) => {
    const was = earlier.get(device);
    return was === undefined ? sum : sum + availableBytes - was.availableBytes;
  }, 0);
}

async function readHolders({ ports }: PassContext, passed: Passed, after: Pressure) {
  const { engineRoot: path } = rootsAfter(passed);
  const root = { path, filesystem: filesystemOf(after, path) };
  const giveUp = AbortSignal.timeout(HOLDERS_DEADLINE);
  const found = await observeHolders(ports, root, giveUp, ports.clock.now());
  return found.known ? found.value : `not known: ${found.reason}`;
}
