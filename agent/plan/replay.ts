import type { Bytes, Seconds } from "../units.ts";
import { type Layer, type LedgerImage, type LedgerRun, PACKED } from "./ledger.ts";
import { OwnHistory } from "./own-history.ts";

/**
 * Replays a ledger of runs against a disk: what would have been pulled under a policy of eviction. Pure, and the same
 * code for `forecast` (the host's own ledger) and the benchmark (public traces).
 */

export interface ReplayRun extends LedgerRun {
  /** How long its containers run; their images are never taken meanwhile. */
  readonly seconds: Seconds;
}

interface Held {
  readonly image: LedgerImage;
  readonly pulledAt: Seconds;
  usedAt: Seconds;
  /** A container runs on it until then. */
  busyUntil: Seconds;
}

/** An image whose layers could not be told counts as one layer of its size. */
export function layersOf({ id, layers, bytes }: LedgerImage): readonly Layer[] {
  return layers.length > 0 ? layers : [{ digest: id, bytes: bytes ?? 0 }];
}

export interface Totals {
  /** Compressed. */
  pulledBytes: Bytes;
  pulls: number;
  /** Runs that pulled something. */
  coldRuns: number;
  runsOverCapacity: number;
  evictions: number;
  /** Pulls of an image that was evicted before. */
  regrets: number;
}

/** A disk of images that share layers. */
export class ReplayDisk {
  readonly capacity: Bytes;
  readonly totals: Totals = {
    ...{ pulledBytes: 0, pulls: 0, coldRuns: 0, runsOverCapacity: 0, evictions: 0, regrets: 0 },
  };
  readonly #held = new Map<string, Held>();
  readonly #holders = new Map<string, number>();
  readonly #evicted = new Set<string>();
  #used: Bytes = 0;

  constructor(capacity: Bytes) {
    this.capacity = capacity;
  }

  /** Fraction of the disk in use. */
  get fill(): number {
    return this.#used / this.capacity;
  }

  /** In the order in which they were pulled. */
  get images(): ReadonlyMap<string, Readonly<Held>> {
    return this.#held;
  }

  run({ at, seconds, images }: ReplayRun): void {
    const pullsBefore = this.totals.pulls;
    for (const image of images) {
      let held = this.#held.get(image.id);
      if (held === undefined) {
        held = { image, pulledAt: at, usedAt: at, busyUntil: at };
        this.#pull(held);
      }
      held.usedAt = at;
      held.busyUntil = Math.max(held.busyUntil, at + seconds);
    }
    if (this.totals.pulls > pullsBefore) this.totals.coldRuns += 1;
  }

  /** Removes an image unless a container runs on it; returns whether it went. */
  evict(id: string, now: Seconds): boolean {
    const held = this.#held.get(id);
    if (held === undefined || held.busyUntil > now) return false;
    this.#held.delete(id);
    this.#evicted.add(id);
    this.totals.evictions += 1;
    for (const { digest, bytes } of layersOf(held.image)) {
      const left = this.#holders.get(digest)! - 1;
      this.#holders.set(digest, left);
      if (left === 0) this.#used -= bytes * PACKED;
    }
    return true;
  }

  #pull(held: Held): void {
    const { id } = held.image;
    this.#held.set(id, held);
    this.totals.pulls += 1;
    if (this.#evicted.has(id)) this.totals.regrets += 1;
    for (const { digest, bytes } of layersOf(held.image)) {
      const holders = this.#holders.get(digest) ?? 0;
      this.#holders.set(digest, holders + 1);
      if (holders > 0) continue;
      this.#used += bytes * PACKED;
      this.totals.pulledBytes += bytes;
    }
  }
}

export interface Policy {
  /** Seconds between two passes, by the clock's multiples; a pass comes with the first run after its time. */
  readonly every: Seconds;
  /** Whether a pass follows the pulls of each run, too. */
  readonly afterPulls?: boolean;
  pass(disk: ReplayDisk, now: Seconds): void;
  /** Told of each run after its pulls. */
  used?(run: ReplayRun, disk: ReplayDisk): void;
}

/** Fractions of the disk: a pass starts above `high` and ends at `low`. */
export interface Marks {
  readonly high: number;
  readonly low: number;
}

/** Evicts in this order until the disk is at its low mark. The order is asked for above the high mark alone. */
export function evictTo(
  disk: ReplayDisk,
  marks: Marks,
  now: Seconds,
  order: () => Iterable<{ readonly id: string }>,
): void {
  if (disk.fill <= marks.high) return;
  for (const { id } of order()) {
    if (disk.fill <= marks.low) return;
    disk.evict(id, now);
  }
}

/** Replays the runs, which are in order of time, and returns what they cost. */
export function replay(runs: readonly ReplayRun[], capacity: Bytes, policy: Policy): Totals {
  const disk = new ReplayDisk(capacity);
  let passAt = runs[0]?.at ?? 0;
  for (const run of runs) {
    if (run.at >= passAt) {
      passAt = run.at - ((run.at - passAt) % policy.every) + policy.every;
      policy.pass(disk, run.at);
    }
    disk.run(run);
    policy.used?.(run, disk);
    if (policy.afterPulls === true) policy.pass(disk, run.at);
    if (disk.fill > 1) disk.totals.runsOverCapacity += 1;
  }
  return disk.totals;
}

const HOUR = 3600;

export function leastRecentlyUsed(marks: Marks, afterPulls = false): Policy {
  return {
    every: HOUR,
    afterPulls,
    pass: (disk, now) =>
      evictTo(disk, marks, now, () =>
        [...disk.images].map(([id, { usedAt }]) => ({ id, usedAt })).sort((a, b) => a.usedAt - b.usedAt),
      ),
  };
}

/** The order of the last tier. */
export function ownHistory(marks: Marks, afterPulls = false): Policy {
  const history = new OwnHistory();
  return {
    every: HOUR,
    afterPulls,
    pass: (disk, now) => evictTo(disk, marks, now, () => history.order(disk.images.keys(), now)),
    used: (run) => history.record(run),
  };
}
