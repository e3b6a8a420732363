import type { Argv } from "yargs";
import type { ExitCode } from "../exit.ts";
import { visible } from "../text.ts";

/** A command hands its exit code to this, last thing. */
export type Done = (code: ExitCode) => void;

/** The options every command that looks at a host shares. */
export function withCommonOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("settings", {
      type: "string",
      requiresArg: true,
      describe:
        "Settings file, JSON (default: /etc/ci-docker-prune/settings.json where it is there, else the documented defaults)",
    })
    .option("state-dir", {
      type: "string",
      requiresArg: true,
      describe: "Folder for the history (default: $STATE_DIRECTORY, else /var/lib/ci-docker-prune)",
    });
}

/** Shown as what yargs itself complains of. */
export function usage(message: string): Error {
  return Object.assign(new Error(visible(message)), { name: "YError" });
}
