import type { Bytes, Seconds, Watermark } from "../units.ts";
import type { PresetName } from "./presets.ts";

/** A label an object may carry. */
export interface LabelRule {
  readonly key: string;
  /** `undefined`: any value. */
  readonly value: string | undefined;
  /** As the operator wrote it. */
  readonly text: string;
}

/** `"ghcr.io/acme/worker:sha-*"`: which names of images are meant, in the form `docker image ls` shows them. */
export interface NameGlob {
  readonly repository: RegExp;
  /** `null`: any tag. */
  readonly tag: RegExp | null;
  /** As the operator wrote it. */
  readonly text: string;
}

/** `always`: on every pass whose other gates are open; `pressure`: only when the disk is under pressure as well. */
export type When = "always" | "pressure";

/** Keeps one family of named images in bounds. At least one limit is set, and the family does not hold everything. */
export interface RetentionRule {
  readonly name: string;
  /** One of each list that is not empty must fit. */
  readonly match: { readonly repositories: readonly NameGlob[]; readonly labels: readonly LabelRule[] };
  /** The time to live; a label of the image named by `ttlLabel` wins over it. */
  readonly olderThan: Seconds | null;
  /** So many of each group, the most recently used, never go. */
  readonly keepNewest: number;
  readonly keepCount: number | null;
  /** Of the bytes that no image outside the group holds. */
  readonly maxTotalSize: Bytes | null;
  /** A label key: the limits hold for the images of each of its values by themselves. */
  readonly perGroup: string | null;
  /** A label key. */
  readonly ttlLabel: string | null;
  /** Nothing younger goes, whatever the limits say. */
  readonly grace: Seconds;
  readonly when: When;
}

/** Stops and removes containers that carry a label and were left behind. At least one limit is set. */
export interface OrphanRule {
  readonly name: string;
  readonly label: LabelRule;
  readonly runningLongerThan: Seconds | null;
  readonly stoppedLongerThan: Seconds | null;
  /** Between SIGTERM and SIGKILL. */
  readonly stopTimeout: Seconds;
  readonly when: When;
}

/** The settings past the boundary: valid by construction, units in the types. docs/configuration.md is their manual. */
export interface Settings {
  readonly engine: {
    readonly socketPath: string;
    /** Deadline of every answer that only tells something. */
    readonly timeout: Seconds;
    /** Deadline of removing one container or image. The build cache prune has its own (engine/writer.ts). */
    readonly deleteTimeout: Seconds;
  };
  readonly disk: {
    readonly paths: readonly string[];
    /** The operator named the paths: then each must be readable. Of the defaults, those that exist are watched. */
    readonly pathsNamed: boolean;
    readonly highWatermark: Watermark;
    readonly lowWatermark: Watermark | null;
    readonly inodes: boolean;
  };
  readonly liveRuns: {
    readonly services: readonly RegExp[];
    readonly containers: readonly RegExp[];
    readonly labels: readonly LabelRule[];
    readonly presets: readonly PresetName[];
  };
  readonly convergence: {
    readonly settle: Seconds;
    readonly ignoreStuckAfter: Seconds | null;
    readonly onWorker: "defer" | "local-tasks";
  };
  readonly prune: {
    readonly until: Seconds;
    readonly containers: boolean;
    readonly images: boolean;
    readonly buildCache: boolean;
    readonly labels: readonly LabelRule[];
    readonly keepLabels: readonly LabelRule[];
  };
  readonly deferrals: { readonly warnAfterPasses: number; readonly warnAfter: Seconds };
  readonly retention: readonly RetentionRule[];
  readonly orphans: readonly OrphanRule[];
  /** The family that `snapshots commit` makes (settings/rules.ts). */
  readonly snapshots: {
    readonly ttl: Seconds;
    readonly keepCount: number | null;
    readonly maxTotalSize: Bytes | null;
    readonly when: When;
  };
  readonly lockFile: string | null;
  readonly stateDir: string | null;
  /** An absolute path of a `.prom` file; `null`: no metrics. */
  readonly metrics: { readonly textfile: string | null };
}
