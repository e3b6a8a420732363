import { loadState, type State, stillSeen } from "./audit/state.ts";
import type { EngineReader } from "./engine/reader.ts";
import { type Fact, known, unknown } from "./facts.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { lockGate } from "./gates/lock.ts";
import type { Verdict } from "./gates/verdict.ts";
import { systemClock } from "./host/clock.ts";
import { lockIsHeld } from "./host/lock.ts";
import { type Engine, observeCandidates, observeEngine } from "./observe.ts";
import { makePlan } from "./plan/index.ts";
import type { Plan } from "./plan/plan.ts";
import { type Pressure, readPressure } from "./pressure.ts";
import type { Settings } from "./settings/settings.ts";

export interface PreviewPorts {
  readonly settings: Settings;
  readonly reader: EngineReader;
  readonly stateDir: string;
  readonly lockFile: string;
}

/** What a pass would see and do now, without doing or recording any of it. */
export interface Preview {
  readonly state: State;
  readonly pressure: Pressure;
  readonly engine: Fact<Engine>;
  /** All four, in order, also those behind one that is not open. */
  readonly gates: readonly Verdict[];
  readonly plan: Fact<Plan>;
}

/** @param twice look at runs and services twice, as a pass does, instead of once */
export async function preview(
  { settings, stateDir, lockFile, reader }: PreviewPorts,
  twice: boolean,
): Promise<Preview> {
  const { state } = loadState(stateDir);
  const engine = await observeEngine(reader);
  const root = engine.known ? engine.value.info.rootDir : state.engineRoot;
  const pressure = await readPressure(settings.disk, root);
  const held = await lockIsHeld(lockFile);
  const lock = lockGate(lockFile, held.known ? known(!held.value) : held);
  if (!engine.known) {
    const blind = (gate: Verdict["gate"]): Verdict => ({
      gate,
      verdict: "unknown",
      reason: engine.reason,
      facts: {},
    });
    return {
      state,
      pressure,
      engine,
      gates: [pressure.verdict, lock, blind("live-run"), blind("converging")],
      plan: unknown("the plan", engine.reason),
    };
  }
  const gatekeeper = new Gatekeeper(reader, engine.value, settings, systemClock, state.busySince);
  const verdicts = await (twice ? gatekeeper.lookTwice(new AbortController().signal) : gatekeeper.look());
  const now = systemClock.now();
  const candidates = await observeCandidates(
    reader,
    engine.value,
    settings.prune,
    gatekeeper.live,
    true,
    now,
  );
  const plan = candidates.known
    ? known(
        makePlan(
          candidates.value,
          stillSeen(
            state.firstSeenDangling,
            candidates.value.images.map(({ summary }) => summary.id),
            now,
          ),
          settings.prune,
          now,
        ).plan,
      )
    : candidates;
  return { state, pressure, engine, gates: [pressure.verdict, lock, ...verdicts], plan };
}
