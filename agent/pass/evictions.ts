import type { Tally } from "../act/tally.ts";
import { known } from "../facts.ts";
import { belowEverywhere, diskPressure, withFreed } from "../gates/disk-pressure.ts";
import { claimed, factUnknown, sumSizes } from "../log/events.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { cacheMark } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import type { LedgerLine } from "../state/ledger.ts";
import type { Bytes } from "../units.ts";
import type { PassPorts } from "./context.ts";
import type { Pressure } from "./pressure.ts";

/** The last tier starts under pressure, and goes on until every filesystem is below its own mark. Pure. */
export function needsRoom(settings: Settings, { filesystems, verdict }: Pressure, evicted: number): boolean {
  if (verdict.verdict === "unknown") return false;
  return (
    verdict.verdict === "open" ||
    (evicted > 0 && !belowEverywhere(filesystems, cacheMark(settings), settings.disk.inodes))
  );
}

/** The disk as it would be with so many bytes fewer in use where the engine keeps its data. Pure. */
export function afterRemoval(
  { disk }: Pick<Settings, "disk">,
  { filesystems }: Pressure,
  roots: readonly string[],
  bytes: Bytes,
): Pressure {
  const then = filesystems.map((fact) =>
    fact.known && roots.some((root) => fact.value.paths.includes(root))
      ? known(withFreed(fact.value, bytes))
      : fact,
  );
  return { filesystems: then, verdict: diskPressure(disk, then) };
}

/**
 * What a pass would take of the last tier and what it would spare, by the sizes that the engine tells: of layers that
 * images share it may free less, and go on for longer. Pure.
 */
export function expectedEvictions(
  settings: Settings,
  before: Pressure,
  roots: readonly string[],
  { remove, evict = [] }: Plan,
): { readonly go: readonly Judged[]; readonly spared: readonly Judged[] } {
  let bytes = sumSizes(remove);
  let count = 0;
  for (const object of evict) {
    if (!needsRoom(settings, afterRemoval(settings, before, roots, bytes), count)) break;
    bytes += claimed(object);
    count++;
  }
  return { go: evict.slice(0, count), spared: evict.slice(count) };
}

/** An image that comes back after this is a regret (state/ledger.ts). */
export function noteEvictions(ports: PassPorts, { removed }: Tally): void {
  const now = ports.clock.now();
  const evicted = removed
    .filter(({ rule }) => rule === "cache/evict")
    .map(({ id }) => ({ evicted: id, at: now }));
  addToLedger(ports, evicted);
}

export const LEDGER = "the ledger of uses";

export function addToLedger({ clock, host, journal }: PassPorts, lines: readonly LedgerLine[]): void {
  if (lines.length === 0) return;
  try {
    host.appendLedger(lines, clock.now());
  } catch (error) {
    journal.emit(factUnknown(LEDGER, `it cannot be written: ${(error as Error).message}`));
  }
}
