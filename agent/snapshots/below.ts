import type { Family } from "../plan/family.ts";
import type { Judged } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/schema.ts";
import { identityOf } from "./identity.ts";
import type { SnapshotPorts } from "./ports.ts";
import { removeNameless } from "./removal.ts";

/**
 * Removes what resumed runs left nameless below snapshots that are gone: on classic stores each commit keeps the
 * snapshot it was resumed from, without a name, for as long as there is one above it. What stays of it is for the
 * prune. Throws nothing that the engine does.
 * @returns what went, as the log tells it; the engine is not asked how large each was
 */
export async function removeBelow(
  ports: SnapshotPorts,
  families: readonly Family[],
  removed: readonly Judged[],
): Promise<readonly Judged[]> {
  // Of the snapshots' own rule alone: labels are handed down, and what lies below another image may serve a build.
  const snapshots = removed.filter(({ rule }) => rule === `retention/${SNAPSHOT_RULE}`);
  const gone = new Map(snapshots.map((object) => [object.id, object]));
  const below: Judged[] = [];
  for (const { image } of families.flatMap(({ members }) => members)) {
    const above = gone.get(image.id);
    const identity = identityOf(image.labels);
    if (above === undefined || identity === null) continue;
    for (const id of (await removeNameless(ports, image.parentId, identity)).removed) {
      below.push({
        ...above,
        id,
        names: [],
        references: [],
        sizeBytes: null,
        ageSeconds: null,
        ageBasis: "none",
        reason: "it lay nameless below a snapshot that is gone",
      });
    }
  }
  return below;
}
