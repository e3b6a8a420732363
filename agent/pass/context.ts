import type { Tally } from "../act/tally.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { ExitCode } from "../exit.ts";
import type { Clock } from "../host/clock.ts";
import type { PassFinished, RuleReport } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import type { Engine } from "../observe/candidates.ts";
import type { Gatekeeper } from "../observe/gatekeeper.ts";
import type { Rules } from "../observe/ruled.ts";
import type { Sightings, State } from "../state/state.ts";
import type { HostPorts } from "./host.ts";
import type { Pressure } from "./pressure.ts";

/** What a pass needs from outside. */
export interface PassPorts {
  readonly pass: string;
  readonly version: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly reader: EngineReader;
  readonly writer: EngineWriter;
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

/** What the stages hand to the report; filled in as the pass gets that far. */
export interface Course {
  readonly startedAt: number;
  before: Pressure;
  readonly state: State;
  /** `pressed`: the pass is about `prune` as well, not only about rules that do not wait for pressure. */
  rules: Rules;
  /** What became of objects so far. */
  readonly tally: Tally;
  engine: Engine | null;
  gatekeeper: Gatekeeper | null;
  dangling: Sightings | null;
  /** What the state remembers of retention families. */
  families: Pick<State, "undated" | "uses"> | null;
}

/** How a pass ended, before the disk was measured again. */
export type Ended = Pick<PassFinished, "outcome" | "reason" | "gate"> & {
  readonly exitCode: ExitCode;
  /** Of a dry run, which acts on nothing. */
  readonly keptByPlan?: number;
  readonly rules?: readonly RuleReport[];
};
