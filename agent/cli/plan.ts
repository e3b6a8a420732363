import type { Argv } from "yargs";
import { colours as pc } from "../colours.ts";
import { Exit } from "../exit.ts";
import type { Fact } from "../facts.ts";
import { claimed, objectFields, sumSizes } from "../log/events.ts";
import { type GatesPreview, type PlanPreview, previewGates, previewPlan } from "../pass/preview.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/rule-names.ts";
import type { Settings } from "../settings/settings.ts";
import { shortId, truncated, visibleDeep } from "../text.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { openContext } from "./context.ts";
import { gateLines } from "./gates.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { afterRemoval, lastTier } from "./outlook.ts";
import { screenOf } from "./screen.ts";
import { type TableLook, table, wrap } from "./table.ts";

export function planCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "plan",
    "What a pass would do now, and what stands in its way",
    (y) =>
      withCommonOptions(y)
        .option("json", { type: "boolean", default: false, describe: "One JSON document" })
        .example("$0 plan", "a table: object, age and its basis, size, reason")
        .example(
          "$0 plan --json | jq '.keep[] | select(.rule == \"young\")'",
          "what stays because it is young",
        ),
    async (argv) => {
      const context = openContext(argv, false);
      const seen = await previewGates(context, true);
      const plan = await previewPlan(context, seen);
      if (argv.json)
        process.stdout.write(`${JSON.stringify(visibleDeep(planDocument(seen, plan)), null, 2)}\n`);
      else {
        const { width } = screenOf(process.stdout, process.env, false);
        process.stdout.write(
          `${planScreen(context.settings, seen, plan, { colours: pc, width }).join("\n")}\n`,
        );
      }
      const told = unreadOf(plan).length === 0 && seen.gates.every(({ verdict }) => verdict !== "unknown");
      done(told ? Exit.ok : Exit.unavailable);
    },
  );
}

/** What the plan is without: all of it, or lists that could not be read. */
const unreadOf = (plan: Fact<PlanPreview>): PlanPreview["unread"] =>
  plan.known ? plan.value.unread : [{ what: plan.what, reason: plan.reason }];

const NOTHING: Plan = { remove: [], keep: [] };

/** The same for a machine. */
export function planDocument({ gates }: GatesPreview, plan: Fact<PlanPreview>) {
  const { remove, keep, evict = [] } = plan.known ? plan.value.plan : NOTHING;
  const unknown = unreadOf(plan);
  return {
    gates: gates.map(({ facts, ...verdict }) => ({ ...verdict, ...facts })),
    remove: remove.map(objectFields),
    keep: keep.map(objectFields),
    evict: evict.map(objectFields),
    totals: { remove: totalsOf(remove), keep: totalsOf(keep), evict: totalsOf(evict) },
    rules: plan.known ? plan.value.rules : [],
    warnings: plan.known ? plan.value.idle.map(({ fields }) => fields) : [],
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

/** The plan as a table, and whether it would be enough. Pure. */
export function planScreen(
  settings: Settings,
  seen: GatesPreview,
  plan: Fact<PlanPreview>,
  look: TableLook,
): string[] {
  const { colours, width } = look;
  const gates = seen.gates.flatMap((gate) => gateLines(gate, colours, width));
  if (!plan.known)
    return [
      ...gates,
      "",
      ...wrap({ text: `The plan is not known: ${plan.reason}`, style: colours.red }, width),
    ];
  const { remove, keep } = plan.value.plan;
  const judged = remove.length + keep.length;
  const rows = [...remove, ...keep].map((object) => row(object, width));
  return [
    ...gates,
    "",
    ...(judged === 0 ? [] : [...table(["", "OBJECT", "AGE", "BY", "SIZE", "REASON"], rows, look), ""]),
    ...wrap(`${remove.length} to remove, ${keep.length} to keep${enough(settings, seen, remove)}.`, width),
    ...(plan.value.plan.evict === undefined
      ? ["All other tagged images stay: no rule of the settings names them, and they are the cache."]
      : evictionLines(plan.value.plan, diskOf(settings, seen), look)),
    ...plan.value.unread.flatMap(({ what, reason }) =>
      wrap(
        { text: `! ${what} could not be read, and are not in this plan: ${reason}`, style: colours.red },
        width,
      ),
    ),
    ...ruleLines(plan.value, look),
  ];
}

/** `": at most 71.0 MiB: the disk would be at 85% or more, the mark is 80%: not enough"`; nothing without pressure. */
function enough(settings: Settings, seen: GatesPreview, remove: readonly Judged[]): string {
  const size = `, ${formatBytes(totalsOf(remove).sizeBytes)} (layers that images share count more than once)`;
  if (seen.pressure.verdict.verdict !== "open") return remove.length === 0 ? "" : size;
  const after = afterRemoval(diskOf(settings, seen), remove);
  return after === null ? size : `; ${after.text}`;
}

const diskOf = (settings: Settings, { pressure, engine }: GatesPreview) => ({
  ...{ pressure, settings, rootDir: engine.known ? engine.value.info.rootDir : null },
});

/** The last tier: named images in order of eviction, what they come to, and where a pass would stop. */
function evictionLines(plan: Plan, disk: ReturnType<typeof diskOf>, look: TableLook): string[] {
  const { evict = [] } = plan;
  const pressed = disk.pressure.verdict.verdict === "open";
  const tier = pressed ? lastTier(disk, plan) : null;
  const count = tier?.count ?? 0;
  let sum = 0;
  const rows = evict.map((object, index): string[] => {
    sum += claimed(object);
    const [, name = "", , , size = ""] = row(object, look.width);
    return [index < count ? "evict" : "stays", name, size, formatBytes(sum), object.reason];
  });
  const after = tier?.after ?? null;
  const told =
    evict.length === 0
      ? "The last tier (cache.evict) has no image that may go now; those that stay have their reason above."
      : !pressed
        ? "The last tier (cache.evict): none of these goes without pressure; under pressure, in this order."
        : tier === null
          ? "The last tier (cache.evict): none of these goes, all the rest is enough."
          : `The last tier (cache.evict): about ${count} of ${evict.length} would go, in this order${after === null ? "" : `; ${after.text}`}.`;
  return [
    "",
    ...wrap(told, look.width),
    ...(rows.length === 0 ? [] : ["", ...table(["", "IMAGE", "SIZE", "SUM", "WHY"], rows, look)]),
  ];
}

/** What each rule of the settings names and takes, and which look as if they should name more. */
function ruleLines({ rules, idle, plan: { remove } }: PlanPreview, look: TableLook): string[] {
  const shown = rules.filter(({ name, matched }) => matched > 0 || name !== SNAPSHOT_RULE);
  const warnings = idle.flatMap(({ fields }) =>
    wrap({ text: `! ${String(fields.reason)}`, style: look.colours.yellow }, look.width),
  );
  if (shown.length === 0) return warnings;
  const rows = shown.map(({ list, name, matched, keptBytes }) => [
    `${list}/${name}`,
    String(matched),
    String(remove.filter(({ rule }) => rule === `${list}/${name}`).length),
    keptBytes === null ? "" : formatBytes(keptBytes),
    "",
  ]);
  return ["", ...table(["RULE", "NAMES", "REMOVES", "OF ITS OWN", ""], rows, look), ...warnings];
}

function totalsOf(objects: readonly Judged[]) {
  return { count: objects.length, sizeBytes: sumSizes(objects) };
}

/** Names are whole in a pipe, so that they can be copied; a terminal has no room for the longest. */
const NAME_COLUMNS = 40;

function row(object: Judged, width: number | null): string[] {
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
