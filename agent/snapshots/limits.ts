import { execute } from "../act/execute.ts";
import { Tally } from "../act/tally.ts";
import { LIVE_STATES } from "../engine/reader.ts";
import { orUnknown } from "../engine/tolerant.ts";
import { known, unknown } from "../facts.ts";
import { systemFacts } from "../host/facts.ts";
import { takeLock } from "../host/lock.ts";
import type { AuditEvent } from "../log/events.ts";
import { observeCandidates } from "../observe/candidates.ts";
import { byClockOfNow, engineTrouble } from "../observe/clock.ts";
import { observeEngine } from "../observe/engine.ts";
import { type Candidates, decide } from "../plan/decide.ts";
import { claim } from "../plan/family.ts";
import { retentionRules, snapshotRule } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { remember, sincesOf } from "../state/sightings.ts";
import { loadState } from "../state/state.ts";
import { readServices, type SnapshotPorts } from "./look.ts";

/** What the limits need beside the engine: what a pass goes by, too. */
export interface Host {
  readonly settings: Settings;
  readonly stateDir: string;
  readonly lockFile: string;
}

export interface LimitsReport {
  /** Every snapshot was judged, and what was beyond a limit was asked to go. */
  readonly applied: boolean;
  /** What they go by could not be read, or the engine stopped answering. */
  readonly unknown: boolean;
  /** Why not, or how it ended. */
  readonly reason: string;
  /** What became of each that was beyond a limit: `object.removed`, `object.kept`, … */
  readonly events: readonly AuditEvent[];
  readonly removed: number;
  readonly failed: number;
  /** Ids of what resumed runs had left nameless below those removed, and that went with them. */
  readonly below: readonly string[];
}

/**
 * Applies the limits of `snapshots` to what is on the host, by the same rule and in the same way as a pass. Under the
 * lock of a pass, which is not waited for: whoever holds it may be about to run one of them.
 */
export async function applyLimits(ports: SnapshotPorts, host: Host, spare: string): Promise<LimitsReport> {
  if (ports.stop.aborted) return notApplied("told to stop");
  const lock = await takeLock(host.lockFile);
  if (!lock.known) return notApplied(`the lock ${host.lockFile} could not be taken: ${lock.reason}`, true);
  if (lock.value === null) return notApplied(`a pass or a launcher holds ${host.lockFile}`);
  try {
    return await underLock(ports, host, spare);
  } finally {
    await lock.value.release();
  }
}

const notApplied = (reason: string, unknown = false): LimitsReport => ({
  applied: false,
  unknown,
  reason,
  events: [],
  removed: 0,
  failed: 0,
  below: [],
});

async function underLock(ports: SnapshotPorts, host: Host, spare: string): Promise<LimitsReport> {
  const { clock } = ports;
  const clocks = { clock, host: { facts: systemFacts } };
  const { state, trouble } = byClockOfNow(clocks, loadState(host.stateDir).state);
  if (trouble !== null) return notApplied(trouble, true);
  const candidates = await observeSnapshots(ports, host.settings);
  if (!candidates.known)
    return notApplied(`${candidates.what} could not be read: ${candidates.reason}`, true);
  const now = clock.now();
  const memory = sincesOf(remember(state, candidates.value, host.settings.prune, now));
  const { plan, context } = decide(candidates.value, memory, host.settings, now);
  const remove = plan.remove.filter(({ id }) => id !== spare);
  const events: AuditEvent[] = [];
  const tally = new Tally();
  const { ending, below } = await execute(
    {
      ...ports,
      tally,
      journal: { emit: (event) => events.push(event) },
      gatesAskedAt: clock.elapsed(),
      // The router that commits is itself the run, and the disk is not what this is about.
      askGates: async () => null,
      emergency: () => null,
      roomEnough: async () => false,
      needsRoom: async () => false,
      progress: () => {},
    },
    {
      plan: { remove, keep: [] },
      candidates: candidates.value,
      context,
      settings: host.settings,
      pressed: false,
    },
  );
  const ofSnapshots = events.filter(
    ({ event, fields }) => event.startsWith("object.") && !("id" in fields && below.includes(fields.id)),
  );
  return {
    applied: ending === null,
    unknown: ending?.by === "engine",
    reason: ending === null ? "" : ending.by === "engine" ? ending.error.message : "told to stop",
    events: ofSnapshots,
    removed: tally.count("removed") - below.length,
    failed: tally.count("failed"),
    below,
  };
}

/** The family of snapshots alone, less what a rule of the operator's own names first. */
async function observeSnapshots({ reader, clock }: SnapshotPorts, settings: Settings) {
  const engine = await observeEngine(reader);
  if (!engine.known) return engine;
  const trouble = engineTrouble({ clock }, engine.value);
  if (trouble !== null) return unknown("the time", trouble);
  const { swarm } = engine.value.info;
  const live = await orUnknown("the containers", () => reader.containers(LIVE_STATES));
  const services = await orUnknown("the services", () => readServices(reader, swarm));
  // In force at every commit, whatever `snapshots.when` says of passes.
  const rules = { retention: [snapshotRule(settings.snapshots)], orphans: [], pressed: true };
  const scope = { prune: null, rules, networks: false, forecastCache: false };
  const look = { engine: engine.value, live, services };
  const found = await observeCandidates(reader, look, scope, clock.now());
  if (!found.known) return found;
  const [unread] = found.value.unreadLists;
  if (unread !== undefined) return unknown(unread.what, unread.reason);
  const images = found.value.ruled.families.flatMap(({ members }) => members.map(({ image }) => image));
  const families = claim(retentionRules(settings), images).slice(-1);
  return known<Candidates>({ ...found.value, ruled: { ...found.value.ruled, families } });
}
