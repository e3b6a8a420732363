import type { Fact } from "../facts.ts";
import { crossings, formatInodeMark, withFreed } from "../gates/disk-pressure.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import { claimed, sumSizes } from "../log/events.ts";
import { type Pressure, readable } from "../pass/pressure.ts";
import type { PlanPreview } from "../pass/preview.ts";
import type { Holder } from "../plan/holders.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { cacheMark, rulesWithoutPressure } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { type Bytes, formatBytes, type Watermark } from "../units.ts";
import { gateWayOut, gateWords } from "./gates.ts";

/** What a look at the host has shown, as far as the verdict needs it. */
export interface Seen {
  readonly settings: Settings;
  readonly pressure: Pressure;
  readonly gates: readonly Verdict[];
  /** Where the engine keeps its data; `null`: not known. */
  readonly rootDir: string | null;
  /** `null`: not asked for. */
  readonly plan: Fact<PlanPreview> | null;
  readonly holders: Fact<readonly Holder[]> | null;
}

/** The verdict on the host: one line, and a way out where there is one. */
export interface Outlook {
  /** `good`: nothing to do. `waiting`: a pass would help, or is put off. `bad`: somebody has to do something. */
  readonly state: "good" | "waiting" | "bad";
  readonly text: string;
  readonly wayOut: string | null;
}

export const HOLDER_WORDS: Readonly<Record<Holder["what"], string>> = {
  images: "images",
  containers: "files that containers wrote",
  volumes: "volumes",
  "build-cache": "build cache",
  "container-logs": "logs of containers",
  swarm: "Swarm's own state",
  "deleted-files": "deleted files still open",
  "outside-docker": "not accounted for by the engine",
};

/** What the operator wants to know first. Pure. */
export function outlook(seen: Seen): Outlook {
  const { settings, pressure, gates, plan } = seen;
  const full = fullest(pressure, settings.disk);
  if (pressure.verdict.verdict === "unknown")
    return { state: "bad", text: `the disk cannot be read: ${pressure.verdict.reason}`, wayOut: null };
  if (pressure.verdict.verdict === "closed") {
    const rules = rulesWithoutPressure(settings);
    const would =
      rules.length === 0
        ? "a pass would do nothing"
        : `a pass would apply ${rules.length === 1 ? "the one rule that does" : `the ${rules.length} rules that do`} not wait for pressure, and prune nothing`;
    return { state: "good", text: `${full}, below the high watermark: ${would}`, wayOut: null };
  }
  const [shut] = gates
    .filter(({ gate, verdict }) => gate !== "disk-pressure" && verdict !== "open")
    // What could not be told decides (exit code 69).
    .sort((a, b) => Number(b.verdict === "unknown") - Number(a.verdict === "unknown"));
  const remove = plan?.known ? plan.value.plan.remove : null;
  const tier = plan?.known ? lastTier(seen, plan.value.plan) : null;
  const after = tier?.after ?? (remove === null ? null : afterRemoval(seen, remove));
  const unread = plan?.known === false ? `; what would go: ${plan.reason}` : "";
  if (shut !== undefined) {
    const go = goes(remove, tier);
    const then = go === null ? unread : `; ${go} would go then${sized(after)}`;
    const state = shut.verdict === "unknown" ? "bad" : "waiting";
    return {
      state,
      text: `${full}, and no pass may run now: ${gateWords(shut)}${then}`,
      wayOut: gateWayOut(shut),
    };
  }
  if (remove === null) return { state: "waiting", text: `${full}: a pass may run${unread}`, wayOut: null };
  if (after?.enough)
    return {
      state: "waiting",
      text: `${full}: a pass would ${removes(remove, tier)}${sized(after)}`,
      wayOut: null,
    };
  const go = goes(remove, tier);
  const little = go === null ? "a pass cannot help" : `a pass is not enough: ${go} would go${sized(after)}`;
  return { state: "bad", ...cause(seen, `${full}, and ${little}`) };
}

const many = ({ length }: readonly unknown[]) => (length === 1 ? "one object" : `${length} objects`);
/** `"3 objects, then about 12 images of the cache"`; `null`: nothing. */
function goes(remove: readonly Judged[] | null, tier: LastTier | null): string | null {
  const parts = [
    ...(remove === null || remove.length === 0 ? [] : [many(remove)]),
    ...(tier === null ? [] : [`about ${images(tier)} of the cache`]),
  ];
  return parts.length === 0 ? null : parts.join(", then ");
}

/** `"remove 3 objects, then evict about 12 images"` */
const removes = (remove: readonly Judged[], tier: LastTier | null): string =>
  [
    ...(remove.length === 0 && tier !== null ? [] : [`remove ${many(remove)}`]),
    ...(tier === null ? [] : [`evict about ${images(tier)}`]),
  ].join(", then ");

const images = ({ count }: LastTier) => (count === 1 ? "one image" : `${count} images`);
const sized = (after: AfterRemoval | null) => (after === null ? "" : `, ${after.text}`);

/** `"disk 98% full"`, of the filesystem that is fullest: the first that crosses its mark, else the first. */
function fullest({ filesystems }: Pressure, disk: Settings["disk"]): string {
  const all = readable(filesystems);
  const one = all.find((filesystem) => over(filesystem, disk)) ?? all[0];
  if (one === undefined) return "disk";
  const name = all.length > 1 ? ` ${one.paths[0]}` : "";
  return inodesOver(one, disk)
    ? `disk${name} has ${one.inodesUsedPercent}% of its inodes in use (${one.usedPercent}% of its bytes)`
    : `disk${name} ${one.usedPercent}% full`;
}

const over = (filesystem: Filesystem, { highWatermark, inodes }: Settings["disk"]) =>
  crossings(filesystem, highWatermark, inodes).length > 0;

/** Its inodes have reached their mark, and its bytes have not. */
export const inodesOver = (filesystem: Filesystem, { highWatermark, inodes }: Settings["disk"]): boolean =>
  crossings(filesystem, highWatermark, false).length === 0 &&
  crossings(filesystem, highWatermark, inodes).length > 0;

/** What holds the most, and what would free it. */
function cause({ holders, pressure, settings, rootDir }: Seen, lead: string): Omit<Outlook, "state"> {
  const inodes = readable(pressure.filesystems).find((filesystem) => inodesOver(filesystem, settings.disk));
  if (inodes !== undefined)
    return {
      text: `${lead}: many small files`,
      wayOut: `du --inodes -xd2 ${inodes.paths[0]} | sort -n | tail shows where they are`,
    };
  const elsewhere = readable(pressure.filesystems).find(
    (filesystem) =>
      over(filesystem, settings.disk) && rootDir !== null && !filesystem.paths.includes(rootDir),
  );
  if (elsewhere !== undefined)
    return {
      text: `${lead}: it is not the engine's disk (${rootDir} lies elsewhere)`,
      wayOut: `du -xh -d2 ${elsewhere.paths[0]} | sort -h | tail shows what fills it`,
    };
  if (holders === null || !holders.known || holders.value[0] === undefined)
    return {
      text: holders?.known === false ? `${lead}; what holds it: ${holders.reason}` : lead,
      wayOut: null,
    };
  const [first] = holders.value;
  const [part] = first.largest;
  const named = part !== undefined && part.bytes * 2 > first.bytes;
  return {
    text: named
      ? `${lead}: ${formatBytes(part.bytes)} in ${part.name} (${HOLDER_WORDS[first.what]}; ${part.note})`
      : `${lead}: ${formatBytes(first.bytes)} ${HOLDER_WORDS[first.what]}${first.count === null ? "" : ` (${first.count})`}`,
    wayOut: first.wayOut,
  };
}

/** How full the disk would be if all of these went, and whether that is enough. */
export interface AfterRemoval {
  readonly enough: boolean;
  /** `"at most 71.0 MiB: the disk would be at 85% or more, the mark is 80%: not enough"` */
  readonly text: string;
}

type Disk = Pick<Seen, "pressure" | "settings" | "rootDir">;

/** Pure. `null` where the filesystem under the engine's data is not known. Sizes count shared layers more than once. */
export function afterRemoval(disk: Disk, remove: readonly Judged[]): AfterRemoval | null {
  return afterFreeing(disk, sumSizes(remove), disk.settings.disk.highWatermark);
}

/** What a pass would take of the last tier. */
export interface LastTier {
  /** As many images as it takes to reach the mark of the last tier, of the first in its order. */
  readonly count: number;
  /** How full the disk would be after those, and all that goes before them; `null`: not known. */
  readonly after: AfterRemoval | null;
}

/** Pure. `null` where all the rest is enough, or nothing is in the order of eviction. */
export function lastTier(disk: Disk, { remove, evict = [] }: Plan): LastTier | null {
  if (evict.length === 0 || afterRemoval(disk, remove)?.enough === true) return null;
  const mark = cacheMark(disk.settings);
  let bytes = sumSizes(remove);
  for (const [index, object] of evict.entries()) {
    bytes += claimed(object);
    const after = afterFreeing(disk, bytes, mark);
    if (after?.enough) return { count: index + 1, after };
  }
  // All of it goes, and whether that ends the pressure is another mark's matter.
  return { count: evict.length, after: afterFreeing(disk, bytes, disk.settings.disk.highWatermark) };
}

function afterFreeing(
  { pressure, settings, rootDir }: Disk,
  bytes: Bytes,
  mark: Watermark,
): AfterRemoval | null {
  const all = readable(pressure.filesystems);
  const root = all.find(({ paths }) => rootDir !== null && paths.includes(rootDir));
  if (root === undefined) return null;
  const then = withFreed(root, bytes);
  const left = [...all.filter((filesystem) => filesystem !== root), then].flatMap((filesystem) =>
    crossings(filesystem, mark, settings.disk.inodes),
  );
  const enough = left.length === 0;
  const measure =
    mark.kind === "used-percent"
      ? `the disk would be at ${then.usedPercent}%${enough ? "" : " or more"}, the mark is ${mark.percent}%`
      : `${enough ? "" : "at most "}${formatBytes(then.availableBytes)} would be left, the mark is ${formatBytes(mark.bytes)}`;
  const inodes = inodesOver(then, settings.disk)
    ? `; ${then.inodesUsedPercent}% of inodes are in use, the mark is ${formatInodeMark(mark, settings.disk.inodes)}`
    : "";
  return {
    enough,
    text: `at most ${formatBytes(bytes)}: ${measure}${inodes}: ${enough ? "enough" : "not enough"}`,
  };
}
