import { factUnknown } from "../log/events.ts";
import type { Judged } from "../plan/plan.ts";
import type { ActPorts } from "./ports.ts";
import { type Outcome, STILL_THERE } from "./remove.ts";
import type { Report } from "./report.ts";
import type { Targets } from "./targets.ts";

/**
 * Tells outcomes, each at once: a line that waits is lost with the process. But an engine may answer 204 and remove
 * nothing, so its word has to prove true first: until something that it said is removed is gone, what it says is held.
 * All that was told on its word is confirmed together at the end of a kind; what is still there has failed after all.
 */
export class Confirmation {
  readonly #told: Judged[] = [];
  readonly #held = new Set<Judged>();
  /** Of those, what was looked for and found. */
  readonly #found = new Set<Judged>();
  #proved = false;

  constructor(
    private readonly ports: Pick<ActPorts, "journal">,
    private readonly report: Report,
    private readonly targets: Pick<Targets, "stillThere">,
  ) {}

  /** Until the engine's word has proved true, it looks for what was removed before it returns. */
  async tell(object: Judged, outcome: Outcome): Promise<void> {
    const byWord = isByWord(object, outcome);
    if (byWord && !this.#proved) {
      this.#held.add(object);
      const there = await this.targets.stillThere([object]);
      if (!there.known) return;
      if (there.value.has(object.id)) this.#found.add(object);
      else this.#prove(object);
    } else {
      if (byWord) this.#told.push(object);
      this.report.tell(object, outcome);
    }
  }

  /** All that waits is told, but for what a look has found: nobody could tell of the others. */
  #prove(missed: Judged): void {
    this.#proved = true;
    for (const object of this.#held) {
      if (this.#found.has(object)) continue;
      this.#held.delete(object);
      this.report.tell(object, REMOVED);
      if (object !== missed) this.#told.push(object);
    }
  }

  /** At the end of a kind. Where nobody can tell what is there, the engine's word counts. */
  async settle(): Promise<void> {
    const told = this.#told.splice(0);
    const held = [...this.#held];
    if (told.length + held.length === 0) return;
    this.#held.clear();
    let isThere = (_: Judged) => false;
    try {
      const there = await this.targets.stillThere([...told, ...held]);
      if (there.known) isThere = ({ id }) => there.value.has(id);
      else {
        const reason = `the engine's word counts, which nobody could confirm: ${there.reason}`;
        this.ports.journal.emit(factUnknown("whether what was removed is gone", reason));
      }
    } finally {
      for (const object of held) this.report.tell(object, isThere(object) ? LEFT : REMOVED);
    }
    for (const object of told.filter(isThere)) this.report.takeBack(object, LEFT);
  }
}

const REMOVED: Outcome = { fate: "removed" };
const LEFT: Outcome = { fate: "failed", error: STILL_THERE, unknown: false };

/** Nobody has looked since the engine said so. Of names of images, what takes them looks itself. */
const isByWord = ({ kind, rule }: Judged, outcome: Outcome): boolean =>
  outcome.fate === "removed" && outcome.error === undefined && (kind !== "image" || rule === undefined);
