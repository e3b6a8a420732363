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

/** Who answers at the socket: asked first. Both at once: each takes 20 ms, for which 20.10 starts runc. */
export function observeEngine(reader: EngineReader): Promise<Fact<Engine>> {
  return orUnknown("the engine", async () => {
    const [version, info] = await Promise.all([reader.version(), reader.info()]);
    // Asked before a version was fixed, it came in the newest one: of a newer engine that is none that was tested.
    return { version, info: version.isNewer ? await reader.info() : info };
  });
}
