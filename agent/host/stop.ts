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

/**
 * From now on SIGTERM, SIGINT and SIGHUP stop in good order, and whatever hangs is ended by a watchdog.
 * @param patience how long the main thread may not turn at all
 */
export function stopOnSignals(patience: Seconds = 60): Stop {
  if (current !== null) return current;
  const stop = new AbortController();
  const giveUp = new AbortController();
  const end = (reason: string) => {
    if (stop.signal.aborted) return;
    stop.abort(reason);
    setTimeout(() => giveUp.abort(), GRACE * 1000).unref();
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => end(TOLD_TO_STOP));
  current = { signal: stop.signal, giveUp: giveUp.signal, end, watched: startWatchdog(patience) };
  return current;
}

/**
 * A thread that kills the process for what no deadline reaches, since it keeps JavaScript itself from running (a
 * pattern that backtracks, a terminal that is stopped, a filesystem that hangs): {@link LAST} seconds after a signal,
 * and where the main thread has not turned for `patience` seconds. The kernel then lets the lock go. It takes some 5
 * ms.
 *
 * node hands signals to its main thread alone; its own binding, which `process.on` is made of, works in every thread,
 * but cannot be had from node 24 on. There the second rule is all, and systemd's TimeoutStopSec= for the service.
 */
function startWatchdog(patience: Seconds): Promise<void> {
  const turns = new Int32Array(new SharedArrayBuffer(4));
  setInterval(() => Atomics.add(turns, 0, 1), (patience * 1000) / 8).unref();
  return new Promise((resolve) => {
    try {
      const options = { eval: true, stdin: false, execArgv: [], env: {}, workerData: { turns, patience } };
      const watchdog = new Worker(WATCHDOG, options);
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
  const load = (name) => process.getBuiltinModule?.(name) ?? require(name);
  const { parentPort, workerData: { turns, patience } } = load("node:worker_threads");
  const kill = () => process.kill(process.pid, "SIGALRM");
  const say = (words) => load("node:fs").write(2, "ci-docker-prune: " + words + ": ended by force\\n", kill);
  let seen = 0;
  let still = 0;
  // Counted in looks, not in time: after a suspend the main thread has its turn first.
  setInterval(() => {
    const now = Atomics.load(turns, 0);
    still = now === seen ? still + 1 : 0;
    seen = now;
    if (still === 4) say("it has hung for " + patience + " s");
    if (still === 5) kill();
  }, patience * 250);
  let told = false;
  const onSignal = () => {
    if (!told) setTimeout(() => say("told to stop, and did not end within ${LAST} s"), ${LAST * 1000} - 100);
    if (!told) setTimeout(kill, ${LAST * 1000});
    told = true;
  };
  process.noDeprecation = true;
  try {
    const { Signal } = process.binding("signal_wrap");
    for (const number of [1, 2, 15]) {
      const signal = new Signal();
      signal.onsignal = onSignal;
      signal.start(number);
    }
  } catch {}
  parentPort.postMessage("listening");`;

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
