import { basename, dirname } from "node:path";
import type { Argv } from "yargs";
import { loadLastCheck } from "../auth/memory.ts";
import { Exit } from "../exit.ts";
import { readable } from "../pass/pressure.ts";
import {
  diskFor,
  type ForecastRow,
  forecast,
  NEEDED_DAYS,
  POLICY_NAMES,
  type PolicyName,
  pulledTwice,
  type Replayed,
  type Scenario,
  WORKING_SET_DAYS,
  workingSet,
} from "../plan/forecast.ts";
import { cacheMark } from "../settings/rules.ts";
import { arrivalsOf } from "../state/history.ts";
import { coverageOf, type Ledger, loadLedger } from "../state/ledger.ts";
import type { Mark } from "../state/passes.ts";
import { type Bytes, formatBytes, formatDuration, formatWatermark, parseBytes } from "../units.ts";
import { chart } from "./chart.ts";
import { type Context, openContext } from "./context.ts";
import { ASCII, type Done, JSON_DOCUMENT, text, UsageError, withCommonOptions } from "./options.ts";
import { type Look, show, table, terminal, warning, wrap } from "./screen.ts";
import { formatCoverage } from "./ticks.ts";

const DAY = 86_400;
/** In seconds: Docker Hub's, where it was not asked. */
const WINDOW = 21_600;

export function forecastCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "forecast",
    "What another disk, or another order of eviction, would have pulled: the ledger of uses replayed",
    (y) =>
      withCommonOptions(y)
        .options({
          disk: text(
            "Sizes of disks for images, by commas (default: half of this disk, all of it, twice as much)",
          ),
          policy: {
            ...text("own: the order of cache.evict; lru: least recently used first; never: no image goes"),
            default: POLICY_NAMES.join(","),
          },
          ledger: {
            ...{ type: "array", string: true, requiresArg: true },
            describe: "Other ledgers (uses.jsonl, or its folder); of several: what these hosts pulled twice",
          },
          json: JSON_DOCUMENT,
          ascii: ASCII,
        })
        .example("$0 forecast --disk 60GB,100GB,200GB", "would a larger disk pay?")
        .example("$0 forecast --ledger a.jsonl b.jsonl", "would a pull-through cache pay?"),
    async (argv) => {
      const context = openContext(argv);
      const look = terminal(argv.ascii);
      const [file, ...more] = argv.ledger ?? [];
      if (file !== undefined && more.length > 0) {
        const told = shared([file, ...more], context.clock.now());
        show(argv.json ? told : sharedScreen(told, look));
      } else {
        const asked = { disk: argv.disk, policies: policiesOf(argv.policy) };
        const { document, charts } = await replayed(context, file, asked);
        show(argv.json ? document : forecastScreen(document, charts, look));
      }
      done(Exit.ok);
    },
  );
}

const policiesOf = (text: string): PolicyName[] =>
  text.split(",").map((name) => {
    const known = POLICY_NAMES.find((one) => one === name);
    if (known !== undefined) return known;
    throw new UsageError(`--policy ${name}: expected ${POLICY_NAMES.join(", ")}, by commas`);
  });

function disksOf(text: string | undefined, present: Bytes | null): Bytes[] {
  if (text === undefined && present !== null) return [present / 2, present, 2 * present];
  return (text ?? "").split(",").map((size) => {
    const bytes = parseBytes(size) ?? 0;
    if (bytes > 0) return bytes;
    throw new UsageError(`--disk ${JSON.stringify(size)}: expected sizes by commas, such as "60GB,100GB"`);
  });
}

function ledgerAt(path: string, now: number): Ledger {
  const [dir, file] = path.endsWith(".jsonl") ? [dirname(path), basename(path)] : [path, undefined];
  return loadLedger(dir, null, now, file);
}

interface Asked {
  readonly disk: string | undefined;
  readonly policies: readonly PolicyName[];
}

/** What the ledger of one host says of disks and policies: the JSON document, and what a chart is drawn from. */
async function replayed(context: Context, file: string | undefined, { disk, policies }: Asked) {
  const { settings, stateDir, host, clock } = context;
  const ledger = ledgerAt(file ?? stateDir, clock.now());
  const { uses, images, warnings } = ledger;
  const root = file === undefined ? host.loadState().state.engineRoot : null;
  const [here] = root === null ? [] : readable(await host.readFilesystems([root], () => true));
  const evicts = settings.cache.evict === "never" ? "never" : "own";
  const present: Scenario[] = here === undefined ? [] : [{ policy: evicts, diskBytes: here.totalBytes }];
  const scenarios = disksOf(disk, here?.totalBytes ?? null).flatMap((diskBytes) =>
    policies.map((policy): Scenario => ({ policy, diskBytes })),
  );
  const told = loadLastCheck(stateDir)?.checks.flatMap(({ rateLimit }) => rateLimit ?? [])[0];
  const hub = { limit: told?.limit ?? null, windowSeconds: told?.windowSeconds ?? WINDOW };
  const marks = { high: settings.disk.highWatermark, low: cacheMark(settings) };
  const all = forecast(uses, [...present, ...scenarios], { ...marks, window: hub.windowSeconds });
  const replays = all.slice(present.length);
  const workingSetBytes = workingSet(uses, clock.now() / 1000);
  const first = (uses[0]?.at ?? 0) * 1000;
  const covers = coverageOf({ ...ledger, since: ledger.since && Math.max(ledger.since, first) });
  const document = {
    source: file ?? stateDir,
    ...{ ...covers, uses: uses.length, images: images.size, warnings },
    imagesOfUnknownSize: [...images.values()].filter(({ bytes }) => bytes === null).length,
    ...{ neededSeconds: NEEDED_DAYS * DAY, tooShort: covers.coveredSeconds < NEEDED_DAYS * DAY },
    ...{ now: here === undefined ? null : (all[0]?.row ?? null), rows: replays.map(({ row }) => row), hub },
    ...{ workingSetBytes, lowMark: formatWatermark(marks.low) },
    diskForWorkingSetBytes: Math.round(diskFor(workingSetBytes, marks.low)),
  };
  return { document, charts: replays.filter(({ row }) => row.policy === policies[0]) };
}

type Told = Awaited<ReturnType<typeof replayed>>;

/** Pure. @param charts replays of which each is drawn */
function forecastScreen(told: Told["document"], charts: Told["charts"], look: Look): string[] {
  const { now, hub } = told;
  const covered = formatDuration(told.coveredSeconds);
  const unsized = told.imagesOfUnknownSize;
  const line = (name: string, row: ForecastRow) => [
    ...[name, formatBytes(row.diskBytes), formatBytes(row.pulledBytes), String(row.pulls)],
    ...[now === null ? "" : against(row, now), String(row.runsOverCapacity)],
    hub.limit === null ? String(row.mostHubPulls) : `${row.mostHubPulls} of ${hub.limit}`,
    "",
  ];
  const head = ["POLICY", "DISK", "PULLED", "PULLS", now === null ? "" : "AGAINST NOW", "DID NOT FIT"];
  const rows = [
    ...(now === null ? [] : [line(`now (${now.policy})`, now)]),
    ...told.rows.map((row) => line(row.policy, row)),
  ];
  const least = told.coveredSeconds < WORKING_SET_DAYS * DAY ? "at least " : "";
  const notes = [
    [
      `The images of the last ${WORKING_SET_DAYS} days take ${least}${formatBytes(told.workingSetBytes)}:`,
      `a disk of ${formatBytes(told.diskForWorkingSetBytes)} holds them below the low mark (${told.lowMark}).`,
      "What else lies on the disk comes on top.",
    ].join(" "),
    [
      "Replayed from an empty disk with images alone. DID NOT FIT: runs that found it over its capacity.",
      "HUB: most pulls from Docker Hub in its window.",
    ].join(" "),
    ...(unsized === 0 ? [] : [`Images of unknown size, which count as 0: ${unsized}.`]),
  ];
  const short = `too short for a forecast: it covers ${covered} and needs ${NEEDED_DAYS} days; this is a first look`;
  return [
    ...wrap(
      `Ledger in ${told.source}: ${told.uses} uses of ${told.images} images${formatCoverage(told)}.`,
      look,
    ),
    ...[...told.warnings, ...(told.tooShort ? [short] : [])].flatMap((text) => warning(text, look)),
    "",
    ...(told.uses === 0
      ? wrap("watch and passes write it where cache.evict is set: docs/cache.md.", look)
      : [
          ...charts.flatMap((replay) => [...usageChart(replay, look), ""]),
          ...table([...head, `HUB IN ${formatDuration(hub.windowSeconds)}`, ""], rows, look),
          "",
          ...notes.flatMap((text) => wrap(text, look)),
        ]),
  ];
}

/** How full the disk would have been, as `history` shows how full it was. */
function usageChart({ row, moments, marks }: Replayed, look: Look): string[] {
  const [first, last] = [(moments[0]?.at ?? 0) * 1000, (moments.at(-1)?.at ?? 0) * 1000];
  const line = (share: number) => [{ at: first, percent: Math.round(100 * share) }];
  const grew = (what: "evictions" | "runsOverCapacity", mark: Mark) =>
    moments.flatMap((moment, index) =>
      moment[what] > (moments[index - 1]?.[what] ?? 0) ? [{ at: moment.at * 1000, mark }] : [],
    );
  return chart(
    {
      title: `${row.policy}, a disk of ${formatBytes(row.diskBytes)}`,
      curve: {
        stretches: [moments.map(({ at, usedPercent }) => ({ at: at * 1000, percent: usedPercent }))],
        marks: { high: line(marks.high), low: line(marks.low) },
      },
      range: [first, last],
      marks: [...grew("evictions", "removed"), ...grew("runsOverCapacity", "failed")],
      words: { removed: "evicted images", failed: "a run did not fit" },
    },
    look,
  );
}

/** `"-1.2 GiB, -14"` */
function against({ pulledBytes, pulls }: ForecastRow, now: ForecastRow): string {
  const bytes = pulledBytes - now.pulledBytes;
  const count = pulls - now.pulls;
  const plus = (value: number) => (value > 0 ? "+" : "");
  return bytes === 0 && count === 0 ? "same" : `${plus(bytes)}${formatBytes(bytes)}, ${plus(count)}${count}`;
}

/** What the hosts of these ledgers pulled twice between them: the JSON document. */
function shared(paths: readonly string[], now: number) {
  const ledgers = paths.map((path) => ledgerAt(path, now));
  const { hosts, twice } = pulledTwice(ledgers.map(arrivalsOf));
  const warnings = ledgers.flatMap(({ warnings, images }, index) =>
    [...warnings, ...(images.size === 0 ? ["no ledger of uses, or nothing in it"] : [])].map(
      (warning) => `${paths[index]}: ${warning}`,
    ),
  );
  return {
    hosts: hosts.map((pulled, index) => ({ ledger: paths[index] ?? "", ...pulled })),
    twice,
    warnings,
  };
}

function sharedScreen({ hosts, twice, warnings }: ReturnType<typeof shared>, look: Look): string[] {
  const total = hosts.reduce((sum, { bytes }) => sum + bytes, 0);
  const share = total === 0 ? 0 : Math.round((100 * twice.bytes) / total);
  const rows = hosts.map(({ ledger, pulls, bytes }) => [ledger, formatBytes(bytes), String(pulls), ""]);
  const text = [
    `Pulled twice between them: ${formatBytes(twice.bytes)} (${share} %), ${twice.pulls} pulls.`,
    "A pull-through cache would have saved that.",
  ].join(" ");
  return [
    ...warnings.flatMap((one) => warning(one, look)),
    ...table(["LEDGER", "PULLED", "PULLS", ""], rows, look),
    "",
    ...wrap(text, look),
  ];
}
