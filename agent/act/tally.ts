import type { ObjectCount } from "../log/events.ts";
import { type Judged, NONE_OF_EACH, type ObjectKind } from "../plan/plan.ts";
import type { Bytes } from "../units.ts";

type Fate = ObjectCount["fate"];

const none = (): Record<Fate, number> => ({ removed: 0, untagged: 0, kept: 0, gone: 0, failed: 0 });

/** Counts what became of each object, by kind and reason and by the rule that named it. */
export class Tally {
  readonly removed: Judged[] = [];
  readonly claimedByKind: Record<ObjectKind, Bytes> = { ...NONE_OF_EACH };
  readonly #counts = new Map<string, ObjectCount>();
  readonly #byRule = new Map<string, Record<Fate, number>>();
  readonly #byFate = none();

  add(object: Pick<Judged, "kind" | "rule">, fate: Fate, reason: ObjectCount["reason"], by = 1): void {
    const { kind, rule } = object;
    const key = `${kind} ${fate} ${reason}`;
    this.#counts.set(key, { kind, fate, reason, count: (this.#counts.get(key)?.count ?? 0) + by });
    this.#byFate[fate] += by;
    if (rule === undefined) return;
    const counts = this.#byRule.get(rule) ?? none();
    counts[fate] += by;
    this.#byRule.set(rule, counts);
  }

  /** @param claimedBytes what the engine is said to have given back */
  addRemoved(object: Judged, claimedBytes: Bytes): void {
    this.removed.push(object);
    this.claim(object.kind, claimedBytes);
    this.add(object, "removed", object.because);
  }

  /** Counted as removed, and it is still there. */
  takeBack(object: Judged, claimedBytes: Bytes): void {
    this.removed.splice(
      this.removed.findLastIndex(({ id }) => id === object.id),
      1,
    );
    this.claim(object.kind, -claimedBytes);
    this.add(object, "removed", object.because, -1);
  }

  /** The engine says that so much came back, without saying of which object. */
  claim(kind: ObjectKind, bytes: Bytes): void {
    this.claimedByKind[kind] += bytes;
  }

  get claimedBytes(): Bytes {
    return Object.values(this.claimedByKind).reduce((sum, bytes) => sum + bytes, 0);
  }

  count(fate: Fate): number {
    return this.#byFate[fate];
  }

  get sums() {
    const { removed, kept, gone, failed } = this.#byFate;
    return { removed, kept, gone, failed, claimedBytes: this.claimedBytes };
  }

  get objects(): readonly ObjectCount[] {
    return [...this.#counts.values()].filter(({ count }) => count > 0);
  }

  /** `"retention/ci-snapshots"` -> its counts. */
  ofRule(rule: string): Readonly<Record<Fate, number>> {
    return this.#byRule.get(rule) ?? none();
  }
}
