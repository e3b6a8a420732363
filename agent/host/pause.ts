import type { Seconds } from "../units.ts";

/** Between two looks at something that takes milliseconds. */
export const PAUSE: Seconds = 0.005;

/** Waits without turning to anything else: for code that must come to its end before anything else happens. */
export function pause(seconds: Seconds): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}
