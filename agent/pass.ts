import { type Acted, execute } from "./act/execute.ts";
import {
  factUnknown,
  gateVerdict,
  objectKept,
  objectPlanned,
  passFinished,
  passIneffective,
  passStarted,
  prunePlanned,
  serviceIgnored,
  stateDamaged,
} from "./audit/events.ts";
import type { Journal } from "./audit/journal.ts";
import { loadState, NO_DEFERRALS, type State, setAside, stillSeen } from "./audit/state.ts";
import type { Course, Ended, PassOptions, PassPorts } from "./course.ts";
import { Exit, type ExitCode } from "./exit.ts";
import { known } from "./facts.ts";
import { firstNotOpen, Gatekeeper } from "./gatekeeper.ts";
import { belowEverywhere } from "./gates/disk-pressure.ts";
import { lockGate } from "./gates/lock.ts";
import type { Verdict } from "./gates/verdict.ts";
import { type Lock, takeLock } from "./host/lock.ts";
import { nameMounts } from "./host/mounts.ts";
import { observeCandidates, observeEngine } from "./observe.ts";
import { makePlan } from "./plan/index.ts";
import type { Plan } from "./plan/plan.ts";
import { belowWatermark, readable, readPressure } from "./pressure.ts";
import { record, report } from "./report.ts";
import type { Settings } from "./settings/settings.ts";

/**
 * One pass: observe, gates, plan, act, record. It never throws for what the engine or the disk do; the result is the
 * exit code, and everything else is in the journal.
 */
export async function runPass(ports: PassPorts, settings: Settings, options: PassOptions): Promise<ExitCode> {
  const { clock, journal } = ports;
  const startedAt = clock.now();
  const state = readState(ports);
  const before = await readPressure(settings.disk, state.engineRoot);
  if (before.verdict.verdict === "closed" && !options.withoutPressure) {
    const finished = belowWatermark(before, (clock.now() - startedAt) / 1000);
    journal.emit(passFinished(finished, "info"));
    if (!options.dryRun) record(ports, { ...state, deferrals: NO_DEFERRALS }, startedAt, finished, {});
    return Exit.ok;
  }
  const mounts = await nameMounts(readable(before.filesystems).flatMap(({ paths }) => paths));
  journal.emit(
    passStarted({
      version: ports.version,
      dryRun: options.dryRun,
      withoutPressure: options.withoutPressure,
      filesystems: readable(before.filesystems).map((filesystem) => {
        const mount = mounts.get(filesystem.paths[0] ?? "");
        return mount === undefined ? filesystem : { ...filesystem, mount };
      }),
    }),
  );
  const course: Course = { startedAt, before, state, engine: null, gatekeeper: null, seenDangling: null };
  const ended = await underLock(ports, settings, options, course);
  return report(ports, settings, options, course, ended);
}

async function underLock(
  ports: PassPorts,
  settings: Settings,
  options: PassOptions,
  course: Course,
): Promise<Ended> {
  if (!options.withoutPressure) {
    say(ports, course.before.verdict);
    if (course.before.verdict.verdict === "unknown") return failed(course.before.verdict);
  }
  const lock = await takeLock(ports.lockFile);
  const verdict = lockGate(ports.lockFile, lock.known ? known(lock.value !== null) : lock);
  say(ports, verdict);
  if (verdict.verdict !== "open") return deferred(verdict);
  try {
    return await observeAndAct(ports, settings, options, course);
  } finally {
    await (lock as { value: Lock }).value.release();
  }
}

async function observeAndAct(
  ports: PassPorts,
  settings: Settings,
  options: PassOptions,
  course: Course,
): Promise<Ended> {
  const { reader, clock, journal, stop } = ports;
  const engine = await observeEngine(reader);
  if (stop.aborted) return stopped();
  if (!engine.known) {
    journal.emit(factUnknown(engine.what, engine.reason));
    return { outcome: "failed", exitCode: Exit.unavailable, reason: engine.reason, gate: null };
  }
  course.engine = engine.value;

  const gatekeeper = new Gatekeeper(reader, engine.value, settings, clock, course.state.busySince);
  course.gatekeeper = gatekeeper;
  const verdicts = await gatekeeper.lookTwice(stop);
  if (stop.aborted) return stopped();
  for (const verdict of verdicts) say(ports, verdict);
  for (const { service, why, busySeconds } of gatekeeper.ignored) {
    journal.emit(serviceIgnored({ service, why, busySeconds }));
  }
  const notOpen = firstNotOpen(verdicts);
  if (notOpen !== null) return deferred(notOpen);

  const candidates = await observeCandidates(
    reader,
    engine.value,
    settings.prune,
    gatekeeper.live,
    options.dryRun,
    clock.now(),
  );
  if (stop.aborted) return stopped();
  if (!candidates.known) {
    journal.emit(factUnknown(candidates.what, candidates.reason));
    return { outcome: "failed", exitCode: Exit.unavailable, reason: candidates.reason, gate: null };
  }
  const now = clock.now();
  const dangling = candidates.value.images.map(({ summary }) => summary.id);
  const firstSeen = stillSeen(course.state.firstSeenDangling, dangling, now);
  course.seenDangling = settings.prune.images ? dangling : null;
  const { plan, context } = makePlan(candidates.value, firstSeen, settings.prune, now);
  journal.emit(
    prunePlanned(
      plan,
      settings.prune.until,
      !settings.prune.buildCache ? "off" : options.dryRun ? "forecast" : "engine-decides",
    ),
  );
  for (const object of plan.keep) journal.emit(objectKept(object));
  warnOfIdleLabels(journal, plan, settings);
  if (options.dryRun) {
    for (const object of plan.remove) journal.emit(objectPlanned(object));
    return {
      outcome: "dry-run",
      exitCode: Exit.ok,
      reason: "a dry run removes nothing",
      gate: null,
      ...kept(plan),
    };
  }

  const acted = await execute(
    {
      reader,
      writer: ports.writer,
      journal,
      clock,
      stop,
      gatesAskedAt: gatekeeper.lookedAt,
      askGates: async () => {
        const notOpen = firstNotOpen(await gatekeeper.look());
        if (notOpen !== null) say(ports, notOpen);
        return notOpen;
      },
      roomEnough: async () => {
        const { lowWatermark, inodes } = settings.disk;
        if (lowWatermark === null || options.withoutPressure) return false;
        const { filesystems } = await readPressure(settings.disk, engine.value.info.rootDir);
        return belowEverywhere(filesystems, lowWatermark, inodes);
      },
      progress: ports.progress,
    },
    plan,
    candidates.value,
    context,
    settings,
  );
  return { ...judgeActed(acted), acted, ...kept(plan) };
}

const kept = (plan: Plan) => ({ keptByPlan: plan.keep.length });

/** How the deletions ended; whether pressure remains is seen later, by measuring. Pure. */
function judgeActed({ ending, failed, removed }: Acted): Ended {
  if (ending?.by === "engine") {
    return { outcome: "failed", exitCode: Exit.unavailable, reason: ending.error.message, gate: null };
  }
  if (ending?.by === "stop") return stopped();
  if (failed > 0) {
    return {
      outcome: "incomplete",
      exitCode: Exit.incomplete,
      reason: `${failed} of what was planned could not be removed`,
      gate: null,
    };
  }
  if (ending?.by === "gate") {
    const { verdict } = ending;
    return {
      outcome: "incomplete",
      exitCode: verdict.verdict === "unknown" ? Exit.unavailable : Exit.ok,
      reason: `ended in mid-pass: ${verdict.reason}`,
      gate: verdict.gate,
    };
  }
  return removed.length === 0
    ? { outcome: "nothing-eligible", exitCode: Exit.ok, reason: "nothing fulfils the rules", gate: null }
    : { outcome: "pruned", exitCode: Exit.ok, reason: "the plan is done", gate: null };
}

function stopped(): Ended {
  return { outcome: "incomplete", exitCode: Exit.incomplete, reason: "told to stop", gate: null };
}

function failed({ reason, gate }: Verdict): Ended {
  return { outcome: "failed", exitCode: Exit.unavailable, reason, gate };
}

function deferred({ verdict, reason, gate }: Verdict): Ended {
  return { outcome: "deferred", exitCode: verdict === "unknown" ? Exit.unavailable : Exit.ok, reason, gate };
}

/** Logs a verdict, and what could not be read as what it is. */
function say({ journal }: PassPorts, verdict: Verdict): void {
  journal.emit(gateVerdict(verdict));
  if (verdict.verdict === "unknown") journal.emit(factUnknown(`gate ${verdict.gate}`, verdict.reason));
}

/** A label rule that matches nothing while images without the label pile up: the oldest silent failure. */
function warnOfIdleLabels(journal: Journal, plan: Plan, { prune }: Settings): void {
  if (prune.labels.length === 0 || !prune.images) return;
  const images = [...plan.remove, ...plan.keep].filter(({ kind }) => kind === "image");
  const unselected = images.filter(({ rule }) => rule === "not-selected");
  const judgedByAge = images.filter(({ rule }) => ["expired", "young", "undatable"].includes(rule));
  const old = unselected.filter(({ ageSeconds }) => ageSeconds !== null && ageSeconds > prune.until);
  if (judgedByAge.length > 0 || old.length === 0) return;
  journal.emit(
    passIneffective({
      cause: "labels-match-nothing",
      reason: "no dangling image carries a label of prune.labels, while old ones without it pile up",
      labels: prune.labels.map(({ text }) => text),
      unselectedImages: old.length,
      unselectedBytes: old.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
    }),
  );
}

function readState({ stateDir, journal, clock }: PassPorts): State {
  const { state, damage } = loadState(stateDir);
  if (damage !== null)
    journal.emit(stateDamaged(damage, setAside(stateDir, clock.now()) ?? "could not be moved"));
  return state;
}
