import type { EngineReader } from "./engine/reader.ts";
import { unknown } from "./facts.ts";
import { type BusyService, busyServices, converging } from "./gates/converging.ts";
import { liveRun, type RunRules, runRules } from "./gates/live-run.ts";
import type { Verdict } from "./gates/verdict.ts";
import type { Clock } from "./host/clock.ts";
import type { Observation } from "./observation.ts";
import { type Engine, observe } from "./observe.ts";
import type { Settings } from "./settings/settings.ts";

/**
 * The short loop `observe → gates` that a pass goes round before it starts and between its steps: is a run live, does
 * a service converge? It remembers since when each service has been busy, over looks and (by the state) over passes.
 */
export class Gatekeeper {
  readonly #reader: EngineReader;
  readonly #engine: Engine;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #rules: RunRules;
  #busySince: Readonly<Record<string, number>>;
  #busy: readonly BusyService[] = [];
  #live: Observation["live"] = unknown("the containers", "not looked at yet");
  #lookedAt = 0;

  constructor(
    reader: EngineReader,
    engine: Engine,
    settings: Settings,
    clock: Clock,
    busySince: Readonly<Record<string, number>>,
  ) {
    this.#reader = reader;
    this.#engine = engine;
    this.#settings = settings;
    this.#clock = clock;
    this.#rules = runRules(settings.liveRuns);
    this.#busySince = busySince;
  }

  /** For the next pass. */
  get busySince(): Readonly<Record<string, number>> {
    return this.#busySince;
  }

  /** Services stuck for longer than `convergence.ignoreStuckAfter`: they no longer block, but are named. */
  get ignored(): readonly BusyService[] {
    const limit = this.#settings.convergence.ignoreStuckAfter;
    return limit === null ? [] : this.#busy.filter(({ busySeconds }) => busySeconds > limit);
  }

  /** The containers of the last look that run or are about to. */
  get live(): Observation["live"] {
    return this.#live;
  }

  /** When that look was, in milliseconds. */
  get lookedAt(): number {
    return this.#lookedAt;
  }

  /** One look. Both verdicts, in order. */
  async look(): Promise<readonly Verdict[]> {
    const observation = await observe(this.#reader, this.#engine, this.#settings);
    const now = this.#clock.now();
    this.#remember(observation, now);
    this.#lookedAt = now;
    this.#live = observation.live;
    const { prune, convergence } = this.#settings;
    return [
      liveRun(this.#rules, observation, prune.until, now),
      converging(convergence, observation, this.#busySince, now),
    ];
  }

  /**
   * Quiet twice in a row: a service may look settled for a moment between two updates, or for 0.2 s after one was
   * asked for. Without a swarm nothing converges, and one look says it all.
   */
  async lookTwice(signal: AbortSignal): Promise<readonly Verdict[]> {
    const first = await this.look();
    if (firstNotOpen(first) !== null || this.#engine.info.swarm.role === "none") return first;
    await this.#clock.sleep(this.#settings.convergence.settle, signal);
    return this.look();
  }

  #remember(observation: Observation, now: number): void {
    const { services, failingGlobals } = observation;
    if (!services.known || !failingGlobals.known) return;
    this.#busy = busyServices(services.value, failingGlobals.value, this.#busySince, now);
    this.#busySince = Object.fromEntries(this.#busy.map(({ id, since }) => [id, since]));
  }
}

export function firstNotOpen(verdicts: readonly Verdict[]): Verdict | null {
  return verdicts.find(({ verdict }) => verdict !== "open") ?? null;
}
