import type { Argv } from "yargs";
import { Exit } from "../exit.ts";
import type { Fact } from "../facts.ts";
import type { LiveMatch } from "../gates/live-run.ts";
import type { Verdict } from "../gates/verdict.ts";
import { claimed, gateFields, objectFields, sumSizes } from "../log/events.ts";
import { type GatesPreview, type PlanPreview, previewGates, previewPlan } from "../pass/preview.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/rule-names.ts";
import type { Settings } from "../settings/settings.ts";
import { shortId, truncated } from "../text.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { openContext } from "./context.ts";
import { type Done, JSON_DOCUMENT, withCommonOptions } from "./options.ts";
import { afterFreeing, type Disk, lastTier } from "./outlook.ts";
import { type Look, show, table, terminal, warning, wrap } from "./screen.ts";

export function planCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "plan",
    "What a pass would do now, and what stands in its way",
    (y) =>
      withCommonOptions(y)
        .option("json", JSON_DOCUMENT)
        .example("$0 plan", "a table: object, age and its basis, size, reason")
        .example(
          "$0 plan --json | jq '.keep[] | select(.rule == \"young\")'",
          "what stays because it is young",
        ),
    async (argv) => {
      const context = openContext(argv);
      const seen = await previewGates(context, true);
      const plan = await previewPlan(context, seen);
      show(argv.json ? planDocument(seen, plan) : planScreen(context.settings, seen, plan, terminal()));
      const told = unreadOf(plan).length === 0 && seen.gates.every(({ verdict }) => verdict !== "unknown");
      done(told ? Exit.ok : Exit.unavailable);
    },
  );
}

/** What the plan is without: all of it, or lists that could not be read. */
const unreadOf = (plan: Fact<PlanPreview>): PlanPreview["unread"] =>
  plan.known ? plan.value.unread : [{ what: plan.what, reason: plan.reason }];

const NOTHING: Plan = { remove: [], keep: [] };

export function planDocument({ gates }: GatesPreview, plan: Fact<PlanPreview>) {
  const { remove, keep, evict = [] } = plan.known ? plan.value.plan : NOTHING;
  const unknown = unreadOf(plan);
  return {
    gates: gates.map(gateFields),
    remove: remove.map(objectFields),
    keep: keep.map(objectFields),
    evict: evict.map(objectFields),
    totals: { remove: totalsOf(remove), keep: totalsOf(keep), evict: totalsOf(evict) },
    rules: plan.known ? plan.value.rules : [],
    warnings: plan.known ? plan.value.idle.map(({ fields }) => fields) : [],
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

const totalsOf = (objects: readonly Judged[]) => ({ count: objects.length, sizeBytes: sumSizes(objects) });

export function planScreen(settings: Settings, seen: GatesPreview, plan: Fact<PlanPreview>, look: Look) {
  const gates = [...gateLines(seen.gates, look), ""];
  const { red } = look.colours;
  if (!plan.known)
    return [...gates, ...wrap({ text: `The plan is not known: ${plan.reason}`, style: red }, look)];
  const { remove, keep, evict } = plan.value.plan;
  const rows = [...remove, ...keep].map((object) => row(object, look));
  const pressed = seen.pressure.verdict.verdict === "open";
  const rootDir = seen.engine.known ? seen.engine.value.info.rootDir : null;
  const disk: Disk = { pressure: seen.pressure, settings, rootDir };
  const after = pressed ? afterFreeing(disk, sumSizes(remove)) : null;
  const size = `${formatBytes(sumSizes(remove))} (layers that images share count more than once)`;
  const comes = remove.length === 0 && after === null ? "" : `; ${after?.text ?? size}`;
  return [
    ...gates,
    ...(rows.length === 0 ? [] : [...table(["", "OBJECT", "AGE", "BY", "SIZE", "REASON"], rows, look), ""]),
    ...wrap(`${remove.length} to remove, ${keep.length} to keep${comes}.`, look),
    ...(evict === undefined
      ? ["All other tagged images stay: no rule of the settings names them, and they are the cache."]
      : evictionLines(plan.value.plan, pressed ? disk : null, look)),
    ...plan.value.unread.flatMap(({ what, reason }) =>
      warning(`${what} could not be read, and are not in this plan: ${reason}`, look),
    ),
    ...ruleTable(plan.value, look),
    ...plan.value.idle.flatMap(({ fields }) => warning(fields.reason, look)),
  ];
}

/**
 * The last tier: named images in order of eviction, what they come to, and where a pass would stop.
 * @param disk `null`: it is not under pressure
 */
function evictionLines(plan: Plan, disk: Disk | null, look: Look): string[] {
  const { evict = [] } = plan;
  const tier = disk === null ? null : lastTier(disk, plan);
  let sum = 0;
  const rows = evict.map((object, index): string[] => {
    sum += claimed(object);
    const [, name = "", , , size = ""] = row(object, look);
    return [index < (tier?.count ?? 0) ? "evict" : "stays", name, size, formatBytes(sum), object.reason];
  });
  const after = tier?.after ? `; ${tier.after.text}` : "";
  const told =
    evict.length === 0
      ? "no image may go now; those that stay have their reason above"
      : disk === null
        ? "none of these goes without pressure; under pressure, in this order"
        : tier === null
          ? "none of these goes, all the rest is enough"
          : `about ${tier.count} of ${evict.length} would go, in this order${after}`;
  return [
    "",
    ...wrap(`The last tier (cache.evict): ${told}.`, look),
    ...(rows.length === 0 ? [] : ["", ...table(["", "IMAGE", "SIZE", "SUM", "WHY"], rows, look)]),
  ];
}

/** Names are whole in a pipe, so that they can be copied; a terminal has no room for the longest. */
const NAME_COLUMNS = 40;

function row(object: Judged, { width }: Look): string[] {
  const { action, kind, ageSeconds, ageBasis, sizeBytes, reason, rule } = object;
  const id = shortId(object.id);
  const name = object.references?.[0] ?? object.names[0];
  const text = name === undefined ? id : `${name} (${id})`;
  return [
    action,
    `${kind} ${width === null ? text : truncated(text, NAME_COLUMNS)}`,
    ageSeconds === null ? "?" : formatDuration(ageSeconds),
    ageBasis,
    sizeBytes === null ? "?" : formatBytes(claimed(object)),
    rule === undefined ? reason : `${reason} (${rule})`,
  ];
}

export function gateLines(gates: readonly Verdict[], look: Look): string[] {
  const { green, yellow, red } = look.colours;
  const style = { open: green, closed: yellow, unknown: red };
  const rows = gates.map(({ gate, verdict, reason, facts }) => {
    const [live] = (facts.live ?? []) as readonly LiveMatch[];
    const since = live === undefined ? "" : `, for ${formatDuration(live.ageSeconds)}`;
    return [{ text: `  ${verdict}`, style: style[verdict] }, gate, `${reason}${since}`];
  });
  return table(null, rows, look);
}

/** What each rule of the settings names here, and what of it a pass removes; with an empty line before it. */
export function ruleTable({ rules, plan: { remove } }: PlanPreview, look: Look): string[] {
  // What `snapshots commit` makes is a family of its own on every host; most have none.
  const shown = rules.filter(
    ({ matched, list, name }) => matched > 0 || list !== "retention" || name !== SNAPSHOT_RULE,
  );
  if (shown.length === 0) return [];
  const rows = shown.map(({ list, name, matched, keptBytes }) => [
    `  ${list}/${name}`,
    String(matched),
    String(remove.filter(({ rule }) => rule === `${list}/${name}`).length),
    keptBytes === null || matched === 0 ? "" : formatBytes(keptBytes),
    "",
  ]);
  return ["", ...table(["Rules", "NAMES", "REMOVES", "OF ITS OWN", ""], rows, look)];
}
