import { parseNameGlob } from "./globs.ts";
import { SNAPSHOT_RULE } from "./schema.ts";
import type { NameGlob, RetentionRule, Settings } from "./settings.ts";

/** On every snapshot; what makes one is this label *and* the repository: labels are handed down to images built on it. */
export const SNAPSHOT_LABEL = "ci-docker-prune.snapshot";
/** Seconds to live as a duration such as `"24h"`. */
export const SNAPSHOT_TTL_LABEL = "ci-docker-prune.snapshot.ttl";
/** Repositories of snapshots are `ci-snapshot/<name>`. */
export const SNAPSHOT_NAMESPACE = "ci-snapshot";

/** The rule for what `snapshots commit` makes, from `settings.snapshots`. */
export function snapshotRule({ ttl, keepCount, maxTotalSize, when }: Settings["snapshots"]): RetentionRule {
  return {
    name: SNAPSHOT_RULE,
    match: {
      repositories: [parseNameGlob(`${SNAPSHOT_NAMESPACE}/*`) as NameGlob],
      labels: [{ key: SNAPSHOT_LABEL, value: undefined, text: SNAPSHOT_LABEL }],
    },
    olderThan: ttl,
    keepNewest: 0,
    keepCount,
    maxTotalSize,
    perGroup: null,
    ttlLabel: SNAPSHOT_TTL_LABEL,
    grace: Math.min(3600, ttl),
    when,
  };
}

/** Every rule in force, the operator's own first: an image belongs to the first that names it. */
export function retentionRules({ retention, snapshots }: Settings): readonly RetentionRule[] {
  return [...retention, snapshotRule(snapshots)];
}

/** Whether the rule's repositories name this; a rule of labels alone names whatever carries one. Pure. */
export function namesTag({ match }: RetentionRule, repository: string, tag: string): boolean {
  if (match.repositories.length === 0) return true;
  return match.repositories.some(
    (glob) => glob.repository.test(repository) && (glob.tag === null || glob.tag.test(tag)),
  );
}
