import { execute } from "../act/execute.ts";
import type { ContainerDetail, ImageDetail } from "../engine/types.ts";
import { belowEverywhere } from "../gates/disk-pressure.ts";
import { say } from "../log/events.ts";
import type { Observed } from "../observe/candidates.ts";
import { firstNotOpen } from "../observe/gatekeeper.ts";
import type { ContainerFacts } from "../plan/containers.ts";
import type { Candidates } from "../plan/decide.ts";
import type { ImageFacts } from "../plan/images.ts";
import { remember } from "../state/sightings.ts";
import type { PassContext, Passed } from "./context.ts";
import { type Decided, warnOfFuture } from "./decide.ts";
import { emergencyOf } from "./emergency.ts";
import { needsRoom, noteEvictions } from "./evictions.ts";
import { lostLock } from "./gates.ts";
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
  const done = await execute(
    {
      ...ports,
      tally,
      gatesAskedAt: gatekeeper.askedAt,
      askGates: async () => {
        // It ends, and does not begin, in mid-pass.
        if (emergency !== null) emergency = emergencyOf(settings, await measure(context, decided));
        ports.inEmergency(emergency !== null);
        const notOpen = lostLock(context, decided) ?? firstNotOpen(await gatekeeper.lookAgain());
        if (notOpen !== null) say(ports.journal, notOpen);
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
      inspector: observed.inspector,
    },
  );
  const seen = withLooks(observed, done.looked);
  warnOfFuture(ports.journal, seen, ports.clock.now());
  noteEvictions(ports, tally);
  const ended = {
    ...withUnread(acted(done, tally, ports.stop), observed),
    rules: reportRules(rules, observed.ruled, tally),
  };
  return { ...decided, learnt: { ...learntByLooks(context, decided, seen), busy: gatekeeper.busy }, ended };
}

/** The candidates as the looks before their deletion found them. Pure. */
function withLooks(
  { containers, images, ruled }: Observed,
  looked: ReadonlyMap<string, ContainerDetail | ImageDetail>,
): Pick<Candidates, "containers" | "images" | "ruled"> {
  const look = <T extends ContainerFacts | ImageFacts>(facts: T): T => {
    const detail = looked.get(facts.summary.id);
    return detail === undefined ? facts : { ...facts, detail };
  };
  return { containers: containers.map(look), images: images.map(look), ruled };
}

/** What was remembered of the objects by the lists alone, with what the looks taught. */
function learntByLooks(
  { ports, settings }: PassContext,
  { learnt, state }: Decided,
  seen: ReturnType<typeof withLooks>,
) {
  if (learnt.dangling === undefined) return learnt;
  return { ...learnt, dangling: remember(state, seen, settings.prune, ports.clock.now()).dangling };
}

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
