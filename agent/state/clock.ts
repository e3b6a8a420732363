import { formatDuration, type Seconds } from "../units.ts";
import type { ClockMark, Sightings, State } from "./state.ts";

/** What drift and small corrections make no jump of. */
const TOLERANCE: Seconds = 300;

/**
 * Seconds by which the clock on the wall was set forward between two passes (negative: back), as the boot clock tells;
 * 0: it was not. Over a boot it can only be told that it was set back. Pure.
 */
export function jumpBetween(before: ClockMark, now: ClockMark): Seconds {
  const wall = (now.at - before.at) / 1000;
  const jump =
    now.bootId === before.bootId ? wall - (now.uptime - before.uptime) : Math.min(0, wall - now.uptime);
  return Math.abs(jump) <= TOLERANCE ? 0 : jump;
}

/** The same between this host and its engine, which is on it. Pure. @param engine milliseconds; `null`: not told */
export function differs(engine: number | null, now: number): Seconds {
  const seconds = engine === null ? 0 : (now - engine) / 1000;
  return Math.abs(seconds) <= TOLERANCE ? 0 : seconds;
}

/** `7200` -> `"2h forward"`. */
export const describeJump = (seconds: Seconds): string =>
  `${formatDuration(Math.round(Math.abs(seconds)))} ${seconds > 0 ? "forward" : "back"}`;

/** The state with all its moments set by as much as the clock was, so that nothing in it has aged by that. Pure. */
export function shifted(state: State, seconds: Seconds): State {
  const by = seconds * 1000;
  const move = (sightings: Sightings): Sightings =>
    mapValues(sightings, ({ since, lastSeen }) => ({ since: since + by, lastSeen: lastSeen + by }));
  const { deferrals } = state;
  return {
    ...state,
    dangling: move(state.dangling),
    busy: move(state.busy),
    undated: move(state.undated),
    uses: mapValues(state.uses, (at) => at + by),
    deferrals: { ...deferrals, since: deferrals.since === null ? null : deferrals.since + by },
  };
}

function mapValues<T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
