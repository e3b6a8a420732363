import type { Labels } from "../engine/types.ts";
import { matchingLabel } from "../settings/labels.ts";
import type { Settings } from "../settings/settings.ts";
import type { Bytes, Seconds } from "../units.ts";
import type { Age, AgeBasis } from "./age.ts";

export type ObjectKind = "container" | "image" | "build-cache" | "network";

export const NONE_OF_EACH: Readonly<Record<ObjectKind, number>> = {
  container: 0,
  image: 0,
  "build-cache": 0,
  network: 0,
};

/** Why a verdict came out as it did; a code never changes its meaning: metrics and queries rely on it. */
export type ReasonCode =
  /** Past its age limit, and nothing speaks for it. */
  | "expired"
  | "young"
  /** Nothing dates it, and our own state has not seen it dangling for the whole age limit. */
  | "undatable"
  /** Live, or used by something that is. */
  | "in-use"
  /** It carries a label of `prune.keepLabels`. */
  | "keep-label"
  /** One of its names is in `prune.keepImages`. */
  | "keep-image"
  /** `prune.labels` is set and it carries none of them. */
  | "not-selected"
  /** No tag but a digest: cache that a service pulled. */
  | "has-digest"
  | "tagged"
  /** Another image, or a record of the build cache that stays, was built on it. */
  | "parent"
  /** A container through which somebody finds volumes (volumes.ts). */
  | "holds-volumes"
  /** BuildKit shares it with an image, or keeps it for itself. */
  | "shared"
  /** Of a retention family: nothing has used it for longer than `unusedFor`. */
  | "unused"
  /** Of a retention family: more of its group were used more recently than `keepCount` allows. */
  | "over-count"
  /** Of a retention family: those used more recently already fill `maxTotalSize`. */
  | "over-size"
  /** Of a retention family: among the `keepNewest` of its group. */
  | "newest"
  /** Named by a rule, and within all of its limits. */
  | "within-limits"
  /** A container past the limit of a rule of `orphans`. */
  | "orphaned"
  /** Named, and of all images that no rule names among those least likely to be wanted again. */
  | "evicted"
  /** No registry is known to have it: it could not be pulled again. */
  | "local"
  /** The ledger of uses does not know it yet. */
  | "not-in-ledger"
  /** In the order of eviction, and the disk had room enough before its turn came. */
  | "not-needed"
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
  readonly because: ReasonCode;
  readonly reason: string;
  /** The rule of the settings that names it: `"retention/ci-snapshots"`, `"orphans/workers"`; absent: the prune. */
  readonly rule?: string;
  /** Only the shorter age limit of an emergency lets it go. */
  readonly inEmergency?: true;
  /** Retention only: the exact names that go; none: a digest alone names it, and it goes by its id. */
  readonly references?: readonly string[];
}

export interface Plan {
  /** A pass takes of these an image before the ones it was made on (act/waves.ts). */
  readonly remove: readonly Judged[];
  readonly keep: readonly Judged[];
  /** The last tier: named images in order of eviction, of which only as many go as the disk asks for. */
  readonly evict?: readonly Judged[];
}

/** What the last tier leaves alone in the end. */
export const NOT_NEEDED = { because: "not-needed", reason: "the disk has room enough without it" } as const;

/** What a verdict says of its object, whatever the verdict is. */
type Subject = Omit<Judged, "ageSeconds" | "ageBasis" | "action" | "because" | "reason">;

export function verdictsOn(subject: Subject, age: Age) {
  const verdict =
    (action: Judged["action"]) =>
    (because: ReasonCode, reason: string): Judged => ({
      ...{ ...subject, ageSeconds: age.seconds, ageBasis: age.basis },
      ...{ action, because, reason },
    });
  return { keep: verdict("keep"), remove: verdict("remove") };
}

export type Kept = Pick<Judged, "because" | "reason">;

/** Why labels keep this object; `null`: they leave it to its age. */
export function keptByLabels(
  labels: Labels,
  prune: Pick<Settings["prune"], "labels" | "keepLabels">,
): Kept | null {
  const keep = matchingLabel(labels, prune.keepLabels);
  if (keep !== undefined) return { because: "keep-label", reason: "it carries a label of prune.keepLabels" };
  if (prune.labels.length > 0 && matchingLabel(labels, prune.labels) === undefined)
    return { because: "not-selected", reason: "it carries no label of prune.labels" };
  return null;
}
