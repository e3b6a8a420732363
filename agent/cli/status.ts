import { hostname } from "node:os";
import { dirname } from "node:path";
import type { Argv } from "yargs";
import { loadLastCheck } from "../auth/memory.ts";
import { colours as pc } from "../colours.ts";
import { Exit } from "../exit.ts";
import { type Fact, unknown } from "../facts.ts";
import { systemClock } from "../host/clock.ts";
import { exists } from "../host/paths.ts";
import { readTimer } from "../host/timer.ts";
import { countByKind, type RuleReport, sumSizes } from "../log/events.ts";
import { observeHolders } from "../observe/holders.ts";
import { readable } from "../pass/pressure.ts";
import { type GatesPreview, type PlanPreview, previewGates, previewPlan } from "../pass/preview.ts";
import { suspicions } from "../pass/suspicions.ts";
import type { Holder } from "../plan/holders.ts";
import { KINDS, loadPasses } from "../state/passes.ts";
import { visibleDeep } from "../text.ts";
import { formatWatermark } from "../units.ts";
import { VERSION } from "../version.ts";
import { type Context, openContext } from "./context.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { screenOf } from "./screen.ts";
import { type StatusFacts, statusScreen } from "./status-screen.ts";
import { cacheDocument } from "./warmth.ts";

/**
 * For what a pass would remove and what holds the disk: long enough on most hosts, short enough for whoever was paged.
 * Seconds.
 */
const DEADLINE = 5;

export function statusCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "status",
    "One screen: disk, gates, what a pass would do now, the last passes",
    (y) =>
      withCommonOptions(y)
        .option("json", { type: "boolean", default: false, describe: "One JSON document" })
        .option("quick", {
          type: "boolean",
          default: false,
          describe: `Ask the gates alone, not what a pass would remove and what holds the disk (given up after ${DEADLINE} s)`,
        })
        .option("ascii", {
          type: "boolean",
          default: false,
          describe: "Plain ASCII (the default where the locale is not UTF-8)",
        })
        .example("$0 status", "one screen")
        .example("$0 status --json | jq '.gates[] | select(.verdict != \"open\")'", "what stands in the way"),
    async (argv) => {
      const giveUp = new AbortController();
      const context = openContext(argv, false, giveUp.signal);
      const [seen, timer] = await Promise.all([previewGates(context, false), readTimer()]);
      const [plan, holding] = argv.quick ? [null, null] : await lookInTime(context, seen, giveUp);
      const facts = statusFacts(context, seen, { plan, holders: holding, timer });
      process.stdout.write(
        argv.json
          ? `${JSON.stringify(visibleDeep(statusDocument(facts)), null, 2)}\n`
          : `${statusScreen(facts, screenOf(process.stdout, process.env, argv.ascii), pc)}\n`,
      );
      done(seen.gates.every(({ verdict }) => verdict !== "unknown") ? Exit.ok : Exit.unavailable);
    },
  );
}

/** What a pass would remove, and what holds the disk; each not known where it takes too long. */
async function lookInTime(
  context: Context,
  seen: GatesPreview,
  giveUp: AbortController,
): Promise<[Fact<PlanPreview>, Fact<readonly Holder[]>]> {
  const timer = setTimeout(() => giveUp.abort(), DEADLINE * 1000);
  const path = seen.engine.known ? seen.engine.value.info.rootDir : seen.state.engineRoot;
  const filesystem = readable(seen.pressure.filesystems).find(
    ({ paths }) => path !== null && paths.includes(path),
  );
  const root = path === null ? null : { path, filesystem: filesystem ?? null };
  const inTime = <T>(fact: Fact<T>) =>
    fact.known || !giveUp.signal.aborted ? fact : unknown(fact.what, `not known within ${DEADLINE} s`);
  const [plan, holding] = await Promise.all([
    previewPlan(context, seen).then(inTime),
    observeHolders(context.reader, root, giveUp.signal, systemClock.now()).then(inTime),
  ]);
  clearTimeout(timer);
  return [plan, holding];
}

function statusFacts(
  { settings, stateDir, host }: Context,
  { engine, pressure, gates, state }: GatesPreview,
  asked: Pick<StatusFacts, "plan" | "holders" | "timer">,
): StatusFacts {
  const { textfile } = settings.metrics;
  const past = loadPasses(stateDir);
  return {
    version: VERSION,
    host: hostname(),
    now: systemClock.now(),
    settings,
    engine,
    pressure,
    gates,
    deferrals: state.deferrals,
    passes: past.passes,
    ledger: host.loadLedger(engine.known ? (engine.value.info.id ?? null) : null, systemClock.now()),
    stateTrouble: past.unreadable,
    ...asked,
    auth: loadLastCheck(stateDir),
    suspicions: suspicions(settings, {
      filesystems: readable(pressure.filesystems),
      swarm: engine.known ? engine.value.info.swarm.role !== "none" : null,
      passes: past.passes,
      plan: asked.plan?.known ? asked.plan.value : null,
      metricsFolder: textfile === null ? null : exists(dirname(textfile)),
    }),
  };
}

/** The same facts for a machine. */
export function statusDocument(facts: StatusFacts) {
  const { engine, settings, pressure, plan } = facts;
  const { lowWatermark, highWatermark } = settings.disk;
  return {
    version: facts.version,
    host: facts.host,
    engine: engine.known ? { ...engine.value.version, ...engine.value.info } : { unknown: engine.reason },
    highWatermark: formatWatermark(highWatermark),
    lowWatermark: lowWatermark === null ? null : formatWatermark(lowWatermark),
    filesystems: readable(pressure.filesystems),
    gates: facts.gates.map(({ facts: told, ...verdict }) => ({ ...verdict, ...told })),
    plan: plan === null ? null : plan.known ? planDocument(plan.value) : { unknown: plan.reason },
    holders:
      facts.holders === null
        ? null
        : facts.holders.known
          ? facts.holders.value
          : { unknown: facts.holders.reason },
    deferrals: facts.deferrals,
    cache: cacheDocument(facts),
    timer: facts.timer,
    passes: facts.passes,
    ...(facts.stateTrouble === null ? {} : { stateUnreadable: facts.stateTrouble }),
    auth: facts.auth,
    suspicions: facts.suspicions,
  };
}

function planDocument({ plan, rules }: PlanPreview): {
  readonly remove: Readonly<Record<string, { readonly count: number; readonly sizeBytes: number }>>;
  readonly rules: readonly (RuleReport & { readonly wouldRemove: number })[];
} {
  const counts = countByKind(plan.remove);
  return {
    remove: Object.fromEntries(
      KINDS.map((kind) => [
        kind,
        { count: counts[kind], sizeBytes: sumSizes(plan.remove.filter((object) => object.kind === kind)) },
      ]),
    ),
    rules: rules.map((rule) => ({
      ...rule,
      wouldRemove: plan.remove.filter((object) => object.rule === `${rule.list}/${rule.name}`).length,
    })),
  };
}
