import { execute } from "../act/execute.ts";
import { belowEverywhere } from "../gates/disk-pressure.ts";
import { firstNotOpen } from "../observe/gatekeeper.ts";
import type { PassContext, Passed } from "./context.ts";
import type { Decided } from "./decide.ts";
import { emergencyOf } from "./emergency.ts";
import { needsRoom, noteEvictions } from "./evictions.ts";
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
      needsRoom: async (evicted) => needsRoom(settings, await measure(context, decided), evicted),
    },
    {
      plan,
      candidates: observed,
      context: planContext,
      settings,
      pressed: rules.pressed,
      listsAreSlow: decided.engine.info.imageStore === "containerd",
    },
  );
  noteEvictions(ports, tally);
  const ended = {
    ...withUnread(acted(ending, tally, plan, ports.stop), observed),
    rules: reportRules(rules, observed.ruled, tally),
  };
  return { ...decided, learnt: { ...decided.learnt, busy: gatekeeper.busy }, ended };
}

/** The disk as it is now. */
const measure = ({ ports, settings }: PassContext, { learnt, state }: Decided) =>
  readPressure(ports.host, settings.disk, rememberedRoots({ ...state, ...learnt }));

/** The low watermark is set, and every watched filesystem is known to be below it. */
async function isRoomEnough(context: PassContext, decided: Decided) {
  const { lowWatermark, inodes } = context.settings.disk;
  if (lowWatermark === null || context.options.withoutPressure) return false;
  const { filesystems, verdict } = await measure(context, decided);
  // Below the high one too: of a mark in percent and one in bytes, either may be the stricter.
  return verdict.verdict === "closed" && belowEverywhere(filesystems, lowWatermark, inodes);
}
