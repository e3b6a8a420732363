import type { Argv } from "yargs";
import type { ExitCode } from "../exit.ts";

/** A command hands its exit code to this, last thing. */
export type Done = (code: ExitCode) => void;

export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const text = (describe: string) => ({ type: "string", requiresArg: true, describe }) as const;
/** Absent where it is not given. It takes no value: to yargs `--dry-run=yes` would be false, and the pass would act. */
export const maybeFlag = (describe: string) => ({ type: "boolean", nargs: 0, describe }) as const;
export const flag = (describe: string) => ({ ...maybeFlag(describe), default: false }) as const;
export const JSON_DOCUMENT = flag("One JSON document");
export const ASCII = flag("Plain ASCII (the default where the locale is not UTF-8)");

export function withCommonOptions<T>(yargs: Argv<T>) {
  const ours = "/etc/ci-docker-prune/settings.json where it is there, else the documented defaults";
  const folder = "$STATE_DIRECTORY, else /var/lib/ci-docker-prune";
  return yargs
    .option("settings", text(`Settings file, JSON (default: ${ours})`))
    .option("state-dir", text(`Folder for the history (default: ${folder})`));
}
