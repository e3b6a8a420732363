import type { EngineReader } from "../engine/reader.ts";
import { orUnknown } from "../engine/tolerant.ts";
import type { Fact } from "../facts.ts";
import type { Filesystem } from "../host/disk.ts";
import { HOST_NOT_READ, type readHostUsage } from "../host/usage.ts";
import { type Holder, holders } from "../plan/holders.ts";

/** Where the engine keeps its data, and the filesystem under it; `null`: not known. */
export interface EngineRoot {
  readonly path: string | null;
  readonly filesystem: Filesystem | null;
}

export interface HoldersPorts {
  readonly reader: EngineReader;
  readonly host: { readonly readHostUsage: typeof readHostUsage };
}

/**
 * Asks the engine and the host what holds the disk: one `GET /system/df` and a look at log files, Swarm's state and
 * open files. Engine errors make it unknown; only bugs throw.
 */
export function observeHolders(
  { reader, host }: HoldersPorts,
  { path, filesystem }: EngineRoot,
  giveUp: AbortSignal,
  now: number,
): Promise<Fact<readonly Holder[]>> {
  return orUnknown("what holds the disk", async () => {
    const [usage, ofHost] = await Promise.all([
      reader.diskUsage(),
      path === null || filesystem === null
        ? HOST_NOT_READ
        : host.readHostUsage(path, filesystem.device, giveUp),
    ]);
    return holders(usage, ofHost, filesystem, now);
  });
}
