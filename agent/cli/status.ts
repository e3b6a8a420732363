import type { Argv } from "yargs";
import { Exit } from "../exit.ts";
import { type Fact, unknown } from "../facts.ts";
import { systemClock } from "../host/clock.ts";
import { readTimer } from "../host/timer.ts";
import { observeHolders } from "../observe/holders.ts";
import { filesystemOf } from "../pass/pressure.ts";
import { type GatesPreview, previewGates, previewPlan } from "../pass/preview.ts";
import { type Context, openContext } from "./context.ts";
import { ASCII, type Done, flag, JSON_DOCUMENT, withCommonOptions } from "./options.ts";
import { show, terminal } from "./screen.ts";
import { statusDocument, statusFacts } from "./status-facts.ts";
import { statusScreen } from "./status-screen.ts";

/** Seconds for what a pass would remove and what holds the disk: whoever was paged waits no longer. */
const DEADLINE = 5;

export function statusCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "status",
    "One screen: disk, gates, what a pass would do now, the last passes",
    (y) =>
      withCommonOptions(y)
        .options({
          json: JSON_DOCUMENT,
          quick: flag(
            `Ask the gates alone, not what a pass would remove and what holds the disk (given up after ${DEADLINE} s)`,
          ),
          ascii: ASCII,
        })
        .example("$0 status", "one screen")
        .example("$0 status --json | jq '.gates[] | select(.verdict != \"open\")'", "what stands in the way"),
    async (argv) => {
      const giveUp = new AbortController();
      const context = openContext(argv, { giveUp: giveUp.signal });
      const [seen, timer] = await Promise.all([previewGates(context, false), readTimer()]);
      const [plan, holders] = argv.quick ? [null, null] : await lookInTime(context, seen, giveUp);
      const facts = statusFacts(context, seen, { plan, holders, timer });
      show(argv.json ? statusDocument(facts) : statusScreen(facts, terminal(argv.ascii)));
      done(seen.gates.every(({ verdict }) => verdict !== "unknown") ? Exit.ok : Exit.unavailable);
    },
  );
}

/** What a pass would remove, and what holds the disk; each not known where it takes too long. */
async function lookInTime(context: Context, seen: GatesPreview, giveUp: AbortController) {
  const timer = setTimeout(() => giveUp.abort(), DEADLINE * 1000);
  const path = seen.engine.known ? seen.engine.value.info.rootDir : seen.state.engineRoot;
  const root = { path, filesystem: filesystemOf(seen.pressure, path) };
  const inTime = <T>(fact: Fact<T>) =>
    fact.known || !giveUp.signal.aborted ? fact : unknown(fact.what, `not known within ${DEADLINE} s`);
  const looks = await Promise.all([
    previewPlan(context, seen).then(inTime),
    observeHolders(context, root, giveUp.signal, systemClock.now()).then(inTime),
  ]);
  clearTimeout(timer);
  return looks;
}
