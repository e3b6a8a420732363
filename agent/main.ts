#!/usr/bin/env node
import { writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { Exit } from "./exit.ts";
import { systemClock } from "./host/clock.ts";
import { hungPaths, readFilesystems } from "./host/disk.ts";
import { passId, stateDirectory } from "./host/places.ts";
import { type AuditEvent, passFinished } from "./log/events.ts";
import { auditLine, journalListens } from "./log/line.ts";
import { exportMetrics } from "./metrics/textfile.ts";
import { belowWatermark, readPressure, rememberedRoots, rootsAreKnown, toRecord } from "./pass/pressure.ts";
import { loadSettings } from "./settings/load.ts";
import { rulesWithoutPressure } from "./settings/rules.ts";
import { type Core, loadCore, NO_DEFERRALS, updateCore } from "./state/state.ts";
import { addToTotals } from "./state/totals.ts";
import { VERSION } from "./version.ts";

/**
 * The front of the program, and most of the time all of it: `run` on a host without disk pressure ends here, without
 * loading (parsing costs 30 ms a megabyte) what talks to the engine or reads a full command line. Whatever is not
 * that plain case is handed on untouched, and decided again from the start.
 */

// A promise that never settles must not end in a green 0.
process.exitCode = Exit.bug;

process.on("uncaughtException", (error) => {
  reportBug(error);
  process.exit(Exit.bug);
});

const argv = process.argv.slice(2);

quietPass(argv)
  .then((done) => {
    if (done) {
      process.exitCode = Exit.ok;
      return;
    }
    const { main } = require("./ci-docker-prune.full.cjs") as typeof import("./cli/index.ts");
    // What may still run is a child that names mounts and hangs on one.
    return main(argv, { hung: hungPaths().length > 0 }).then(() => process.exit());
  })
  .catch((error: unknown) => {
    process.exitCode = Exit.bug;
    reportBug(error);
  });

function reportBug(error: unknown): void {
  const text = (error as Error | undefined)?.stack ?? String(error);
  process.stderr.write(`ci-docker-prune: this is a bug in ci-docker-prune: ${text}\n`);
}

/** `run` with nothing but plain options, as lines for a program, below the watermark: the whole pass. Else `false`. */
async function quietPass(args: readonly string[]): Promise<boolean> {
  const options = plainRun(args);
  // Sentences for a person, on a terminal or in a pipe, are the full program's.
  if (options === null || !(options.json || journalListens(process.env.JOURNAL_STREAM))) return false;
  const startedAt = systemClock.now();
  const startedElapsed = systemClock.elapsed();
  const loaded = loadSettings(options.settings);
  if (!loaded.ok) return false;
  const { settings } = loaded;
  const stateDir = stateDirectory(
    options["state-dir"],
    settings.stateDir,
    process.env,
    process.getuid?.() ?? 0,
  );
  const core = loadCore(stateDir);
  if (core === null) return false;
  // A rule that does not wait for disk pressure has the engine asked in every pass.
  if (rulesWithoutPressure(settings).length > 0) return false;
  const pressure = await readPressure({ readFilesystems }, settings.disk, rememberedRoots(core));
  // The disk that fills may be another one than those that were looked at: the engine is to be asked.
  if (!rootsAreKnown(core, pressure, startedAt)) return false;
  if (pressure.verdict.verdict !== "closed") return false;
  const pass = passId(process.env);
  const seconds = (systemClock.elapsed() - startedElapsed) / 1000;
  const endedAt = startedAt + seconds * 1000;
  const finished = belowWatermark(pressure, settings.disk, seconds);
  const change = (before: Core): Core => ({
    ...before,
    deferrals: NO_DEFERRALS,
    totals: addToTotals(before.totals, finished, settings, before.deferrals.count, endedAt),
  });
  let next: Core;
  try {
    next = updateCore(stateDir, toRecord(pass, startedAt, finished), change);
  } catch {
    // The full program says so, in the place where all such events are said.
    return false;
  }
  say(passFinished(finished, "info"), pass);
  const trouble = await exportMetrics({ version: VERSION, endedAt, finished, state: next, settings });
  if (trouble !== null) say(trouble, pass);
  return true;
}

function say(event: AuditEvent, pass: string): void {
  try {
    writeSync(1, auditLine(event, pass, systemClock.now(), journalListens(process.env.JOURNAL_STREAM)));
  } catch {
    // Nobody reads. Nothing was done that a log would have to tell; the state has it.
  }
}

function plainRun(args: readonly string[]) {
  if (args[0] !== "run") return null;
  try {
    return parseArgs({
      args: args.slice(1),
      strict: true,
      options: { settings: { type: "string" }, "state-dir": { type: "string" }, json: { type: "boolean" } },
    }).values;
  } catch {
    return null;
  }
}
