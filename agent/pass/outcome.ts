import type { Acted } from "../act/ports.ts";
import type { Tally } from "../act/tally.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Verdict } from "../gates/verdict.ts";
import { stopReason } from "../host/stop.ts";
import type { Observed } from "../observe/candidates.ts";
import type { Ended } from "./context.ts";

/** What a pass came to, by where and why it ended. Pure. */

const endedAs = (
  outcome: Ended["outcome"],
  exitCode: ExitCode,
  reason: string,
  gate: Ended["gate"] = null,
): Ended => ({ outcome, exitCode, reason, gate });

export const stopped = (stop: AbortSignal) => endedAs("incomplete", Exit.incomplete, stopReason(stop));

/** A fact that everything after it depends on could not be read. */
export const failed = (reason: string, gate: Ended["gate"] = null) =>
  endedAs("failed", Exit.unavailable, reason, gate);

export const deferred = ({ verdict, reason, gate }: Verdict) =>
  endedAs("deferred", verdict === "unknown" ? Exit.unavailable : Exit.ok, reason, gate);

export const bug = (error: Error) => endedAs("failed", Exit.bug, `a bug: ${error.message}`);

/** How the deletions ended; whether pressure remains is seen later, by measuring. */
export function acted({ ending, changed }: Acted, tally: Tally, stop: AbortSignal): Ended {
  const taken = tally.count("removed") + tally.count("untagged");
  const lost = tally.count("failed");
  if (ending?.by === "engine") return failed(ending.error.message);
  if (ending?.by === "stop") return stopped(stop);
  const atGate = ending?.by === "gate" ? deferred(ending.verdict) : null;
  // What could not be read outranks what could not be removed, as where the engine itself ended it.
  if (lost > 0 && atGate?.exitCode !== Exit.unavailable) {
    const reason = `${lost} of what was planned could not be removed`;
    return { outcome: "incomplete", exitCode: Exit.incomplete, reason, gate: null };
  }
  if (atGate !== null)
    return { ...atGate, outcome: "incomplete", reason: `ended in mid-pass: ${atGate.reason}` };
  if (taken > 0) {
    const reason =
      ending?.by === "low-watermark" ? "every filesystem is below the low watermark" : "the plan is done";
    return endedAs("pruned", Exit.ok, reason);
  }
  const reason = changed
    ? "nothing that fulfils the rules was there and unused when its turn came"
    : "nothing fulfils the rules";
  return endedAs("nothing-eligible", Exit.ok, reason);
}

/**
 * The same, where something could not be read: a pass that went through without a whole list, or without a single
 * inspection, did not look, and is not a green one.
 */
export function withUnread(ended: Ended, { unreadLists, unreadObjects }: Omit<Observed, "ruled">): Ended {
  const lists = unreadLists.map(({ what, reason }) => `${what} could not be read (${reason})`);
  const unread = [...lists];
  if (unreadObjects !== null) {
    const { all, count, reason } = unreadObjects;
    const which = all ? "no object could be" : `${count} of the objects could not be`;
    unread.push(`${which} inspected (${reason})`);
  }
  if (unread.length === 0) return ended;
  const reason = `${ended.reason}; ${unread.join("; ")}`;
  const blind = lists.length > 0 || unreadObjects?.all === true;
  return blind && ended.exitCode === Exit.ok
    ? { ...ended, outcome: "failed", exitCode: Exit.unavailable, reason }
    : { ...ended, reason };
}
