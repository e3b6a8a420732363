import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Argv } from "yargs";
import { holders } from "../audit/holders.ts";
import { visible } from "../audit/text.ts";
import { Exit } from "../exit.ts";
import { type Fact, known } from "../facts.ts";
import { systemClock } from "../host/clock.ts";
import { ask } from "../observe.ts";
import { reportPage } from "../page/page.ts";
import { judgeImage } from "../plan/images.ts";
import type { Judged } from "../plan/plan.ts";
import { readable } from "../pressure.ts";
import { previewGates, previewPlan } from "../preview.ts";
import { suspicions } from "../suspicions.ts";
import { formatBytes } from "../units.ts";
import { VERSION } from "../version.ts";
import { type Context, openContext } from "./context.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { readHistory, skippedText, withHistoryOptions } from "./past.ts";
import { UsageError } from "./usage.ts";

export function reportCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "report",
    "One page of HTML: disk curves, what was removed, what stays and why",
    (y) =>
      withHistoryOptions(withCommonOptions(y))
        .option("html", {
          type: "string",
          requiresArg: true,
          demandOption: "where to write the page: --html FILE, or --html - for standard output",
          describe: "Write the page to this file, or to standard output (-)",
        })
        .example("$0 report --html report.html", "everything the state still knows, and what stays now")
        .example("$0 report --html - --since 30d --journal", "from the journal, to standard output"),
    async (argv) => {
      if (argv.html === "") throw new UsageError("--html: expected a file, or - for standard output");
      const context = openContext(argv, false);
      const history = await readHistory(argv, context.stateDir, systemClock.now());
      const seen = await previewGates(context, false);
      const plan = await previewPlan(context, seen);
      const { settings, reader } = context;
      const { engine, pressure } = seen;
      const filesystems = readable(pressure.filesystems);
      const rootDir = engine.known ? engine.value.info.rootDir : null;
      const usage = engine.known ? await ask("what holds the space", () => reader.diskUsage()) : engine;
      const root = filesystems.find(({ paths }) => rootDir !== null && paths.includes(rootDir)) ?? null;
      const { textfile } = settings.metrics;
      const page = reportPage({
        version: VERSION,
        host: hostname(),
        madeAt: systemClock.now(),
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        settings,
        pressure,
        engine,
        history: { ...history, skipped: skippedText(history.skipped) },
        plan,
        named: engine.known ? await namedImages(context) : engine,
        holders: usage.known ? known(holders(usage.value, root)) : usage,
        suspicions: suspicions(settings, {
          filesystems,
          swarm: engine.known ? engine.value.info.swarm.role !== "none" : null,
          passes: seen.state.passes,
          plan: plan.known ? plan.value : null,
          metricsFolder: textfile === null ? null : existsSync(dirname(textfile)),
        }),
      });
      if (argv.html === "-") process.stdout.write(page);
      else {
        writeWhole(resolve(argv.html), page);
        process.stdout.write(`${visible(argv.html)}: written, ${formatBytes(Buffer.byteLength(page))}\n`);
      }
      done(plan.known && usage.known && history.unreadable === null ? Exit.ok : Exit.unavailable);
    },
  );
}

/** Images with a tag or a digest: the plan does not list what no rule of the settings names. */
async function namedImages({ reader, settings }: Context): Promise<Fact<readonly Judged[]>> {
  const images = await ask("the images", () => reader.allImages());
  if (!images.known) return images;
  const context = { used: new Set<string>(), parents: new Set<string>(), firstSeen: {} };
  const now = systemClock.now();
  return known(
    images.value
      .filter(({ tags, digests }) => tags.length + digests.length > 0)
      .map((summary) => judgeImage({ summary, detail: null }, context, settings.prune, now)),
  );
}

/** As a whole or not at all, whoever reads meanwhile. */
function writeWhole(file: string, text: string): void {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}`);
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new UsageError(`--html ${file}: ${(error as Error).message}`);
  }
}
