import type { Seconds } from "../units.ts";
import type { LedgerImage, LedgerRun } from "./ledger.ts";
import { Rates } from "./rates.ts";

/**
 * Own history: "how often did images like this come back on this host?" A ledger of runs in, an order of eviction
 * out. Times are seconds since 1970, given by the caller; nothing here reads a clock. Images that were used equally
 * often, in repositories whose images outlive changes equally often, are a class; each use ends a wait of its class,
 * and each new image of a repository ends a wait for a new version. Images of which least is expected go first.
 */

const DAY = 86_400;
const BACK_AHEAD = 3 * DAY;
const NEXT_AHEAD = 5 * DAY;
/** Waits that are still open are booked this often, so that what never comes back counts too. */
const CLOSE_EVERY = 5 * DAY;
/** Uses within so many seconds of one counted count as that one: ten jobs of one pipeline are one need. */
const SAME_USE = 600;
const USE_HALF_LIFE = 10 * DAY;
const VERSION_HALF_LIFE = 90 * DAY;
/** A pull costs about as much as so many bytes, whatever its size. */
const PULL_BYTES = 20e6;
/** A measured share is told from so many cases on. */
const ENOUGH = 20;
/** Stands for a compressed size that is not known. */
const TYPICAL_BYTES = 100e6;

/** Value of one image to keep; the higher, the later it goes. */
interface Ranked {
  readonly id: string;
  readonly value: number;
  readonly idle: Seconds;
}

export interface Because {
  readonly uses: number;
  readonly idle: Seconds;
  /** No project's newest run names it. */
  readonly superseded: boolean;
  /** The newest image of its repository, where that is another one. */
  readonly supersededBy: string | null;
  /** How often an image of the narrowest class with enough of them was idle as long. */
  readonly alike: number;
  /** Share of those that came back within three days, 0 to 1, as measured. */
  readonly cameBack: number;
  /** The same as the order expects it: where the narrowest class has few cases, the wider ones weigh in. */
  readonly expectedBack: number;
  /** Share of a new version's bytes that this image is expected to save within five days, 0 to 1. */
  readonly savesNext: number;
}

interface Use {
  readonly image: LedgerImage;
  readonly repository: Repository;
  uses: number;
  /** Of those, in runs that changed what their project names: it outlived the change. */
  kept: number;
  lastAt: Seconds;
  countedAt: Seconds;
  /** Uses of late: halves in ten days, at most one counted in ten minutes. */
  pace: number;
  /** Projects whose newest run names it. */
  namedBy: number;
  chain: readonly number[];
  bookedUntil: Seconds;
}

interface Repository {
  /** Images of it that runs named which changed what their project names; and of those, how many were new. */
  named: number;
  images: number;
  newest: Use | undefined;
  newestAt: Seconds;
  pace: number;
  chain: readonly number[];
  bookedUntil: Seconds;
  sharedSum: number;
  sharedCount: number;
}

/** Step of use: 1, 2, 3 to 5 uses, from then on by pace, 0 to 12. */
export function useStep(uses: number, pace: number): number {
  if (uses < 6) return uses > 2 ? 3 : uses;
  return 4 + (pace < 1.5 ? 0 : Math.min(12, 1 + Math.floor(Math.log2(pace / 1.5))));
}

const versionStep = (pace: number): number =>
  pace < 1.5 ? 0 : Math.min(7, 1 + Math.floor(2 * Math.log2(pace / 1.5)));

const AGAIN_EDGES = [0.1, 0.3, 0.5, 0.7, 0.85];
const againStep = (share: number): number => AGAIN_EDGES.filter((edge) => share >= edge).length;

const ALL = 0;
const USE_CHAINS = new Map<number, readonly number[]>();
/** Class keys from wide to narrow: all, superseded, (step, superseded), (step, superseded, again). */
function useChain(step: number, superseded: boolean, again: number): readonly number[] {
  const late = superseded ? 1 : 0;
  const key = 1000 + (step * 2 + late) * 6 + again;
  let chain = USE_CHAINS.get(key);
  if (chain === undefined) {
    chain = [ALL, 1 + late, 100 + step * 2 + late, key];
    USE_CHAINS.set(key, chain);
  }
  return chain;
}
const VERSION_CHAINS = Array.from({ length: 8 }, (_, step) => [ALL, 1 + step] as const);

export class OwnHistory {
  readonly #uses = new Map<string, Use>();
  readonly #repositories = new Map<string, Repository>();
  readonly #projects = new Map<string, readonly Use[]>();
  readonly #back = new Rates();
  readonly #next = new Rates();
  #named = 1;
  #new = 1;
  #closedAt = 0;
  #now = 0;

  /** Adds a run. Runs come in order of time; one that claims to be older than the last counts as of the same time. */
  record(run: LedgerRun): void {
    this.#advance(run.at);
    const before = this.#projects.get(run.project) ?? [];
    const known = new Set(before.map(({ image }) => image.id));
    // Runs that repeat say how often an image is used, and nothing of whether the next version will name it.
    const changed = run.images.length !== known.size || run.images.some(({ id }) => !known.has(id));
    const uses = run.images.map((image) => this.#use(image, changed));
    this.#projects.set(run.project, uses);
    for (const use of before) use.namedBy -= 1;
    for (const use of uses) use.namedBy += 1;
    for (const use of before) if (use.namedBy === 0) this.#rebook(use);
    for (const use of uses) {
      use.chain = this.#classOf(use);
      use.bookedUntil = this.#now;
    }
  }

  /**
   * The images in order of eviction: lowest value first, ties by oldest use, then as they came. Images that the
   * ledger does not know are left out: what is unknown stays.
   */
  order(ids: Iterable<string>, now: Seconds): Ranked[] {
    this.#advance(now);
    const ranked: Ranked[] = [];
    for (const id of ids) {
      const use = this.#uses.get(id);
      if (use === undefined) continue;
      const idle = this.#now - use.lastAt;
      const back = this.#back.rate(this.#classOf(use), idle, BACK_AHEAD, 2);
      const value = back * (1 + PULL_BYTES / (use.image.bytes ?? TYPICAL_BYTES)) + this.#nextOf(use);
      ranked.push({ id, value, idle });
    }
    return ranked.sort((a, b) => a.value - b.value || b.idle - a.idle);
  }

  /** Why an image has its place in the order; `undefined` where the ledger does not know it. */
  because(id: string, now: Seconds): Because | undefined {
    this.#advance(now);
    const use = this.#uses.get(id);
    if (use === undefined) return undefined;
    const idle = this.#now - use.lastAt;
    const chain = this.#classOf(use);
    const alike = chain
      .map((key) => this.#back.measured(key, idle, BACK_AHEAD))
      .findLast(({ waits }, level) => level === 0 || waits >= ENOUGH)!;
    const newest = use.repository.newest;
    return {
      uses: use.uses,
      idle,
      superseded: use.namedBy === 0,
      supersededBy: newest === undefined || newest === use ? null : newest.image.id,
      alike: alike.waits,
      cameBack: 1 - Math.exp(-alike.perSecond * BACK_AHEAD),
      expectedBack: 1 - Math.exp(-this.#back.rate(chain, idle, BACK_AHEAD, 2) * BACK_AHEAD),
      savesNext: Math.min(1, this.#nextOf(use) * NEXT_AHEAD),
    };
  }

  #advance(now: Seconds): void {
    this.#now = Math.max(this.#now, now);
    if (this.#now - this.#closedAt <= CLOSE_EVERY) return;
    this.#closedAt = this.#now;
    for (const use of this.#uses.values()) this.#rebook(use);
    for (const repository of this.#repositories.values()) this.#bookVersion(repository);
  }

  #use(image: LedgerImage, changed: boolean): Use {
    const repository = this.#repositoryOf(image.repository);
    if (changed) {
      repository.named += 1;
      this.#named += 1;
    }
    const now = this.#now;
    const known = this.#uses.get(image.id);
    if (known === undefined) return this.#arrive(image, repository);
    this.#book(known);
    this.#back.hit(known.chain, now - known.lastAt);
    if (now - known.countedAt >= SAME_USE) {
      known.pace = known.pace * 2 ** (-(now - known.countedAt) / USE_HALF_LIFE) + 1;
      known.countedAt = now;
    }
    known.lastAt = now;
    known.uses += 1;
    if (changed) known.kept += 1;
    return known;
  }

  #arrive(image: LedgerImage, repository: Repository): Use {
    const now = this.#now;
    const use = {
      ...{ image, repository, uses: 1, kept: 0, pace: 1, namedBy: 0, chain: [ALL] },
      ...{ lastAt: now, countedAt: now, bookedUntil: now },
    };
    this.#uses.set(image.id, use);
    this.#new += 1;
    repository.images += 1;
    const before = repository.newest;
    if (before === undefined) repository.pace = 1;
    else {
      this.#bookVersion(repository);
      this.#next.hit(repository.chain, now - repository.newestAt);
      const shared = sharedShare(image, before.image);
      if (shared !== undefined) {
        repository.sharedSum += shared;
        repository.sharedCount += 1;
      }
      repository.pace = repository.pace * 2 ** (-(now - repository.newestAt) / VERSION_HALF_LIFE) + 1;
    }
    repository.newest = use;
    repository.newestAt = now;
    repository.bookedUntil = now;
    repository.chain = VERSION_CHAINS[versionStep(repository.pace)]!;
    return use;
  }

  #repositoryOf(name: string): Repository {
    let repository = this.#repositories.get(name);
    if (repository === undefined) {
      repository = {
        ...{ named: 0, images: 0, newest: undefined, newestAt: 0, pace: 1, bookedUntil: 0 },
        ...{ chain: VERSION_CHAINS[0]!, sharedSum: 0, sharedCount: 0 },
      };
      this.#repositories.set(name, repository);
    }
    return repository;
  }

  #book(use: Use): void {
    this.#back.book(use.chain, use.bookedUntil - use.lastAt, this.#now - use.lastAt);
    use.bookedUntil = this.#now;
  }

  /** Books the wait so far under the class it had, the rest of it counts under that of now. */
  #rebook(use: Use): void {
    this.#book(use);
    use.chain = this.#classOf(use);
  }

  #bookVersion(repository: Repository): void {
    const { chain, bookedUntil, newestAt } = repository;
    this.#next.book(chain, bookedUntil - newestAt, this.#now - newestAt);
    repository.bookedUntil = this.#now;
  }

  #classOf(use: Use): readonly number[] {
    const { named, images } = use.repository;
    const { kept } = use;
    const again = (named - images + kept + (1 - this.#new / this.#named)) / (named + kept + 1);
    return useChain(useStep(use.uses, use.pace), use.namedBy === 0, againStep(again));
  }

  /** Expected share of a new version's bytes that this image saves, a second. */
  #nextOf(use: Use): number {
    const { newest, newestAt, chain, sharedSum, sharedCount } = use.repository;
    if (newest !== use) return 0;
    return (
      this.#next.rate(chain, this.#now - newestAt, NEXT_AHEAD, 5) * ((sharedSum + 0.2) / (sharedCount + 1))
    );
  }
}

/** Share of an image's bytes that lie in layers of another; `undefined` where the layers could not be told. */
function sharedShare(image: LedgerImage, other: LedgerImage): number | undefined {
  if (image.layers.length === 0 || other.layers.length === 0 || !image.bytes) return undefined;
  const held = new Set(other.layers.map(({ digest }) => digest));
  return (
    image.layers.reduce((sum, { digest, bytes }) => sum + (held.has(digest) ? bytes : 0), 0) / image.bytes
  );
}
