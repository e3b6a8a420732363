import type { Colors } from "picocolors/types";
import type { LastCheck } from "../auth/memory.ts";
import type { Fact } from "../facts.ts";
import { crossings, markPercent } from "../gates/disk-pressure.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Timer } from "../host/timer.ts";
import { sumSizes } from "../log/events.ts";
import type { Engine } from "../observe/engine.ts";
import type { Pressure } from "../pass/pressure.ts";
import type { PlanPreview } from "../pass/preview.ts";
import type { Suspicion } from "../pass/suspicions.ts";
import type { Holder } from "../plan/holders.ts";
import type { ObjectKind } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/rule-names.ts";
import type { Settings } from "../settings/settings.ts";
import type { Ledger } from "../state/ledger.ts";
import type { PassRecord, State } from "../state/state.ts";
import { visible } from "../text.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { gateLines } from "./gates.ts";
import { fold, passTable } from "./history.ts";
import { HOLDER_WORDS, inodesOver, type Outlook, outlook } from "./outlook.ts";
import { PLAIN_WIDTH, type Screen } from "./screen.ts";
import { type Cell, hanging, table } from "./table.ts";
import { formatMoment } from "./ticks.ts";
import { cacheLines } from "./warmth.ts";

/** Everything that the screen says. */
export interface StatusFacts {
  readonly version: string;
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly settings: Settings;
  readonly engine: Fact<Engine>;
  readonly pressure: Pressure;
  readonly gates: readonly Verdict[];
  readonly deferrals: State["deferrals"];
  readonly passes: readonly PassRecord[];
  /** Why the state could not be read. */
  readonly stateTrouble: string | null;
  /** `null`: not asked for. */
  readonly plan: Fact<PlanPreview> | null;
  /** `null`: not asked for. */
  readonly holders: Fact<readonly Holder[]> | null;
  readonly timer: Timer | null;
  readonly auth: LastCheck | null;
  readonly suspicions: readonly Suspicion[];
  /** Of uses. */
  readonly ledger: Ledger;
}

const SHOWN_PASSES = 5;
/** Beyond this a line is hard to read, however wide the terminal. */
const WIDEST = 160;

/** The whole screen: the verdict, what holds the disk, and then all that they rest on. Pure. */
export function statusScreen(facts: StatusFacts, screen: Screen, colours: Colors): string {
  const width = Math.min(screen.width ?? PLAIN_WIDTH, WIDEST);
  const pen: Pen = { width, screen, colours };
  const { pressure, gates, suspicions } = facts;
  const over = pressure.verdict.verdict === "open";
  return [
    ...heading(facts, pen),
    ...(over ? holding(facts, pen) : []),
    ...section("Disk", disk(facts, pen), pen),
    ...section(
      "Gates (a pass goes on where all are open)",
      gates.flatMap((gate) => gateLines(gate, colours, width)),
      pen,
    ),
    ...(over ? [] : holding(facts, pen)),
    ...section("Rules", rules(facts, pen), pen),
    ...section(
      "Cache",
      cacheLines(facts).flatMap((line) => hanging("  ", 2, line, width)),
      pen,
    ),
    ...section("Schedule", schedule(facts, pen), pen),
    ...section("Credentials", credentials(facts, pen), pen),
    ...section(
      "Settings to look at",
      suspicions.flatMap((one) => suspicion(one, pen)),
      pen,
    ),
    ...section("Last passes", passes(facts, pen), pen),
  ].join("\n");
}

interface Pen {
  readonly width: number;
  readonly screen: Screen;
  readonly colours: Colors;
}

const section = (title: string, lines: readonly string[], { colours }: Pen): string[] =>
  lines.length === 0 ? [] : ["", colours.bold(title), ...lines];

/** The verdict and the way out, then which program looked at which engine. */
function heading(facts: StatusFacts, { colours, screen, width }: Pen): string[] {
  const { version, host, engine } = facts;
  const rootDir = engine.known ? engine.value.info.rootDir : null;
  const { state, text, wayOut } = outlook({ ...facts, rootDir });
  const paint: Record<Outlook["state"], (text: string) => string> = {
    good: colours.green,
    waiting: colours.yellow,
    bad: colours.red,
  };
  const told = engine.known
    ? `engine ${engine.value.version.version}, ${engine.value.info.imageStore} image store, data in ${engine.value.info.rootDir}`
    : `engine not reached: ${engine.reason}`;
  return [
    ...hanging(paint[state](screen.unicode ? "● " : "* "), 2, { text, style: colours.bold }, width),
    // In one piece, so that a command can be copied.
    ...(wayOut === null ? [] : [`  -> ${visible(wayOut)}`]),
    ...hanging(
      "  ",
      2,
      { text: `ci-docker-prune ${version} on ${host}; ${told}`, style: colours.dim },
      width,
    ),
  ];
}

const HOLDS = "Holds the disk";

/** Which kind of object a pass removes of what holds the disk. */
const KIND_OF: Readonly<Partial<Record<Holder["what"], ObjectKind>>> = {
  images: "image",
  containers: "container",
  "build-cache": "build-cache",
};

function holding({ holders, plan }: StatusFacts, pen: Pen): string[] {
  const { width, colours } = pen;
  if (holders === null) return [];
  if (!holders.known) return section(HOLDS, hanging("  ", 2, holders.reason, width), pen);
  const rows = holders.value.flatMap(({ what, bytes, count, note, largest }): Cell[][] => {
    const kind = KIND_OF[what];
    const freed =
      kind === undefined
        ? "-"
        : plan?.known
          ? formatBytes(sumSizes(plan.value.plan.remove.filter((object) => object.kind === kind)))
          : "?";
    return [
      [
        `  ${HOLDER_WORDS[what]}`,
        formatBytes(bytes),
        count === null ? "" : String(count),
        freed,
        note === HOLDER_WORDS[what] ? "" : note,
      ],
      ...largest.map((part): Cell[] => [
        { text: `    ${shorten(part.name, width)}`, style: colours.dim },
        { text: formatBytes(part.bytes), style: colours.dim },
        "",
        "",
        { text: part.note, style: colours.dim },
      ]),
    ];
  });
  return ["", ...table([HOLDS, "SIZE", "COUNT", "A PASS FREES", ""], rows, { colours, width })];
}

/** A name that leaves room for the rest of its row: its end tells more than its start. */
function shorten(name: string, width: number): string {
  const room = Math.max(16, Math.floor(width * 0.4));
  return name.length > room ? `…${name.slice(1 - room)}` : name;
}

function disk({ pressure, settings }: StatusFacts, pen: Pen): string[] {
  const { highWatermark, lowWatermark } = settings.disk;
  const { colours, screen, width } = pen;
  const low =
    lowWatermark === null
      ? ""
      : `, ${screen.unicode ? "╎" : ":"} low watermark ${formatWatermark(lowWatermark)}`;
  return [
    ...pressure.filesystems.flatMap((fact) => {
      if (!fact.known) return hanging(colours.red("  unknown  "), 11, `${fact.what}: ${fact.reason}`, width);
      return [
        ...hanging("  ", 2, fact.value.paths.join(", "), width),
        `  ${pressureBar(fact.value, settings.disk, pen)}`,
      ];
    }),
    colours.dim(`  ${screen.unicode ? "┃" : "|"} high watermark ${formatWatermark(highWatermark)}${low}`),
  ];
}

/** `"██████░░┃░░  60%  26 GiB of 64 GiB left, 7% of inodes"`: of bytes, or of inodes where those crossed their mark. */
function pressureBar(
  filesystem: Filesystem,
  marks: Settings["disk"],
  { colours, screen, width }: Pen,
): string {
  const { usedPercent, availableBytes, totalBytes, inodesUsedPercent, totalInodes, freeInodes } = filesystem;
  const inodes = inodesOver(filesystem, marks);
  const cells = Math.max(10, Math.min(60, width - 52));
  const at = (percent: number) => Math.max(0, Math.min(cells - 1, Math.floor((percent / 100) * cells)));
  const high = at(markPercent(filesystem, marks.highWatermark));
  const low = marks.lowWatermark === null ? -1 : at(markPercent(filesystem, marks.lowWatermark));
  const used = inodes ? (inodesUsedPercent ?? 0) : usedPercent;
  const full = Math.round((Math.min(100, used) / 100) * cells);
  const [filled, empty, highMark, lowMark] = screen.unicode ? ["█", "░", "┃", "╎"] : ["#", ".", "|", ":"];
  const part = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, cell) =>
      from + cell === low ? lowMark : from + cell < full ? filled : empty,
    ).join("");
  const over = crossings(filesystem, marks.highWatermark, marks.inodes).length > 0;
  const bar = `${(over ? colours.yellow : colours.green)(part(0, high))}${colours.bold(highMark)}${(over ? colours.red : colours.dim)(part(high + 1, cells))}`;
  const percent = `${used}%`.padStart(4);
  const left = `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left`;
  const text = inodes
    ? ` of inodes (${(totalInodes ?? 0) - (freeInodes ?? 0)} of ${totalInodes}); ${usedPercent}% of bytes`
    : `  ${left}${inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`}`;
  return `${bar} ${over ? colours.red(percent) : percent}${text}`;
}

/** What each rule names here, and what of it would go. */
function rules({ plan }: StatusFacts, { width, colours }: Pen): string[] {
  if (plan === null || !plan.known) return [];
  const { rules: reports, plan: settled } = plan.value;
  // What `snapshots commit` makes is a family of its own on every host; most have none.
  const shown = reports.filter(
    ({ matched, list, name }) => matched > 0 || list !== "retention" || name !== SNAPSHOT_RULE,
  );
  if (shown.length === 0) return [];
  const rows = shown.map(({ list, name, matched, keptBytes }) => {
    const go = settled.remove.filter((object) => object.rule === `${list}/${name}`).length;
    const what = list === "orphans" ? "container" : "image";
    const size = keptBytes === null || matched === 0 ? "" : `, ${formatBytes(keptBytes)} of its own`;
    const text =
      matched === 0
        ? `names no ${what} here`
        : `${matched} ${what}${matched === 1 ? "" : "s"}${size}; ${go === 0 ? "none" : go} would go`;
    return [`  ${list}/${name}`, text];
  });
  return table(["", ""], rows, { colours, width }).slice(1);
}

function schedule({ timer, now }: StatusFacts, pen: Pen): string[] {
  if (timer === null) return [];
  const { yellow } = pen.colours;
  if (!timer.installed) return [`  there is no ${timer.unit}: passes start by hand, or by something else`];
  if (!timer.active)
    return hanging(
      yellow("  ! "),
      4,
      `${timer.unit} is not active, so no pass will start: systemctl enable --now ${timer.unit}`,
      pen.width,
    );
  const last =
    timer.last === null
      ? ""
      : `, last fired ${formatMoment(timer.last)} (${formatDuration((now - timer.last) / 1000)} ago)`;
  const next =
    timer.next === null
      ? "when the next pass starts is not known"
      : `next pass ${formatMoment(timer.next)} (in ${formatDuration((timer.next - now) / 1000)})`;
  return hanging("  ", 2, `${next}${last}`, pen.width);
}

function credentials({ auth, now }: StatusFacts, pen: Pen): string[] {
  if (auth === null) return [];
  const { green, red } = pen.colours;
  const ago = `, checked ${formatDuration((now - auth.at) / 1000)} ago`;
  return auth.checks.flatMap(({ registry, username, result, reason, rateLimit }) => {
    const good = result === "accepted";
    const user = username === null ? "" : ` as ${username}`;
    const span = rateLimit?.windowSeconds ? ` in ${formatDuration(rateLimit.windowSeconds)}` : "";
    const pulls =
      rateLimit === null ? "" : `; ${rateLimit.remaining} of ${rateLimit.limit} pulls${span} left`;
    const mark = good ? green("  ok  ") : red("  !!  ");
    return hanging(mark, 6, `${registry}${user}: ${reason}${pulls}${ago}`, pen.width);
  });
}

const suspicion = ({ setting, why }: Suspicion, pen: Pen): string[] =>
  hanging(`  ${pen.colours.yellow("!")} `, 4, `${setting}: ${why}`, pen.width);

function passes(
  { passes: all, deferrals, stateTrouble, now }: StatusFacts,
  { colours, screen, width }: Pen,
): string[] {
  if (stateTrouble !== null) return hanging(colours.red("  cannot be read: "), 18, stateTrouble, width);
  if (all.length === 0) return ["  none is recorded yet"];
  const span = deferrals.since === null ? "" : `, for ${formatDuration((now - deferrals.since) / 1000)}`;
  const times = deferrals.count === 1 ? "1 time" : `${deferrals.count} times in a row`;
  const put =
    deferrals.count === 0
      ? []
      : hanging(colours.yellow("  ! "), 4, `put off ${times} under pressure${span}`, width);
  const folded = fold(all, SHOWN_PASSES);
  const inner: Screen = { ...screen, width: screen.width === null ? null : width - 2 };
  return [...put, ...passTable([...folded.keys()], inner, colours, folded).map((line) => `  ${line}`)];
}
