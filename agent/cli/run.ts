import type { Argv } from "yargs";
import type { ExitCode } from "../exit.ts";
import { journalListens, passId } from "../host/places.ts";
import { stopOnSignals } from "../host/stop.ts";
import { jsonJournal, plainJournal } from "../log/journal.ts";
import { runPass } from "../pass/pass.ts";
import { takenOver } from "../settings/read.ts";
import { quietSettings } from "../settings/rules.ts";
import { recallSettings, rememberSettings } from "../state/quiet.ts";
import { loadCore } from "../state/state.ts";
import { VERSION } from "../version.ts";
import { type CommonOptions, type Context, openContext } from "./context.ts";
import { type Done, flag, maybeFlag, withCommonOptions } from "./options.ts";

export function runCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "run",
    "One pass: prune if the disk is under pressure and nothing is in the way",
    (y) =>
      withCommonOptions(y)
        .options({
          "dry-run": flag("Ask the gates and plan, remove nothing"),
          "without-pressure": flag("Skip the disk gate, for a one-off clean-up; no option skips the others"),
          json: maybeFlag("JSON lines; in the journal, which wants both, the default"),
          plain: maybeFlag("Sentences also where the journal listens"),
        })
        .conflicts("json", "plain")
        .example("$0 run --settings FILE", "what the systemd unit does")
        .example("$0 run --dry-run", "what would go, without removing it")
        .example("$0 run --without-pressure", "clean up now, whatever the disk says"),
    async (argv) => done(await runOnce(argv)),
  );
}

export interface RunOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly withoutPressure?: boolean;
  readonly json?: boolean | undefined;
  readonly plain?: boolean | undefined;
}

/** The pass itself. Throws SettingsError, NoPlace. */
export async function runOnce(options: RunOptions): Promise<ExitCode> {
  const stop = stopOnSignals();
  // An unlogged pass must not go on. Said on standard error as well: standard output is what is broken.
  const onBroken = (error: NodeJS.ErrnoException) => {
    const reason = `standard output cannot be written: ${error.code ?? error.message}`;
    if (!stop.signal.aborted) process.stderr.write(`ci-docker-prune: ${reason}\n`);
    stop.end(reason);
  };
  const context = openContext(options, { writes: true, giveUp: stop.giveUp });
  const pass = passId(process.env);
  const json = options.json === true || (options.plain !== true && isForPrograms(process.env));
  const plain = json ? null : plainJournal(process.stdout, onBroken);
  const code = await runPass(
    {
      pass,
      version: VERSION,
      clock: context.clock,
      journal: plain ?? jsonJournal(pass, onBroken),
      reader: context.reader,
      writer: context.writer,
      inEmergency: context.inEmergency,
      requests: () => context.client.requests,
      host: context.host,
      stop: stop.signal,
      progress: (count, total) => plain?.progress(count, total),
    },
    context.settings,
    { dryRun: options.dryRun === true, withoutPressure: options.withoutPressure === true },
  );
  makeNextQuiet(context, options.settings);
  return code;
}

/** Leaves what the front needs for a quiet pass, where it was the front that read these settings. */
function makeNextQuiet({ stateDir, settings }: Context, path: string | undefined): void {
  const read = takenOver(path);
  if (read === null || loadCore(stateDir) === null || recallSettings(stateDir, read.text) !== null) return;
  rememberSettings(stateDir, read.text, quietSettings(settings), []);
}

/**
 * Nobody reads along: the journal listens, or a program started this with an environment that is no person's (no home,
 * no terminal), as versions before 0.2 were started by supervisors that parse their lines.
 */
function isForPrograms(env: NodeJS.ProcessEnv): boolean {
  if (journalListens(env.JOURNAL_STREAM)) return true;
  const isBare = ["HOME", "USER", "LOGNAME", "TERM"].every((name) => env[name] === undefined);
  return isBare && process.stdout.isTTY !== true;
}
