import { writeSync } from "node:fs";
import type { Front } from "./cli/end.ts";
import type { RunOptions } from "./cli/run.ts";
import { Exit } from "./exit.ts";
import { PAUSE, pause, systemClock } from "./host/clock.ts";
import { hungPaths, localPaths, readFilesystems, trustLocalPaths } from "./host/disk.ts";
import { journalListens, passId, stateDirectory } from "./host/places.ts";
import { load } from "./load.ts";
import { type AuditEvent, event } from "./log/events.ts";
import { auditLine } from "./log/line.ts";
import { exportMetrics } from "./metrics/textfile.ts";
import { belowWatermark, readPressure, rememberedRoots, rootsAreKnown, toRecord } from "./pass/pressure.ts";
import { readSettings, type SettingsText } from "./settings/read.ts";
import { recallSettings, rememberSettings } from "./state/quiet.ts";
import { type Core, loadCore, NO_DEFERRALS, updateCore } from "./state/state.ts";
import { addToTotals } from "./state/totals.ts";
import { VERSION } from "./version.ts";

/**
 * The front of the program, and most of the time all of it: `run` on a host without disk pressure ends here, without
 * loading (parsing costs 30 ms a megabyte) what talks to the engine or reads a full command line. Whatever is not
 * that plain case is handed on untouched, and decided again from the start.
 */

export function main(): void {
  // A promise that never settles must not end in a green 0.
  process.exitCode = Exit.bug;
  process.on("uncaughtException", (error) => {
    reportBug(error);
    process.exit(Exit.bug);
  });
  const argv = process.argv.slice(2);
  quietPass(argv)
    .then((handed) => goOn(argv, handed))
    .catch((error: unknown) => {
      process.exitCode = Exit.bug;
      reportBug(error);
    });
}

/** @param handed `null`: the pass was made */
async function goOn(argv: readonly string[], handed: Front | null): Promise<void> {
  if (handed === null) {
    process.exitCode = Exit.ok;
    return;
  }
  leaveGoneFolder();
  // Words that nobody reads are no reason to end.
  process.stderr.on("error", () => {});
  // Help, and what is wrong with a command line, are the full program's.
  const watch = plainOptions("watch", argv);
  const run = plainOptions("run", argv);
  if (watch !== null)
    await load(() => require("./ci-docker-prune.watch.cjs") as typeof import("./watch.ts"))?.main(watch);
  else if (run !== null)
    await load(() => require("./ci-docker-prune.run.cjs") as typeof import("./cli/alone.ts"))?.main(
      run,
      handed,
    );
  else
    await load(() => require("./ci-docker-prune.full.cjs") as typeof import("./cli/index.ts"))?.main(
      argv,
      handed,
    );
  // What may still run is a child that names mounts and hangs on one.
  process.exit();
}

const FLAGS = new Map([
  ["--json", "json"],
  ["--plain", "plain"],
  ["--dry-run", "dryRun"],
  ["--without-pressure", "withoutPressure"],
] as const);

function reportBug(error: unknown): void {
  const text = (error as Error | undefined)?.stack ?? String(error);
  process.stderr.write(`ci-docker-prune: this is a bug in ci-docker-prune: ${text}\n`);
}

/** A folder that was removed is no place to be for libraries that ask where they are. */
function leaveGoneFolder(): void {
  try {
    process.cwd();
  } catch {
    process.chdir("/");
  }
}

/**
 * `run` with nothing but plain options, as lines for a program, below the watermark, with settings that the full
 * program has read once: the whole pass, and `null`. Else what is handed on.
 */
async function quietPass(args: readonly string[]): Promise<Front | null> {
  const options = plainOptions("run", args);
  // Sentences for a person, on a terminal or in a pipe, are the full program's.
  const isQuiet = options !== null && !options.plain && !options.dryRun && !options.withoutPressure;
  if (!isQuiet || !(options.json || journalListens(process.env.JOURNAL_STREAM)))
    return { hung: false, settings: null };
  const startedAt = systemClock.now();
  const startedElapsed = systemClock.elapsed();
  let read: SettingsText | null = null;
  const handOn = (): Front => ({ hung: hungPaths().length > 0, settings: read });
  try {
    read = readSettings(options.settings);
    const stateDir = stateDirectory(options.stateDir, stateDirOf(read.text));
    const recalled = recallSettings(stateDir, read.text);
    const core = loadCore(stateDir);
    if (recalled === null || core === null) return handOn();
    const { settings, local } = recalled;
    // A rule that does not wait for disk pressure has the engine asked in every pass.
    if (settings.rules.some(({ when }) => when === "always")) return handOn();
    trustLocalPaths(local);
    const pressure = await readPressure({ readFilesystems }, settings.disk, rememberedRoots(core));
    // The disk that fills may be another one than those that were looked at: the engine is to be asked.
    if (!rootsAreKnown(core, pressure, startedAt)) return handOn();
    if (pressure.verdict.verdict !== "closed") return handOn();
    const pass = passId(process.env);
    const seconds = (systemClock.elapsed() - startedElapsed) / 1000;
    const endedAt = startedAt + seconds * 1000;
    const finished = belowWatermark(pressure, settings.disk, seconds);
    const next = updateCore(stateDir, toRecord(pass, startedAt, finished), (before: Core) => ({
      ...before,
      deferrals: NO_DEFERRALS,
      totals: addToTotals(before, finished, settings.rules, endedAt),
    }));
    say(event("pass.finished", finished, "info"), pass);
    const trouble = await exportMetrics({ version: VERSION, endedAt, finished, state: next, settings });
    if (trouble !== null) say(trouble, pass);
    if (localPaths().length !== local.length) rememberSettings(stateDir, read.text, settings, localPaths());
    return null;
  } catch {
    // The full program says what is wrong, in the place where all such things are said.
    return handOn();
  }
}

/** Where the settings want the state, before anybody judged them: what is found there decides. Throws on no JSON. */
function stateDirOf(text: string | null): string | null {
  if (text?.includes('"stateDir"') !== true) return null;
  const { stateDir } = Object(JSON.parse(text)) as { stateDir?: unknown };
  return typeof stateDir === "string" ? stateDir : null;
}

/** A reader that is late by a moment is waited for, where the pipe says so. */
function say(event: AuditEvent, pass: string): void {
  const line = auditLine(event, pass, systemClock.now(), journalListens(process.env.JOURNAL_STREAM));
  for (let tries = 1; tries <= 200; tries++) {
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      // Nobody reads. Nothing was done that a log would have to tell; the state has it.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      pause(PAUSE);
    }
  }
}

/**
 * `null`: not this command with options as its help has them, the last of two counting, or they do not go together. By
 * hand: node's parser takes 2 ms.
 */
function plainOptions(command: "run" | "watch", args: readonly string[]): RunOptions | null {
  if (args[0] !== command) return null;
  const options: { -readonly [Key in keyof RunOptions]: RunOptions[Key] } = {};
  for (let at = 1; at < args.length; at++) {
    const word = args[at] ?? "";
    const flag = command === "run" ? FLAGS.get(word as "--json") : undefined;
    const [, name, value = args[at + 1]] = /^--(settings|state-dir)(?:=(.*))?$/s.exec(word) ?? [];
    if (flag !== undefined) options[flag] = true;
    else if (name === undefined || value === undefined || value === "" || value.startsWith("-")) return null;
    else {
      options[name === "settings" ? name : "stateDir"] = value;
      if (word === `--${name}`) at++;
    }
  }
  return options.json && options.plain ? null : options;
}
