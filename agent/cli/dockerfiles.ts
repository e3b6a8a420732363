import type { Argv } from "yargs";
import type { Finding } from "../dockerfiles/check.ts";
import { Exit } from "../exit.ts";
import { readFile, readOpen } from "../host/files.ts";
import { TooLarge, UnsafeFile } from "../host/paths.ts";
import { truncated, visible } from "../text.ts";
import { formatBytes } from "../units.ts";
import { type Done, JSON_DOCUMENT, text, UsageError } from "./options.ts";
import { show } from "./screen.ts";

const MAX_BYTES = 1024 * 1024;

/** Seconds that whatever makes a Dockerfile may take. */
const PIPE_PATIENCE = 60;

/** Longer values and names are cut where they are shown. */
const MAX_SHOWN = 300;

export function dockerfilesCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "dockerfiles",
    "What the Dockerfiles of a project must have, for its CI",
    (y) => addCheck(y, done).demandCommand(1, "name a command: check"),
    () => {},
  );
}

function addCheck(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "check",
    "Fail unless the image that each Dockerfile makes carries the labels",
    (y) =>
      y
        .usage(
          [
            "$0 dockerfiles check --label NAME=VALUE FILE...\n",
            "Fails unless the image that each Dockerfile makes carries the labels. FILE - is standard input.",
          ].join("\n"),
        )
        // yargs 18 loses `-` and what follows `--` from a list that it is told of, and a file that is not looked at
        // must not pass: so the list is not told.
        .strict(false)
        .strictOptions()
        .parserConfiguration({
          // The only command whose options may be given more than once.
          "duplicate-arguments-array": true,
          "greedy-arrays": false,
          "parse-positional-numbers": false,
          "populate--": true,
        })
        .options({
          label: {
            ...text("NAME=VALUE, or NAME for any value; may be repeated: all must be there"),
            ...{ array: true, demandOption: true },
          },
          "build-arg": {
            ...text("NAME=VALUE as for docker build; may be repeated"),
            ...{ array: true, default: [] as string[] },
          },
          target: text("The stage that is built (default: the last)"),
          json: JSON_DOCUMENT,
        })
        .example("$0 dockerfiles check --label cascade.managed=true Dockerfile", "one line a label, 0 or 65"),
    async (argv) => {
      // Loaded here: no other command needs it, and its parser takes 3 ms.
      const { checkDockerfile, parseWanted } = await import("../dockerfiles/check.ts");
      // `_` begins with the names of the two commands.
      const paths = [...argv._.slice(2), ...((argv["--"] as string[] | undefined) ?? [])].map(String);
      if (paths.length === 0) fail("name the Dockerfiles to check");
      if (Array.isArray(argv.target)) fail("--target may be given once");
      const wanted = argv.label.map((text) => parseWanted(text) ?? fail("--label takes NAME=VALUE, or NAME"));
      const options = { buildArgs: new Map(argv.buildArg.map(toBuildArg)), target: argv.target || null };
      const files = paths.map((path) => {
        const findings = findingsOf(path, (text) => checkDockerfile(text, wanted, options));
        return { path, ok: findings.every(({ ok }) => ok), findings };
      });
      const ok = files.every((file) => file.ok);
      const lines = files.flatMap(({ path, findings }) => findings.map((finding) => toLine(path, finding)));
      show(argv.json ? { ok, labels: argv.label, files } : lines);
      done(ok ? Exit.ok : Exit.refused);
    },
  );
}

function toLine(path: string, { line, message }: Finding): string {
  const where = line === null ? path : `${path}:${line}`;
  return `${visible(where)}: ${visible(truncated(message, MAX_SHOWN))}`;
}

function toBuildArg(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0) fail("--build-arg takes NAME=VALUE");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Reads pipes too, so that a generated Dockerfile can be checked. What cannot be read is a finding. */
function findingsOf(path: string, check: (text: string) => Finding[]): Finding[] {
  const options = { maxBytes: MAX_BYTES, links: true, pipes: PIPE_PATIENCE };
  const unread = (message: string) => [{ ok: false, line: null, label: null, message }];
  let bytes: Buffer;
  try {
    ({ bytes } = path === "-" ? readOpen(0, path, options) : readFile(path, options));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof TooLarge)
      return unread(`is larger than ${formatBytes(MAX_BYTES)}: not a Dockerfile`);
    // "Dockerfile is a folder, not a file"
    return unread(error instanceof UnsafeFile ? message.slice(path.length + 1) : `cannot be read: ${code}`);
  }
  return check(bytes.toString("utf8"));
}

function fail(message: string): never {
  throw new UsageError(message);
}
