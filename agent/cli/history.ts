import type { Colors } from "picocolors/types";
import type { Argv } from "yargs";
import { colours as pc } from "../colours.ts";
import { Exit } from "../exit.ts";
import { INODE_PERCENT } from "../gates/disk-pressure.ts";
import { systemClock } from "../host/clock.ts";
import {
  curves,
  type Mark,
  markOf,
  type PastPass,
  removedCount,
  saysMore,
  summarize,
} from "../state/passes.ts";
import { visible, visibleDeep } from "../text.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { chart } from "./chart.ts";
import { openContext } from "./context.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { type History, readHistory } from "./past.ts";
import { PLAIN_WIDTH, type Screen, screenOf } from "./screen.ts";
import { table, wrap } from "./table.ts";
import { formatMoment, formatShort } from "./ticks.ts";
import { UsageError } from "./usage.ts";

const SHOWN_PASSES = 20;
/** A reason has room beside the other columns. */
const WIDE = 120;
const ROWS = 11;

export function historyCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "history",
    "The last passes: disk usage as a chart, and a table",
    (y) =>
      withCommonOptions(y)
        .option("since", {
          type: "string",
          requiresArg: true,
          describe: 'Passes since then: "7d", "2026-11-01", "2026-11-01 03:00"',
        })
        .option("json", { type: "boolean", default: false, describe: "One JSON document, every pass" })
        .option("limit", {
          alias: "n",
          type: "number",
          requiresArg: true,
          default: SHOWN_PASSES,
          describe: "Rows of the table",
        })
        .option("filesystem", {
          type: "string",
          requiresArg: true,
          describe: "The watched path to chart (default: the fullest)",
        })
        .option("all", { type: "boolean", describe: "A chart for every filesystem" })
        .conflicts("filesystem", "all")
        .option("ascii", {
          type: "boolean",
          default: false,
          describe: "Plain ASCII (the default where the locale is not UTF-8)",
        })
        .example("$0 history --since 7d", "the last week"),
    async (argv) => {
      if (!Number.isInteger(argv.limit) || argv.limit < 0)
        throw new UsageError("--limit: expected a whole number from 0");
      const { stateDir } = openContext(argv, false);
      const now = systemClock.now();
      const history = readHistory(argv.since, stateDir, now);
      const screen = screenOf(process.stdout, process.env, argv.ascii);
      const paths = curves(history.passes).map(({ path }) => path);
      if (argv.filesystem !== undefined && !paths.includes(argv.filesystem) && paths.length > 0)
        throw new UsageError(`--filesystem ${argv.filesystem}: not among those watched: ${paths.join(", ")}`);
      const wanted = argv.all === true ? paths : [argv.filesystem ?? paths[0] ?? ""];
      process.stdout.write(
        argv.json
          ? `${JSON.stringify(visibleDeep(historyDocument(history)), null, 2)}\n`
          : `${historyScreen(history, { wanted, limit: argv.limit }, screen, pc, now)}\n`,
      );
      done(history.unreadable === null ? Exit.ok : Exit.unavailable);
    },
  );
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

/** Pure. @param shown.wanted paths of the filesystems to chart @param shown.limit rows of the table */
export function historyScreen(
  history: History,
  shown: { readonly wanted: readonly string[]; readonly limit: number },
  screen: Screen,
  colours: Colors,
  now: number,
): string {
  const { passes, source, since, unreadable } = history;
  if (unreadable !== null) return colours.red(visible(`${capital(source)} cannot be read: ${unreadable}`));
  const [first] = passes;
  if (first === undefined) {
    const when = since === null ? "" : ` since ${formatMoment(since)}`;
    return `No pass is recorded${when} by ${visible(source)}.`;
  }
  const width = screen.width ?? PLAIN_WIDTH;
  const all = curves(passes);
  const range = [since ?? first.startedAt, now] as const;
  const charts = all
    .filter(({ path }) => shown.wanted.includes(path))
    .flatMap((curve) => [
      "",
      ...chart(curve, passes, range, {
        width: Math.min(width, WIDE),
        rows: ROWS,
        unicode: screen.unicode,
        colours,
      }),
    ]);
  const others = all.filter(({ path }) => !shown.wanted.includes(path));
  const more =
    others.length === 0
      ? []
      : [
          "",
          colours.dim(
            visible(
              `Also watched (--all): ${others.map(({ path, last }) => `${path} ${last.usedPercent}%`).join(", ")}`,
            ),
          ),
        ];
  const last = passes.slice(-shown.limit || passes.length).reverse();
  const rows = shown.limit === 0 ? [] : ["", ...passTable(last, screen, colours)];
  return [...wrap(headline(passes), width), ...charts, ...more, ...rows].join("\n");
}

const COUNTED: Readonly<Record<Mark, string>> = {
  removed: "removed something",
  deferred: "put off",
  pressure: "left the disk under pressure",
  failed: "failed",
  quiet: "with nothing to do",
};

/** `"8 passes since 2026-07-25 12:00: 1 removed something (183 objects, the disk gained 21.0 GiB), 2 put off"` */
function headline(passes: readonly PastPass[]): string {
  const { freedBytes, removed, from } = summarize(passes);
  const objects = Object.values(removed).reduce((sum, count) => sum + count, 0);
  const counts = (Object.keys(COUNTED) as Mark[]).flatMap((mark) => {
    const count = passes.filter((pass) => markOf(pass) === mark).length;
    return count === 0 ? [] : [`${count} ${COUNTED[mark]}`];
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
  passes: readonly PastPass[],
  { unicode, width }: Screen,
  colours: Colors,
  folded: ReadonlyMap<PastPass, Folded> = new Map(),
): string[] {
  return table(
    ["PASS", "OUTCOME", "DISK", "FREED", "REMOVED", "TOOK", "REASON"],
    passes.map((pass) => {
      const { count, since } = folded.get(pass) ?? { count: 1, since: pass.startedAt };
      const times = count === 1 ? "" : ` ${unicode ? "×" : "x"}${count}`;
      const reason = saysMore(pass) ? pass.reason : "";
      return [
        formatShort(pass.startedAt),
        { text: `${pass.outcome}${times}`, style: OUTCOME_COLOURS[markOf(pass)](colours) },
        diskText(pass, unicode),
        removedCount(pass) === 0 ? "" : formatBytes(pass.freedBytes),
        removedCount(pass) === 0 ? "" : String(removedCount(pass)),
        formatDuration(pass.durationSeconds),
        {
          text: count === 1 ? reason : `since ${formatShort(since)}${reason === "" ? "" : `: ${reason}`}`,
          style: colours.dim,
        },
      ];
    }),
    { colours, width },
  );
}

/** The newest of several passes that came to the same, one after the other. */
export interface Folded {
  readonly count: number;
  /** When the first of them started. */
  readonly since: number;
}

/** Passes that came to the same for the same reason, but for its figures, become one. Newest first, at most so many. */
export function fold(passes: readonly PastPass[], most: number): ReadonlyMap<PastPass, Folded> {
  const folded = new Map<PastPass, Folded>();
  let newest: PastPass | undefined;
  for (const pass of [...passes].reverse()) {
    const so = newest === undefined ? undefined : folded.get(newest);
    if (newest !== undefined && so !== undefined && sameEnd(newest, pass)) {
      folded.set(newest, { count: so.count + 1, since: pass.startedAt });
      continue;
    }
    if (folded.size === most) break;
    newest = pass;
    folded.set(pass, { count: 1, since: pass.startedAt });
  }
  return folded;
}

const sameEnd = (a: PastPass, b: PastPass) =>
  removedCount(a) + removedCount(b) === 0 &&
  a.outcome === b.outcome &&
  a.reason.replaceAll(/\d+/g, "") === b.reason.replaceAll(/\d+/g, "");

const OUTCOME_COLOURS: Readonly<Record<Mark, (colours: Colors) => (text: string) => string>> = {
  removed: ({ green }) => green,
  deferred: ({ yellow }) => yellow,
  pressure: ({ red }) => red,
  failed: ({ red }) => red,
  quiet: ({ dim }) => dim,
};

/**
 * Of the filesystem that was fullest at the start: `"91→58%"`, or `"100%i"` of its inodes where those reached the mark.
 */
function diskText({ filesystems }: PastPass, unicode: boolean): string {
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

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
