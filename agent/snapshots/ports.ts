import type { EngineReader } from "../engine/reader.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Clock } from "../host/clock.ts";

/** What looking at snapshots needs from outside. */
export interface LookPorts {
  readonly reader: EngineReader;
  readonly clock: Clock;
}

/** What making and removing them needs as well. */
export interface SnapshotPorts extends LookPorts {
  readonly writer: EngineWriter;
  /** Fires when the command is told to stop: what is under way is waited for a little, and nothing new is begun. */
  readonly stop: AbortSignal;
}
