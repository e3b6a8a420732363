import type { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { Inspector } from "../engine/tolerant.ts";
import type { ContainerDetail, ImageDetail } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Clock } from "../host/clock.ts";
import type { Journal } from "../log/journal.ts";
import type { PruneInForce } from "../plan/age.ts";
import type { Candidates, PlanContext } from "../plan/decide.ts";
import type { Settings } from "../settings/settings.ts";
import type { Tally } from "./tally.ts";

export interface ActPorts {
  readonly reader: EngineReader;
  readonly writer: EngineWriter;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tally: Tally;
  /** Fires when the pass is told to stop: it ends before the next deletion. */
  readonly stop: AbortSignal;
  /** When the gates were asked last, by the clock's `elapsed`. */
  readonly gatesAskedAt: number;
  /** Asks the gates again; the first one that is not open. */
  askGates(): Promise<Verdict | null>;
  /** What holds in place of `prune` of the settings, for as long as there is an emergency. */
  emergency(): PruneInForce | null;
  /** The low watermark is set, and every watched filesystem is below it. */
  roomEnough(): Promise<boolean>;
  /**
   * Whether the last tier is to go on: the disk is under pressure, and once something was evicted, above the mark that
   * the tier is to reach. What cannot be read is no reason to go on.
   */
  needsRoom(evicted: number): Promise<boolean>;
  progress(done: number, total: number): void;
}

/** A plan, and what its verdicts came from. */
export interface Judgement {
  /** Inspected the candidates: it counts what cannot be inspected, and gives up on an engine that hangs. */
  readonly inspector?: Inspector;
  readonly candidates: Candidates;
  readonly context: PlanContext;
  readonly settings: Settings;
}

export type Ending =
  | { readonly by: "gate"; readonly verdict: Verdict }
  | { readonly by: "stop" }
  | { readonly by: "low-watermark" }
  | { readonly by: "engine"; readonly error: EngineError };

export interface Acted {
  /** `null`: the whole plan was gone through. */
  readonly ending: Ending | null;
  /** Ids of what lay nameless below snapshots and went with them. */
  readonly below: readonly string[];
  /** Something was gone when its turn came, or the engine refused it as in use. */
  readonly changed: boolean;
  /** What the looks found of containers and dangling images, by id. */
  readonly looked: ReadonlyMap<string, ContainerDetail | ImageDetail>;
}

export function endingOf(error: EngineError): Ending {
  return error.kind === "stopped" ? { by: "stop" } : { by: "engine", error };
}
