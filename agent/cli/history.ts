import { resolve } from "node:path";
import type { Argv } from "yargs";
import { Exit } from "../exit.ts";
import { INODE_PERCENT } from "../gates/disk-pressure.ts";
import { systemClock } from "../host/clock.ts";
import {
  curves,
  loadPasses,
  type Mark,
  markOf,
  parseSince,
  passesSince,
  removedCount,
  saysMore,
  summarize,
} from "../state/passes.ts";
import type { PassRecord } from "../state/state.ts";
import { visible } from "../text.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { chart, MARK_COLOURS } from "./chart.ts";
import { openContext } from "./context.ts";
import { ASCII, type Done, flag, maybeFlag, text, UsageError, withCommonOptions } from "./options.ts";
import { type Look, PLAIN_WIDTH, show, table, terminal, wrap } from "./screen.ts";
import { formatMoment, formatShort } from "./ticks.ts";

const SHOWN_PASSES = 20;

export function historyCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "history",
    "The last passes: disk usage as a chart, and a table",
    (y) =>
      withCommonOptions(y)
        .options({
          since: text('Passes since then: "7d", "2026-11-01", "2026-11-01 03:00"'),
          json: flag("One JSON document, every pass"),
          filesystem: text("The watched path to chart (default: the fullest)"),
          all: maybeFlag("A chart for every filesystem"),
          ascii: ASCII,
        })
        .option("limit", {
          alias: "n",
          type: "number",
          requiresArg: true,
          default: SHOWN_PASSES,
          describe: "Rows of the table",
        })
        .conflicts("filesystem", "all")
        .example("$0 history --since 7d", "the last week"),
    async (argv) => {
      const { filesystem, limit } = argv;
      if (!Number.isInteger(limit) || limit < 0)
        throw new UsageError("--limit: expected a whole number from 0");
      const now = systemClock.now();
      const history = readHistory(argv.since, openContext(argv).stateDir, now);
      const paths = curves(history.passes).map(({ path }) => path);
      if (filesystem !== undefined && !paths.includes(filesystem) && paths.length > 0)
        throw new UsageError(`--filesystem ${filesystem}: not among those watched: ${paths.join(", ")}`);
      const wanted = argv.all === true ? paths : [filesystem ?? paths[0] ?? ""];
      show(
        argv.json
          ? historyDocument(history)
          : historyScreen(history, { wanted, limit, now }, terminal(argv.ascii)),
      );
      done(history.unreadable === null ? Exit.ok : Exit.unavailable);
    },
  );
}

export interface History {
  /** Oldest first. */
  readonly passes: readonly PassRecord[];
  /** `"the state in /var/lib/ci-docker-prune"` */
  readonly source: string;
  /** Milliseconds; `null`: all there are. */
  readonly since: number | null;
  /** Why the source could not be read; then there are no passes. */
  readonly unreadable: string | null;
}

function readHistory(sinceText: string | undefined, stateDir: string, now: number): History {
  const since = sinceText === undefined ? null : parseSince(sinceText, now);
  if (since === undefined) {
    const such = 'such as "7d", "2026-11-01" or "2026-11-01 03:00"';
    throw new UsageError(`--since ${JSON.stringify(sinceText)}: expected a time that has passed, ${such}`);
  }
  const { passes, unreadable } = loadPasses(stateDir);
  const source = `the state in ${resolve(stateDir)}`;
  return { passes: passesSince(passes, since), source, since, unreadable };
}

export function historyDocument(history: History) {
  const { passes, source, since, unreadable } = history;
  return {
    source,
    ...(unreadable === null ? {} : { unknown: unreadable }),
    since,
    summary: summarize(passes),
    passes,
  };
}

interface Shown {
  readonly wanted: readonly string[];
  readonly limit: number;
  readonly now: number;
}

export function historyScreen(history: History, { wanted, limit, now }: Shown, look: Look): string[] {
  const { passes, source, since, unreadable } = history;
  const { dim, red } = look.colours;
  if (unreadable !== null)
    return [red(visible(`${source.replace("the", "The")} cannot be read: ${unreadable}`))];
  const [first] = passes;
  if (first === undefined) {
    const when = since === null ? "" : ` since ${formatMoment(since)}`;
    return [`No pass is recorded${when} by ${visible(source)}.`];
  }
  const all = curves(passes);
  const marks = passes.map((pass) => ({ at: pass.startedAt, mark: markOf(pass) }));
  const range = [since ?? first.startedAt, now] as const;
  const charts = all
    .filter(({ path }) => wanted.includes(path))
    .flatMap((curve) => {
      const { usedPercent, availableBytes, totalBytes } = curve.last;
      const left = `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left`;
      const title = `${curve.path}  ${usedPercent}% used, ${left}`;
      return ["", ...chart({ title, curve, range, marks, words: MARK_WORDS }, look)];
    });
  const others = all
    .filter(({ path }) => !wanted.includes(path))
    .map(({ path, last }) => `${path} ${last.usedPercent}%`);
  const more = others.length === 0 ? [] : ["", dim(visible(`Also watched (--all): ${others.join(", ")}`))];
  const rows = limit === 0 ? [] : ["", ...passTable(passes.slice(-limit).reverse(), look)];
  return [...wrap(headline(passes), { width: look.width ?? PLAIN_WIDTH }), ...charts, ...more, ...rows];
}

const MARK_WORDS: Readonly<Record<Mark, string>> = {
  removed: "removed something",
  deferred: "put off",
  pressure: "left the disk under pressure",
  failed: "failed",
  quiet: "had nothing to do",
};

/** `"8 passes since 2026-07-25 12:00: 1 removed something (183 objects, the disk gained 21.0 GiB), 2 put off"` */
function headline(passes: readonly PassRecord[]): string {
  const { freedBytes, removed, from } = summarize(passes);
  const objects = Object.values(removed).reduce((sum, count) => sum + count, 0);
  const counts = (Object.keys(MARK_WORDS) as Mark[]).flatMap((mark) => {
    const count = passes.filter((pass) => markOf(pass) === mark).length;
    return count === 0 ? [] : [`${count} ${MARK_WORDS[mark]}`];
  });
  const total =
    objects === 0
      ? ""
      : `. In all ${objects} objects removed, and the disk gained ${formatBytes(freedBytes)}`;
  const many = passes.length === 1 ? "1 pass" : `${passes.length} passes`;
  return `${many} since ${formatMoment(from ?? 0)}: ${counts.join(", ")}${total}.`;
}

/**
 * The passes as a table, in the order given. A reason that the outcome does not tell is its last column.
 * @param folded how many passes in a row each of them stands for, and since when; none: each for itself
 */
export function passTable(
  passes: readonly PassRecord[],
  look: Look,
  folded: ReadonlyMap<PassRecord, Folded> = new Map(),
): string[] {
  const rows = passes.map((pass) => {
    const { count, since } = folded.get(pass) ?? { count: 1, since: pass.startedAt };
    const times = count === 1 ? "" : ` ${look.unicode ? "×" : "x"}${count}`;
    const removed = removedCount(pass);
    const reason = [
      ...(count === 1 ? [] : [`since ${formatShort(since)}`]),
      ...(saysMore(pass) ? [pass.reason] : []),
    ];
    return [
      formatShort(pass.startedAt),
      { text: `${pass.outcome}${times}`, style: MARK_COLOURS[markOf(pass)](look.colours) },
      diskText(pass, look),
      removed === 0 ? "" : formatBytes(pass.freedBytes),
      removed === 0 ? "" : String(removed),
      formatDuration(pass.durationSeconds),
      { text: reason.join(": "), style: look.colours.dim },
    ];
  });
  return table(["PASS", "OUTCOME", "DISK", "FREED", "REMOVED", "TOOK", "REASON"], rows, look);
}

/** The newest of several passes that came to the same, one after the other. */
interface Folded {
  readonly count: number;
  /** When the first of them started. */
  readonly since: number;
}

/** Passes that came to the same for the same reason, but for its figures, become one. Newest first, at most so many. */
export function fold(passes: readonly PassRecord[], most: number): ReadonlyMap<PassRecord, Folded> {
  const folded: { newest: PassRecord; count: number; since: number }[] = [];
  for (const pass of [...passes].reverse()) {
    const last = folded.at(-1);
    if (last !== undefined && sameEnd(last.newest, pass)) {
      last.count++;
      last.since = pass.startedAt;
    } else if (folded.length === most) break;
    else folded.push({ newest: pass, count: 1, since: pass.startedAt });
  }
  return new Map(folded.map(({ newest, ...how }) => [newest, how]));
}

const sameEnd = (a: PassRecord, b: PassRecord) =>
  removedCount(a) + removedCount(b) === 0 &&
  a.outcome === b.outcome &&
  a.reason.replaceAll(/\d+/g, "") === b.reason.replaceAll(/\d+/g, "");

/**
 * Of the filesystem that was fullest at the start: `"91→58%"`, or `"100%i"` of its inodes where those reached the
 * mark.
 */
function diskText({ filesystems }: PassRecord, { unicode }: Look): string {
  const looks = filesystems.flatMap(({ usedPercent, inodesUsedPercent, highWatermarkPercent, before }) => {
    const inodes = before?.inodesUsedPercent ?? inodesUsedPercent;
    const scarce =
      inodes !== null && inodesUsedPercent !== null && inodes >= (highWatermarkPercent ?? INODE_PERCENT);
    return [
      { start: before?.usedPercent ?? usedPercent, end: usedPercent, of: "" },
      ...(scarce ? [{ start: inodes, end: inodesUsedPercent, of: "i" }] : []),
    ];
  });
  const [scarcest] = looks.sort((a, b) => b.start - a.start);
  if (scarcest === undefined) return "?";
  const { start, end, of } = scarcest;
  return start === end ? `${end}%${of}` : `${start}${unicode ? "→" : "->"}${end}%${of}`;
}
