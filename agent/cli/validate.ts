import type { Argv } from "yargs";
import { Exit } from "../exit.ts";
import { loadWhole } from "../settings/load-whole.ts";
import { unfitForService } from "../settings/parse.ts";
import { describeProblems } from "./context.ts";
import type { Done } from "./options.ts";

export function validateCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "validate <file>",
    "Check a settings file; every problem at once",
    (y) =>
      y
        .positional("file", { type: "string", demandOption: true, describe: "Settings file, JSON" })
        .example("$0 validate settings.json", "exit 0, or 78 with every problem"),
    (argv) => {
      const loaded = loadWhole(argv.file);
      const problems = loaded.ok ? unfitForService(loaded.settings) : loaded.problems;
      if (problems.length === 0) {
        process.stdout.write(`${argv.file}: valid\n`);
        done(Exit.ok);
      } else {
        process.stderr.write(`${describeProblems(argv.file, problems)}\n`);
        done(Exit.settings);
      }
    },
  );
}
