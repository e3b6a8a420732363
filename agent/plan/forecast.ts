import type { Bytes, Seconds, Watermark } from "../units.ts";
import { type LedgerImage, type LedgerUse, PACKED, runsOf } from "./ledger.ts";
import {
  layersOf,
  leastRecentlyUsed,
  type Marks,
  ownHistory,
  type Policy,
  type ReplayDisk,
  type ReplayRun,
  replay,
  type Totals,
} from "./replay.ts";

/** What another disk or another policy would have come to, from the host's own ledger. Pure. */

const DAY = 86_400;
/** The working set is told from the uses of so many days. */
export const WORKING_SET_DAYS = 30;
/** A ledger that covers less says little: nearly all uses that come back do so within a week. */
export const NEEDED_DAYS = 14;
/** How long a run is taken to keep its images in use: the ledger knows starts alone. */
const RUN: Seconds = 900;

const POLICIES = {
  own: (marks: Marks) => ownHistory(marks, true),
  lru: (marks: Marks) => leastRecentlyUsed(marks, true),
  never: (): Policy => ({ every: DAY, pass: () => undefined }),
};
export type PolicyName = keyof typeof POLICIES;
export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

export interface Scenario {
  readonly policy: PolicyName;
  /** A disk for images alone. */
  readonly diskBytes: Bytes;
}

export interface ForecastRow extends Scenario, Totals {
  /** Most pulls from Docker Hub within its window. */
  readonly mostHubPulls: number;
}

/** After the pulls of a run, with the sums up to then. */
interface Moment extends Pick<Totals, "evictions" | "runsOverCapacity"> {
  readonly at: Seconds;
  readonly usedPercent: number;
}

/** Marks at which a pass starts, and where it ends; and seconds in which Docker Hub counts pulls. */
export interface Rules {
  readonly high: Watermark;
  readonly low: Watermark;
  readonly window: Seconds;
}

export type Replayed = ReturnType<typeof forecast>[number];

/** Replays the uses, in order of time, for each scenario; as with `watch`, a pass follows pulls that cross the mark. */
export function forecast(uses: readonly LedgerUse[], scenarios: readonly Scenario[], rules: Rules) {
  const runs = runsOf(uses).map((run): ReplayRun => ({ ...run, seconds: RUN }));
  return scenarios.map(({ policy, diskBytes }) => {
    const marks = { high: shareOf(rules.high, diskBytes), low: shareOf(rules.low, diskBytes) };
    const told = POLICIES[policy](marks);
    const hub = hubPulls(rules.window);
    const moments: Moment[] = [];
    const used: Policy["used"] = (run, disk) => {
      told.used?.(run, disk);
      hub.count(run, disk);
      const { evictions, runsOverCapacity } = disk.totals;
      moments.push({ at: run.at, usedPercent: 100 * disk.fill, evictions, runsOverCapacity });
    };
    const totals = replay(runs, diskBytes, { ...told, used });
    const row: ForecastRow = { policy, diskBytes, ...totals, mostHubPulls: hub.most() };
    return { row, marks, moments };
  });
}

const shareOf = (mark: Watermark, disk: Bytes): number =>
  mark.kind === "used-percent" ? mark.percent / 100 : Math.max(0, 1 - mark.bytes / disk);

function hubPulls(window: Seconds) {
  const seen = new WeakSet<object>();
  const times: Seconds[] = [];
  let most = 0;
  return {
    count: (run: ReplayRun, disk: ReplayDisk) => {
      for (const { id, repository } of run.images) {
        const held = disk.images.get(id);
        if (held === undefined || seen.has(held)) continue;
        seen.add(held);
        if (isOfHub(repository)) times.push(run.at);
      }
      while (times.length > 0 && times[0]! <= run.at - window) times.shift();
      most = Math.max(most, times.length);
    },
    most: () => most,
  };
}

/** A first part with a dot or a port is a registry's name. */
const isOfHub = (repository: string): boolean => {
  const [host = "", ...rest] = repository.split("/");
  return rest.length === 0 || /^(index\.)?docker\.io$/.test(host) || !/[.:]|^localhost$/.test(host);
};

/** What the images that were used in the last 30 days take on disk, each layer once. Pure. @param now seconds */
export function workingSet(uses: readonly LedgerUse[], now: Seconds): Bytes {
  const images = new Map<string, LedgerImage>();
  for (const { at, image } of uses) if (at > now - WORKING_SET_DAYS * DAY) images.set(image.id, image);
  return PACKED * distinctBytes([...images.values()]);
}

/** The disk on which so many bytes lie just below the mark. Pure. */
export const diskFor = (bytes: Bytes, mark: Watermark): Bytes =>
  mark.kind === "used-percent" ? (100 * bytes) / mark.percent : bytes + mark.bytes;

export interface Arrival {
  /** The same content has the same `id` on all hosts. */
  readonly image: LedgerImage;
  readonly times: number;
}

/** Pulls, and compressed bytes of them. */
export interface Pulled {
  readonly pulls: number;
  readonly bytes: Bytes;
}

/** What several hosts pulled, and what of it one of them, or the same one, had pulled before. Pure. */
export function pulledTwice(hosts: readonly (readonly Arrival[])[]): {
  readonly hosts: readonly Pulled[];
  /** What a pull-through cache between them and the registry would have saved. */
  readonly twice: Pulled;
} {
  const each = hosts.map((arrivals): Pulled => {
    const again = arrivals.reduce((sum, { image, times }) => sum + (times - 1) * distinctBytes([image]), 0);
    return {
      pulls: arrivals.reduce((sum, { times }) => sum + times, 0),
      bytes: distinctBytes(arrivals.map(({ image }) => image)) + again,
    };
  });
  const all = new Map(hosts.flat().map(({ image }) => [image.id, image]));
  return {
    hosts: each,
    twice: {
      pulls: each.reduce((sum, { pulls }) => sum + pulls, 0) - all.size,
      bytes: each.reduce((sum, { bytes }) => sum + bytes, 0) - distinctBytes([...all.values()]),
    },
  };
}

/** Compressed size of their layers, each once. */
function distinctBytes(images: readonly LedgerImage[]): Bytes {
  const layers = new Map(images.flatMap(layersOf).map(({ digest, bytes }) => [digest, bytes]));
  return [...layers.values()].reduce((sum, bytes) => sum + bytes, 0);
}
