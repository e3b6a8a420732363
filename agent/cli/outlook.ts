import type { Fact } from "../facts.ts";
import type { BusyService } from "../gates/converging.ts";
import { belowEverywhere, crossings, formatInodeMark } from "../gates/disk-pressure.ts";
import type { LiveMatch } from "../gates/live-run.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import { sumSizes } from "../log/events.ts";
import { afterRemoval, expectedEvictions } from "../pass/evictions.ts";
import { filesystemOf, type Pressure, readable } from "../pass/pressure.ts";
import type { PlanPreview } from "../pass/preview.ts";
import { HOLDER_TITLES, type Holder } from "../plan/holders.ts";
import type { Plan } from "../plan/plan.ts";
import { cacheMark, rulesWithoutPressure } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { type Bytes, formatBytes } from "../units.ts";

export interface Disk {
  readonly settings: Settings;
  readonly pressure: Pressure;
  /** Where the engine keeps its data; `null`: not known. */
  readonly rootDir: string | null;
}

/** What a look at the host has shown, as far as the verdict needs it; `null`: not asked for. */
export interface Seen extends Disk {
  readonly gates: readonly Verdict[];
  readonly plan: Fact<PlanPreview> | null;
  readonly holders: Fact<readonly Holder[]> | null;
}

/** The verdict on the host: one line, and a way out where there is one. */
interface Outlook {
  /** `good`: nothing to do. `waiting`: a pass would help, or is put off. `bad`: somebody has to do something. */
  readonly state: "good" | "waiting" | "bad";
  readonly text: string;
  readonly wayOut: string | null;
}

export function outlook(seen: Seen): Outlook {
  const { settings, pressure, gates, plan } = seen;
  const told = (state: Outlook["state"], text: string, wayOut: string | null = null) => ({
    ...{ state, text, wayOut },
  });
  const { verdict, reason } = pressure.verdict;
  if (verdict === "unknown") return told("bad", `the disk cannot be read: ${reason}`);
  const full = fullest(pressure, settings.disk);
  if (verdict === "closed") {
    const { length } = rulesWithoutPressure(settings);
    const would =
      length === 0 ? "do nothing" : `only apply what does not wait for pressure (rules: ${length})`;
    return told("good", `${full}, below the high watermark: a pass would ${would}`);
  }
  const effect = plan?.known ? effectOf(seen, plan.value.plan) : null;
  const unread = plan?.known === false ? `; what would go: ${plan.reason}` : "";
  const [shut] = gates
    .filter(({ gate, verdict }) => gate !== "disk-pressure" && verdict !== "open")
    // What could not be told decides (exit code 69).
    .sort((a, b) => Number(b.verdict === "unknown") - Number(a.verdict === "unknown"));
  if (shut !== undefined) {
    const then = effect === null || effect.text === "" ? unread : `; it would ${effect.text}`;
    const state = shut.verdict === "unknown" ? "bad" : "waiting";
    return told(state, `${full}, and no pass may run now: ${shut.reason}${then}`, gateWayOut(shut));
  }
  if (effect === null) return told("waiting", `${full}: a pass may run${unread}`);
  if (effect.enough) return told("waiting", `${full}: a pass would ${effect.text}`);
  const little = effect.text === "" ? "a pass cannot help" : `a pass is not enough: it would ${effect.text}`;
  const { text, wayOut } = cause(seen);
  return told("bad", `${full}, and ${little}${text}`, wayOut);
}

/** `"remove 3 objects, then evict about 12 images, at most 9.0 GiB: …"`; without text: nothing. */
function effectOf(disk: Disk, plan: Plan): { readonly enough: boolean; readonly text: string } {
  const { length } = plan.remove;
  const tier = lastTier(disk, plan);
  const after = tier === null ? afterFreeing(disk, sumSizes(plan.remove)) : tier.after;
  const parts = [
    ...(length === 0 ? [] : [`remove ${counted(length, "object")}`]),
    ...(tier === null ? [] : [`evict about ${counted(tier.count, "image")}`]),
  ];
  const size = after === null || parts.length === 0 ? "" : `, ${after.text}`;
  return { enough: after?.enough === true, text: `${parts.join(", then ")}${size}` };
}

const counted = (count: number, what: string) => (count === 1 ? `one ${what}` : `${count} ${what}s`);

/** `"disk 98% full"`, of the filesystem that is fullest: the first that crosses its mark, else the first. */
function fullest({ filesystems }: Pressure, disk: Settings["disk"]): string {
  const all = readable(filesystems);
  const one = all.find((filesystem) => isOver(filesystem, disk)) ?? all[0];
  if (one === undefined) return "disk";
  const name = all.length > 1 ? ` ${one.paths[0]}` : "";
  return inodesOver(one, disk)
    ? `disk${name} has ${one.inodesUsedPercent}% of its inodes in use (${one.usedPercent}% of its bytes)`
    : `disk${name} ${one.usedPercent}% full`;
}

const isOver = (filesystem: Filesystem, { highWatermark, inodes }: Settings["disk"]) =>
  crossings(filesystem, highWatermark, inodes).length > 0;

/** Its inodes have reached their mark, and its bytes have not. */
export const inodesOver = (filesystem: Filesystem, disk: Settings["disk"]): boolean =>
  isOver(filesystem, disk) && !isOver(filesystem, { ...disk, inodes: false });

/** What to look at, and which setting lets passes go on, where a gate is closed by mistake or for long. */
function gateWayOut({ gate, facts }: Verdict): string | null {
  const [busy] = gate === "converging" ? ((facts.busy ?? []) as readonly BusyService[]) : [];
  const [live] = gate === "live-run" ? ((facts.live ?? []) as readonly LiveMatch[]) : [];
  const setting = (key: string) => `${key} in the settings lets passes go on`;
  if (busy !== undefined) {
    const shows = `docker service ps ${busy.service} shows why`;
    return `${shows}; ${setting("convergence.ignoreStuckAfter")} beside a stuck service`;
  }
  if (live === undefined || live.ageSeconds <= LONG_RUN) return null;
  const { kind, name } = live;
  return `if ${name} is no run any more: docker ${kind} rm ${name}; ${setting("liveRuns.ignoreOlderThan")}`;
}

const LONG_RUN = 24 * 3600;

/** What holds the most, and what would free it. */
function cause({ holders, pressure, settings, rootDir }: Seen): Pick<Outlook, "text" | "wayOut"> {
  const over = readable(pressure.filesystems).filter((filesystem) => isOver(filesystem, settings.disk));
  const inodes = over.find((filesystem) => inodesOver(filesystem, settings.disk));
  if (inodes !== undefined)
    return {
      text: ": many small files",
      wayOut: `du --inodes -xd2 ${inodes.paths[0]} | sort -n | tail shows where they are`,
    };
  const elsewhere = over.find(({ paths }) => rootDir !== null && !paths.includes(rootDir));
  if (elsewhere !== undefined)
    return {
      text: `: it is not the engine's disk (${rootDir} lies elsewhere)`,
      wayOut: `du -xh -d2 ${elsewhere.paths[0]} | sort -h | tail shows what fills it`,
    };
  if (holders?.known === false) return { text: `; what holds it: ${holders.reason}`, wayOut: null };
  const first = holders?.value[0];
  if (first === undefined) return { text: "", wayOut: null };
  const { what, bytes, count, wayOut } = first;
  const [part] = first.largest;
  const text =
    part !== undefined && part.bytes * 2 > bytes
      ? `: ${formatBytes(part.bytes)} in ${part.name} (${HOLDER_TITLES[what]}; ${part.note})`
      : `: ${formatBytes(bytes)} ${HOLDER_TITLES[what]}${count === null ? "" : ` (${count})`}`;
  return { text, wayOut };
}

/**
 * What a pass would take of the last tier: as many images as it takes to reach its mark, of the first in its order; and
 * how full the disk would be after those, and all that goes before them. Pure. `null` where all the rest is enough.
 */
export function lastTier(disk: Disk, plan: Plan) {
  const { settings, pressure, rootDir } = disk;
  const { go } = expectedEvictions(settings, pressure, [rootDir ?? ""], plan);
  if (go.length === 0) return null;
  const bytes = sumSizes([...plan.remove, ...go]);
  const reached = afterFreeing(disk, bytes, cacheMark(settings));
  // Where all of it goes, whether that ends the pressure is another mark's matter.
  return { count: go.length, after: reached?.enough ? reached : afterFreeing(disk, bytes) };
}

/** The disk if so much went at most, and whether that is enough; `null` where the engine's is not known. Pure. */
export function afterFreeing(
  { pressure, settings, rootDir }: Disk,
  bytes: Bytes,
  mark = settings.disk.highWatermark,
) {
  const { filesystems } = afterRemoval(settings, pressure, [rootDir ?? ""], bytes);
  const then = filesystemOf({ filesystems }, rootDir);
  if (then === null) return null;
  const enough = belowEverywhere(filesystems, mark, settings.disk.inodes);
  const left = `${enough ? "" : "at most "}${formatBytes(then.availableBytes)}`;
  const measure =
    mark.kind === "used-percent"
      ? `the disk would be at ${then.usedPercent}%${enough ? "" : " or more"}, the mark is ${mark.percent}%`
      : `${left} would be left, the mark is ${formatBytes(mark.bytes)}`;
  const inodes = inodesOver(then, settings.disk)
    ? `; ${then.inodesUsedPercent}% of inodes are in use, the mark is ${formatInodeMark(mark, settings.disk.inodes)}`
    : "";
  return {
    enough,
    text: `at most ${formatBytes(bytes)}: ${measure}${inodes}: ${enough ? "enough" : "not enough"}`,
  };
}
