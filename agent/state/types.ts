import type { Seconds } from "../units.ts";
import type { Totals } from "./totals.ts";
import type { Warmth } from "./warmth.ts";

export type { PassRecord } from "./pass-record.ts";

/**
 * What one pass leaves for the next. Times are milliseconds since the epoch. Three files, since a quiet pass reads and
 * writes the first alone: `state.json` with what every pass needs, `sightings.json`, and `passes.jsonl` (pass-log.ts),
 * which only reports read.
 */
export type State = Core & Memory;

/** The part of the state that every pass needs: some hundred bytes, whatever there is on the host. */
export interface Core {
  /** Where the engine keeps its data, as it said last: watched from then on, before it is asked again. */
  readonly engineRoot: string | null;
  /** The same of a containerd that the engine did not start itself, where it keeps images. */
  readonly containerdRoot: string | null;
  /** When it said so last; milliseconds. */
  readonly engineAskedAt: number | null;
  /** Of the engine, as it said last. */
  readonly engineVersion: string | null;
  /** The clocks at the last pass that looked at them; `null`: none did. */
  readonly clock: ClockMark | null;
  readonly deferrals: { readonly count: number; readonly since: number | null };
  readonly totals: Totals;
  /** As the pass that read the ledger of uses last found it; `null`: the last tier is off. */
  readonly cache: Warmth | null;
}

/** What the clocks said at one moment: the one on the wall, and the one that counts since the host was booted. */
export interface ClockMark {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly bootId: string;
  readonly uptime: Seconds;
}

/** When things were first seen that the engine does not date. */
export interface Memory {
  /** Dangling images, and stopped containers that the future dates, by id. */
  readonly dangling: Sightings;
  /** Busy services, by id. */
  readonly busy: Sightings;
  /** Images of retention families that the engine does not date, by id. */
  readonly undated: Sightings;
  /** When a pass last saw a container or a service use an image of a retention family, by id. */
  readonly uses: Readonly<Record<string, number>>;
}

/** Something seen in one listing after the other. */
export interface Sighting {
  readonly since: number;
  readonly lastSeen: number;
}

/** By id. */
export type Sightings = Readonly<Record<string, Sighting>>;
