import type { Clock } from "../host/clock.ts";
import type { HostFacts } from "../host/facts.ts";
import type { ClockMark, Sightings, State } from "../state/state.ts";
import { formatDuration, type Seconds } from "../units.ts";
import type { Engine } from "./engine.ts";

interface ClockPorts {
  readonly clock: Clock;
  readonly host: { readonly facts: HostFacts };
}

/** What the clocks say now; `null` where the host does not tell. */
export function clockMark({ clock, host }: ClockPorts): ClockMark | null {
  const bootId = host.facts.bootId();
  const uptime = host.facts.uptime();
  return bootId.known && uptime.known
    ? { at: clock.now(), bootId: bootId.value, uptime: uptime.value }
    : null;
}

/**
 * The state as it reads by the clock of now, and what is wrong with that clock; `null`: it runs as it did at the last
 * pass. Sightings grow no faster than the boot clock: where the clock was set meanwhile, they are set as well.
 */
export function byClockOfNow(ports: ClockPorts, state: State) {
  const now = clockMark(ports);
  const jump = state.clock === null || now === null ? 0 : jumpBetween(state.clock, now);
  return jump === 0
    ? { state, trouble: null }
    : {
        state: shifted(state, jump),
        trouble: `the clock was set ${describeJump(jump)} since the last pass: no age can be trusted in this one`,
      };
}

/** The clock of the engine, which is the host's: one of the two is not what it seems where they differ. */
export function engineTrouble({ clock }: Pick<ClockPorts, "clock">, { info }: Engine): string | null {
  const seconds = (clock.now() - (info.systemTime ?? clock.now())) / 1000;
  return Math.abs(seconds) <= TOLERANCE
    ? null
    : `this clock is ${describeJump(seconds)} of the engine's: no age can be trusted`;
}

/** Milliseconds: when the host was booted; `null`: not known. */
export function bootedAt(ports: ClockPorts): number | null {
  const mark = clockMark(ports);
  return mark === null ? null : mark.at - mark.uptime * 1000;
}

/** What drift and small corrections make no jump of. */
const TOLERANCE: Seconds = 300;

/**
 * Seconds by which the clock on the wall was set forward between two passes (negative: back), as the boot clock tells;
 * 0: it was not. Over a boot it can only be told that it was set back. Pure.
 */
function jumpBetween(before: ClockMark, now: ClockMark): Seconds {
  const wall = (now.at - before.at) / 1000;
  const jump =
    now.bootId === before.bootId ? wall - (now.uptime - before.uptime) : Math.min(0, wall - now.uptime);
  return Math.abs(jump) <= TOLERANCE ? 0 : jump;
}

/** `7200` -> `"2h forward"`. */
const describeJump = (seconds: Seconds): string =>
  `${formatDuration(Math.round(Math.abs(seconds)))} ${seconds > 0 ? "forward" : "back"}`;

/** The state with all its moments set by as much as the clock was, so that nothing in it has aged by that. Pure. */
function shifted(state: State, seconds: Seconds): State {
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
