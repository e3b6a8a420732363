import { type Fact, known } from "../facts.ts";
import { lockGate } from "../gates/lock.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Lock } from "../host/lock.ts";
import { event, factUnknown, say } from "../log/events.ts";
import { engineTrouble } from "../observe/clock.ts";
import type { Engine } from "../observe/engine.ts";
import { firstNotOpen, Gatekeeper } from "../observe/gatekeeper.ts";
import { rulesOf } from "../settings/rules.ts";
import type { Ended, Found, PassContext, Passed } from "./context.ts";
import { learntOfClock, learntWhileDeferred } from "./memory.ts";
import { deferred, failed, stopped } from "./outcome.ts";
import { isWatched, readPressure, rememberedRoots } from "./pressure.ts";
import { meet, rootsOf } from "./survey.ts";

/** A pass whose engine answers. */
export interface Met extends Found {
  readonly engine: Engine;
}

/** A pass whose gates are open. */
export interface Asked extends Met {
  readonly gatekeeper: Gatekeeper;
}

/** A disk that cannot be read ends the pass; `null`: it goes on. */
export function diskBlocks({ ports, options }: PassContext, { before }: Found): Ended | null {
  const { verdict } = before;
  if (options.withoutPressure) return null;
  say(ports.journal, verdict);
  return verdict.verdict === "unknown" ? failed(verdict.reason, verdict.gate) : null;
}

/**
 * The lock, or how the pass ends without it. It is not waited for.
 * @param taken what was answered where it was asked for before
 */
export async function takeLock({ ports }: PassContext, taken: Fact<Lock | null> | null) {
  const lock = taken ?? (await ports.host.takeLock());
  if (ports.stop.aborted && !(lock.known && lock.value !== null)) return stopped(ports.stop);
  const verdict = lockGate(ports.host.lockFile, lock.known ? known(lock.value !== null) : lock);
  say(ports.journal, verdict);
  return lock.known && lock.value !== null ? lock.value : deferred(verdict);
}

/** The lock keeps nobody out any more: its file was removed or replaced. `null`: it is held as it was. */
export function lostLock({ ports }: PassContext, { lock }: Found): Verdict | null {
  const held = lock?.held() ?? known(true);
  return held.known ? null : lockGate(ports.host.lockFile, held);
}

/** Asks the engine who it is and where its data is, and looks at the disk again where that is news. */
export async function meetEngine(context: PassContext, found: Found): Promise<Met | Passed> {
  const { ports, settings, options } = context;
  const engine = found.asked ?? (await meet(ports));
  if (ports.stop.aborted) return { ...found, ended: stopped(ports.stop) };
  if (!engine.known) {
    ports.journal.emit(factUnknown(engine.what, engine.reason));
    return { ...found, ended: failed(engine.reason) };
  }
  const { info, version } = engine.value;
  const roots = rootsOf(ports, info);
  const learnt = {
    ...found.learnt,
    ...roots,
    engineVersion: version.version,
    ...learntOfClock(context, found),
  };
  const met = { ...found, engine: engine.value, learnt };
  const trouble = found.clockTrouble ?? engineTrouble(ports, engine.value);
  if (trouble !== null) {
    ports.journal.emit(factUnknown("the time", trouble));
    return { ...met, ended: failed(trouble) };
  }
  if (rememberedRoots(roots).every((root) => isWatched(found.before, root))) return met;
  const before = await readPressure(ports.host, settings.disk, rememberedRoots(roots));
  const { verdict, reason, gate } = before.verdict;
  if (verdict === "unknown" && !options.withoutPressure) {
    say(ports.journal, before.verdict);
    return { ...met, before, ended: failed(reason, gate) };
  }
  const pressed = found.rules.pressed || verdict !== "closed";
  return { ...met, before, rules: rulesOf(settings, pressed) };
}

/** Is a run live, does a service converge? */
export async function passGates({ ports, settings }: PassContext, met: Met): Promise<Asked | Passed> {
  const { clock, journal, stop } = ports;
  const gatekeeper = new Gatekeeper({ ...ports, settings }, met.engine, met.state.busy);
  const verdicts = await gatekeeper.lookTwice(stop);
  if (stop.aborted) return { ...met, ended: stopped(stop) };
  for (const verdict of verdicts) say(journal, verdict);
  for (const { service, why, busySeconds } of gatekeeper.ignored) {
    journal.emit(event("service.ignored", { service, why, busySeconds }));
  }
  const learnt = { ...met.learnt, busy: gatekeeper.busy };
  const notOpen = firstNotOpen(verdicts);
  if (notOpen === null) return { ...met, learnt, gatekeeper };
  const uses = learntWhileDeferred(met.state, gatekeeper, clock.now());
  return { ...met, learnt: { ...learnt, ...uses }, ended: deferred(notOpen) };
}
