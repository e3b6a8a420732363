import { EngineError } from "../engine/errors.ts";
import { factUnknown } from "../log/events.ts";
import type { Judged, ObjectKind } from "../plan/plan.ts";
import type { ActPorts } from "./ports.ts";
import { type Outcome, STILL_THERE } from "./remove.ts";
import type { Report } from "./report.ts";

/** Which of these are still there. Throws EngineError. */
export type StillThere = (kind: ObjectKind, ids: readonly string[]) => Promise<ReadonlySet<string>>;

interface Held {
  readonly object: Judged;
  readonly outcome: Outcome;
}

/**
 * Tells outcomes, each at once: a line that waits is lost with the process. But an engine may answer 204 and remove
 * nothing, so its word has to prove true first: until something that it said is removed is gone, what it says is held.
 * All that was told on its word is confirmed together at the end of a kind; what is still there has failed after all.
 */
export class Confirmation {
  readonly #told: Judged[] = [];
  readonly #held: Held[] = [];
  /** Ids of those that were looked for, and found. */
  readonly #found = new Set<string>();
  #proved = false;

  constructor(
    private readonly ports: Pick<ActPorts, "journal">,
    private readonly report: Report,
    private readonly stillThere: StillThere,
  ) {}

  /** Until the engine's word has proved true, it looks for what was removed before it returns. */
  async tell(object: Judged, outcome: Outcome): Promise<void> {
    const held = { object, outcome };
    if (this.#proved || (this.#held.length === 0 && !isByWord(held))) this.#tell(held);
    else this.#held.push(held);
    if (!this.#proved && isByWord(held)) await this.#prove(object);
  }

  #tell(held: Held, missed?: string): void {
    this.report.tell(held.object, held.outcome);
    if (isByWord(held) && held.object.id !== missed) this.#told.push(held.object);
  }

  async #prove({ kind, id }: Judged): Promise<void> {
    try {
      const there = await this.stillThere(kind, [id]);
      if (there.has(id)) this.#found.add(id);
      else this.#proved = true;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
    if (!this.#proved) return;
    for (const held of this.#held.splice(0)) {
      if (this.#found.has(held.object.id)) this.#held.push(held);
      else this.#tell(held, id);
    }
  }

  /** At the end of a kind. Where nobody can tell what is there, the engine's word counts. */
  async settle(): Promise<void> {
    const told = this.#told.splice(0);
    const held = this.#held.splice(0);
    const unsure = [...told, ...held.filter(isByWord).map(({ object }) => object)];
    const [first] = unsure;
    let there: ReadonlySet<string> = new Set();
    try {
      const ids = unsure.map(({ id }) => id);
      if (first !== undefined) there = await this.stillThere(first.kind, ids);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const reason = `the engine's word counts, which nobody could confirm: ${error.message}`;
      this.ports.journal.emit(factUnknown("whether what was removed is gone", reason));
    } finally {
      for (const { object, outcome } of held)
        this.report.tell(object, isByWord({ object, outcome }) && there.has(object.id) ? LEFT : outcome);
    }
    for (const object of told.filter(({ id }) => there.has(id))) this.report.takeBack(object, LEFT);
  }
}

const LEFT: Outcome = { fate: "failed", error: STILL_THERE, unknown: false };

/** Nobody has looked since the engine said so. Of names of images, what takes them looks itself. */
const isByWord = ({ object: { kind, rule }, outcome }: Held): boolean =>
  outcome.fate === "removed" && outcome.error === undefined && (kind !== "image" || rule === undefined);
