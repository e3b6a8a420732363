import { sentence } from "../log/journal.ts";
import { shortId, visible, visibleDeep } from "../text.ts";
import { formatBytes } from "../units.ts";
import type { CommitReport } from "./commit.ts";
import type { EvictReport } from "./evict.ts";
import type { Identity } from "./identity.ts";

/** Lines for a person, safe to show: what was done, and what a router should know of. */
export interface Lines {
  readonly out: readonly string[];
  readonly err: readonly string[];
}

export function describeCommit(report: CommitReport): Lines {
  const { container, snapshot, removal, predecessor, limits } = report;
  const out: string[] = [];
  const err: string[] = [];
  const name = visible(container?.name ?? report.asked);
  if (snapshot !== null) {
    const { sizeBytes, newBytes, ttl } = snapshot;
    const size = sizeBytes === null ? "size not told" : formatBytes(sizeBytes);
    const added = newBytes === null ? "" : `, ${formatBytes(newBytes)} of it new`;
    out.push(`Committed ${name} as ${snapshot.name} (${snapshot.id})`);
    out.push(`  ${size}${added}; fresh for ${visible(ttl)}`);
  } else {
    const what = report.outcome === "unknown" ? "not known whether it was committed" : "not committed";
    err.push(`${name}: ${what}: ${visible(report.reason)}`);
  }
  if (removal?.gone === true && container !== null) out.push(`Removed container ${name}`);
  if (removal?.gone === false)
    err.push(`${name} was to be removed and is still there: ${visible(removal.reason)}`);
  for (const id of predecessor?.removed ?? []) out.push(`Removed the earlier snapshot ${shortId(id)}`);
  const left = predecessor?.left;
  if (left && left.because !== "built-on")
    err.push(`the earlier snapshot ${shortId(left.id)} is still there: ${visible(left.reason)}`);
  for (const event of limits?.events ?? []) {
    const line = sentence(visibleDeep(event)).trim();
    (event.level === "info" ? out : err).push(line);
  }
  for (const id of limits?.below ?? []) out.push(`Removed ${shortId(id)}, on which one of these was made`);
  if (limits?.applied === false) err.push(`the limits were not applied: ${visible(limits.reason)}`);
  return { out, err };
}

export function describeEvict({ removed, left }: EvictReport): Lines {
  const nothing = removed.length + left.length === 0;
  return {
    out: nothing
      ? ["There is no snapshot of this work item"]
      : removed.map((name) => `Removed ${visible(name)}`),
    err: left.map(({ name, reason }) => visible(`${name} is still there: ${reason}`)),
  };
}

/** What `--json` says of a commit: a contract, so add to it and do not rename. Pure. */
export function commitDocument(report: CommitReport): object {
  const { outcome, reason, container, snapshot, removal, predecessor, limits, exitCode } = report;
  return {
    outcome,
    reason,
    container,
    containerRemoved: removal?.gone ?? null,
    containerReason: removal?.reason ?? "",
    snapshot: snapshot === null ? null : flat(snapshot),
    predecessor,
    limits:
      limits === null
        ? null
        : { ...limits, events: limits.events.map(({ event, fields }) => ({ event, ...fields })) },
    exitCode,
  };
}

/** The same of an eviction. Pure. */
export const evictDocument = (report: EvictReport): object => flat(report);

function flat<T extends { readonly identity: Identity }>({ identity, ...rest }: T): object {
  return { ...identity, ...rest };
}
