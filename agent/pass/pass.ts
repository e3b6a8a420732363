import { execute } from "../act/execute.ts";
import type { Acted } from "../act/ports.ts";
import { Tally } from "../act/tally.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { known } from "../facts.ts";
import { belowEverywhere } from "../gates/disk-pressure.ts";
import { lockGate } from "../gates/lock.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Lock } from "../host/lock.ts";
import {
  factUnknown,
  gateVerdict,
  objectKept,
  objectPlanned,
  objectRemoved,
  passFinished,
  passIneffective,
  passStarted,
  prunePlanned,
  serviceIgnored,
} from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import { observeCandidates, observeEngine } from "../observe/candidates.ts";
import { firstNotOpen, Gatekeeper } from "../observe/gatekeeper.ts";
import { inForce } from "../observe/ruled.ts";
import { decide } from "../plan/decide.ts";
import type { Plan } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { removeBelow } from "../snapshots/below.ts";
import { remember, rememberUses, sincesOf } from "../state/sightings.ts";
import { NO_DEFERRALS, type State } from "../state/state.ts";
import type { Course, Ended, PassOptions, PassPorts } from "./context.ts";
import { readState, record, report } from "./finish.ts";
import { belowWatermark, readable, readPressure, watches } from "./pressure.ts";
import { anyInForce, idleRules, reportRules, rulesOf, unjudged } from "./rules.ts";

/**
 * One pass: observe, gates, plan, act, record. It never throws for what the engine or the disk do; the result is the
 * exit code, and everything else is in the journal.
 */
export async function runPass(ports: PassPorts, settings: Settings, options: PassOptions): Promise<ExitCode> {
  const { clock, journal } = ports;
  const startedAt = clock.now();
  const state = readState(ports, options.dryRun);
  const before = await readPressure(ports.host, settings.disk, state.engineRoot);
  const pressed = before.verdict.verdict !== "closed" || options.withoutPressure;
  const rules = rulesOf(settings, pressed);
  if (!pressed && !anyInForce(rules)) {
    const finished = belowWatermark(before, settings.disk, (clock.now() - startedAt) / 1000);
    journal.emit(passFinished(finished, "info"));
    if (!options.dryRun) await record(ports, settings, startedAt, finished, { deferrals: NO_DEFERRALS });
    return Exit.ok;
  }
  const mounts = await ports.host.nameMounts(readable(before.filesystems).flatMap(({ paths }) => paths));
  journal.emit(
    passStarted({
      version: ports.version,
      dryRun: options.dryRun,
      withoutPressure: options.withoutPressure,
      scope: pressed ? "prune-and-rules" : "rules",
      filesystems: readable(before.filesystems).map((filesystem) => {
        const mount = mounts.get(filesystem.paths[0] ?? "");
        return mount === undefined ? filesystem : { ...filesystem, mount };
      }),
    }),
  );
  const course: Course = {
    startedAt,
    before,
    state,
    rules,
    tally: new Tally(),
    engine: null,
    gatekeeper: null,
    dangling: null,
    families: null,
  };
  return underLock(ports, settings, options, course);
}

/** The pass and its report, under the lock: the next pass finds the state that this one leaves. */
async function underLock(
  ports: PassPorts,
  settings: Settings,
  options: PassOptions,
  course: Course,
): Promise<ExitCode> {
  const end = (ended: Ended) => report(ports, settings, options, course, ended);
  if (!options.withoutPressure) {
    say(ports, course.before.verdict);
    if (course.before.verdict.verdict === "unknown") return end(failed(course.before.verdict));
  }
  const lock = await ports.host.takeLock();
  const verdict = lockGate(ports.host.lockFile, lock.known ? known(lock.value !== null) : lock);
  say(ports, verdict);
  if (verdict.verdict !== "open") return end(deferred(verdict));
  try {
    return await end(await observeAndAct(ports, settings, options, course));
  } catch (error) {
    // A bug of ours. What was done is told all the same; main.ts says the rest.
    await end({
      outcome: "failed",
      exitCode: Exit.bug,
      reason: `a bug: ${(error as Error).message}`,
      gate: null,
    });
    throw error;
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
  const { rootDir } = engine.value.info;
  if (!watches(course.before, rootDir)) {
    course.before = await readPressure(ports.host, settings.disk, rootDir);
    if (course.before.verdict.verdict !== "closed") course.rules = rulesOf(settings, true);
  }

  const gatekeeper = new Gatekeeper(reader, engine.value, settings, clock, course.state.busy);
  course.gatekeeper = gatekeeper;
  const verdicts = await gatekeeper.lookTwice(stop);
  if (stop.aborted) return stopped();
  for (const verdict of verdicts) say(ports, verdict);
  for (const { service, why, busySeconds } of gatekeeper.ignored) {
    journal.emit(serviceIgnored({ service, why, busySeconds }));
  }
  const notOpen = firstNotOpen(verdicts);
  if (notOpen !== null) {
    course.families = usesWhileDeferred(course.state, gatekeeper, clock.now());
    return deferred(notOpen);
  }

  const { rules, state } = course;
  const { pressed } = rules;
  const { prune } = settings;
  const candidates = await observeCandidates(
    reader,
    engine.value,
    settings,
    { prune: pressed, rules, forecastCache: options.dryRun },
    gatekeeper.seen,
    clock.now(),
  );
  if (stop.aborted) return stopped();
  if (!candidates.known) {
    journal.emit(factUnknown(candidates.what, candidates.reason));
    return { outcome: "failed", exitCode: Exit.unavailable, reason: candidates.reason, gate: null };
  }
  const now = clock.now();
  const { ruled } = candidates.value;
  const remembered = remember(state, candidates.value, prune, now);
  if (pressed && prune.images) course.dangling = remembered.dangling;
  if (rules.retention.some((rule) => inForce(rules, rule))) course.families = remembered.families;
  const { plan, context } = decide(candidates.value, sincesOf(remembered), settings, now);
  const cache = !pressed || !prune.buildCache ? "off" : options.dryRun ? "forecast" : "engine-decides";
  journal.emit(prunePlanned(plan, prune.until, cache));
  for (const object of plan.keep) journal.emit(objectKept(object));
  if (pressed) warnOfIdleLabels(journal, plan, settings);
  for (const event of [...idleRules(ruled), ...unjudged(ruled)]) journal.emit(event);
  if (options.dryRun) {
    for (const object of plan.remove) journal.emit(objectPlanned(object));
    return {
      outcome: "dry-run",
      exitCode: Exit.ok,
      reason: "a dry run removes nothing",
      gate: null,
      keptByPlan: plan.keep.length,
      rules: reportRules(rules, ruled, null),
    };
  }

  const acted = await execute(
    {
      reader,
      writer: ports.writer,
      journal,
      clock,
      stop,
      tally: course.tally,
      gatesAskedAt: gatekeeper.askedAt,
      askGates: async () => {
        const notOpen = firstNotOpen(await gatekeeper.lookAgain());
        if (notOpen !== null) say(ports, notOpen);
        return notOpen;
      },
      roomEnough: async () => {
        const { lowWatermark, inodes } = settings.disk;
        if (lowWatermark === null || options.withoutPressure) return false;
        const { filesystems, verdict } = await readPressure(ports.host, settings.disk, rootDir);
        // Below the high one too: of a mark in percent and one in bytes, either may be the stricter.
        return verdict.verdict === "closed" && belowEverywhere(filesystems, lowWatermark, inodes);
      },
      progress: ports.progress,
    },
    plan,
    candidates.value,
    context,
    settings,
    pressed,
  );
  if (acted.ending === null && !stop.aborted) {
    for (const object of await removeBelow(ports, ruled.families, course.tally.removed)) {
      journal.emit(objectRemoved(object));
      // Not the rule's own count: it names the snapshots, not what lay below them.
      const { rule: _, ...nameless } = object;
      course.tally.addRemoved(nameless, 0);
    }
  }
  return {
    ...judgeActed(acted, course.tally, plan),
    rules: reportRules(rules, ruled, course.tally),
  };
}

/** How the deletions ended; whether pressure remains is seen later, by measuring. Pure. */
function judgeActed({ ending }: Acted, tally: Tally, plan: Plan): Ended {
  const taken = tally.count("removed") + tally.count("untagged");
  const failed = tally.count("failed");
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
  const done = { exitCode: Exit.ok, gate: null };
  if (taken > 0) {
    const reason =
      ending?.by === "low-watermark" ? "every filesystem is below the low watermark" : "the plan is done";
    return { ...done, outcome: "pruned", reason };
  }
  return {
    ...done,
    outcome: "nothing-eligible",
    reason:
      plan.remove.length === 0
        ? "nothing fulfils the rules"
        : "all that was planned was gone, in use or named again when its turn came",
  };
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

/** Which images are in use while a run is live: nobody sees it later. Only where a rule goes by it. */
function usesWhileDeferred(state: State, { seen }: Gatekeeper, now: number): Course["families"] {
  const { live } = seen;
  return live.known ? { undated: state.undated, uses: rememberUses(state.uses, live.value, now) } : null;
}

/** Logs a verdict, and what could not be read as what it is. */
function say({ journal }: PassPorts, verdict: Verdict): void {
  journal.emit(gateVerdict(verdict));
  if (verdict.verdict === "unknown") journal.emit(factUnknown(`gate ${verdict.gate}`, verdict.reason));
}

/** A label rule that matches nothing while images without the label pile up: the oldest silent failure. */
function warnOfIdleLabels(journal: Journal, plan: Plan, { prune }: Settings): void {
  if (prune.labels.length === 0 || !prune.images) return;
  const images = [...plan.remove, ...plan.keep].filter(
    ({ kind, rule }) => kind === "image" && rule === undefined,
  );
  const unselected = images.filter(({ because }) => because === "not-selected");
  const judgedByAge = images.filter(({ because }) => ["expired", "young", "undatable"].includes(because));
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
