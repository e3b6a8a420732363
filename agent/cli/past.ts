import { resolve } from "node:path";
import { loadPasses, type PastPass, parseSince, passesSince } from "../state/passes.ts";
import { UsageError } from "./usage.ts";

/** The passes that a command shows, and where they come from. */
export interface History {
  /** Oldest first. */
  readonly passes: readonly PastPass[];
  /** `"the state in /var/lib/ci-docker-prune"` */
  readonly source: string;
  /** Milliseconds; `null`: all there are. */
  readonly since: number | null;
  /** Why the source could not be read; then there are no passes. */
  readonly unreadable: string | null;
}

/**
 * Reads the passes that the state remembers.
 * @throws UsageError where `sinceText` is no moment in the past
 */
export function readHistory(sinceText: string | undefined, stateDir: string, now: number): History {
  const since = sinceText === undefined ? null : (parseSince(sinceText, now) ?? notAMoment(sinceText));
  const { passes, unreadable } = loadPasses(stateDir);
  return {
    passes: passesSince(passes, since),
    source: `the state in ${resolve(stateDir)}`,
    since,
    unreadable,
  };
}

function notAMoment(text: string): never {
  throw new UsageError(
    `--since ${JSON.stringify(text)}: expected a time that has passed, such as "7d", "2026-11-01" or "2026-11-01 03:00"`,
  );
}
