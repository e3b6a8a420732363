import { EngineError } from "../engine/errors.ts";
import type { Clock } from "../host/clock.ts";
import { isDangling } from "../plan/images.ts";
import { carries, type Identity } from "./identity.ts";
import { unlessGone } from "./look.ts";
import type { SnapshotPorts } from "./ports.ts";

/** Seconds that a request under way still gets after the command was told to stop; launchers kill after 10 or more. */
const GRACE = 4;

export type Waited<T> = { readonly settled: true; readonly value: T } | { readonly settled: false };

/** Waits for `work`; after being told to stop no longer than {@link GRACE}. The engine may go on with it. */
export async function withinGrace<T>(work: Promise<T>, stop: AbortSignal, clock: Clock): Promise<Waited<T>> {
  let onStop = () => {};
  const late = new Promise<Waited<T>>((resolve) => {
    onStop = () => void clock.sleep(GRACE).then(() => resolve({ settled: false }));
    if (stop.aborted) onStop();
    else stop.addEventListener("abort", onStop, { once: true });
  });
  work.catch(() => {}); // where nobody waits for it any more
  try {
    return await Promise.race([work.then((value): Waited<T> => ({ settled: true, value })), late]);
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

/** What became of something that was to go. */
export interface Removal {
  readonly gone: boolean;
  /** Why it is still there; for what is gone: how it went. */
  readonly reason: string;
  /** The engine did not answer. */
  readonly away: boolean;
}

const gone = (reason: string): Removal => ({ gone: true, reason, away: false });
const stays = (reason: string, away = false): Removal => ({ gone: false, reason, away });

/** Of a container that is being removed already. */
const GOING_AWAY_TRIES = 10;
const GOING_AWAY_PAUSE = 0.5;

/** Never by force: one that runs stays. Throws nothing that the engine does. */
export async function removeContainer(ports: SnapshotPorts, id: string): Promise<Removal> {
  const { writer, clock, stop } = ports;
  try {
    const waited = await withinGrace(writer.removeContainer(id), stop, clock);
    if (waited.settled) return gone("removed");
    return stays("told to stop while its removal was under way: the engine may still finish it");
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.kind === "gone") return gone("it was gone already");
    return await secondLook(ports, id, error);
  }
}

/** It was refused (409), or its answer was lost: what is there says what came of it. */
async function secondLook(ports: SnapshotPorts, id: string, error: EngineError): Promise<Removal> {
  const { reader, clock, stop } = ports;
  try {
    for (let tries = 1; ; tries++) {
      const container = await unlessGone(reader.container(id, false));
      if (container === null) return gone("removed");
      if (container.state !== "removing" || tries >= GOING_AWAY_TRIES || stop.aborted) {
        const why = error.kind === "in-use" ? `it is ${container.state}` : error.message;
        return stays(why, error.endsThePass);
      }
      await clock.sleep(GOING_AWAY_PAUSE, stop);
    }
  } catch (again) {
    if (!(again instanceof EngineError)) throw again;
    return stays(error.message, again.endsThePass);
  }
}

/** What became of images without a name. */
export interface Cleared {
  /** Ids. */
  readonly removed: readonly string[];
  /** The first that is still there; `null`: there is none any more. */
  readonly left: {
    readonly id: string;
    readonly because: "named" | "in-use" | "built-on" | "not-reached" | "failed" | "away";
    readonly reason: string;
  } | null;
}

/** The engine allows fewer layers than this in an image, and each commit adds one. */
const LONGEST_CHAIN = 200;

/**
 * Removes an image that was a snapshot of this work item and has lost its name to a later one, then those below it in
 * turn: the classic store keeps each one that a resumed container was committed on, nameless, for as long as there is
 * one above it. Ends at the first that is not such an image. Throws nothing that the engine does.
 */
export async function removeNameless(ports: SnapshotPorts, id: string, identity: Identity): Promise<Cleared> {
  const { reader, writer } = ports;
  const removed: string[] = [];
  let next = id;
  try {
    while (next !== "" && removed.length < LONGEST_CHAIN) {
      const image = await unlessGone(reader.image(next));
      if (image === null || !carries(image.labels, identity)) break;
      if (!isDangling(image)) {
        const reason = `it has the name ${[...image.tags, ...image.digests].join(", ")}`;
        return { removed, left: { id: next, because: "named", reason } };
      }
      await unlessGone(writer.removeImage(next));
      removed.push(next);
      next = image.parentId;
    }
    return { removed, left: null };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const because = error.endsThePass ? "away" : error.kind === "in-use" ? "in-use" : "failed";
    return { removed, left: { id: next, because, reason: error.message } };
  }
}

/** One name of an image; the image goes with its last. Throws nothing that the engine does. */
export async function removeName(ports: SnapshotPorts, id: string, reference: string): Promise<Removal> {
  const { reader, writer } = ports;
  try {
    await writer.removeTag(reference);
    return gone("removed");
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.kind === "gone") return gone("it was gone already");
    if (error.kind === "in-use") return stays("the engine refuses: it is in use (409)");
    try {
      const image = await unlessGone(reader.image(id));
      if (image === null || !image.tags.includes(reference)) return gone("removed");
    } catch (again) {
      if (!(again instanceof EngineError)) throw again;
    }
    return stays(error.message, error.endsThePass);
  }
}
