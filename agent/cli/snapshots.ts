import type { Argv } from "yargs";
import { EngineError } from "../engine/errors.ts";
import { Exit } from "../exit.ts";
import { type CommitRequest, commitContainer } from "../snapshots/commit.ts";
import { evict } from "../snapshots/evict.ts";
import { formatTtl, type Identity, parseTtl, problemOfName } from "../snapshots/identity.ts";
import { type Listed, listSnapshots } from "../snapshots/list.ts";
import { IMAGE_NAME, resolveImage } from "../snapshots/resolve.ts";
import {
  commitDocument,
  describeCommit,
  describeEvict,
  evictDocument,
  type Lines,
} from "../snapshots/text.ts";
import { visible } from "../text.ts";
import type { Seconds } from "../units.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { type CommonOptions, type Context, openContext, SettingsError } from "./context.ts";
import { type Done, flag, JSON_DOCUMENT, text, UsageError, withCommonOptions } from "./options.ts";
import { table, terminal } from "./screen.ts";

export function snapshotsCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "snapshots",
    "Snapshots of work items, for CI routers: commit, resolve, evict, list",
    (y) =>
      addList(addEvict(addResolve(addCommit(y, done), done), done), done).demandCommand(
        1,
        "name a command: commit, resolve, evict or list",
      ),
    () => {},
  );
}

/** What the command line of `commit` may hold; anything else is told of, and the container removed all the same. */
const COMMIT_KEYS = [
  ...["container", "project", "workItem", "ttl", "removeContainer", "json", "settings", "stateDir"],
  ...["help", "version", "_", "$0"],
];

const unknownKeys = (argv: object): string[] =>
  Object.keys(argv)
    .filter((key) => !COMMIT_KEYS.includes(key))
    .map((key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));

/** Parsed leniently, judged here: a router whose `--work-item $ITEM` is empty must not leave its container behind. */
function addCommit(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "commit <container>",
    "Keep the work of a container that ended well as an image, under the limits of snapshots",
    (y) =>
      y
        .strict(false)
        .parserConfiguration({ "duplicate-arguments-array": false, "strip-dashed": true })
        .positional("container", {
          type: "string",
          demandOption: true,
          describe: "Id, name, or the first 12 or more digits of the id",
        })
        .options({
          project: { type: "string", describe: "Whose work it is (required)" },
          "work-item": { type: "string", describe: "Such as the number of a pull request (required)" },
          ttl: {
            type: "string",
            describe: 'How long it may be resumed from, such as "24h" (default: snapshots.ttl)',
          },
          "remove-container": flag("Remove the container whatever comes of the rest; never one that runs"),
          json: JSON_DOCUMENT,
          settings: { type: "string", describe: "Settings file, JSON (default: as for run)" },
          "state-dir": { type: "string", describe: "Folder for the history (default as for run)" },
        })
        .example(
          "$0 snapshots commit job-7 --project web --work-item 42 --remove-container",
          "after the run, whatever its exit code",
        ),
    async (argv) => {
      const stop = new AbortController();
      const giveUp = new AbortController();
      const onSignal = () => {
        stop.abort();
        setTimeout(() => giveUp.abort(), GIVE_UP).unref();
      };
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, onSignal);
      const context = openForCommit(argv, giveUp.signal);
      const surplus = argv._.slice(2).map(String);
      // Of two words nobody can tell which is the container.
      if (surplus.length > 0)
        throw new UsageError(`one container at a time: what is "${surplus.join(" ")}"? Nothing was done`);
      if (argv.container.trim() === "") throw new UsageError("CONTAINER is empty");
      const as = commitAs(argv, context.settings.snapshots.ttl);
      if ("problem" in as && !argv.removeContainer) throw new UsageError(as.problem);
      const request = { container: argv.container, removeContainer: argv.removeContainer, as };
      const ports = { ...context, stop: stop.signal };
      const report = await commitContainer(ports, context, request);
      print(argv.json ? commitDocument(report) : describeCommit(report));
      done(report.exitCode);
    },
  );
}

interface CommitWords extends CommonOptions {
  readonly container: string;
  readonly removeContainer: boolean;
  readonly project?: string | undefined;
  readonly workItem?: string | undefined;
  readonly ttl?: string | undefined;
}

/** Milliseconds after a signal: commit and removal have had their seconds; launchers kill after ten or more. */
const GIVE_UP = 8500;

function openForCommit(argv: CommitWords, giveUp: AbortSignal): Context {
  try {
    return openContext(argv, { mayCommit: true, giveUp });
  } catch (error) {
    if (error instanceof SettingsError && argv.removeContainer) {
      const left = `${visible(argv.container)} was to be removed and is still there`;
      process.stderr.write(`ci-docker-prune: ${left}: without settings nobody knows which engine\n`);
    }
    throw error;
  }
}

function commitAs(argv: CommitWords, defaultTtl: Seconds): CommitRequest["as"] {
  const { project, workItem, ttl } = argv;
  const problems = [
    ...unknownKeys(argv).map((key) => `there is no option "${key}"`),
    problemOfName("--project", project),
    problemOfName("--work-item", workItem),
    ttl === undefined || parseTtl(ttl) !== undefined
      ? null
      : `--ttl takes a time from "1s" such as "24h", not "${ttl}"`,
  ].filter((problem) => problem !== null);
  return problems.length > 0
    ? { problem: problems.join("; ") }
    : { identity: { project: project ?? "", workItem: workItem ?? "" }, ttl: ttl ?? formatTtl(defaultTtl) };
}

function addResolve(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "resolve",
    `Print the image to run: the snapshot where it is fresh (exit code 0), else the fallback (${Exit.fallback})`,
    (y) =>
      withIdentity(withCommonOptions(y))
        .option("fallback", {
          ...text("The image to run where there is no fresh snapshot"),
          demandOption: true,
        })
        .example(
          "$0 snapshots resolve --project web --work-item 42 --fallback ci/web:main",
          "one line, an image",
        ),
    async (argv) => {
      const identity = identityOf(argv);
      const { fallback } = argv;
      if (!IMAGE_NAME.test(fallback)) throw new UsageError("--fallback takes the name of an image");
      let context: Context;
      try {
        context = openContext(argv);
      } catch (error) {
        // The router goes on with what it would run without us; the exit code says what is wrong.
        if (error instanceof SettingsError) process.stdout.write(`${fallback}\n`);
        throw error;
      }
      const ports = { reader: context.reader, clock: context.clock };
      const resolved = await resolveImage(ports, identity, fallback, context.settings.snapshots.ttl);
      const err = resolved.source === "snapshot" ? [] : [visible(`the fallback: ${resolved.reason}`)];
      print({ out: [resolved.image], err });
      done(resolved.exitCode);
    },
  );
}

function addEvict(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "evict",
    "Remove the snapshot of a work item, as when its pull request is merged; none is success",
    (y) =>
      withIdentity(withCommonOptions(y))
        .option("json", JSON_DOCUMENT)
        .example("$0 snapshots evict --project web --work-item 42", "for the hook of a merge"),
    async (argv) => {
      const identity = identityOf(argv);
      const context = openContext(argv);
      const stop = new AbortController().signal;
      const report = await evict({ ...context, stop }, identity);
      print(argv.json ? evictDocument(report) : describeEvict(report));
      done(report.exitCode);
    },
  );
}

function addList(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "list",
    "The snapshots on this host",
    (y) => withCommonOptions(y).option("json", JSON_DOCUMENT),
    async (argv) => {
      const { reader, clock, settings } = openContext(argv);
      try {
        const listed = await listSnapshots({ reader, clock }, settings.snapshots);
        print(argv.json ? { snapshots: listed } : { out: screen(listed), err: [] });
        done(Exit.ok);
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        print({ out: [], err: [visible(`the engine could not be asked: ${error.message}`)] });
        done(Exit.unavailable);
      }
    },
  );
}

function withIdentity<T>(yargs: Argv<T>) {
  return yargs.options({
    project: { ...text("Whose work it is"), demandOption: true },
    "work-item": { ...text("Such as the number of a pull request"), demandOption: true },
  });
}

function identityOf({ project, workItem }: { project: string; workItem: string }): Identity {
  const problem = problemOfName("--project", project) ?? problemOfName("--work-item", workItem);
  if (problem !== null) throw new UsageError(problem);
  return { project, workItem };
}

/** Results on standard output, problems on standard error; a document is exact data, and safe on a terminal. */
function print(what: Lines | object): void {
  if ("out" in what && "err" in what) {
    const { out, err } = what as Lines;
    for (const line of out) process.stdout.write(`${line}\n`);
    for (const line of err) process.stderr.write(`ci-docker-prune: ${line}\n`);
    return;
  }
  // Line by line: what is escaped stands in texts alone, where JSON reads the escapes back.
  const lines = JSON.stringify(what, null, 2).split("\n").map(visible);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function screen(snapshots: readonly Listed[]): string[] {
  if (snapshots.length === 0) return ["There are no snapshots on this host."];
  const bytes = (size: number | null) => (size === null ? "?" : formatBytes(size));
  return table(
    ["project", "work item", "name", "size", "unique", "age", "ttl left", "in use by"],
    snapshots.map((one) => [
      one.project,
      one.workItem,
      one.names.join(", "),
      bytes(one.sizeBytes),
      bytes(one.uniqueBytes),
      one.ageSeconds === null ? "?" : formatDuration(Math.max(0, one.ageSeconds)),
      one.fresh && one.ttlLeftSeconds !== null ? formatDuration(one.ttlLeftSeconds) : "expired",
      one.inUseBy ?? "",
    ]),
    terminal(),
  );
}
