import type { Colors } from "picocolors/types";
import type { LastCheck } from "../auth/memory.ts";
import type { Fact } from "../facts.ts";
import type { BusyService } from "../gates/converging.ts";
import { crossings, markPercent } from "../gates/disk-pressure.ts";
import type { LiveMatch } from "../gates/live-run.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Timer } from "../host/timer.ts";
import { sumSizes } from "../log/events.ts";
import type { Engine } from "../observe/candidates.ts";
import type { Pressure } from "../pass/pressure.ts";
import type { PlanPreview } from "../pass/preview.ts";
import type { Suspicion } from "../pass/suspicions.ts";
import type { Judged, ObjectKind } from "../plan/plan.ts";
import { rulesWithoutPressure } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { KINDS } from "../state/passes.ts";
import type { PassRecord, State } from "../state/state.ts";
import { visible } from "../text.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { passTable } from "./history.ts";
import { PLAIN_WIDTH, type Screen, wrap } from "./screen.ts";
import { formatMoment } from "./ticks.ts";

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
  readonly timer: Timer | null;
  readonly auth: LastCheck | null;
  readonly suspicions: readonly Suspicion[];
}

const SHOWN_PASSES = 5;
const SHOWN_NAMES = 3;
/** Beyond this a line is hard to read, however wide the terminal. */
const WIDEST = 160;
const WORDS: Readonly<Record<ObjectKind, readonly [string, string]>> = {
  container: ["container", "containers"],
  image: ["image", "images"],
  "build-cache": ["cache record", "cache records"],
};

/** The whole screen. Pure. */
export function statusScreen(facts: StatusFacts, screen: Screen, colours: Colors): string {
  const width = Math.min(screen.width ?? PLAIN_WIDTH, WIDEST);
  const pen: Pen = { width, screen, colours };
  return [
    ...heading(facts, pen),
    ...section("Disk", disk(facts, pen), pen),
    ...section(
      "Gates",
      facts.gates.flatMap((gate) => gateLines(gate, pen)),
      pen,
    ),
    ...section("A pass now", verdict(facts, pen), pen),
    ...section("Rules", rules(facts, pen), pen),
    ...section("Schedule", schedule(facts, pen), pen),
    ...section("Credentials", credentials(facts, pen), pen),
    ...section(
      "Settings to look at",
      facts.suspicions.flatMap((one) => suspicion(one, pen)),
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

/** Text under a first part, in lines that fit. @param start may be coloured; `startWidth` is what it takes */
function hanging(start: string, startWidth: number, text: string, { width }: Pen): string[] {
  const [first = "", ...rest] = wrap(visible(text), Math.max(20, width - startWidth));
  return [`${start}${first}`, ...rest.map((line) => `${" ".repeat(startWidth)}${line}`)];
}

function heading({ version, host, engine }: StatusFacts, pen: Pen): string[] {
  const { colours } = pen;
  const name = `ci-docker-prune ${version}`;
  const title = `${colours.bold(name)} on ${visible(host)}`;
  if (!engine.known) return [title, ...hanging(colours.red("engine not reached: "), 20, engine.reason, pen)];
  const { version: told, info } = engine.value;
  return [
    title,
    ...hanging("", 0, `engine ${told.version}, ${info.imageStore} image store, data in ${info.rootDir}`, pen),
  ];
}

function disk({ pressure, settings }: StatusFacts, pen: Pen): string[] {
  const { highWatermark, lowWatermark, inodes } = settings.disk;
  const { colours, screen } = pen;
  const low =
    lowWatermark === null
      ? ""
      : `, ${screen.unicode ? "╎" : ":"} low watermark ${formatWatermark(lowWatermark)}`;
  return [
    ...pressure.filesystems.flatMap((fact) => {
      if (!fact.known) return hanging(colours.red("  unknown  "), 11, `${fact.what}: ${fact.reason}`, pen);
      const { usedPercent, availableBytes, totalBytes, inodesUsedPercent } = fact.value;
      const over = crossings(fact.value, highWatermark, inodes).length > 0;
      const text = `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} left`;
      const inodeText = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
      const percent = `${usedPercent}%`.padStart(4);
      return [
        ...hanging("  ", 2, fact.value.paths.join(", "), pen),
        `  ${pressureBar(fact.value, settings.disk, pen)} ${over ? colours.red(percent) : percent}  ${text}${inodeText}`,
      ];
    }),
    colours.dim(`  ${screen.unicode ? "┃" : "|"} high watermark ${formatWatermark(highWatermark)}${low}`),
  ];
}

/** `"██████░░┃░░"`, what lies above the mark in red. */
function pressureBar(
  filesystem: Filesystem,
  marks: Settings["disk"],
  { colours, screen, width }: Pen,
): string {
  const cells = Math.max(10, Math.min(60, width - 52));
  const at = (percent: number) => Math.max(0, Math.min(cells - 1, Math.floor((percent / 100) * cells)));
  const high = at(markPercent(filesystem, marks.highWatermark));
  const low = marks.lowWatermark === null ? -1 : at(markPercent(filesystem, marks.lowWatermark));
  const full = Math.round((Math.min(100, filesystem.usedPercent) / 100) * cells);
  const [filled, empty, highMark, lowMark] = screen.unicode ? ["█", "░", "┃", "╎"] : ["#", ".", "|", ":"];
  return Array.from({ length: cells }, (_, cell) => {
    if (cell === high) return colours.bold(highMark);
    if (cell === low) return lowMark;
    return cell < full ? (cell > high ? colours.red : colours.green)(filled) : colours.dim(empty);
  }).join("");
}

function gateLines(gate: Verdict, pen: Pen): string[] {
  const { green, yellow, red } = pen.colours;
  const word = { open: green("open   "), closed: yellow("closed "), unknown: red("unknown") }[gate.verdict];
  return hanging(`  ${word}  ${gate.gate.padEnd(13)}  `, 26, gateWords(gate), pen);
}

/** The reason, with what the facts know beyond it: each run or service by name, and for how long. */
export function gateWords({ gate, verdict, reason, facts }: Verdict): string {
  if (verdict !== "closed") return reason;
  const said = (lead: string, names: readonly string[], count: number) => {
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    return `${lead}: ${names.join("; ")}${more}`;
  };
  const since = (seconds: number) => (seconds > 0 ? ` for ${formatDuration(seconds)}` : "");
  if (gate === "live-run" && Array.isArray(facts.live) && facts.live.length > 0) {
    const matches = facts.live as readonly LiveMatch[];
    // The containers of a service that is named go without saying.
    const tasks = matches.filter(
      ({ kind, name }) =>
        kind === "container" &&
        matches.some((one) => one.kind === "service" && name.startsWith(`${one.name}.`)),
    );
    const live = matches.filter((match) => !tasks.includes(match)).slice(0, SHOWN_NAMES);
    const names = live.map(({ kind, name, ageSeconds }) => `${kind} ${name}, live${since(ageSeconds)}`);
    return said("a CI run is live", names, Number(facts.liveCount) - tasks.length);
  }
  if (gate === "converging" && Array.isArray(facts.busy) && facts.busy.length > 0) {
    const busy = (facts.busy as readonly BusyService[]).slice(0, SHOWN_NAMES);
    const names = busy.map(({ service, why, busySeconds }) => `${service} (${why}${since(busySeconds)})`);
    return said(
      busy.length === 1 ? "a service is converging" : "services are converging",
      names,
      Number(facts.busyCount),
    );
  }
  return reason;
}

/** What would become of a pass that started now, and what one that may go on would free. */
function verdict(facts: StatusFacts, pen: Pen): string[] {
  const { plan } = facts;
  const open = facts.gates.every((gate) => gate.verdict === "open");
  return [...hanging("  ", 2, fate(facts), pen), ...(plan === null ? [] : removals(plan, open, pen))];
}

function fate({ gates, plan, settings }: StatusFacts): string {
  const notOpen = gates.filter(({ verdict }) => verdict !== "open");
  const [first] = notOpen;
  if (first === undefined) {
    if (plan === null || !plan.known) return "would go on: every gate is open";
    const count = plan.value.plan.remove.length;
    return count === 0
      ? "would find nothing that it may remove, and say so (exit code 10)"
      : `would remove ${count === 1 ? "one object" : `${count} objects`}`;
  }
  const names = notOpen.map(({ gate }) => gate).join(", ");
  if (notOpen.some(({ verdict }) => verdict === "unknown")) {
    const blind = notOpen.filter(({ verdict }) => verdict === "unknown").map(({ gate }) => gate);
    return `would not go on: ${blind.join(", ")} could not be told (exit code 69)`;
  }
  if (first.gate === "disk-pressure") {
    const always = rulesWithoutPressure(settings).length;
    return always === 0
      ? "would do nothing: the disk is below the high watermark"
      : `would apply the rules that do not wait for pressure (${always}) and prune nothing: the disk is below the high watermark`;
  }
  return `would be put off by ${names}`;
}

/** @param open nothing stands in the way */
function removals(plan: Fact<PlanPreview>, open: boolean, pen: Pen): string[] {
  const { colours } = pen;
  if (!plan.known) return hanging(colours.yellow("  what it would remove: "), 24, plan.reason, pen);
  const { remove } = plan.value.plan;
  if (remove.length === 0) return open ? [] : ["  nothing here is old enough, or unused enough, to go"];
  const rows = KINDS.flatMap((kind) => {
    const objects = remove.filter((object) => object.kind === kind);
    const [one, many] = WORDS[kind];
    return objects.length === 0
      ? []
      : [{ count: String(objects.length), what: objects.length === 1 ? one : many, size: sizeText(objects) }];
  });
  const shared = remove.some(({ kind }) => kind === "image")
    ? " (layers that images share count more than once)"
    : "";
  const lead = open ? "that is" : "under pressure, and once no gate is in the way, there would go";
  const [counts, names] = [width(rows.map(({ count }) => count)), width(rows.map(({ what }) => what))];
  return [
    ...hanging("  ", 2, `${lead}${shared}:`, pen).map(colours.dim),
    ...rows.map(
      ({ count, what, size }) => `  ${count.padStart(counts)} ${what.padEnd(names)}  ${size.padStart(9)}`,
    ),
  ];
}

const width = (texts: readonly string[]) => Math.max(...texts.map(({ length }) => length));

function sizeText(objects: readonly Judged[]): string {
  return objects.every(({ sizeBytes }) => sizeBytes === null) ? "?" : formatBytes(sumSizes(objects));
}

/** What each rule names here, and what of it would go. */
function rules({ plan }: StatusFacts, pen: Pen): string[] {
  if (plan === null || !plan.known) return [];
  const { rules: reports, plan: settled } = plan.value;
  // What `snapshots commit` makes is a family of its own on every host; most have none.
  const shown = reports.filter(
    ({ matched, list, name }) => matched > 0 || list !== "retention" || name !== "snapshots",
  );
  const names = shown.map(({ list, name }) => visible(`${list}/${name}`));
  const column = names.length === 0 ? 0 : width(names);
  return shown.flatMap(({ list, name, matched, keptBytes }) => {
    const policy = `${list}/${name}`;
    const go = settled.remove.filter((object) => object.rule === policy).length;
    const [one, many] = list === "orphans" ? WORDS.container : WORDS.image;
    const size = keptBytes === null || matched === 0 ? "" : `, ${formatBytes(keptBytes)} of its own`;
    const text =
      matched === 0
        ? `names ${list === "orphans" ? "no container" : "no image"} here`
        : `${matched} ${matched === 1 ? one : many}${size}; ${go === 0 ? "none" : go} would go`;
    return hanging(`  ${visible(policy).padEnd(column)}  `, column + 4, text, pen);
  });
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
      pen,
    );
  const last =
    timer.last === null
      ? ""
      : `, last fired ${formatMoment(timer.last)} (${formatDuration((now - timer.last) / 1000)} ago)`;
  const next =
    timer.next === null
      ? "when the next pass starts is not known"
      : `next pass ${formatMoment(timer.next)} (in ${formatDuration((timer.next - now) / 1000)})`;
  return hanging("  ", 2, `${next}${last}`, pen);
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
    return hanging(mark, 6, `${registry}${user}: ${reason}${pulls}${ago}`, pen);
  });
}

const suspicion = ({ setting, why }: Suspicion, pen: Pen): string[] =>
  hanging(`  ${pen.colours.yellow("!")} `, 4, `${setting}: ${why}`, pen);

function passes({ passes: all, deferrals, stateTrouble, now }: StatusFacts, pen: Pen): string[] {
  const { colours, screen } = pen;
  if (stateTrouble !== null) return hanging(colours.red("  cannot be read: "), 18, stateTrouble, pen);
  const last = all.slice(-SHOWN_PASSES).reverse();
  if (last.length === 0) return ["  none is recorded yet"];
  const span = deferrals.since === null ? "" : `, for ${formatDuration((now - deferrals.since) / 1000)}`;
  const put =
    deferrals.count === 0
      ? []
      : hanging(
          colours.yellow("  ! "),
          4,
          `put off ${deferrals.count} ${deferrals.count === 1 ? "time" : "times in a row"} under pressure${span}`,
          pen,
        );
  const inner: Screen = {
    ...screen,
    width: screen.width === null ? null : Math.min(screen.width, WIDEST) - 2,
  };
  return [...put, ...passTable(last, inner, colours).map((line) => `  ${line}`)];
}
