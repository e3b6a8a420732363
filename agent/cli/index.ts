import yargs, { type Argv } from "yargs";
import { EXIT_HELP, Exit, type ExitCode } from "../exit.ts";
import { visible } from "../text.ts";
import { VERSION } from "../version.ts";
import { authCommand } from "./auth.ts";
import { dockerfilesCommand } from "./dockerfiles.ts";
import { ended, type Front, refuse } from "./end.ts";
import { forecastCommand } from "./forecast.ts";
import { historyCommand } from "./history.ts";
import { type Done, UsageError, withCommonOptions } from "./options.ts";
import { planCommand } from "./plan.ts";
import { runCommand } from "./run.ts";
import { snapshotsCommand } from "./snapshots.ts";
import { statusCommand } from "./status.ts";
import { validateCommand } from "./validate.ts";

/** The whole program, from the command line on. As {@link ended}. */
export const main = (argv: readonly string[], front: Front): Promise<void> =>
  ended(front, () => command(argv));

/**
 * Values of the commands of `snapshots` are often chosen by others (`--work-item "$ITEM"`): none may be taken for
 * --help, which ends with 0, nor name other settings. Returns what is wrong, or `null`. Pure.
 */
function foreignWord([group, , ...words]: readonly string[]): string | null {
  if (group !== "snapshots") return null;
  const help = words.find((word) => ["--help", "-h", "--version", "-v"].includes(word));
  if (help !== undefined && words.length > 1)
    return `${help} stands alone; a value that begins with a hyphen is written --option=VALUE`;
  const twice = ["--settings", "--state-dir"].find(
    (name) => words.filter((word) => word === name || word.startsWith(`${name}=`)).length > 1,
  );
  return twice === undefined ? null : `${twice} is given twice`;
}

async function command(argv: readonly string[]): Promise<ExitCode> {
  const foreign = foreignWord(argv);
  if (foreign !== null) return refuse(Exit.usage, `ci-docker-prune: ${foreign}`);
  let code: ExitCode | null = null;
  const done: Done = (result) => {
    code = result;
  };
  let cli = yargs(helpAsOption(argv))
    .scriptName("ci-docker-prune")
    .usage(
      "$0 <command>\n\nPrunes a Docker CI host under disk pressure, never during a run, and keeps its image cache.",
    )
    .version(VERSION)
    .alias({ h: "help", v: "version" })
    .nargs({ help: 0, version: 0 })
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
    forecastCommand,
    validateCommand,
    authCommand,
    dockerfilesCommand,
    snapshotsCommand,
    watchCommand,
  ])
    cli = add(cli, done);
  try {
    await cli.completion("completion", "Print a completion script for bash or zsh").parseAsync();
    // --help, --version and completion answer without a command of ours.
    return code ?? Exit.ok;
  } catch (error) {
    const { name, message } = error as Error;
    if (name !== "UsageError" && name !== "YError") throw error;
    const hint = await suggestion(cli, argv);
    return refuse(Exit.usage, `ci-docker-prune: ${visible(message)}${hint}\nTry: ci-docker-prune --help`);
  }
}

/** For --help and for what is wrong: the front starts it, from a file of its own (agent/watch.ts). */
const watchCommand = (cli: Argv): Argv =>
  cli.command(
    "watch",
    "Stays, and writes down which images are used: what cache.evict goes by",
    (y) => withCommonOptions(y).example("$0 watch --settings FILE", "what the systemd unit does"),
    () => {
      throw new UsageError("watch takes --settings and --state-dir, each with a path");
    },
  );

/** `help run` -> `run --help`, as most programs take it. */
const helpAsOption = ([first, ...rest]: readonly string[]): string[] =>
  first === "help" ? [...rest, "--help"] : first === undefined ? [] : [first, ...rest];

/**
 * `". Did you mean --version?"` for an option that is nearly one of the command's; yargs does so for commands alone.
 */
async function suggestion(cli: Argv, argv: readonly string[]): Promise<string> {
  const help = await cli.getHelp();
  const known = new Set([...help.matchAll(/ (--[a-z-]+)/g)].map(([, option = ""]) => option));
  const given = argv.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0] ?? word);
  for (const word of given.filter((one) => !known.has(one))) {
    const near = [...known].find((option) => option.startsWith(word.slice(0, ALIKE)));
    if (near !== undefined) return `. Did you mean ${near}?`;
  }
  return "";
}

/** So many first characters of an option tell which one is meant. */
const ALIKE = "--xx".length;
