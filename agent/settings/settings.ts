import type { PresetName } from "../gates/presets.ts";
import type { Seconds, Watermark } from "../units.ts";

/** A label an object may carry. */
export interface LabelRule {
  readonly key: string;
  /** `undefined`: any value. */
  readonly value: string | undefined;
  /** As the operator wrote it. */
  readonly text: string;
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
  readonly retention: readonly [];
  readonly orphans: readonly [];
  readonly lockFile: string | null;
  readonly stateDir: string | null;
  readonly metrics: { readonly textfile: null };
}
