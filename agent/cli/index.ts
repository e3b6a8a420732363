import yargs from "yargs";
import { EXIT_HELP, Exit, type ExitCode } from "../exit.ts";
import { hungPaths } from "../host/disk.ts";
import { drain } from "../host/output.ts";
import { killUnlessEnded } from "../host/stop.ts";
import { visible } from "../text.ts";
import { VERSION } from "../version.ts";
import { authCommand } from "./auth.ts";
import { SettingsError } from "./context.ts";
import { dockerfilesCommand } from "./dockerfiles.ts";
import { historyCommand } from "./history.ts";
import type { Done } from "./options.ts";
import { planCommand } from "./plan.ts";
import { runCommand } from "./run.ts";
import { snapshotsCommand } from "./snapshots.ts";
import { statusCommand } from "./status.ts";
import { UsageError } from "./usage.ts";
import { validateCommand } from "./validate.ts";

/** What the front (main.ts) hands over with the command line. */
export interface Front {
  /** A watched filesystem did not answer it. */
  readonly hung: boolean;
}

/**
 * The command line behind the front. Sets the exit code; only bugs are thrown. When it returns the process may end:
 * what was written has been taken.
 */
export async function main(argv: readonly string[], front: Front): Promise<void> {
  try {
    await command(argv);
  } finally {
    if (!(await drain()) && process.exitCode === Exit.ok) process.exitCode = Exit.incomplete;
    if (front.hung || hungPaths().length > 0) killUnlessEnded();
  }
}

async function command(argv: readonly string[]): Promise<void> {
  // A reader that goes away (`| head`) is no error; a pass that acts has an ear of its own for it.
  process.stdout.on("error", () => {});
  let code: ExitCode | null = null;
  const done: Done = (result) => {
    code = result;
  };
  let cli = yargs(argv)
    .scriptName("ci-docker-prune")
    .usage(
      "$0 <command>\n\nPrunes a Docker CI host under disk pressure, never during a run, and keeps its image cache.",
    )
    .version(VERSION)
    .strict()
    // Given twice, the last one counts, as in the front (main.ts).
    .parserConfiguration({ "duplicate-arguments-array": false })
    .recommendCommands()
    .demandCommand(1, "name a command")
    .wrap(Math.min(process.stdout.columns ?? 100, 110))
    .exitProcess(false)
    .fail((message, error) => {
      // Our own errors pass through; what yargs itself complains of is wrong usage.
      throw error ?? new UsageError(message);
    })
    .epilogue(
      `Exit codes:\n${EXIT_HELP.map(([value, text]) => `  ${String(value).padStart(2)}  ${text}`).join("\n")}`,
    );
  for (const add of [
    runCommand,
    planCommand,
    statusCommand,
    historyCommand,
    validateCommand,
    authCommand,
    dockerfilesCommand,
    snapshotsCommand,
  ])
    cli = add(cli, done);
  try {
    await cli.completion("completion", "Print a completion script for bash or zsh").parseAsync();
    // --help, --version and completion answer without a command of ours.
    process.exitCode = code ?? Exit.ok;
  } catch (error) {
    if (error instanceof SettingsError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = error.exitCode;
    } else if (error instanceof UsageError || (error as Error).name === "YError") {
      process.stderr.write(
        `ci-docker-prune: ${visible((error as Error).message)}\nTry: ci-docker-prune --help\n`,
      );
      process.exitCode = Exit.usage;
    } else throw error;
  }
}
