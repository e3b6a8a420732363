import { fstatSync } from "node:fs";
import type { AuditEvent, Level } from "./events.ts";
import { visibleDeep } from "./text.ts";

/** syslog priorities, which journald reads from a `<N>` at the start of a line (sd-daemon(3)). */
export const PRIORITY: Readonly<Record<Level, number>> = { info: 6, warn: 4, error: 3 };

/** In the journal, between the sentence and the object; no text of either holds one (text.ts, JSON.stringify). */
export const SEPARATOR = "\t";

/**
 * One event as the line that journal.ts would write through pino: for the quiet pass, which writes one line and would
 * spend a fifth of its time on loading pino. A test holds the two against each other. Pure.
 * @param time milliseconds
 */
export function auditLine({ event, level, msg, fields }: AuditEvent, pass: string, time: number): string {
  const facts = visibleDeep(fields) as Record<string, unknown>;
  return `${JSON.stringify({ level, time: new Date(time).toISOString(), pass, event, ...facts, msg })}\n`;
}

/** systemd.exec(5): JOURNAL_STREAM holds device and inode of the stream, to be compared with our own stdout's. */
export function journalListens(journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(1, { bigint: true });
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
