import type { Seconds } from "../units.ts";
import { currentStop } from "./stop.ts";

/**
 * Standard output and error are written without waiting: a reader that is late (a pager, a log shipper, journald) would
 * else hold up all that has to go on, the end of the program included. So whoever needs a line to be out waits for it.
 */

/** Nobody reads any more. */
const STALL: Seconds = 60;
/** After being told to stop: what a reader takes at once. */
const LAST_WORDS: Seconds = 0.3;

/**
 * Waits until the reader has everything that was written to standard output.
 * @returns `false` where nothing was taken for a minute, the stop came before all was, or the reader of a socket (the
 *   journal) is gone; that of a pipe shows only when something is written
 */
export async function outputTaken(): Promise<boolean> {
  return taken(process.stdout, STALL);
}

/** The same at the end of the program, of both streams. A pager may take its time where nothing is to be let go. */
export async function drain(): Promise<boolean> {
  const patience = currentStop() === null ? null : STALL;
  const all = await Promise.all([taken(process.stdout, patience), taken(process.stderr, patience)]);
  return all.every(Boolean);
}

function taken(stream: NodeJS.WriteStream, patience: Seconds | null): Promise<boolean> {
  if (stream.destroyed) return Promise.resolve(true);
  // Behind nothing, an empty chunk is written at once.
  if (stream.writableLength === 0) return new Promise((resolve) => stream.write("", () => resolve(true)));
  const stop = currentStop()?.signal;
  return new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = [];
    const giveUpIn = (seconds: Seconds) => timers.push(setTimeout(() => end(false), seconds * 1000));
    const onStop = () => giveUpIn(LAST_WORDS);
    const end = (all: boolean) => {
      for (const timer of timers) clearTimeout(timer);
      stop?.removeEventListener("abort", onStop);
      resolve(all);
    };
    if (patience !== null) giveUpIn(patience);
    if (stop?.aborted) onStop();
    else stop?.addEventListener("abort", onStop, { once: true });
    // An empty chunk behind all others: of a stream that broke, its own "error" event tells.
    stream.write("", () => end(true));
  });
}
