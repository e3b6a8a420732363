import type { Argv } from "yargs";
import { colours as pc } from "../colours.ts";
import { Exit } from "../exit.ts";
import { claimed, objectFields, sumSizes } from "../log/events.ts";
import { shortId } from "../log/sentence.ts";
import { type PlanPreview, previewGates, previewPlan } from "../pass/preview.ts";
import type { Judged, Plan } from "../plan/plan.ts";
import { SNAPSHOT_RULE } from "../settings/schema.ts";
import { visible, visibleDeep } from "../text.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { openContext } from "./context.ts";
import { gateLine } from "./gates.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { table } from "./table.ts";

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
      const { gates } = seen;
      const plan = await previewPlan(context, seen);
      const settled: Plan = plan.known ? plan.value.plan : { remove: [], keep: [] };
      const totals = { remove: totalsOf(settled.remove), keep: totalsOf(settled.keep) };
      if (argv.json) {
        const document = {
          gates: gates.map(({ facts, ...verdict }) => ({ ...verdict, ...facts })),
          remove: settled.remove.map(objectFields),
          keep: settled.keep.map(objectFields),
          totals,
          rules: plan.known ? plan.value.rules : [],
          warnings: plan.known ? plan.value.idle.map(({ fields }) => fields) : [],
          ...(plan.known ? {} : { unknown: [{ what: plan.what, reason: plan.reason }] }),
        };
        process.stdout.write(`${JSON.stringify(visibleDeep(document), null, 2)}\n`);
      } else {
        const lines = [...gates.map(gateLine), ""];
        if (!plan.known) lines.push(pc.red(visible(`The plan is not known: ${plan.reason}`)));
        else if (settled.remove.length + settled.keep.length === 0) lines.push("There is nothing to judge.");
        else
          lines.push(
            table(
              ["", "OBJECT", "AGE", "BY", "SIZE", "REASON"],
              [
                ...settled.remove.map((object) => row("remove", object)),
                ...settled.keep.map((object) => row("keep", object)),
              ],
            ),
            "",
            `${totals.remove.count} to remove (${formatBytes(totals.remove.sizeBytes)}, shared layers counted more than once), ${totals.keep.count} to keep`,
          );
        if (plan.known) lines.push(...ruleLines(plan.value, settled));
        process.stdout.write(`${lines.join("\n")}\n`);
      }
      done(plan.known && gates.every(({ verdict }) => verdict !== "unknown") ? Exit.ok : Exit.unavailable);
    },
  );
}

/** What each rule of the settings names and takes, and which look as if they should name more. */
function ruleLines({ rules, idle }: PlanPreview, { remove }: Plan): string[] {
  const shown = rules.filter(({ name, matched }) => matched > 0 || name !== SNAPSHOT_RULE);
  if (shown.length === 0) return [];
  return [
    "",
    table(
      ["RULE", "NAMES", "REMOVES", "OF ITS OWN"],
      shown.map(({ list, name, matched, keptBytes }) => [
        `${list}/${name}`,
        String(matched),
        String(remove.filter(({ rule }) => rule === `${list}/${name}`).length),
        keptBytes === null ? "" : formatBytes(keptBytes),
      ]),
    ),
    ...idle.map(({ fields }) => pc.yellow(visible(`! ${String(fields.reason)}`))),
  ];
}

function totalsOf(objects: readonly Judged[]) {
  return { count: objects.length, sizeBytes: sumSizes(objects) };
}

function row(action: string, object: Judged): string[] {
  const name = object.references?.[0] ?? object.names[0] ?? shortId(object.id);
  return [
    action,
    `${object.kind} ${name.length > 40 ? `${name.slice(0, 39)}…` : name}`,
    object.ageSeconds === null ? "?" : formatDuration(object.ageSeconds),
    object.ageBasis,
    object.sizeBytes === null ? "?" : formatBytes(claimed(object)),
    object.rule === undefined ? object.reason : `${object.reason} (${object.rule})`,
  ];
}
