import { Tally } from "../act/tally.ts";
import type { ExitCode } from "../exit.ts";
import { event } from "../log/events.ts";
import { byClockOfNow } from "../observe/clock.ts";
import { anyInForce, rulesOf } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { actOn } from "./act.ts";
import {
  type Found,
  isOver,
  type PassContext,
  type Passed,
  type PassOptions,
  type PassPorts,
} from "./context.ts";
import { decideOn } from "./decide.ts";
import { emergencyOf } from "./emergency.ts";
import { finish, finishQuietly } from "./finish.ts";
import { diskBlocks, meetEngine, passGates, takeLock } from "./gates.ts";
import { recall } from "./memory.ts";
import { bug } from "./outcome.ts";
import { readable } from "./pressure.ts";
import { hasManyNetworks, rootsOf, surveyDisk } from "./survey.ts";

/**
 * One pass: observe, decide, act, record. It never throws for what the engine or the disk do; the result is the exit
 * code, and everything else is in the journal.
 */
export async function runPass(ports: PassPorts, settings: Settings, options: PassOptions): Promise<ExitCode> {
  const startedAt = { now: ports.clock.now(), elapsed: ports.clock.elapsed() };
  const context: PassContext = { ports, settings, options, startedAt };
  // Where no disk is asked for leave, nothing is asked before the lock.
  const taken = options.withoutPressure ? await ports.host.takeLock() : null;
  const found = await begin(context);
  const busy =
    found.rules.pressed || anyInForce(found.rules) || (await hasManyNetworks(ports, settings, found.asked));
  if (!busy) return finishQuietly(context, found);
  await announce(context, found);
  const blocked = diskBlocks(context, found);
  if (blocked !== null) return finish(context, { ...found, ended: blocked });
  const lock = await takeLock(context, taken);
  if ("outcome" in lock) return finish(context, { ...found, ended: lock });
  try {
    // Recorded under the lock as well: the next pass finds the state that this one leaves.
    return await finish(context, await underLock(context, { ...found, lock }));
  } catch (error) {
    // A bug of ours. What was done is told all the same; main.ts says the rest.
    await finish(context, { ...found, ended: bug(error as Error) });
    throw error;
  } finally {
    await lock.release();
  }
}

/** The disk and the rules: whether there is anything to do. */
async function begin({ ports, settings, options }: PassContext): Promise<Found> {
  const { state, trouble } = byClockOfNow(ports, recall(ports, options.dryRun));
  const { pressure, asked } = await surveyDisk(ports, settings, state);
  const pressed = pressure.verdict.verdict !== "closed" || options.withoutPressure;
  return {
    state,
    clockTrouble: trouble,
    before: pressure,
    rules: rulesOf(settings, pressed),
    asked,
    tally: new Tally(),
    learnt: asked?.known ? rootsOf(ports, asked.value.info) : {},
    lock: null,
  };
}

async function underLock(context: PassContext, found: Found): Promise<Passed> {
  const met = await meetEngine(context, found);
  if (isOver(met)) return met;
  const asked = await passGates(context, met);
  if (isOver(asked)) return asked;
  const decided = await decideOn(context, asked);
  return isOver(decided) ? decided : actOn(context, decided);
}

async function announce({ ports, settings, options }: PassContext, { before, rules }: Found): Promise<void> {
  const emergency = emergencyOf(settings, before)?.why;
  const filesystems = readable(before.filesystems);
  const mounts = await ports.host.nameMounts(filesystems.flatMap(({ paths }) => paths));
  ports.journal.emit(
    event("pass.started", {
      version: ports.version,
      dryRun: options.dryRun,
      withoutPressure: options.withoutPressure,
      scope: rules.pressed ? "prune-and-rules" : "rules",
      ...(emergency === undefined ? {} : { emergency }),
      filesystems: filesystems.map((filesystem) => {
        const mount = mounts.get(filesystem.paths[0] ?? "");
        return mount === undefined ? filesystem : { ...filesystem, mount };
      }),
    }),
  );
}
