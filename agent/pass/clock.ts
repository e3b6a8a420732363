import type { Clock } from "../host/clock.ts";
import type { Engine } from "../observe/engine.ts";
import { describeJump, differs, jumpBetween, shifted } from "../state/clock.ts";
import type { ClockMark, State } from "../state/state.ts";
import type { HostPorts } from "./host.ts";

interface ClockPorts {
  readonly clock: Clock;
  readonly host: HostPorts;
}

/** The state as it reads by the clock of now, and what is wrong with that clock. */
export interface Timed {
  readonly state: State;
  /** `null`: the clock runs as it did at the last pass. */
  readonly trouble: string | null;
}

/** What the clocks say now; `null` where the host does not tell. */
export function clockMark({ clock, host }: ClockPorts): ClockMark | null {
  const bootId = host.facts.bootId();
  const uptime = host.facts.uptime();
  return bootId.known && uptime.known
    ? { at: clock.now(), bootId: bootId.value, uptime: uptime.value }
    : null;
}

/** Sightings grow no faster than the boot clock: where the clock was set meanwhile, they are set as well. */
export function byClockOfNow(ports: ClockPorts, state: State): Timed {
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
export function engineTrouble({ clock }: ClockPorts, { info }: Engine): string | null {
  const seconds = differs(info.systemTime ?? null, clock.now());
  return seconds === 0
    ? null
    : `this clock is ${describeJump(seconds)} of the engine's: no age can be trusted`;
}

/** Milliseconds: when the host was booted; `null`: not known. */
export function bootedAt(ports: ClockPorts): number | null {
  const mark = clockMark(ports);
  return mark === null ? null : mark.at - mark.uptime * 1000;
}
