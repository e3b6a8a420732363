import { spawn } from "node:child_process";
import { Worker } from "node:worker_threads";
import type { Seconds } from "../units.ts";

/** How a command that acts is ended. From the first signal on it has {@link LAST} seconds. */
export interface Stop {
  /** Fires at the first reason to stop: what is under way is finished, nothing new begun. */
  readonly signal: AbortSignal;
  /** Fires a second later: what is under way is given up. */
  readonly giveUp: AbortSignal;
  /** Stops for a reason of our own. @param reason the end of a sentence, for the log */
  end(reason: string): void;
  /** Resolves once the watchdog listens, some 20 ms from the start; never where there is none. */
  readonly watched: Promise<void>;
}

const TOLD_TO_STOP = "told to stop";
const GRACE: Seconds = 1;
const LAST: Seconds = 2;

/** Why it was stopped: `"told to stop"` by a signal, else the reason that was given. */
export const stopReason = (signal: AbortSignal): string =>
  typeof signal.reason === "string" ? signal.reason : TOLD_TO_STOP;

let current: Stop | null = null;

/** `null`: this command does not act, and a signal ends it at once. */
export const currentStop = (): Stop | null => current;

/** From now on SIGTERM, SIGINT and SIGHUP stop in good order, and whatever hangs then is ended by a watchdog. */
export function stopOnSignals(): Stop {
  if (current !== null) return current;
  const stop = new AbortController();
  const giveUp = new AbortController();
  const end = (reason: string) => {
    if (stop.signal.aborted) return;
    stop.abort(reason);
    setTimeout(() => giveUp.abort(), GRACE * 1000).unref();
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => end(TOLD_TO_STOP));
  current = { signal: stop.signal, giveUp: giveUp.signal, end, watched: startWatchdog() };
  return current;
}

/**
 * A thread that hears the same signals and kills the process when it is still there {@link LAST} seconds later: for
 * what no deadline reaches, since it keeps JavaScript itself from running (a pattern that backtracks, a terminal that
 * is stopped, a filesystem that hangs). The kernel then lets the lock go. It takes some 10 ms beside the main thread.
 *
 * node hands signals to its main thread alone; its own binding, which `process.on` is made of, works in every thread.
 */
function startWatchdog(): Promise<void> {
  return new Promise((resolve) => {
    try {
      const watchdog = new Worker(WATCHDOG, { eval: true, stdin: false, execArgv: [], env: {} });
      watchdog
        .on("message", resolve)
        .on("error", () => {})
        .unref();
    } catch {
      // Without it the deadlines of what is waited for still hold.
    }
  });
}

/** As text: a compiled function would need what its compiler adds. SIGALRM kills, since nothing here handles it. */
const WATCHDOG = `
  process.noDeprecation = true;
  const { Signal } = process.binding("signal_wrap");
  const kill = () => process.kill(process.pid, "SIGALRM");
  const words = "ci-docker-prune: told to stop, and did not end within ${LAST} s: ended by force\\n";
  let told = false;
  for (const number of [1, 2, 15]) {
    const signal = new Signal();
    signal.onsignal = () => {
      if (!told) setTimeout(() => require("node:fs").write(2, words, kill), ${LAST * 1000} - 100);
      if (!told) setTimeout(kill, ${LAST * 1000});
      told = true;
    };
    signal.start(number);
  }
  require("node:worker_threads").parentPort.postMessage("listening");`;

/**
 * Kills this process a second from now, unless it has ended by then. Before process.exit() where a filesystem hangs:
 * node waits there for the thread that hangs with it.
 */
export function killUnlessEnded(): void {
  const script = 'timeout 1 cat >/dev/null || [ $? -ne 124 ] || kill -KILL "$0"';
  const child = spawn("sh", ["-c", script, String(process.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.on("error", () => {}).unref();
}
