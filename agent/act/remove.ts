import { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Clock } from "../host/clock.ts";
import type { Judged } from "../plan/plan.ts";
import { Ended, GATES_HOLD, type StopGuard } from "./guard.ts";
import { type Ending, endingOf } from "./ports.ts";

/** Why something stays, with what the look saw of it. */
export type Kept = Pick<Judged, "because" | "reason"> & Partial<Judged>;

/** Something that is to go. Its methods throw EngineError, `gone` where it is not there (any more). */
export interface Target {
  /** Looks at it once more. Returns why it stays; `null`: it goes. */
  look(): Promise<Kept | null>;
  /** What the last look went by is not what is there now; absent: it is, if the look is young. */
  isStale?(): boolean;
  /** Sends what removes it. Returns `"only-names"` where it lost its names and is still there. */
  send(): Promise<"only-names" | undefined>;
  /** Looks whether it is there, after an answer that was lost; absent: as `look` does. */
  find?(): Promise<unknown>;
}

export type Outcome =
  /** `error`: the answer was lost, and it is gone. */
  | { readonly fate: "removed"; readonly error?: EngineError }
  | { readonly fate: "untagged" }
  | { readonly fate: "gone" }
  | { readonly fate: "kept"; readonly kept: Kept; readonly error?: EngineError }
  /** `unknown`: the request was sent, and what came of it was not told. */
  | { readonly fate: "failed"; readonly error: EngineError; readonly unknown: boolean }
  /** The work ended before its turn was over: nothing was sent, or not all of it. */
  | { readonly fate: "not-reached"; readonly ending: Ending };

/** Milliseconds: what was seen longer ago is looked at again. */
export const LOOK_HOLDS = 500;

/**
 * Removes one thing: looks at it immediately before, sends, and tells outcomes apart by status. Engine errors are
 * returned; only bugs throw. An engine that does not answer ends the work of everybody who shares the guard.
 */
export async function remove(target: Target, guard: StopGuard): Promise<Outcome> {
  let sent = false;
  try {
    await guard.check();
    const { clock } = guard;
    const askedAt = clock.elapsed();
    let kept = await target.look();
    if (kept === null) {
      const seenAt = clock.elapsed();
      await guard.check();
      // Nobody knows when an answer that took long was true: then it is as old as its question.
      const isOld = clock.elapsed() - seenAt > LOOK_HOLDS || seenAt - askedAt > GATES_HOLD * 1000;
      if (isOld || target.isStale?.()) kept = await target.look();
    }
    if (kept !== null) return { fate: "kept", kept };
    sent = true;
    return (await target.send()) === "only-names" ? { fate: "untagged" } : { fate: "removed" };
  } catch (error) {
    if (error instanceof Ended) return { fate: "not-reached", ending: error.ending };
    if (!(error instanceof EngineError)) throw error;
    if (error.endsThePass) guard.end(endingOf(error));
    if (error.kind === "gone") return { fate: "gone" };
    if (error.kind === "in-use") return { fate: "kept", kept: IN_USE, error };
    // The answer was lost, and with it whether the engine did it: what is gone now was removed by us.
    const unknown = sent && (error.endsThePass || error.kind === "malformed");
    return unknown && error.kind !== "stopped" && (await isGone(target))
      ? { fate: "removed", error }
      : { fate: "failed", error, unknown };
  }
}

export const STILL_THERE = new EngineError(
  "refused",
  "the engine said that it was removed, and it is still there",
);

export const UNREADABLE: Kept = { because: "unreadable", reason: "it could not be read" };

export const keptBy = (judged: Judged): Kept | null => (judged.action === "keep" ? judged : null);

const IN_USE: Kept = { because: "in-use", reason: "the engine refuses: it is in use (409)" };

async function isGone(target: Target): Promise<boolean> {
  try {
    await (target.find === undefined ? target.look() : target.find());
    return false;
  } catch (error) {
    if (error instanceof EngineError) return error.kind === "gone";
    throw error;
  }
}

/** Where a container and names of images are taken away. */
export interface Remover {
  readonly reader: EngineReader;
  readonly writer: EngineWriter;
  readonly clock: Clock;
  readonly stop: AbortSignal;
}

/** One that is going away already, as after a stop where it removes itself, takes a moment. */
const GOING_AWAY_TRIES = 10;
const GOING_AWAY_PAUSE = 0.5;
const STOPPED = ["removing", "exited", "dead", "created"];

/**
 * Removes a container that may be going away by itself: a refusal (409) is tried again while it does not run. Throws
 * EngineError, `gone` where somebody else had removed it.
 * @param stoppedByUs then one that is gone went by our stop
 */
export async function removeContainer(remover: Remover, id: string, stoppedByUs: boolean): Promise<void> {
  const { reader, writer, clock, stop } = remover;
  for (let tries = 1; ; tries++) {
    try {
      return await writer.removeContainer(id);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.kind === "gone" && (stoppedByUs || tries > 1)) return;
      if (error.kind !== "in-use" || tries >= GOING_AWAY_TRIES || stop.aborted) throw error;
    }
    try {
      const { state } = await reader.container(id, false);
      if (!STOPPED.includes(state)) throw new EngineError("in-use", `it is ${state}`, 409);
    } catch (error) {
      if (error instanceof EngineError && error.kind === "gone") return;
      throw error;
    }
    await clock.sleep(GOING_AWAY_PAUSE, stop);
  }
}

/**
 * Takes names off an image, one by one; it goes with the last. Throws EngineError, `gone` where none was there any
 * more.
 * @param taken gets each that went, also where a later one could not be taken
 */
export async function removeNames(writer: EngineWriter, references: readonly string[], taken: string[]) {
  let gone: EngineError | null = null;
  for (const reference of references) {
    try {
      await writer.removeTag(reference);
      taken.push(reference);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== "gone") throw error;
      gone = error;
    }
  }
  if (taken.length === 0 && gone !== null) throw gone;
}
