import { hostname } from "node:os";
import { dirname } from "node:path";
import { loadLastCheck } from "../auth/memory.ts";
import type { Fact } from "../facts.ts";
import { systemClock } from "../host/clock.ts";
import { exists } from "../host/paths.ts";
import type { Timer } from "../host/timer.ts";
import { countByKind, gateFields, sumSizes } from "../log/events.ts";
import { filesystemOf, readable } from "../pass/pressure.ts";
import type { GatesPreview, PlanPreview } from "../pass/preview.ts";
import { suspicions } from "../pass/suspicions.ts";
import { diskFor } from "../plan/forecast.ts";
import type { Holder } from "../plan/holders.ts";
import { cacheMark } from "../settings/rules.ts";
import { coverageOf } from "../state/ledger.ts";
import { KINDS, loadPasses } from "../state/passes.ts";
import { WARMTH_DAYS, warmthOf } from "../state/warmth.ts";
import { formatWatermark } from "../units.ts";
import { VERSION } from "../version.ts";
import type { Context } from "./context.ts";

/** What was asked beside the gates; `null`: not asked for. */
interface Asked {
  readonly plan: Fact<PlanPreview> | null;
  readonly holders: Fact<readonly Holder[]> | null;
  readonly timer: Timer | null;
}

export type StatusFacts = Readonly<ReturnType<typeof statusFacts>>;

export function statusFacts({ settings, stateDir, host }: Context, seen: GatesPreview, asked: Asked) {
  const { engine, pressure, gates, state } = seen;
  const { textfile } = settings.metrics;
  const { passes, unreadable } = loadPasses(stateDir);
  const now = systemClock.now();
  return {
    ...{ version: VERSION, host: hostname(), now, settings, engine, pressure, gates, passes },
    ...asked,
    deferrals: state.deferrals,
    ledger: host.loadLedger(engine.known ? (engine.value.info.id ?? null) : null, now),
    /** Why the state could not be read. */
    stateTrouble: unreadable,
    auth: loadLastCheck(stateDir),
    suspicions: suspicions(settings, {
      filesystems: readable(pressure.filesystems),
      swarm: engine.known ? engine.value.info.swarm.role !== "none" : null,
      passes,
      plan: asked.plan?.known ? asked.plan.value : null,
      metricsFolder: textfile === null ? null : exists(dirname(textfile)),
    }),
  };
}

/** The same facts for a machine. */
export function statusDocument(facts: StatusFacts) {
  const { version, host, engine, settings, pressure, plan, holders, deferrals, timer, passes } = facts;
  const { lowWatermark, highWatermark } = settings.disk;
  const told = <T>(fact: Fact<T> | null, say: (value: T) => unknown) =>
    fact === null ? null : fact.known ? say(fact.value) : { unknown: fact.reason };
  return {
    ...{ version, host },
    engine: told(engine, (value) => ({ ...value.version, ...value.info })),
    highWatermark: formatWatermark(highWatermark),
    lowWatermark: lowWatermark === null ? null : formatWatermark(lowWatermark),
    filesystems: readable(pressure.filesystems),
    gates: facts.gates.map(gateFields),
    plan: told(plan, planDocument),
    holders: told(holders, (value) => value),
    deferrals,
    cache: cacheDocument(facts),
    ...{ timer, passes },
    ...(facts.stateTrouble === null ? {} : { stateUnreadable: facts.stateTrouble }),
    auth: facts.auth,
    suspicions: facts.suspicions,
  };
}

function planDocument({ plan: { remove }, rules }: PlanPreview) {
  const counts = countByKind(remove);
  const sizeOf = (kind: string) => sumSizes(remove.filter((object) => object.kind === kind));
  return {
    remove: Object.fromEntries(KINDS.map((kind) => [kind, { count: counts[kind], sizeBytes: sizeOf(kind) }])),
    rules: rules.map((rule) => ({
      ...rule,
      wouldRemove: remove.filter((object) => object.rule === `${rule.list}/${rule.name}`).length,
    })),
  };
}

/** How warm the cache is; `null`: there is no ledger of uses. */
export function cacheDocument({ settings, ledger, engine, pressure, holders, now }: StatusFacts) {
  if (ledger.since === null && settings.cache.evict === "never") return null;
  const { since: _, ...warmth } = warmthOf(ledger, now);
  const root = filesystemOf(pressure, engine.known ? engine.value.info.rootDir : null);
  const images = holders?.known ? (holders.value.find(({ what }) => what === "images")?.bytes ?? 0) : null;
  // What else is on the disk stays there.
  const others = root === null || images === null ? 0 : Math.max(0, root.usedBytes - images);
  const wanted = Math.round(diskFor(warmth.workingSetBytes + others, cacheMark(settings)));
  const regretted = ledger.regrets
    .filter(({ at }) => at > now - WARMTH_DAYS * 86_400_000)
    .map(({ id }) => ledger.images.get(id)?.names[0] ?? id);
  return {
    ...warmth,
    ledger: coverageOf(ledger),
    warnings: ledger.warnings,
    regretted: [...new Set(regretted)],
    diskBytes: root?.totalBytes ?? null,
    diskForWorkingSetBytes: wanted,
  };
}
