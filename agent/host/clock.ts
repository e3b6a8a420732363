import type { Seconds } from "../units.ts";

/** Time, from outside: the only home of Date.now, so that every decision can be handed its own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment, never going back: for how long something takes. */
  elapsed(): number;
  /** Resolves after so many seconds, or at once when the signal fires. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(), the same clock: loading it takes a quiet pass longer.
  elapsed: () => Number(process.hrtime.bigint()) / 1e6,
  sleep: (seconds, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      signal?.addEventListener("abort", done, { once: true });
    }),
};

/** Between two looks at something that takes milliseconds. */
export const PAUSE: Seconds = 0.005;

/** Waits without turning to anything else: for code that must come to its end before anything else happens. */
export function pause(seconds: Seconds): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

/**
 * For one command: where the clock on the wall is set forward meanwhile, nothing ages by that; where it is set back, it
 * is followed. So nothing is ever taken for older than it is by one of the two.
 */
export function commandClock({ now, elapsed, sleep }: Clock = systemClock): Clock {
  const [startedAt, startedElapsed] = [now(), elapsed()];
  const steady = () => Math.floor(startedAt + elapsed() - startedElapsed);
  return { elapsed, sleep, now: () => Math.min(now(), steady()) };
}
