import { execute } from "../act/execute.ts";
import type { Tally } from "../act/tally.ts";
import { belowEverywhere } from "../gates/disk-pressure.ts";
import { factUnknown } from "../log/events.ts";
import { firstNotOpen } from "../observe/gatekeeper.ts";
import { cacheMark } from "../settings/rules.ts";
import type { PassContext, Passed } from "./context.ts";
import type { Decided } from "./decide.ts";
import { emergencyOf } from "./emergency.ts";
import { lostLock, say } from "./gates.ts";
import { acted, withUnread } from "./outcome.ts";
import { readPressure, rememberedRoots } from "./pressure.ts";
import { reportRules } from "./rules.ts";

/** The stage of a pass that deletes: goes through the plan, asking the gates again and again. */
export async function actOn(context: PassContext, decided: Decided): Promise<Passed> {
  const { ports, settings } = context;
  const { rules, tally, gatekeeper, decision } = decided;
  const { plan, observed, planContext } = decision;
  let { emergency } = decided;
  ports.inEmergency(emergency !== null);
  const { ending } = await execute(
    {
      ...ports,
      tally,
      gatesAskedAt: gatekeeper.askedAt,
      askGates: async () => {
        const notOpen = lostLock(context, decided) ?? firstNotOpen(await gatekeeper.lookAgain());
        if (notOpen !== null) say(ports.journal, notOpen);
        // It ends, and does not begin, in mid-pass.
        if (emergency !== null) emergency = emergencyOf(settings, await measure(context, decided));
        ports.inEmergency(emergency !== null);
        return notOpen;
      },
      emergency: () => emergency?.prune ?? null,
      roomEnough: () => isRoomEnough(context, decided),
      needsRoom: (evicted) => needsRoom(context, decided, evicted),
    },
    { plan, candidates: observed, context: planContext, settings, pressed: rules.pressed },
  );
  noteEvictions(context, tally);
  const ended = {
    ...withUnread(acted(ending, tally, plan, ports.stop), observed),
    rules: reportRules(rules, observed.ruled, tally),
  };
  return { ...decided, learnt: { ...decided.learnt, busy: gatekeeper.busy }, ended };
}

/** The disk as it is now. */
const measure = ({ ports, settings }: PassContext, { learnt, state }: Decided) =>
  readPressure(ports.host, settings.disk, rememberedRoots({ ...state, ...learnt }));

/** The last tier starts under pressure, and goes on until every filesystem is below its own mark. */
async function needsRoom(context: PassContext, decided: Decided, evicted: number) {
  const { settings } = context;
  const { filesystems, verdict } = await measure(context, decided);
  if (verdict.verdict === "unknown") return false;
  return (
    verdict.verdict === "open" ||
    (evicted > 0 && !belowEverywhere(filesystems, cacheMark(settings), settings.disk.inodes))
  );
}

/** The low watermark is set, and every watched filesystem is known to be below it. */
async function isRoomEnough(context: PassContext, decided: Decided) {
  const { lowWatermark, inodes } = context.settings.disk;
  if (lowWatermark === null || context.options.withoutPressure) return false;
  const { filesystems, verdict } = await measure(context, decided);
  // Below the high one too: of a mark in percent and one in bytes, either may be the stricter.
  return verdict.verdict === "closed" && belowEverywhere(filesystems, lowWatermark, inodes);
}

/** An image that comes back after this is a regret (state/ledger.ts). */
function noteEvictions({ ports }: PassContext, { removed }: Tally): void {
  const now = ports.clock.now();
  const evicted = removed
    .filter(({ rule }) => rule === "cache/evict")
    .map(({ id }) => ({ evicted: id, at: now }));
  if (evicted.length === 0) return;
  try {
    ports.host.appendLedger(evicted, now);
  } catch (error) {
    ports.journal.emit(
      factUnknown("the ledger of uses", `it cannot be written: ${(error as Error).message}`),
    );
  }
}
