import type { EngineReader } from "../engine/reader.ts";
import { orUnknown } from "../engine/tolerant.ts";
import { unknown } from "../facts.ts";
import { type BusyService, busyServices, hasRun } from "../gates/converging.ts";
import { askGates } from "../gates/gates.ts";
import { type RunRules, runRules } from "../gates/live-run.ts";
import type { Observation } from "../gates/observation.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Clock } from "../host/clock.ts";
import type { Settings } from "../settings/settings.ts";
import { sinceOf, stillSeen } from "../state/sightings.ts";
import type { Sightings } from "../state/state.ts";
import type { Engine } from "./engine.ts";
import { observe } from "./runs.ts";

/** Milliseconds: `GET /info` takes 30 ms of the engine's time. */
const INFO_HOLDS = 2000;

/** Between the passes of a daily timer; with a longer gap nobody knows what a service did meanwhile. */
const MAX_GAP = 25 * 3_600_000;

export interface GatekeeperPorts {
  readonly reader: EngineReader;
  readonly settings: Settings;
  readonly clock: Clock;
}

/**
 * The short loop `observe → gates` that a pass goes round before it starts and between its steps: is a run live, does
 * a service converge? It remembers since when each service has been busy, over looks and (by the state) over passes.
 */
export class Gatekeeper {
  readonly #ports: GatekeeperPorts;
  #engine: Engine;
  readonly #rules: RunRules;
  #busy: Sightings;
  #busyNow: readonly BusyService[] = [];
  #seen: Pick<Observation, "live" | "services"> = {
    live: unknown("the containers", "not looked at yet"),
    services: unknown("the services", "not looked at yet"),
  };
  #askedAt = 0;
  /** When the engine was asked in mid-pass what it is. */
  #infoAt = Number.NEGATIVE_INFINITY;

  /** @param busy what the state remembers of an earlier pass */
  constructor(ports: GatekeeperPorts, engine: Engine, busy: Sightings) {
    this.#ports = ports;
    this.#engine = engine;
    this.#rules = runRules(ports.settings.liveRuns);
    this.#busy = busy;
  }

  get busy(): Sightings {
    return this.#busy;
  }

  /** Services stuck for longer than `convergence.ignoreStuckAfter`: they no longer block, but are named. */
  get ignored(): readonly BusyService[] {
    const limit = this.#ports.settings.convergence.ignoreStuckAfter;
    return limit === null ? [] : this.#busyNow.filter(({ busySeconds }) => busySeconds > limit);
  }

  /** Of the last look: the containers that run or are about to, and the services. */
  get seen(): Pick<Observation, "live" | "services"> {
    return this.#seen;
  }

  /** When that look began, by the clock's `elapsed`: it may have taken long. */
  get askedAt(): number {
    return this.#askedAt;
  }

  async look(): Promise<readonly Verdict[]> {
    const { reader, settings, clock } = this.#ports;
    this.#askedAt = clock.elapsed();
    const observation = await observe(reader, this.#engine, settings, clock.now());
    const now = clock.now();
    const busySince = await this.#remember(observation, now);
    this.#seen = observation;
    return askGates({ settings, runRules: this.#rules, observation, busySince, now });
  }

  /** One look in mid-pass, with a new `/info` every two seconds: the engine may have joined a swarm, or left it. */
  async lookAgain(): Promise<readonly Verdict[]> {
    if (this.#ports.clock.elapsed() - this.#infoAt < INFO_HOLDS) return this.look();
    const info = await orUnknown("the engine", () => this.#ports.reader.info());
    if (!info.known) return [unclear(info.reason)];
    this.#infoAt = this.#ports.clock.elapsed();
    // A manager that shuts down says so for some seconds, on connections that are open (20.10): its swarm lives on.
    if (info.value.swarm.role === "none" && this.#engine.info.swarm.role !== "none")
      return [unclear("this engine was part of a swarm, and says that it is not any more")];
    this.#engine = { ...this.#engine, info: info.value };
    return this.look();
  }

  /**
   * Quiet twice in a row: a service may look settled for a moment between two updates, or for 0.2 s after one was
   * asked for. Without a swarm nothing converges, and one look says it all.
   */
  async lookTwice(signal: AbortSignal): Promise<readonly Verdict[]> {
    const first = await this.look();
    if (firstNotOpen(first) !== null || this.#engine.info.swarm.role === "none") return first;
    await this.#ports.clock.sleep(this.#ports.settings.convergence.settle, signal);
    return this.look();
  }

  /** Since when each service has been busy, in milliseconds by its id. */
  async #remember(observation: Observation, now: number): Promise<Readonly<Record<string, number>>> {
    const { services, failingGlobals } = observation;
    if (!services.known || !failingGlobals.known) return {};
    const judge = (since: Readonly<Record<string, number>>) =>
      busyServices(services.value, failingGlobals.value, since, now);
    this.#busy = stillSeen(
      this.#busy,
      judge({}).map(({ id }) => id),
      MAX_GAP,
      now,
    );
    let since = sinceOf(this.#busy);
    this.#busyNow = judge(since);
    const stuck = this.ignored;
    if (stuck.length > 0) {
      since = { ...since, ...(await this.#lastRan(stuck, since, now)) };
      this.#busyNow = judge(since);
    }
    return since;
  }

  /**
   * Two looks are no proof of what lay between them. A task that has run since a service was first seen stuck says
   * that it was not: its clock starts anew from there; and from now where the tasks cannot be read.
   */
  async #lastRan(stuck: readonly BusyService[], since: Readonly<Record<string, number>>, now: number) {
    const tasks = await orUnknown("the tasks of stuck services", () => this.#ports.reader.tasks(stuck));
    return Object.fromEntries(
      stuck.map(({ id }) => {
        if (!tasks.known) return [id, now];
        const ran = tasks.value
          .filter((task) => task.serviceId === id && hasRun(task))
          .map(({ at }) => at ?? now);
        return [id, Math.max(since[id] ?? now, ...ran)];
      }),
    );
  }
}

const unclear = (reason: string): Verdict => ({ gate: "converging", verdict: "unknown", reason, facts: {} });

export function firstNotOpen(verdicts: readonly Verdict[]): Verdict | null {
  return verdicts.find(({ verdict }) => verdict !== "open") ?? null;
}
