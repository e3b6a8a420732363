import type { Labels } from "../engine/types.ts";
import { matchingLabel } from "../settings/labels.ts";
import type { Settings } from "../settings/settings.ts";
import type { Judged } from "./plan.ts";

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
