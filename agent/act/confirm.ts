import { EngineError } from "../engine/errors.ts";
import { factUnknown } from "../log/events.ts";
import type { Judged, ObjectKind } from "../plan/plan.ts";
import type { ActPorts } from "./ports.ts";
import type { Outcome } from "./remove.ts";
import type { Report } from "./report.ts";

/** Which of these are still there. Throws EngineError. */
export type StillThere = (kind: ObjectKind, ids: readonly string[]) => Promise<ReadonlySet<string>>;

interface Held {
  readonly object: Judged;
  readonly outcome: Outcome;
}

/**
 * Tells outcomes in their order, and a removal only once the engine does not list the object any more: it may answer
 * 204 and remove nothing. One list is for all that were removed since the last one.
 */
export class Confirmation {
  readonly #ports: Pick<ActPorts, "journal">;
  readonly #report: Report;
  readonly #stillThere: StillThere;
  readonly #held: Held[] = [];
  #asking: Promise<void> = Promise.resolve();
  #confirmed = false;
  #bug: { readonly error: unknown } | null = null;

  constructor(ports: Pick<ActPorts, "journal">, report: Report, stillThere: StillThere) {
    this.#ports = ports;
    this.#report = report;
    this.#stillThere = stillThere;
  }

  tell(object: Judged, outcome: Outcome): void {
    const held = { object, outcome };
    if (this.#held.length === 0 && !isByWord(held)) this.#report.tell(object, outcome);
    else this.#held.push(held);
  }

  /** Asks, while the work goes on. What is still listed is held on, as is all where no list can be read. */
  confirm(): Promise<void> {
    this.#asking = this.#asking.then(async () => {
      try {
        await this.#tellWhere(false);
      } catch (error) {
        if (!(error instanceof EngineError)) this.#bug ??= { error };
      }
    });
    return this.#asking;
  }

  /**
   * Once a pass, when the first have gone: whether the engine does what it says, and whether anybody reads the log.
   * Their lines are written before more is sent.
   */
  async confirmFirst(): Promise<void> {
    if (!this.#confirmed) await this.confirm();
    this.#confirmed = true;
  }

  /** Tells the rest. What is still there has failed; where nobody can tell, the engine's word counts. */
  async settle(): Promise<void> {
    await this.#asking;
    try {
      await this.#tellWhere(true);
    } catch (error) {
      if (!(error instanceof EngineError)) this.#bug ??= { error };
      const reason = `the engine's word counts, which nobody could confirm: ${(error as Error).message}`;
      this.#ports.journal.emit(factUnknown("whether what was removed is gone", reason));
      for (const { object, outcome } of this.#held.splice(0)) this.#report.tell(object, outcome);
    }
    if (this.#bug !== null) throw this.#bug.error;
  }

  async #tellWhere(last: boolean): Promise<void> {
    const asked = [...this.#held];
    const unsure = asked.filter(isByWord).map(({ object }) => object);
    const [first] = unsure;
    const ids = unsure.map(({ id }) => id);
    const there = first === undefined ? new Set() : await this.#stillThere(first.kind, ids);
    const still: Held[] = [];
    for (const held of asked) {
      const { object, outcome } = held;
      if (!isByWord(held) || !there.has(object.id)) this.#report.tell(object, outcome);
      else if (last) this.#report.tell(object, { fate: "failed", error: LEFT, unknown: false });
      else still.push(held);
    }
    this.#held.splice(0, asked.length, ...still);
  }
}

const LEFT = new EngineError("refused", "the engine said that it was removed, and it is still there");

/** Nobody has looked since the engine said so. Of names of images, what takes them looks itself. */
const isByWord = ({ object: { kind, rule }, outcome }: Held): boolean =>
  outcome.fate === "removed" && outcome.error === undefined && (kind !== "image" || rule === undefined);
