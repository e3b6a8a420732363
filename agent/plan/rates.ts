import type { Seconds } from "../units.ts";

const DAY = 86_400;

/** Lower edges of the age cells: 0, then 60 s * 2^(k/1.2). The last cell, from two years on, is open. */
const EDGES: readonly Seconds[] = [0, ...Array.from({ length: 25 }, (_, k) => 60 * 2 ** (k / 1.2))];
const LAST = EDGES.length - 1;

/** Index of the cell that holds an age in seconds; ages below zero count as zero. */
export function cellOf(age: Seconds): number {
  let low = 0;
  let high = LAST;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (EDGES[middle]! <= age) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What was measured of one class: events that ended a wait, seconds spent waiting, waits that reached an age. */
class Cells {
  readonly hits = new Float64Array(EDGES.length);
  readonly risk = new Float64Array(EDGES.length);
  readonly waits = new Float64Array(EDGES.length);
}

/**
 * Rates of an event by class and age: "how often does what waited so long see the event soon?", a hazard estimated
 * as events over time at risk. A class is a chain of keys from wide to narrow; each key has its own figures.
 */
export class Rates {
  readonly #byKey = new Map<number, Cells>();

  /** Books the time at risk between two ages of one wait. */
  book(chain: readonly number[], from: Seconds, to: Seconds): void {
    if (to <= from) return;
    const last = cellOf(to);
    for (let cell = cellOf(from); cell <= last; cell += 1) {
      const low = Math.max(from, EDGES[cell]!);
      const high = cell === LAST ? to : Math.min(to, EDGES[cell + 1]!);
      if (high <= low) continue;
      for (const key of chain) {
        const cells = this.#cells(key);
        cells.risk[cell]! += high - low;
        if (from <= EDGES[cell]!) cells.waits[cell]! += 1;
      }
    }
  }

  /** Counts an event that ended a wait at this age. */
  hit(chain: readonly number[], age: Seconds): void {
    const cell = cellOf(age);
    for (const key of chain) this.#cells(key).hits[cell]! += 1;
  }

  /**
   * Events a second expected between `age` and `age + ahead`. Each key of the chain is shrunk towards the one before
   * it by `weight` events' worth; the widest starts at one event in a hundred days.
   */
  rate(chain: readonly number[], age: Seconds, ahead: Seconds, weight: number): number {
    let rate: number | undefined;
    for (const key of chain) {
      const { hits, risk } = this.#sum(key, age, ahead);
      rate =
        rate === undefined
          ? (hits + 0.1) / (risk + 0.1 * 100 * DAY)
          : (hits + weight) / (risk + weight / rate);
    }
    return rate ?? 0;
  }

  /** The same for one key without shrinking, and how many waits reached this age; for explanations. */
  measured(key: number, age: Seconds, ahead: Seconds) {
    const { hits, risk } = this.#sum(key, age, ahead);
    const waits = this.#byKey.get(key)?.waits[cellOf(age)] ?? 0;
    return { waits, perSecond: risk > 0 ? hits / risk : 0 };
  }

  #sum(key: number, age: Seconds, ahead: Seconds) {
    const cells = this.#byKey.get(key);
    let hits = 0;
    let risk = 0;
    if (cells === undefined) return { hits, risk };
    const last = cellOf(age + ahead);
    for (let cell = cellOf(age); cell <= last; cell += 1) {
      hits += cells.hits[cell]!;
      risk += cells.risk[cell]!;
    }
    return { hits, risk };
  }

  #cells(key: number): Cells {
    let cells = this.#byKey.get(key);
    if (cells === undefined) {
      cells = new Cells();
      this.#byKey.set(key, cells);
    }
    return cells;
  }
}
