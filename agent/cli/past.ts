import { resolve } from "node:path";
import type { Argv } from "yargs";
import { loadState } from "../audit/state.ts";
import { passesOfJournal, type Skipped } from "../history/journal.ts";
import { type PastPass, parseSince, passesSince } from "../history/passes.ts";
import { JournalError, type JournalSource, journalLines } from "../host/journalctl.ts";
import { UsageError } from "./usage.ts";

/** The passes that a command shows, and where they come from. */
export interface History {
  /** Oldest first. */
  readonly passes: readonly PastPass[];
  /** `"the state, /var/lib/ci-docker-prune"` */
  readonly source: string;
  readonly since: number | null;
  readonly skipped: Skipped | null;
  /** Why the source could not be read; then there are no passes. */
  readonly unreadable: string | null;
}

export interface HistoryOptions {
  readonly since?: string | undefined;
  readonly journal?: string | undefined;
}

/** The options of every command that looks back. */
export function withHistoryOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("since", {
      type: "string",
      requiresArg: true,
      describe: 'Passes since then: "7d", "2026-11-01", "2026-11-01 03:00"',
    })
    .option("journal", {
      type: "string",
      describe:
        "From the journal instead of the state; a file of `journalctl -o json --all`, or - for one piped in",
    });
}

/** Throws UsageError where `since` is no moment in the past. */
export async function readHistory(options: HistoryOptions, stateDir: string, now: number): Promise<History> {
  const since =
    options.since === undefined ? null : (parseSince(options.since, now) ?? notAMoment(options.since));
  return options.journal === undefined
    ? fromState(stateDir, since)
    : fromJournal(journalSource(options.journal, since), since);
}

function notAMoment(text: string): never {
  throw new UsageError(
    `--since ${JSON.stringify(text)}: expected a time that has passed, such as "7d", "2026-11-01" or "2026-11-01 03:00"`,
  );
}

function fromState(stateDir: string, since: number | null): History {
  const { state, damage } = loadState(stateDir);
  return {
    passes: passesSince(state.passes, since),
    source: `the state in ${resolve(stateDir)}`,
    since,
    skipped: null,
    unreadable: damage?.reason ?? null,
  };
}

function journalSource(option: string, since: number | null): JournalSource {
  if (option === "") return { kind: "journald", since };
  return option === "-" ? { kind: "stdin" } : { kind: "file", path: option };
}

const SOURCES = { journald: "the journal", stdin: "a journal from standard input" } as const;

async function fromJournal(source: JournalSource, since: number | null): Promise<History> {
  const name = source.kind === "file" ? `the journal in ${resolve(source.path)}` : SOURCES[source.kind];
  try {
    const { passes, skipped } = await passesOfJournal(journalLines(source));
    return { passes: passesSince(passes, since), source: name, since, skipped, unreadable: null };
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    return { passes: [], source: name, since, skipped: null, unreadable: error.message };
  }
}

const SKIPPED_WORDS: Readonly<Record<keyof Skipped, string>> = {
  invalid: "cut off or not JSON",
  tooLong: "too long",
  withoutMessage: "without their message (journalctl wants --all)",
  others: "not the agent's",
  notUnderstood: "of a pass, not understood",
  tooMany: "passes beyond the newest 10000",
};

/** `"Skipped: 3 lines cut off or not JSON."`; `null` where there is nothing to tell. Entries of others are none. */
export function skippedText(skipped: Skipped | null): string | null {
  const parts = Object.entries(skipped ?? {})
    .filter(([what, count]) => count > 0 && what !== "others")
    .map(([what, count]) => `${count} ${SKIPPED_WORDS[what as keyof Skipped]}`);
  return parts.length === 0 ? null : `Skipped lines: ${parts.join(", ")}.`;
}
