import { Exit, type ExitCode } from "../exit.ts";
import { hungPaths } from "../host/disk.ts";
import { drain } from "../host/output.ts";
import { killUnlessEnded } from "../host/stop.ts";
import { type SettingsText, takeOver } from "../settings/read.ts";

/** What the front (main.ts) hands over with the command line. */
export interface Front {
  /** A watched filesystem did not answer it. */
  readonly hung: boolean;
  /** The settings of a plain `run`, which it has read already. */
  readonly settings: SettingsText | null;
}

/**
 * Does the work of a command and sets the exit code; only bugs are thrown. When it returns, what was written has been
 * taken, and the process may end.
 */
export async function ended(front: Front, work: () => Promise<ExitCode>): Promise<void> {
  takeOver(front.settings);
  let broken: string | undefined;
  // A file forgets its error with the next tick. A pass that acts has an ear of its own for it.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    broken ??= error.code ?? error.message;
  });
  try {
    process.exitCode = await work();
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "SettingsError") process.exitCode = refuse(Exit.settings, message);
    else if (name === "NoPlace") process.exitCode = refuse(Exit.usage, `ci-docker-prune: ${message}`);
    else throw error;
  } finally {
    const taken = await drain();
    // A reader that goes away (`| head`) is no error.
    const trouble = broken === "EPIPE" ? undefined : (broken ?? (taken ? undefined : "nobody reads it"));
    if (trouble !== undefined && process.exitCode === Exit.ok)
      process.exitCode = refuse(
        Exit.incomplete,
        `ci-docker-prune: standard output cannot be written: ${trouble}`,
      );
    if (front.hung || hungPaths().length > 0) killUnlessEnded();
  }
}

/** Says why on standard error. */
export function refuse(code: ExitCode, message: string): ExitCode {
  process.stderr.write(`${message}\n`);
  return code;
}
