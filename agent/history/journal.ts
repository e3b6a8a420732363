import { type AuditRecord, fromJournalEntry, fromLine } from "../audit/record.ts";
import { isPassRecord } from "../audit/state.ts";
import { isPlausible, type PastPass } from "./passes.ts";

/** What was read and is not in the history, by what was wrong with it. */
export interface Skipped {
  /** Cut off, or otherwise not JSON. */
  readonly invalid: number;
  /** Longer than any line of the agent. */
  readonly tooLong: number;
  /** journalctl left the message out, for want of `--all`. */
  readonly withoutMessage: number;
  /** Entries of other units, and systemd's own about this one. */
  readonly others: number;
  /** A pass whose fields make no record of one. */
  readonly notUnderstood: number;
  /** Passes beyond the newest ten thousand. */
  readonly tooMany: number;
}

const UNIT = "ci-docker-prune.service";
const MOST_PASSES = 10_000;
/** Passes begun and not ended; more than one or two are not real. */
const MOST_OPEN = 100;

/**
 * Lines of a journal -> passes. A saved journal is somebody's file: what is not understood is counted and left out, and
 * memory stays bounded whatever the lines hold.
 * @param lines of `journalctl -o json --all`, or as the agent wrote them (`-o cat`); `null` for one that was too long
 */
export async function passesOfJournal(
  lines: AsyncIterable<string | null>,
): Promise<{ readonly passes: readonly PastPass[]; readonly skipped: Skipped }> {
  const skipped = { invalid: 0, tooLong: 0, withoutMessage: 0, others: 0, notUnderstood: 0, tooMany: 0 };
  const open = new Map<string, PastPass>();
  /** By pass and moment: a journal may be saved twice into one file. */
  const finished = new Map<string, PastPass>();
  for await (const line of lines) {
    if (line === null) skipped.tooLong++;
    else if (line.trim() !== "") take(readLine(line));
  }
  return { passes: [...finished.values(), ...open.values()], skipped };

  function take(read: AuditRecord | keyof Skipped | "nothing"): void {
    if (read === "nothing") return;
    if (typeof read === "string") {
      skipped[read]++;
      return;
    }
    if (read.event !== "pass.started" && read.event !== "pass.finished") return;
    const pass = read.event === "pass.started" ? startedPass(read) : finishedPass(read, open.get(read.pass));
    if (pass === null || !isPlausible(pass)) skipped.notUnderstood++;
    else if (pass.outcome === "no-end") remember(open, pass.pass, pass, MOST_OPEN);
    else {
      open.delete(pass.pass);
      remember(finished, `${pass.pass} ${read.time}`, pass, MOST_PASSES);
    }
  }

  function remember(where: Map<string, PastPass>, key: string, pass: PastPass, most: number): void {
    where.set(key, pass);
    const [oldest] = where.keys();
    if (where.size <= most || oldest === undefined) return;
    where.delete(oldest);
    skipped.tooMany++;
  }
}

/** One line as an event; else why it is none. */
function readLine(line: string): AuditRecord | keyof Skipped | "nothing" {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    // `-o cat`: a sentence, a tab, the object; and systemd's own sentences between them.
    return fromLine(line) ?? (line.trimStart().startsWith("{") ? "invalid" : "others");
  }
  if (typeof entry !== "object" || entry === null) return "invalid";
  const { MESSAGE, _SYSTEMD_UNIT, _TRANSPORT } = entry as Record<string, unknown>;
  // Only fields with an underscore are the journal's own word; the identifier is whatever the sender says.
  // Whose unit journald could not tell in time (a sender that had ended) is nobody's; a service's own output always has
  // it (systemd 252 and 257). Saved with --output-fields=MESSAGE an entry has neither.
  if (_SYSTEMD_UNIT !== UNIT && (_SYSTEMD_UNIT !== undefined || _TRANSPORT !== undefined)) return "others";
  if (MESSAGE === null) return "withoutMessage";
  return (MESSAGE === undefined ? fromLine(line) : fromJournalEntry(entry)) ?? "others";
}

/** A pass of which only the start is known. */
function startedPass({ pass, time, fields }: AuditRecord): PastPass | null {
  const record = {
    pass,
    startedAt: time,
    durationSeconds: 0,
    outcome: "no-end",
    exitCode: 70,
    reason: "the journal has no end of this pass: it was killed, or it still runs",
    gate: null,
    filesystems: filesystemsOf(fields),
    freedBytes: 0,
    claimedBytes: 0,
    removed: {},
    kept: 0,
    failed: 0,
  };
  return isPassRecord(record) ? record : null;
}

function finishedPass({ pass, time, fields }: AuditRecord, start: PastPass | undefined): PastPass | null {
  const optional = Object.fromEntries(
    ["removedBytes", "objects", "rules"].flatMap((key) => (key in fields ? [[key, fields[key]]] : [])),
  );
  const { durationSeconds } = fields;
  const record: unknown = {
    pass,
    startedAt: start?.startedAt ?? time - Number(durationSeconds) * 1000,
    durationSeconds,
    outcome: fields.outcome,
    exitCode: fields.exitCode,
    reason: fields.reason,
    gate: fields.gate ?? null,
    filesystems: filesystemsOf(fields),
    freedBytes: fields.freedBytes,
    claimedBytes: fields.claimedBytes,
    removed: fields.removed,
    kept: fields.kept,
    failed: fields.failed,
    ...optional,
  };
  return isPassRecord(record) ? record : null;
}

const KEPT_FIELDS = [
  "usedPercent",
  "availableBytes",
  "totalBytes",
  "inodesUsedPercent",
  "highWatermarkPercent",
  "lowWatermarkPercent",
  "before",
] as const;

/** As the state keeps them; anything else comes out as what no record may hold. */
function filesystemsOf({ filesystems }: AuditRecord["fields"]): unknown {
  if (!Array.isArray(filesystems)) return null;
  return filesystems.map((filesystem: Record<string, unknown> | null) => ({
    path: Array.isArray(filesystem?.paths) ? filesystem.paths[0] : undefined,
    ...Object.fromEntries(
      KEPT_FIELDS.flatMap((key) =>
        filesystem !== null && Object.hasOwn(Object(filesystem), key) ? [[key, filesystem[key]]] : [],
      ),
    ),
  }));
}
