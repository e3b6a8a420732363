import type { Bytes } from "../units.ts";

/**
 * The engine's objects as this program sees them. Times are milliseconds since the epoch; `null`: the engine does not
 * say.
 */

export interface EngineVersion {
  readonly version: string;
  /** The API version in use: the engine's, or the newest this program was tested with. */
  readonly apiVersion: string;
}

export interface EngineInfo {
  /** Tells engines apart; absent: not told. */
  readonly id?: string;
  readonly rootDir: string;
  /** `"containerd"` when the containerd image store is in use. */
  readonly imageStore: "classic" | "containerd";
  /**
   * The socket of containerd, from engine 29 on: `"/run/containerd/containerd.sock"` where the engine did not start it.
   */
  readonly containerdSocket?: string | null;
  /** What the engine takes for now; `null`: not told. */
  readonly systemTime?: number | null;
  readonly swarm: SwarmState;
}

export type SwarmState =
  | { readonly role: "none" }
  | { readonly role: "manager" }
  | { readonly role: "worker" }
  /** Locked, pending, in error, without a quorum: nothing can be said of its services. */
  | { readonly role: "unclear"; readonly why: string };

export type ServiceMode = "replicated" | "global" | "replicated-job" | "global-job";

export interface Service {
  readonly id: string;
  readonly name: string;
  readonly labels: Labels;
  readonly mode: ServiceMode;
  /** Replicated services: how many tasks were asked for. */
  readonly replicas: number;
  /** Replicated jobs: how many completions make it done. */
  readonly totalCompletions: number;
  /** `null`: the engine did not say. */
  readonly status: { readonly running: number; readonly desired: number; readonly completed: number } | null;
  /** Whether a task that ended is followed by another: `"any"`, `"on-failure"` (an end that failed), `"none"`. */
  readonly restart?: string;
  /** Of a service that does not run all its tasks: those that are not there have ended well, and none is under way. */
  readonly tasksDone?: boolean;
  /** `"none"` when no update was ever made or asked for. */
  readonly updateState: string;
  /** As written in its spec, and in the one that a rollback goes back to: `"redis:7-alpine@sha256:…"`. */
  readonly images: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface Task {
  readonly serviceId: string;
  /** What it is one of several in: the number of its slot, of a global service the node. */
  readonly slot?: string;
  readonly createdAt?: number | null;
  /** `"running"`, `"failed"`, `"rejected"` … */
  readonly state: string;
  readonly desiredState: string;
  /** When it came into this state. */
  readonly at: number | null;
  /** A container was made for it; it may have run, whatever its state is now. */
  readonly hadContainer: boolean;
}

export type Labels = Readonly<Record<string, string>>;

export interface ContainerSummary {
  readonly id: string;
  readonly names: readonly string[];
  readonly imageId: string;
  /** The image as it was named when the container was made; an id where that name is gone. */
  readonly imageName: string;
  readonly state: string;
  readonly createdAt: number;
  readonly labels: Labels;
  readonly mounts: readonly Mount[];
  readonly networks: readonly string[];
}

export interface Mount {
  /** `"volume"`, `"bind"` … */
  readonly type: string;
  /** A volume's name; the path on the host of a bind mount. */
  readonly source: string;
  readonly destination: string;
}

export interface ContainerDetail {
  readonly id: string;
  readonly state: string;
  readonly createdAt: number | null;
  /** `null`: it never started. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** Of the last run; 0 also for one that never ran. */
  readonly exitCode: number | null;
  /** The kernel killed a process in it for lack of memory; its exit code may be 0 all the same. */
  readonly oomKilled: boolean;
  readonly sizeBytes: Bytes | null;
  /** Commands that are being executed in it; absent: not told. */
  readonly execs?: number;
}

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly parentId: string;
  readonly sizeBytes: Bytes;
  readonly labels: Labels;
  /** Of the config; `null`: absent or the zero time. */
  readonly createdAt: number | null;
}

export interface ImageDetail extends ImageSummary {
  readonly lastTaggedAt: number | null;
  /** Digests of its layers, oldest first; a layer is the same in two images where all below it are as well. */
  readonly layers: readonly string[];
  /**
   * Repositories from which it was pulled or to which it was pushed, as the containerd store remembers them: with the
   * registry's host and without its port. Absent: not asked for.
   */
  readonly pulledFrom?: readonly string[];
}

export interface NetworkSummary {
  readonly id: string;
  readonly name: string;
  /** `"bridge"`, `"overlay"` … */
  readonly driver: string;
  /** `"local"`, or `"swarm"` and the like. */
  readonly scope: string;
  readonly createdAt: number | null;
  readonly labels: Labels;
  readonly ingress: boolean;
  /** Only a pattern for networks of a swarm. */
  readonly configOnly: boolean;
}

export interface NetworkDetail extends NetworkSummary {
  /** Of containers that run. */
  readonly endpoints: number;
}

/** One step in the making of an image. */
export interface Step {
  /** 0 for one that only changes the config, and on classic stores for a layer of empty files or folders. */
  readonly sizeBytes: Bytes;
  /** When and by what it was made: the same in all images built on its layer. */
  readonly mark: string;
}

export interface CacheRecord {
  readonly id: string;
  /** `"regular"`, `"source.local"`, `"internal"`, `"frontend"` … */
  readonly type: string;
  readonly description: string;
  readonly sizeBytes: Bytes;
  readonly lastUsedAt: number | null;
  readonly inUse: boolean;
  readonly shared: boolean;
  /** Ids of the records it was built on: none of them goes while it is there. */
  readonly parents: readonly string[];
}

/** What a build cache prune reports. */
export interface CachePruned {
  readonly ids: readonly string[];
  readonly claimedBytes: Bytes;
}

/** Where the engine's bytes are, from `GET /system/df`. */
export interface DiskUsage {
  /** All layers together, each counted once. */
  readonly layersBytes: Bytes;
  readonly images: readonly UsedImage[];
  readonly containers: readonly UsedContainer[];
  readonly volumes: readonly UsedVolume[];
  readonly buildCache: readonly {
    readonly bytes: Bytes;
    readonly shared: boolean;
    readonly inUse: boolean;
  }[];
}

export interface UsedImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** Without layers that other images hold as well. */
  readonly ownBytes: Bytes;
  /** Layers that some other image holds as well. */
  readonly sharedBytes: Bytes;
  readonly createdAt: number | null;
}

export interface UsedContainer {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly running: boolean;
  /** What it wrote into itself. */
  readonly bytes: Bytes;
  /** Names of the volumes that it mounts. */
  readonly volumes: readonly string[];
}

export interface UsedVolume {
  readonly name: string;
  readonly bytes: Bytes;
}
