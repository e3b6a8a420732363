import type { Tally } from "../act/tally.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { ExitCode } from "../exit.ts";
import type { Fact } from "../facts.ts";
import type { Clock } from "../host/clock.ts";
import type { Lock } from "../host/lock.ts";
import type { PassFinished, RuleReport } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import type { Engine } from "../observe/engine.ts";
import type { Rules } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import type { HostPorts } from "./host.ts";
import type { Pressure } from "./pressure.ts";

export interface PassPorts {
  readonly pass: string;
  readonly version: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly reader: EngineReader;
  readonly writer: EngineWriter;
  /** Tells the envelope whether the age limit of an emergency holds. */
  inEmergency(holds: boolean): void;
  /** Requests sent to the engine so far. */
  requests(): number;
  readonly host: HostPorts;
  /** Told to stop: the pass ends before its next deletion. */
  readonly stop: AbortSignal;
  progress(done: number, total: number): void;
}

export interface PassOptions {
  readonly dryRun: boolean;
  /** Skips the disk gate, and no other. */
  readonly withoutPressure: boolean;
}

export interface PassContext {
  readonly ports: PassPorts;
  readonly settings: Settings;
  readonly options: PassOptions;
  readonly startedAt: {
    readonly now: number;
    /** Milliseconds by the clock that never jumps: what durations count from. */
    readonly elapsed: number;
  };
}

/** What a pass has found so far. Each stage returns its own; none changes that of another. */
export interface Found {
  readonly state: State;
  /** What is wrong with the clock; `null`: nothing that is known. */
  readonly clockTrouble: string | null;
  /** The disk at the start. */
  readonly before: Pressure;
  /** `pressed`: the pass is about `prune` as well, not only about rules that do not wait for pressure. */
  readonly rules: Rules;
  /** What the engine said when it was asked where its data is; `null`: it was not asked. */
  readonly asked: Fact<Engine> | null;
  /** Counts what becomes of each object; holds also when a bug ends the pass. */
  readonly tally: Tally;
  readonly learnt: Partial<State>;
  /** Once it was taken. */
  readonly lock: Lock | null;
}

/** A pass that is over, before the disk was measured again. */
export interface Passed extends Found {
  readonly ended: Ended;
}

export type Ended = Pick<PassFinished, "outcome" | "reason" | "gate"> & {
  readonly exitCode: ExitCode;
  /** Of a dry run, which acts on nothing. */
  readonly keptByPlan?: number;
  readonly rules?: readonly RuleReport[];
};

export const isOver = (found: Found | Passed): found is Passed => "ended" in found;
