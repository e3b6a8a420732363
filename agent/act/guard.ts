import type { EngineWriter } from "../engine/writer.ts";
import { type Verdict, verdictsOf } from "../gates/verdict.ts";
import { type Clock, systemClock } from "../host/clock.ts";
import { say } from "../log/events.ts";
import type { ActPorts, Ending } from "./ports.ts";

/** Seconds: nothing that removes an object is sent later than this after the gates were found open. */
export const GATES_HOLD = 2;

/** An engine that is slow for a moment is asked again; one that stays so is unknown. */
const TRIES = 3;

/** Thrown in place of a request: the work has ended. */
export class Ended extends Error {
  override readonly name = "Ended";
  constructor(readonly ending: Ending) {
    super(`ended by ${ending.by}`);
  }
}

/**
 * Says, immediately before each request that removes something, whether it may still be sent. By itself it asks no
 * gate: only a signal, or an engine that does not answer, ends the work.
 */
export class StopGuard {
  #ending: Ending | null = null;

  constructor(
    private readonly stop: AbortSignal,
    readonly clock: Pick<Clock, "elapsed"> = systemClock,
  ) {}

  /** Why nothing more is sent; `null`: it goes on. */
  get ending(): Ending | null {
    if (this.stop.aborted) this.end({ by: "stop" });
    return this.#ending;
  }

  /** Nothing more is sent from now on, by anybody; of several reasons the first one counts. */
  end(ending: Ending): void {
    this.#ending ??= ending;
  }

  /** Throws {@link Ended}. */
  async check(): Promise<void> {
    if (this.ending !== null) throw new Ended(this.ending);
  }
}

/**
 * The guard of a pass: the gates are asked again once they are older than {@link GATES_HOLD}, by the monotonic clock.
 */
export class GatesGuard extends StopGuard {
  #askedAt: number;
  #asking: Promise<void> | null = null;
  #round = 0;

  constructor(private readonly ports: ActPorts) {
    super(ports.stop, ports.clock);
    this.#askedAt = ports.gatesAskedAt;
  }

  /** Grows each time the gates are asked. */
  get round(): number {
    return this.#round;
  }

  override async check(): Promise<void> {
    await this.ports.journal.taken?.();
    await this.#checkGates();
  }

  async #checkGates(): Promise<void> {
    await super.check();
    if (this.clock.elapsed() - this.#askedAt >= GATES_HOLD * 1000) await this.ask();
  }

  /** Asks the gates now; who asks meanwhile gets the same answer. Throws {@link Ended}. */
  async ask(): Promise<void> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = null;
    });
    await this.#asking;
    await super.check();
  }

  /** An answer is as old as the question: a run may have begun behind a look that took long. */
  async #askOnce(): Promise<void> {
    const { clock } = this;
    const { askGates, journal } = this.ports;
    for (let tries = 1; this.ending === null; tries++) {
      const askedAt = clock.elapsed();
      const verdict = await askGates();
      this.#askedAt = askedAt;
      this.#round++;
      // Told to stop while asking: the verdict may be no more than the echo of that.
      if (this.ending !== null) return;
      if (verdict !== null) return this.end({ by: "gate", verdict });
      const took = clock.elapsed() - askedAt;
      if (took < GATES_HOLD * 1000) return;
      if (tries < TRIES) continue;
      const slow = tooSlow(took);
      say(journal, slow);
      this.end({ by: "gate", verdict: slow });
    }
  }

  /** The writer of a pass: none of its requests leaves by old gates. Who calls it has checked just before. */
  writer(): EngineWriter {
    const { writer } = this.ports;
    const checked =
      <Args extends unknown[], T>(send: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        await this.#checkGates();
        return send(...args);
      };
    return {
      removeContainer: checked((id) => writer.removeContainer(id)),
      removeImage: checked((id) => writer.removeImage(id)),
      removeTag: checked((reference) => writer.removeTag(reference)),
      removeNetwork: checked((id) => writer.removeNetwork(id)),
      stopContainer: checked((id, timeout) => writer.stopContainer(id, timeout)),
      commit: checked((...commit) => writer.commit(...commit)),
      pruneBuildCache: checked((unusedFor) => writer.pruneBuildCache(unusedFor)),
    };
  }
}

function tooSlow(milliseconds: number): Verdict {
  const seconds = milliseconds / 1000;
  const took = `the engine took ${seconds.toFixed(1)} s to tell which runs are live`;
  const reason = `${took}; after ${GATES_HOLD} s nobody knows any more`;
  return verdictsOf("live-run").unknown(reason, { tookSeconds: seconds });
}
