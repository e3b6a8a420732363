import { EngineError } from "../engine/errors.ts";
import { CONCURRENCY, inParallel } from "../engine/tolerant.ts";
import type { Labels } from "../engine/types.ts";
import { event, objectEvent } from "../log/events.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/rule-names.ts";
import { sameWorkItem } from "../settings/rules.ts";
import { pruneBuildCache } from "./build-cache.ts";
import { Confirmation } from "./confirm.ts";
import { Ended, GatesGuard } from "./guard.ts";
import { removeNameless } from "./nameless.ts";
import { type Acted, type ActPorts, endingOf, type Judgement } from "./ports.ts";
import { remove } from "./remove.ts";
import { Report, type Step } from "./report.ts";
import { Targets } from "./targets.ts";
import { inWaves, type Made } from "./waves.ts";

/** So many of a step go one by one before several at once do: what goes wrong from the start goes wrong once. */
const ALONE = 2;

/** Seconds between the removal of images and that of the images they were made on: more where the engine is slow. */
const CHILD_GONE_PAUSE = { least: 3, most: 30 };
/** So many times as long as the slowest of those removals took. */
const TIMES_SLOWEST = 10;

/**
 * The rules and networks first, since the prune may end early with room enough; containers before the images they hold;
 * the build cache last: its prune fails on a full disk on 28.5. What only an emergency lets go is after all that.
 */
const STEPS: readonly Step[] = [
  { by: "orphans", kind: "container" },
  { by: "retention", kind: "image" },
  { by: "prune", kind: "network" },
  { by: "prune", kind: "container" },
  { by: "prune", kind: "image" },
  { by: "prune", kind: "build-cache" },
  { by: "emergency", kind: "container" },
  { by: "emergency", kind: "image" },
  { by: "emergency", kind: "build-cache" },
  { by: "cache", kind: "image" },
];

const stepOf = ({ rule, inEmergency }: Judged): string =>
  inEmergency ? "emergency" : (rule?.split("/")[0] ?? "prune");

/** Steps of the prune, which is about room on the disk. */
const isOfPrune = (by: Step["by"]): boolean => by === "prune" || by === "emergency";

export interface Work extends Judgement {
  readonly plan: Plan;
  /** The pass is also about `prune`, which ends where the low watermark is reached. */
  readonly pressed: boolean;
}

/**
 * Goes through this very plan; what was planned is looked at immediately before it is deleted, by the same rules, and
 * most of it for the first time then. Engine errors are in the log and the ending; only bugs throw, after what was
 * under way has ended.
 */
export async function execute(ports: ActPorts, work: Work): Promise<Acted> {
  return new Execution(ports, work).run();
}

class Execution {
  readonly #guard: GatesGuard;
  readonly #targets: Targets;
  readonly #report: Report;
  readonly #confirmation: Confirmation;
  readonly #images: ReadonlyMap<string, Made>;
  readonly #below: string[] = [];
  /** There was an emergency when the work began: the build cache has two turns. */
  readonly #twice: boolean;
  #bug: { readonly error: unknown } | null = null;
  #done = 0;
  #changed = false;
  /** Milliseconds that the engine took for one removal of this step, at most, since the last pause. */
  #slowest = 0;

  constructor(
    private readonly ports: ActPorts,
    private readonly work: Work,
  ) {
    const { images, ruled } = work.candidates;
    this.#guard = new GatesGuard(ports);
    this.#targets = new Targets(ports, this.#guard, work);
    this.#report = new Report(ports);
    this.#twice = ports.emergency() !== null;
    this.#confirmation = new Confirmation(ports, this.#report, this.#targets);
    // Of a nameless image only a child of its own matters: one that merely begins with the same layers loses nothing.
    const dangling = images.map(({ summary: { id, parentId }, detail }) => ({
      id,
      parentId: detail?.parentId || parentId,
      layers: [],
    }));
    const named = ruled.families.flatMap(({ members }) => members.map(({ image }) => image));
    this.#images = new Map([...dangling, ...named].map((image) => [image.id, image]));
  }

  async run(): Promise<Acted> {
    const { tally } = this.ports;
    const { plan, settings, pressed } = this.work;
    for (const object of plan.keep) tally.add(object, "kept", object.because);
    const stepsLeft: Step[] = [];
    let steps = 0;
    for (const step of STEPS) {
      const planned = step.by === "cache" ? (plan.evict ?? []) : plan.remove;
      const objects = planned.filter((object) => object.kind === step.kind && stepOf(object) === step.by);
      const wanted =
        step.kind === "build-cache"
          ? pressed && settings.prune.buildCache && (step.by === "prune" || this.#twice)
          : objects.length > 0;
      if (!wanted) continue;
      // The gates have just been asked when the first step starts.
      await this.#mayStart(step, steps++ === 0);
      const { ending } = this.#guard;
      if (ending === null) await this.#take(step, objects);
      else if (step.by === "cache" && ending.by === "low-watermark") this.#report.spare(objects);
      else {
        stepsLeft.push(step);
        this.#report.leave(objects);
      }
      if (this.#bug !== null) throw this.#bug.error;
    }
    const { ending } = this.#guard;
    if (ending !== null) this.#report.ended(ending, stepsLeft, this.ports.stop);
    const { looked } = this.#targets.leftovers;
    return { ending, below: this.#below, looked, changed: this.#changed };
  }

  async #mayStart(step: Step, first: boolean): Promise<void> {
    await this.#endWithRoomEnough(step);
    if (first || this.#guard.ending !== null) return;
    try {
      await this.#guard.ask();
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
  }

  async #endWithRoomEnough({ by, kind }: Step): Promise<void> {
    const { pressed } = this.work;
    // What networks use up is addresses, whatever room there is on the disk.
    if (!isOfPrune(by) || kind === "network" || !pressed || this.#guard.ending !== null) return;
    if (await this.ports.roomEnough()) this.#guard.end({ by: "low-watermark" });
  }

  async #take(step: Step, objects: readonly Judged[]): Promise<void> {
    const { journal, clock, tally } = this.ports;
    const before = tally.sums;
    const startedAt = clock.elapsed();
    if (step.kind === "build-cache") {
      const turn = step.by === "emergency" ? "second" : this.#twice ? "first" : "only";
      await pruneBuildCache(this.ports, this.#guard, this.work.settings.prune, turn);
    } else if (step.by === "cache") await this.#evict(step, objects);
    else {
      try {
        await this.#removeAll(step, objects);
      } finally {
        await this.#catchBug(() => this.#confirmation.settle());
      }
    }
    const after = tally.sums;
    journal.emit(
      event("step.finished", {
        ...step,
        removed: after.removed - before.removed,
        kept: after.kept - before.kept,
        gone: after.gone - before.gone,
        failed: after.failed - before.failed,
        claimedBytes: after.claimedBytes - before.claimedBytes,
        durationSeconds: (clock.elapsed() - startedAt) / 1000,
      }),
    );
  }

  /**
   * Several at once, but the first ones alone. One by one where a stop takes its time, and where the pass ends as soon
   * as there is room enough.
   */
  async #removeAll(step: Step, objects: readonly Judged[]): Promise<void> {
    const [first = [], ...later] = inWaves(objects, this.#images);
    this.#slowest = 0;
    const untilRoom =
      isOfPrune(step.by) && this.work.pressed && this.work.settings.disk.lowWatermark !== null;
    const concurrency = step.by === "orphans" || untilRoom ? 1 : CONCURRENCY;
    await this.#removeWave(step, first.slice(0, ALONE), 1);
    await this.#removeWave(step, first.slice(ALONE), concurrency);
    for (const wave of later) {
      if (!isOfPrune(step.by) || (await this.#mayTakeParents(wave)))
        await this.#removeWave(step, wave, concurrency);
    }
  }

  /** The last tier: one image at a time, and no more than the disk asks for. */
  async #evict(step: Step, objects: readonly Judged[]): Promise<void> {
    const { tally } = this.ports;
    for (const [at, object] of objects.entries()) {
      if (this.#guard.ending === null && !(await this.ports.needsRoom(tally.ofRule("cache/evict").removed))) {
        this.#report.spare(objects.slice(at));
        return;
      }
      await this.#catchBug(() => this.#removeOne(step, object));
    }
  }

  async #removeWave(step: Step, wave: readonly Judged[], concurrency: number): Promise<void> {
    await inParallel(wave, (object) => this.#catchBug(() => this.#removeOne(step, object)), concurrency);
  }

  /**
   * Before images go on which those just removed were made: a classic build that missed one of these in its cache
   * starts a container from its parent now, which takes a moment, and then the engine refuses to remove that parent.
   */
  async #mayTakeParents(parents: readonly Judged[]): Promise<boolean> {
    const { clock, stop } = this.ports;
    try {
      await this.#guard.check();
      const { least, most } = CHILD_GONE_PAUSE;
      await clock.sleep(Math.min(most, Math.max(least, (TIMES_SLOWEST * this.#slowest) / 1000)), stop);
      this.#slowest = 0;
      await this.#guard.check();
      await this.#targets.readParents();
      return true;
    } catch (error) {
      if (error instanceof Ended) {
        for (const object of parents)
          await this.#confirmation.tell(object, { fate: "not-reached", ending: error.ending });
        return false;
      }
      if (!(error instanceof EngineError)) throw error;
      if (error.endsThePass) this.#guard.end(endingOf(error));
      const reason = `whether another image was built on it could not be read: ${error.message}`;
      for (const object of parents)
        await this.#confirmation.tell(object, { fate: "kept", kept: { because: "unreadable", reason } });
      return false;
    }
  }

  /** A bug ends the work of all; what is under way is waited for, and told. */
  async #catchBug(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#bug ??= { error };
      this.#guard.end({ by: "stop" });
    }
  }

  async #removeOne(step: Step, object: Judged): Promise<void> {
    await this.#endWithRoomEnough(step);
    const { ending } = this.#guard;
    if (ending !== null) {
      await this.#confirmation.tell(object, { fate: "not-reached", ending });
      return;
    }
    const target = this.#targets.of(object);
    const send = () => {
      const sentAt = this.ports.clock.elapsed();
      const sent = target.send();
      const note = () => {
        this.#slowest = Math.max(this.#slowest, this.ports.clock.elapsed() - sentAt);
      };
      sent.then(note, () => {});
      return sent;
    };
    const outcome = await remove({ ...target, send }, this.#guard);
    this.ports.progress(++this.#done, this.work.plan.remove.length);
    this.#changed ||= outcome.fate === "gone" || (outcome.fate === "kept" && outcome.error !== undefined);
    if (object.kind === "container" && !["removed", "gone"].includes(outcome.fate))
      this.#targets.leftovers.keeps(object);
    await this.#confirmation.tell(this.#targets.leftovers.asSeen(object), outcome);
    if (outcome.fate === "removed" && object.rule === `retention/${SNAPSHOT_RULE}`)
      await this.#removeBelow(object);
  }

  /**
   * What resumed runs left nameless below a snapshot goes with it: on classic stores each commit keeps the snapshot it
   * was resumed from for as long as there is one above it. Below other images it stays: labels are handed down, and it
   * may serve a build. What cannot be removed is left to the prune.
   */
  async #removeBelow(above: Judged): Promise<void> {
    const { journal, tally } = this.ports;
    const image = this.#targets.memberOf(above);
    if (image === undefined) return;
    const ofItem = (labels: Labels) => sameWorkItem(labels, image.labels);
    const ports = { reader: this.ports.reader, writer: this.#guard.writer() };
    const { removed } = await removeNameless(ports, this.#guard, image.parentId, ofItem);
    for (const id of removed) {
      const unknown = { sizeBytes: null, ageSeconds: null, ageBasis: "none" } as const;
      const reason = "it lay nameless below a snapshot that is gone";
      const below = { ...above, ...unknown, id, names: [], references: [], reason };
      journal.emit(objectEvent("removed", below));
      // Not in the rule's own count: that names the snapshots, not what lay below them.
      const { rule: _, ...uncounted } = below;
      tally.addRemoved(uncounted, 0);
      this.#below.push(id);
    }
  }
}
