import { type Check, type Checked, isNumber, isText, objectOf, orNull, recordOf } from "./checks.ts";
import { isTotals, NO_TOTALS } from "./totals.ts";

export type { PassRecord } from "./pass-record.ts";

/**
 * What one pass leaves for the next. Times are milliseconds since the epoch. Three files, since a quiet pass reads and
 * writes the first alone: `state.json` with what every pass needs, `sightings.json`, and `passes.jsonl` (pass-log.ts),
 * which only reports read.
 */
export type State = Core & Memory;

/** How its files are written: readable by all, and the folder's owner's, whoever runs a pass by hand. */
export const STATE_FILE = { mode: 0o644, owner: "folder" } as const;

/** Of each part what it is where nothing is remembered, and whether it is what we once wrote. */
export type Parts = Readonly<Record<string, readonly [empty: unknown, is: Check]>>;
export type Taken<T extends Parts> = { readonly [Key in keyof T]: Checked<T[Key][1]> };

/** What the clocks said at one moment: the one on the wall, and the one that counts since the host was booted. */
const isClockMark = objectOf({ at: isNumber, bootId: isText, uptime: isNumber });
export type ClockMark = Checked<typeof isClockMark>;

/** How warm the cache is: plain figures, also for the metrics. */
const isWarmth = objectOf({
  /** When the ledger was read. */
  at: isNumber,
  /** Uses of images that a registry has, in the last seven days. */
  uses: isNumber,
  /** Of those, of an image that was here before. */
  warmUses: isNumber,
  evictions: isNumber,
  /** Images that came back after they had been evicted, in the last seven days. */
  regrets: isNumber,
  /** When the ledger begins; 0: it is empty. */
  since: isNumber,
  /** Of the last seven days, what nobody heard. */
  gapSeconds: isNumber,
  /** What the images of the last 30 days take on disk. */
  workingSetBytes: isNumber,
});
export type Warmth = Checked<typeof isWarmth>;

/** Things seen in one listing after the other, by id. */
const areSightings = recordOf(objectOf({ since: isNumber, lastSeen: isNumber }));
export type Sightings = Checked<typeof areSightings>;

const isDeferrals = objectOf({ count: isNumber, since: orNull(isNumber) });
export const NO_DEFERRALS: Checked<typeof isDeferrals> = { count: 0, since: null };

/** The part of the state that every pass needs: some hundred bytes, whatever there is on the host. */
export const CORE = {
  /** Where the engine keeps its data, as it said last: watched from then on, before it is asked again. */
  engineRoot: [null, orNull(isText)],
  /** The same of a containerd that the engine did not start itself, where it keeps images. */
  containerdRoot: [null, orNull(isText)],
  /** When it said so last. */
  engineAskedAt: [null, orNull(isNumber)],
  /** Of the engine, as it said last. */
  engineVersion: [null, orNull(isText)],
  /** The clocks at the last pass that looked at them; `null`: none did. */
  clock: [null, orNull(isClockMark)],
  deferrals: [NO_DEFERRALS, isDeferrals],
  totals: [NO_TOTALS, isTotals],
  /** As the pass that read the ledger of uses last found it; `null`: the last tier is off. */
  cache: [null, orNull(isWarmth)],
} as const satisfies Parts;
export type Core = Taken<typeof CORE>;

/** When things were first seen that the engine does not date. */
export const MEMORY = {
  /** Dangling images, and stopped containers that the future dates. */
  dangling: [{}, areSightings],
  /** Busy services. */
  busy: [{}, areSightings],
  /** Images of retention families that the engine does not date. */
  undated: [{}, areSightings],
  /** When a pass last saw a container or a service use an image of a retention family, by id. */
  uses: [{}, recordOf(isNumber)],
} as const satisfies Parts;
export type Memory = Taken<typeof MEMORY>;
