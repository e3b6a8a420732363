import type { Clock } from "../host/clock.ts";

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
