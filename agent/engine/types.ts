import type { Frozen } from "../json.ts";
import type * as wire from "./wire.ts";
import type * as swarm from "./wire-swarm.ts";
import type { toDiskUsage } from "./wire-usage.ts";

/**
 * The engine's objects as this program sees them: what wire*.ts makes of its answers. Times are milliseconds since the
 * epoch; `null`: the engine does not say.
 */

type Answer<T extends (body: unknown) => unknown> = Frozen<ReturnType<T>>;
/** Absent is as good as not told. */
type Untold<T, Keys extends keyof T> = Omit<T, Keys> & Partial<Pick<T, Keys>>;

export interface EngineVersion {
  readonly version: string;
  /** The API version in use: the engine's, or the newest this program was tested with. */
  readonly apiVersion: string;
  /** It speaks API versions that this program was not tested with. */
  readonly isNewer?: boolean;
}

export type EngineInfo = Untold<Answer<typeof swarm.toInfo>, "id" | "containerdSocket" | "systemTime">;
export type SwarmState = EngineInfo["swarm"];

export type Service = Untold<Answer<typeof swarm.toServices>[number], "restart"> & {
  /** Of a service that does not run all its tasks: those that are not there have ended well, and none is under way. */
  readonly tasksDone?: boolean;
};

export type Task = Untold<Answer<typeof swarm.toTasks>[number], "slot" | "createdAt">;

export type Labels = Readonly<Record<string, string>>;

export type ContainerSummary = Answer<typeof wire.toContainers>[number];
export type Mount = ContainerSummary["mounts"][number];
export type ContainerDetail = Answer<typeof wire.toContainer>;
export type ImageSummary = Answer<typeof wire.toImages>[number];

export type ImageDetail = Answer<typeof wire.toImage> & {
  /**
   * Repositories from which it was pulled or to which it was pushed, as the containerd store remembers them: with the
   * registry's host and without its port. Absent: not asked for.
   */
  readonly pulledFrom?: readonly string[];
};

export type NetworkDetail = Answer<typeof wire.toNetwork>;
export type NetworkSummary = Omit<NetworkDetail, "endpoints">;
/** One step in the making of an image. */
export type Step = Answer<typeof wire.toHistory>[number];
export type CacheRecord = Answer<typeof wire.toBuildCache>[number];
export type CachePruned = Answer<typeof wire.toCachePruned>;
export type DiskUsage = Answer<typeof toDiskUsage>;
export type UsedImage = DiskUsage["images"][number];
export type UsedVolume = DiskUsage["volumes"][number];
