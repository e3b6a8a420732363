import type { Bytes, Seconds } from "../units.ts";

export type ObjectKind = "container" | "image" | "build-cache";

/** What an age was counted from. `none`: nothing dates this object. */
export type AgeBasis =
  | "finished"
  | "started"
  | "created"
  | "last-tagged"
  | "first-seen-dangling"
  | "last-used"
  | "none";

/** Which rule decided; never changes meaning, so that metrics and queries can rely on it. */
export type Rule =
  /** Past its age limit, and nothing speaks for it. */
  | "expired"
  /** Younger than its age limit. */
  | "young"
  /** Nothing dates it, and our own state has not seen it dangling for the whole age limit. */
  | "undatable"
  /** Live, or used by something that is. */
  | "in-use"
  /** It carries a label of `prune.keepLabels`. */
  | "keep-label"
  /** `prune.labels` is set and it carries none of them. */
  | "not-selected"
  /** No tag but a digest: cache that a service pulled. */
  | "has-digest"
  /** It has a tag (again). */
  | "tagged"
  /** Another image was built on it. */
  | "parent"
  /** BuildKit shares it with an image, or keeps it for itself. */
  | "shared"
  /** It could not be read. */
  | "unreadable"
  /** Planned, but the pass ended before it came to this. */
  | "not-reached"
  /** Planned, but the engine's own prune left it. */
  | "engine-kept";

/** One object with the verdict on it: what stays carries its reason just as what goes does. */
export interface Judged {
  readonly kind: ObjectKind;
  readonly id: string;
  readonly names: readonly string[];
  readonly sizeBytes: Bytes | null;
  readonly ageSeconds: Seconds | null;
  readonly ageBasis: AgeBasis;
  readonly action: "remove" | "keep";
  readonly rule: Rule;
  /** The rule as a sentence for people. */
  readonly reason: string;
}

export interface Plan {
  readonly remove: readonly Judged[];
  readonly keep: readonly Judged[];
}

/** Sorts the judged objects into a plan. Pure. */
export function toPlan(judged: readonly Judged[]): Plan {
  return {
    remove: judged.filter(({ action }) => action === "remove"),
    keep: judged.filter(({ action }) => action === "keep"),
  };
}
