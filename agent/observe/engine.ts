import type { EngineReader } from "../engine/reader.ts";
import { orUnknown } from "../engine/tolerant.ts";
import type { EngineInfo, EngineVersion } from "../engine/types.ts";
import type { Fact } from "../facts.ts";

export interface Engine {
  readonly version: EngineVersion;
  readonly info: EngineInfo;
  /** Milliseconds: when its host was booted; absent: not known. No container runs since before that. */
  readonly bootedAt?: number | null;
}

/** Who answers at the socket: the first thing asked. */
export function observeEngine(reader: EngineReader): Promise<Fact<Engine>> {
  return orUnknown("the engine", async () => {
    const version = await reader.version();
    return { version, info: await reader.info() };
  });
}
