import pc from "picocolors";
import type { Argv } from "yargs";
import { bar, describeCheck } from "../audit/plain.ts";
import { visible, visibleDeep } from "../audit/text.ts";
import type { Checked } from "../auth/check.ts";
import { type LastCheck, loadLastCheck } from "../auth/memory.ts";
import { Exit } from "../exit.ts";
import { crossings } from "../gates/disk-pressure.ts";
import { systemClock } from "../host/clock.ts";
import { readable } from "../pressure.ts";
import { type GatesPreview, previewGates } from "../preview.ts";
import type { Settings } from "../settings/settings.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { openContext } from "./context.ts";
import { gateLine } from "./gates.ts";
import { type Done, withCommonOptions } from "./options.ts";
import { table } from "./table.ts";

const SHOWN_PASSES = 5;

export function statusCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "status",
    "Disk, gates and the last passes",
    (y) =>
      withCommonOptions(y)
        .option("json", { type: "boolean", default: false, describe: "One JSON document" })
        .example("$0 status", "one screen"),
    async (argv) => {
      const context = openContext(argv, false);
      const seen = await previewGates(context, false);
      const auth = loadLastCheck(context.stateDir);
      process.stdout.write(
        argv.json
          ? `${JSON.stringify(visibleDeep(toDocument(seen, context.settings, auth)), null, 2)}\n`
          : `${toScreen(seen, context.settings, auth, systemClock.now())}\n`,
      );
      done(seen.gates.every(({ verdict }) => verdict !== "unknown") ? Exit.ok : Exit.unavailable);
    },
  );
}

function toDocument(
  { engine, pressure, gates, state }: GatesPreview,
  settings: Settings,
  auth: LastCheck | null,
) {
  return {
    engine: engine.known ? { ...engine.value.version, ...engine.value.info } : { unknown: engine.reason },
    highWatermark: formatWatermark(settings.disk.highWatermark),
    filesystems: readable(pressure.filesystems),
    gates: gates.map(({ facts, ...verdict }) => ({ ...verdict, ...facts })),
    deferrals: state.deferrals,
    passes: state.passes,
    auth,
  };
}

function toScreen(
  { engine, pressure, gates, state }: GatesPreview,
  settings: Settings,
  auth: LastCheck | null,
  now: number,
): string {
  const { highWatermark, inodes } = settings.disk;
  const lines = [
    engine.known
      ? visible(
          `Engine ${engine.value.version.version}, ${engine.value.info.imageStore} image store, ${engine.value.info.rootDir}`,
        )
      : pc.red(visible(`Engine not reached: ${engine.reason}`)),
    "",
    ...pressure.filesystems.map((fact) => {
      if (!fact.known) return pc.red(visible(`${fact.what}: ${fact.reason}`));
      const { paths, usedPercent, availableBytes, inodesUsedPercent } = fact.value;
      const over = crossings(fact.value, highWatermark, inodes).length > 0;
      const used = `${bar(usedPercent)} ${String(usedPercent).padStart(3)}%`;
      const inodeText = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
      return `${over ? pc.red(used) : pc.green(used)}  ${visible(paths.join(", "))}  ${formatBytes(availableBytes)} left${inodeText}`;
    }),
    pc.dim(`high watermark ${formatWatermark(highWatermark)}`),
    "",
    ...gates.map(gateLine),
    "",
  ];
  const { count, since } = state.deferrals;
  if (count > 0) {
    const span = since === null ? "" : `, since ${formatDuration((now - since) / 1000)}`;
    lines.push(pc.yellow(`Deferred ${count} times in a row under pressure${span}`), "");
  }
  if (auth !== null) {
    lines.push(
      pc.dim(`credentials, checked ${formatDuration((now - auth.at) / 1000)} ago`),
      ...auth.checks.map((checked) => describeCheck(visibleDeep(checked) as Checked)),
      "",
    );
  }
  const last = state.passes.slice(-SHOWN_PASSES).reverse();
  if (last.length === 0) lines.push("No pass is recorded yet.");
  else
    lines.push(
      table(
        ["PASS", "OUTCOME", "FREED", "REMOVED", "REASON"],
        last.map((pass) => [
          `${formatDuration((now - pass.startedAt) / 1000)} ago`,
          pass.outcome,
          formatBytes(pass.freedBytes),
          String(Object.values(pass.removed).reduce((sum, number) => sum + number, 0)),
          pass.reason,
        ]),
      ),
    );
  return lines.join("\n");
}
