import { crossings, markPercent } from "../gates/disk-pressure.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import { describeCheck } from "../log/auth-events.ts";
import { sumSizes } from "../log/events.ts";
import { WORKING_SET_DAYS } from "../plan/forecast.ts";
import { HOLDER_TITLES, type Holder } from "../plan/holders.ts";
import type { ObjectKind } from "../plan/plan.ts";
import { cacheMark } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { WARMTH_DAYS } from "../state/warmth.ts";
import { visible } from "../text.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { fold, passTable } from "./history.ts";
import { inodesOver, outlook } from "./outlook.ts";
import { gateLines, ruleTable } from "./plan.ts";
import { type Cell, hanging, type Look, PLAIN_WIDTH, table, warning } from "./screen.ts";
import { cacheDocument, type StatusFacts } from "./status-facts.ts";
import { formatCoverage, formatMoment } from "./ticks.ts";

const SHOWN_PASSES = 5;
const SHOWN_NAMES = 3;
/** Beyond this a line is hard to read, however wide the terminal. */
const WIDEST = 160;

/** The whole screen: the verdict, what holds the disk, and then all that they rest on. Pure. */
export function statusScreen(facts: StatusFacts, terminal: Look): string[] {
  const look = { ...terminal, width: Math.min(terminal.width ?? PLAIN_WIDTH, WIDEST) };
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", look.colours.bold(title), ...lines];
  const { pressure, suspicions, plan } = facts;
  const over = pressure.verdict.verdict === "open";
  return [
    ...heading(facts, look),
    ...(over ? holding(facts, look) : []),
    ...section("Disk", disk(facts, look)),
    ...section("Gates (a pass goes on where all are open)", gateLines(facts.gates.map(brief), look)),
    ...(over ? [] : holding(facts, look)),
    ...(plan?.known ? ruleTable(plan.value, look) : []),
    ...section(
      "Cache",
      cacheLines(facts).flatMap((line) => hanging("  ", line, look)),
    ),
    ...section("Schedule", schedule(facts, look)),
    ...section("Credentials", credentials(facts, look)),
    ...section(
      "Settings to look at",
      suspicions.flatMap(({ setting, why }) => warning(`${setting}: ${why}`, look, "  ")),
    ),
    ...section("Last passes", passes(facts, look)),
  ];
}

/** The first line has said how full the disk is. */
const brief = (verdict: Verdict): Verdict =>
  verdict.gate === "disk-pressure" && verdict.verdict === "closed"
    ? { ...verdict, reason: "nothing is pruned" }
    : verdict;

function heading(facts: StatusFacts, look: Look): string[] {
  const { version, host, engine } = facts;
  const { bold, dim, green, yellow, red } = look.colours;
  const info = engine.known ? engine.value.info : null;
  const { state, text, wayOut } = outlook({ ...facts, rootDir: info?.rootDir ?? null });
  const style = { good: green, waiting: yellow, bad: red }[state];
  const told = engine.known
    ? `engine ${engine.value.version.version}, ${info?.imageStore} image store, data in ${info?.rootDir}`
    : `engine not reached: ${engine.reason}`;
  return [
    ...hanging({ text: look.unicode ? "● " : "* ", style }, { text, style: bold }, look),
    // In one piece, so that a command can be copied.
    ...(wayOut === null ? [] : [`  -> ${visible(wayOut)}`]),
    ...hanging("  ", { text: `ci-docker-prune ${version} on ${host}; ${told}`, style: dim }, look),
  ];
}

/** Which kind of object a pass removes of what holds the disk. */
const KIND_OF: Readonly<Partial<Record<Holder["what"], ObjectKind>>> = {
  images: "image",
  containers: "container",
  "build-cache": "build-cache",
};

function holding({ holders, plan }: StatusFacts, look: Look): string[] {
  if (holders === null) return [];
  const { dim } = look.colours;
  const freed = (kind: ObjectKind) =>
    plan?.known ? formatBytes(sumSizes(plan.value.plan.remove.filter((one) => one.kind === kind))) : "?";
  const all = holders.known ? holders.value : [];
  const rows = all.flatMap(({ what, bytes, count, note, largest }): Cell[][] => {
    const kind = KIND_OF[what];
    return [
      [
        `  ${HOLDER_TITLES[what]}`,
        formatBytes(bytes),
        count === null ? "" : String(count),
        kind === undefined ? "-" : freed(kind),
        note === HOLDER_TITLES[what] ? "" : note,
      ],
      ...largest.map((part): Cell[] => [
        { text: `    ${shorten(part.name, look)}`, style: dim },
        { text: formatBytes(part.bytes), style: dim },
        "",
        "",
        { text: part.note, style: dim },
      ]),
    ];
  });
  return [
    "",
    ...table(["Holds the disk", "SIZE", "COUNT", "A PASS FREES", ""], rows, look),
    ...(holders.known ? [] : hanging("  ", holders.reason, look)),
  ];
}

/** A name that leaves room for the rest of its row: its end tells more than its start. */
function shorten(name: string, { width }: Look): string {
  const room = Math.max(16, Math.floor((width ?? PLAIN_WIDTH) * 0.4));
  return name.length > room ? `…${name.slice(1 - room)}` : name;
}

function disk({ pressure, settings }: StatusFacts, look: Look): string[] {
  const { highWatermark, lowWatermark } = settings.disk;
  const { red, dim } = look.colours;
  const [high, low] = look.unicode ? ["┃", "╎"] : ["|", ":"];
  const lowMark = lowWatermark === null ? "" : `, ${low} low watermark ${formatWatermark(lowWatermark)}`;
  return [
    ...pressure.filesystems.flatMap((fact) =>
      fact.known
        ? [
            ...hanging("  ", fact.value.paths.join(", "), look),
            `  ${pressureBar(fact.value, settings.disk, look)}`,
          ]
        : hanging({ text: "  unknown  ", style: red }, `${fact.what}: ${fact.reason}`, look),
    ),
    dim(`  ${high} high watermark ${formatWatermark(highWatermark)}${lowMark}`),
  ];
}

/**
 * `"██████░░┃░░  60%  26 GiB of 64 GiB left, 7% of inodes"`: of bytes, or of inodes where those crossed their mark.
 */
function pressureBar(filesystem: Filesystem, marks: Settings["disk"], look: Look): string {
  const { usedPercent, availableBytes, totalBytes, inodesUsedPercent, totalInodes, freeInodes } = filesystem;
  const { bold, dim, green, yellow, red } = look.colours;
  const inodes = inodesOver(filesystem, marks);
  const cells = Math.max(10, Math.min(60, (look.width ?? PLAIN_WIDTH) - 52));
  const at = (percent: number) => Math.max(0, Math.min(cells - 1, Math.floor((percent / 100) * cells)));
  const high = at(markPercent(filesystem, marks.highWatermark));
  const low = marks.lowWatermark === null ? -1 : at(markPercent(filesystem, marks.lowWatermark));
  const used = inodes ? (inodesUsedPercent ?? 0) : usedPercent;
  const full = Math.round((Math.min(100, used) / 100) * cells);
  const [filled, empty, highMark, lowMark] = look.unicode ? ["█", "░", "┃", "╎"] : ["#", ".", "|", ":"];
  const over = crossings(filesystem, marks.highWatermark, marks.inodes).length > 0;
  const part = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, cell) =>
      from + cell === low ? lowMark : from + cell < full ? filled : empty,
    ).join("");
  const bar = `${(over ? yellow : green)(part(0, high))}${bold(highMark)}${(over ? red : dim)(part(high + 1, cells))}`;
  const percent = `${used}%`.padStart(4);
  const ofInodes = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
  const text = inodes
    ? ` of inodes (${(totalInodes ?? 0) - (freeInodes ?? 0)} of ${totalInodes}); ${usedPercent}% of bytes`
    : `  ${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left${ofInodes}`;
  return `${bar} ${over ? red(percent) : percent}${text}`;
}

function cacheLines(facts: StatusFacts): string[] {
  const told = cacheDocument(facts);
  if (told === null) return [];
  const { ledger, days, regretted, diskBytes, diskForWorkingSetBytes: wanted } = told;
  if (ledger.since === null) return ["the ledger of uses is empty: the first pass learns", ...told.warnings];
  const share = ({ uses, warmUses }: { readonly uses: number; readonly warmUses: number }) =>
    uses === 0 ? "-" : `${Math.floor((100 * warmUses) / uses)}%`;
  const more = regretted.length > SHOWN_NAMES ? ", …" : "";
  const names = regretted.length === 0 ? "" : ` (${regretted.slice(0, SHOWN_NAMES).join(", ")}${more})`;
  const warm = `${share(told)} of ${told.uses} uses in ${WARMTH_DAYS} days met an image that was here`;
  const mark = formatWatermark(cacheMark(facts.settings));
  const asked = `the images of the last ${WORKING_SET_DAYS} days ask for a disk of ${formatBytes(wanted)}`;
  return [
    `${warm}; by day: ${days.map(share).join(" ")}`,
    `${told.evictions} evicted, ${told.regrets} came back${names}`,
    `ledger of uses${formatCoverage(ledger)}`,
    ...told.warnings,
    ...(diskBytes === null || wanted <= diskBytes
      ? []
      : [
          `${asked} to stay below ${mark}; this one has ${formatBytes(diskBytes)} (ci-docker-prune forecast)`,
        ]),
  ];
}

function schedule({ timer, now }: StatusFacts, look: Look): string[] {
  if (timer === null) return [];
  const { unit, installed, active, last, next } = timer;
  if (!installed) return [`  there is no ${unit}: passes start by hand, or by something else`];
  if (!active)
    return warning(
      `${unit} is not active, so no pass will start: systemctl enable --now ${unit}`,
      look,
      "  ",
    );
  const fired =
    last === null ? "" : `, last fired ${formatMoment(last)} (${formatDuration((now - last) / 1000)} ago)`;
  const then =
    next === null
      ? "when the next pass starts is not known"
      : `next pass ${formatMoment(next)} (in ${formatDuration((next - now) / 1000)})`;
  return hanging("  ", `${then}${fired}`, look);
}

function credentials({ auth, now }: StatusFacts, look: Look): string[] {
  const { green, red } = look.colours;
  return (auth?.checks ?? []).flatMap((checked) => {
    const ago = `, checked ${formatDuration((now - (auth?.at ?? now)) / 1000)} ago`;
    const mark =
      checked.result === "accepted" ? { text: "  ok  ", style: green } : { text: "  !!  ", style: red };
    return hanging(mark, `${describeCheck(checked)}${ago}`, look);
  });
}

function passes({ passes: all, deferrals, stateTrouble, now }: StatusFacts, look: Look): string[] {
  if (stateTrouble !== null)
    return hanging({ text: "  cannot be read: ", style: look.colours.red }, stateTrouble, look);
  if (all.length === 0) return ["  none is recorded yet"];
  const span = deferrals.since === null ? "" : `, for ${formatDuration((now - deferrals.since) / 1000)}`;
  const times = deferrals.count === 1 ? "1 time" : `${deferrals.count} times in a row`;
  const folded = fold(all, SHOWN_PASSES);
  const inner = { ...look, width: look.width === null ? null : look.width - 2 };
  return [
    ...(deferrals.count === 0 ? [] : warning(`put off ${times} under pressure${span}`, look, "  ")),
    ...passTable([...folded.keys()], inner, folded).map((line) => `  ${line}`),
  ];
}
