import { join } from "node:path";
import type { CommonOptions } from "./cli/context.ts";
import { Door } from "./engine/door.ts";
import { BASE_PERMISSIONS } from "./engine/envelope.ts";
import { EngineError } from "./engine/errors.ts";
import { Reader } from "./engine/reader.ts";
import { listen } from "./engine/watcher.ts";
import { Exit } from "./exit.ts";
import { systemClock } from "./host/clock.ts";
import { readFilesystems } from "./host/disk.ts";
import { replaceFile } from "./host/files.ts";
import { UnsafeFile } from "./host/paths.ts";
import { stateDirectory } from "./host/places.ts";
import { Recorder } from "./observe/recorder.ts";
import { readPressure, rememberedRoots } from "./pass/pressure.ts";
import { loadSettings } from "./settings/load.ts";
import type { Settings } from "./settings/settings.ts";
import { heardUntil } from "./state/ledger.ts";
import { loadCore } from "./state/state.ts";
import { visible } from "./text.ts";

/**
 * `watch`: listens to the engine and writes the ledger of uses. A file of its own in the bundle, since it is there all
 * the time: it loads neither the command line nor dockerode.
 */

/** Events of so many seconds are written together. */
const BATCH = 1;
/** Seconds for an answer that is not the stream of events. */
const DEADLINE = 30;
/** Seconds between two tries to reach the engine: doubled each time, up to the second. */
const RETRY = [1, 60] as const;
/** A pass is asked for at most so often, in seconds. */
const CALL_EVERY = 60;
/** What `ci-docker-prune-pressure.path` waits for. */
const PRESSURE_FILE = "pressure";

export async function main(options: CommonOptions): Promise<void> {
  const loaded = loadSettings(options.settings);
  if (!loaded.ok) {
    for (const { path, found, expected } of loaded.problems)
      say(new Error(`the settings: ${path}: found ${found}, expected ${expected}`));
    process.exitCode = Exit.settings;
    return;
  }
  const { stateDir } = loaded.settings;
  let dir: string;
  try {
    dir = stateDirectory(options.stateDir, stateDir);
  } catch (error) {
    say(error);
    process.exitCode = Exit.usage;
    return;
  }
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  process.exitCode = Exit.ok;
  await watch(loaded.settings, dir, stop.signal);
}

async function watch(settings: Settings, dir: string, stop: AbortSignal): Promise<void> {
  const { socketPath } = settings.engine;
  const permissions = { ...BASE_PERMISSIONS, ageLimit: Number.MAX_SAFE_INTEGER };
  const door = new Door({ socketPath, timeout: DEADLINE, permissions, giveUp: stop });
  const reader = new Reader(door);
  const recorder = new Recorder(reader, dir, settings.cache.groupLabels);
  const call = caller(settings, dir);
  let heard = heardUntil(dir) ?? { at: systemClock.now(), event: false };
  /** Since when nobody listens to an engine that this process did listen to. */
  let lost: number | null = null;
  let retry: number = RETRY[0];
  while (!stop.aborted) {
    let timer: NodeJS.Timeout | undefined;
    let writing = Promise.resolve();
    const write = () => {
      timer = undefined;
      writing = writing
        .catch(() => {})
        .then(async () => {
          // Where nothing can be written the disk may be full: then it is for a pass to make room.
          if (await recorder.write(systemClock.now()).catch(sayAndGoOn)) await call();
        });
      writing.catch(say);
    };
    try {
      await reader.version();
      const { id: engine = "" } = await reader.info();
      heard = notAfter(systemClock.now(), heard);
      const since = heard;
      let opened = 0;
      // The engine repeats the last event that was heard, unless it has forgotten it: it was restarted, or has had
      // more than 256 since (moby daemon/events, eventsLimit; those of all kinds count).
      let missing = since.event || lost !== null;
      const noteGap = (until: number) => {
        const gap = Math.max(since.at, lost ?? 0);
        if (missing) recorder.note({ gap, at: Math.max(gap, until) });
        missing = false;
        lost = null;
      };
      for await (const event of listen(door, since.at)) {
        if (event === "open") {
          retry = RETRY[0];
          opened = systemClock.now();
          recorder.note({ engine, at: opened });
          if (!since.event) noteGap(opened);
          continue;
        }
        if (event.at <= since.at) missing = false;
        noteGap(Math.min(event.at, opened));
        if (event.at <= since.at) continue;
        heard = { at: Math.max(heard.at, event.at), event: true };
        recorder.hear(event);
        timer ??= setTimeout(write, BATCH * 1000);
      }
    } catch (error) {
      if (!isOfEngineOrHost(error)) throw error;
      if (!stop.aborted) say(error);
    }
    clearTimeout(timer);
    // What was heard and not written is kept by the recorder, and written with the next engine.
    await writing.catch(() => {});
    lost ??= systemClock.now();
    await systemClock.sleep(retry, stop);
    retry = Math.min(2 * retry, RETRY[1]);
  }
  await recorder.write(systemClock.now()).catch(say);
}

type Heard = NonNullable<ReturnType<typeof heardUntil>>;

/** By a clock that was ahead something was heard after now: what comes from now on would seem to be known. */
const notAfter = (now: number, heard: Heard): Heard =>
  heard.at >= 0 && heard.at <= now ? heard : { at: now, event: false };

/** No bug: the engine, or the folder of the ledger, may be right again when it is tried again. */
const isOfEngineOrHost = (error: unknown): boolean =>
  error instanceof EngineError ||
  error instanceof UnsafeFile ||
  (error as NodeJS.ErrnoException).syscall !== undefined;

/**
 * Asks for a pass by writing a file that a path unit waits for, where the disk is under pressure: at once, or when
 * {@link CALL_EVERY} has passed since the last time.
 */
function caller(settings: Settings, dir: string): () => Promise<void> {
  let calledAt = Number.NEGATIVE_INFINITY;
  let waiting = false;
  const call = async () => {
    const wait = calledAt + CALL_EVERY * 1000 - systemClock.elapsed();
    if (wait > 0) {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        call().catch(say);
      }, wait).unref();
      return;
    }
    const core = loadCore(dir);
    const roots = core === null ? [] : rememberedRoots(core);
    const { verdict } = await readPressure({ readFilesystems }, settings.disk, roots);
    if (verdict.verdict !== "open") return;
    calledAt = systemClock.elapsed();
    replaceFile(join(dir, PRESSURE_FILE), `${new Date(systemClock.now()).toISOString()}\n`, {
      mode: 0o644,
      durable: false,
    });
  };
  return call;
}

function say(error: unknown): void {
  process.stderr.write(`ci-docker-prune watch: ${visible((error as Error).message)}\n`);
}

function sayAndGoOn(error: unknown): true {
  say(error);
  return true;
}
