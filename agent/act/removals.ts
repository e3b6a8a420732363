import { EngineError } from "../engine/errors.ts";
import { ALL_STATES, STOPPED_STATES } from "../engine/reader.ts";
import type { ImageDetail, Service } from "../engine/types.ts";
import {
  claimed,
  containerStopped,
  objectFailed,
  objectGone,
  objectKept,
  objectRemoved,
  objectUntagged,
} from "../log/events.ts";
import { judgeContainer } from "../plan/containers.ts";
import type { Candidates, PlanContext } from "../plan/decide.ts";
import { judgeImage } from "../plan/images.ts";
import { judgeOrphan, type OrphanFacts } from "../plan/orphans.ts";
import type { Judged, ReasonCode } from "../plan/plan.ts";
import { judgeMember } from "../plan/retention.ts";
import type { RetentionRule, Settings } from "../settings/settings.ts";
import { type ActPorts, type Ending, endingOf } from "./ports.ts";
import type { Tally } from "./tally.ts";

export interface Fate {
  /** Why the pass ends with this object; `null`: it goes on. */
  readonly ending: Ending | null;
  /** Told to stop before its turn was over: it stays, and nothing was sent. */
  readonly notReached?: boolean;
}

const GO_ON: Fate = { ending: null };

/** How one kind of object is looked at once more, and removed. */
interface Removal {
  /** The verdict by what is there now; `null`: it cannot be told any more. Throws EngineError, `gone` for 404. */
  judgeAgain(): Promise<Judged | null>;
  /** Throws EngineError. What came of it, where that is not simply that the object is gone. */
  remove(now: Judged): Promise<"only-names" | undefined>;
}

/** An auto-remove container takes a moment to go after its stop, and until then a deletion is refused (409). */
const GOING_AWAY_TRIES = 10;
const GOING_AWAY_PAUSE = 0.5;

/** Removes objects of a plan one by one; each outcome is in the log and in the tally before the next is begun. */
export class Removals {
  readonly #ports: ActPorts;
  readonly #candidates: Candidates;
  readonly #context: PlanContext;
  readonly #settings: Settings;
  readonly #tally: Tally;

  constructor(
    ports: ActPorts,
    candidates: Candidates,
    context: PlanContext,
    settings: Settings,
    tally: Tally,
  ) {
    this.#ports = ports;
    this.#candidates = candidates;
    this.#context = context;
    this.#settings = settings;
    this.#tally = tally;
  }

  remove(object: Judged): Promise<Fate> {
    return this.#attempt(object, this.#removalOf(object));
  }

  #removalOf(object: Judged): Removal {
    const { rule } = object;
    if (object.kind === "container") {
      return rule === undefined ? this.#leftover(object) : this.#orphan(object);
    }
    return rule === undefined ? this.#dangling(object) : this.#member(object);
  }

  #leftover({ id }: Judged): Removal {
    const { reader, writer, clock } = this.#ports;
    const summary = this.#candidates.containers.find((facts) => facts.summary.id === id)?.summary;
    return {
      judgeAgain: async () =>
        summary === undefined
          ? null
          : judgeContainer(
              { summary, detail: await reader.container(id, false) },
              this.#context.volumeKeepers,
              this.#settings.prune,
              clock.now(),
            ),
      remove: async () => void (await writer.removeContainer(id)),
    };
  }

  #dangling({ id }: Judged): Removal {
    const { reader, writer, clock } = this.#ports;
    const summary = this.#candidates.images.find((facts) => facts.summary.id === id)?.summary;
    return {
      judgeAgain: async () =>
        summary === undefined
          ? null
          : judgeImage(
              { summary, detail: await reader.image(id) },
              this.#context.images,
              this.#settings.prune,
              clock.now(),
            ),
      remove: async () => void (await writer.removeImage(id)),
    };
  }

  /** A running one is stopped first: the engine would refuse to remove it, and nothing here is forced. */
  #orphan(object: Judged): Removal {
    const { reader, writer, clock, journal } = this.#ports;
    const { id } = object;
    const facts = this.#candidates.ruled.orphans.find(({ summary }) => summary.id === id);
    let state = "";
    let stopped = false;
    return {
      judgeAgain: async () => {
        if (facts === undefined) return null;
        const detail = await reader.container(id, false);
        state = detail.state;
        return judgeOrphan({ ...facts, detail }, this.#settings.prune.keepLabels, clock.now());
      },
      remove: async () => {
        const { stopTimeout } = (facts as OrphanFacts).rule;
        if (STOPPED_STATES.every((stopped) => stopped !== state)) {
          stopped = await writer.stopContainer(id, stopTimeout);
          if (stopped) journal.emit(containerStopped(object, stopTimeout));
        }
        await this.#removeStopped(id, stopped);
        return undefined;
      },
    };
  }

  /**
   * One that removes itself once it has stopped is gone by our stop. Throws EngineError, `gone` where somebody else
   * removed it.
   */
  async #removeStopped(id: string, byUs: boolean): Promise<void> {
    const { reader, writer, clock, stop } = this.#ports;
    for (let tries = 1; ; tries++) {
      try {
        return await writer.removeContainer(id);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (error.kind === "gone" && (byUs || tries > 1)) return;
        if (error.kind !== "in-use" || tries >= GOING_AWAY_TRIES || stop.aborted) throw error;
      }
      await clock.sleep(GOING_AWAY_PAUSE, stop);
      try {
        await reader.container(id, false);
      } catch (error) {
        if (error instanceof EngineError && error.kind === "gone") return;
        throw error;
      }
    }
  }

  /**
   * Its users are asked for anew: of an image with two names the engine takes one away although a container uses it
   * (all versions). It is the names that go; the image goes with the last of them.
   */
  #member(object: Judged): Removal {
    const { reader, writer, clock } = this.#ports;
    const { id, rule: named = "", references = [] } = object;
    const rule = this.#ruleOf(named);
    const rank = this.#context.ranks.get(named)?.get(id);
    return {
      judgeAgain: async () => {
        if (rule === undefined || rank === undefined) return null;
        const image = await this.#lookAt(id, named);
        const still = references.filter((reference) => image.tags.includes(reference));
        if (still.length < references.length || (references.length === 0 && image.tags.length > 0))
          return {
            ...object,
            action: "keep",
            because: "tagged",
            reason: "its names changed since it was planned",
          };
        const users = {
          // Of an image whose last name goes the engine refuses the deletion while a container uses it; that list
          // takes seconds with 1000 containers on the containerd store.
          containers:
            image.tags.length > 1
              ? await reader.containers(ALL_STATES)
              : this.#context.retention.users.containers,
          services: await this.#services(),
        };
        const context = { ...this.#context.retention, users };
        return judgeMember(rule, { image, references }, rank, context, clock.now());
      },
      remove: async () => {
        if (references.length === 0) await writer.removeImage(id);
        else await this.#removeNames(object, references);
        return (await this.#isThere(id, claimed(object) === 0 && references.length > 0))
          ? "only-names"
          : undefined;
      },
    };
  }

  /** Throws EngineError, `gone` where none of the names was there any more; those that went before are told then. */
  async #removeNames(object: Judged, references: readonly string[]): Promise<void> {
    const { writer, journal } = this.#ports;
    const taken: string[] = [];
    let gone: EngineError | null = null;
    for (const reference of references) {
      try {
        await writer.removeTag(reference);
        taken.push(reference);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        if (error.kind !== "gone") {
          if (taken.length > 0) journal.emit(objectUntagged({ ...object, references: taken }));
          throw error;
        }
        gone = error;
      }
    }
    if (taken.length === 0 && gone !== null) throw gone;
  }

  #ruleOf(named: string): RetentionRule | undefined {
    return this.#candidates.ruled.families.find(({ rule }) => `retention/${rule.name}` === named)?.rule;
  }

  /** As it is now; labels that only the list told (an inspection may be without a config) count on. */
  async #lookAt(id: string, named: string): Promise<ImageDetail> {
    const image = await this.#ports.reader.image(id);
    const family = this.#candidates.ruled.families.find(({ rule }) => `retention/${rule.name}` === named);
    const planned = family?.members.find((member) => member.image.id === id)?.image;
    return { ...image, labels: { ...planned?.labels, ...image.labels } };
  }

  /** Those of now: this engine may have joined a swarm in mid-pass. */
  async #services(): Promise<readonly Service[]> {
    try {
      return await this.#ports.reader.services();
    } catch (error) {
      const none =
        error instanceof EngineError && error.kind === "unavailable" && !this.#candidates.ruled.manager;
      if (none) return [];
      throw error;
    }
  }

  /** A 200 says that a name went, not that the image did. @param believed where nobody can tell */
  async #isThere(id: string, believed: boolean): Promise<boolean> {
    try {
      await this.#ports.reader.image(id);
      return true;
    } catch (error) {
      if (error instanceof EngineError) return error.kind !== "gone" && believed;
      throw error;
    }
  }

  /** Looks once more, then deletes; tells outcomes apart by status. */
  async #attempt(object: Judged, { judgeAgain, remove }: Removal): Promise<Fate> {
    const { journal, stop } = this.#ports;
    let sent = false;
    try {
      const judged = await judgeAgain();
      if (judged === null || judged.action === "keep") {
        this.#keep(
          { ...object, ...judged },
          judged?.because ?? "unreadable",
          judged?.reason ?? "it could not be read",
        );
        return GO_ON;
      }
      if (stop.aborted) {
        this.#keep(object, "not-reached", "the pass ended before it came to this");
        return { ending: { by: "stop" }, notReached: true };
      }
      sent = true;
      if ((await remove(judged)) === "only-names") {
        journal.emit(objectUntagged(object));
        this.#tally.add(object, "untagged", object.because);
      } else this.#removed(object);
      return GO_ON;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.kind === "gone") {
        journal.emit(objectGone(object));
        this.#tally.add(object, "gone", object.because);
        return GO_ON;
      }
      if (error.kind === "in-use") {
        this.#keep(object, "in-use", "the engine refuses: it is in use (409)");
        return GO_ON;
      }
      const ending = error.endsThePass ? endingOf(error) : null;
      // The answer was lost, and with it whether the engine did it: an object that is gone now was removed by us.
      const untold = sent && (error.endsThePass || error.kind === "malformed");
      if (untold && error.kind !== "stopped" && (await isGone(judgeAgain))) {
        this.#removed(object);
        return { ending };
      }
      journal.emit(objectFailed(object, error.message, error.status ?? null, untold ? "unknown" : "no"));
      this.#tally.add(object, "failed", error.kind);
      return { ending };
    }
  }

  #removed(object: Judged): void {
    this.#ports.journal.emit(objectRemoved(object));
    this.#tally.addRemoved(object, claimed(object));
  }

  #keep(object: Judged, because: ReasonCode, reason: string): void {
    this.#ports.journal.emit(objectKept({ ...object, action: "keep", because, reason }));
    this.#tally.add(object, "kept", because);
  }
}

async function isGone(lookAgain: () => Promise<unknown>): Promise<boolean> {
  try {
    await lookAgain();
    return false;
  } catch (error) {
    if (error instanceof EngineError) return error.kind === "gone";
    throw error;
  }
}
