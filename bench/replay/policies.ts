import { projectOf } from "../../agent/plan/ledger.ts";
import { OwnHistory } from "../../agent/plan/own-history.ts";
import {
  evictTo,
  leastRecentlyUsed,
  type Marks,
  ownHistory,
  type Policy,
  type ReplayDisk,
  type ReplayRun,
} from "../../agent/plan/replay.ts";

/** How each tool decides, as far as it bears on which images go and when; README.md says what was read for each. */

export interface Setting {
  readonly marks: Marks;
  /** Whether LRU and own history run after the pulls of each run, too. */
  readonly afterPulls: boolean;
  /** The whole load, for the policy that sees the future. */
  readonly runs: readonly ReplayRun[];
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

export const POLICIES: Readonly<Record<string, (setting: Setting) => Policy>> = {
  never: () => ({ every: DAY, pass: () => undefined }),
  // A reference of these traces never changes meaning, so none of their images is ever dangling.
  dangling: () => ({ every: DAY, pass: () => undefined }),
  "autoprune-all": () => ({ every: DAY, pass: pruneAll }),
  "until-168h": () => pruneByAge(DAY, 7 * DAY, () => true),
  buildkite: () => pruneByAge(1, 4 * HOUR, (disk) => (1 - disk.fill) * disk.capacity < 5e9),
  docuum: () => leastRecentlyUsed({ high: 0.8, low: 0.8 }, true),
  kubelet: () => kubelet({ high: 0.85, low: 0.8 }),
  lru: ({ marks, afterPulls }) => leastRecentlyUsed(marks, afterPulls),
  "own-looks": ({ marks }) => hourlyLooks(marks),
  own: ({ marks, afterPulls }) => ownHistory(marks, afterPulls),
  future: ({ marks, runs }) => seesTheFuture(marks, runs),
};

function pruneAll(disk: ReplayDisk, now: number): void {
  for (const id of [...disk.images.keys()]) disk.evict(id, now);
}

/** `image prune --all --filter until=AGE`. The age counts from the build; at best that was just before the first use. */
function pruneByAge(every: number, age: number, wanted: (disk: ReplayDisk) => boolean): Policy {
  const built = new Map<string, number>();
  return {
    every,
    pass: (disk, now) => {
      if (!wanted(disk)) return;
      for (const id of [...disk.images.keys()]) if (now - built.get(id)! > age) disk.evict(id, now);
    },
    used: ({ at, images }) => {
      for (const { id } of images) if (!built.has(id)) built.set(id, at);
    },
  };
}

/** Every five minutes, by when an image was last seen in use; counts whole sizes as freed though layers are shared. */
function kubelet({ high, low }: Marks): Policy {
  const every = 5 * MINUTE;
  let last = Number.NEGATIVE_INFINITY;
  const collect = (disk: ReplayDisk, now: number): void => {
    const seen = [...disk.images]
      .filter(([, { pulledAt, busyUntil }]) => busyUntil <= now && now - pulledAt >= 2 * MINUTE)
      .map(([id, { image, busyUntil }]) => ({ id, image, at: Math.floor(busyUntil / every) }))
      .sort((a, b) => a.at - b.at);
    let toFree = (disk.fill - low) * disk.capacity;
    for (const { id, image } of seen) {
      if (toFree <= 0) return;
      if (disk.evict(id, now)) toFree -= (image.bytes ?? 0) * 2.6;
    }
  };
  return {
    every,
    pass: (disk, now) => {
      const rounds = Math.min(100, Math.max(1, Math.floor((now - last) / every)));
      last = now;
      for (let round = 0; round < rounds && disk.fill > high; round += 1) collect(disk, now);
    },
  };
}

/** Own history that knows what an hourly look shows: containers that run then, and images that are new. */
function hourlyLooks(marks: Marks): Policy {
  const history = new OwnHistory();
  let since: ReplayRun[] = [];
  let seenPull = new Map<string, number>();
  return {
    every: HOUR,
    pass: (disk, now) => {
      const running = since.filter(({ at, seconds }) => at + seconds > now);
      for (const run of running) history.record({ ...run, at: now });
      const shown = new Set(running.flatMap(({ images }) => images.map(({ id }) => id)));
      const pulls = new Map<string, number>();
      for (const [id, { image, pulledAt }] of disk.images) {
        pulls.set(id, pulledAt);
        if (shown.has(id) || seenPull.get(id) === pulledAt) continue;
        history.record({ at: now, project: projectOf([image]), images: [image] });
      }
      seenPull = pulls;
      since = [];
      evictTo(disk, marks, now, () => history.order(disk.images.keys(), now));
    },
    used: (run) => since.push(run),
  };
}

/** Takes first what is worth least: of its own layers, bytes over the time until some run needs them, a byte freed. */
function seesTheFuture(marks: Marks, runs: readonly ReplayRun[]): Policy {
  const uses = new Map<string, number[]>();
  const namedIn = new Map<string, string[]>();
  for (const { at, images } of runs) {
    for (const { id, layers } of images) {
      const times = uses.get(id);
      if (times === undefined) {
        uses.set(id, [at]);
        for (const { digest } of layers) namedIn.set(digest, [...(namedIn.get(digest) ?? []), id]);
      } else times.push(at);
    }
  }
  const done = new Map<string, number>();
  const nextUse = (id: string) => uses.get(id)![done.get(id) ?? 0] ?? Number.POSITIVE_INFINITY;
  const nextNeed = (digest: string) => Math.min(...namedIn.get(digest)!.map(nextUse));
  const order = (disk: ReplayDisk, now: number) => {
    const sharers = new Map<string, number>();
    const held = [...disk.images].map(([id, { image }]) => ({ id, layers: image.layers }));
    for (const { layers } of held) {
      for (const { digest } of layers) sharers.set(digest, (sharers.get(digest) ?? 0) + 1);
    }
    const worth = ({ id, layers }: (typeof held)[number]) => {
      const own = layers.filter(({ digest }) => sharers.get(digest) === 1);
      const freed = own.reduce((sum, { bytes }) => sum + bytes, 1);
      const needed = own.reduce(
        (sum, { digest, bytes }) => sum + bytes / (nextNeed(digest) - now + MINUTE),
        0,
      );
      return { id, worth: needed / freed };
    };
    return held.map(worth).sort((a, b) => a.worth - b.worth);
  };
  return {
    every: HOUR,
    pass: (disk, now) => evictTo(disk, marks, now, () => order(disk, now)),
    used: ({ images }) => {
      for (const { id } of images) done.set(id, (done.get(id) ?? 0) + 1);
    },
  };
}
