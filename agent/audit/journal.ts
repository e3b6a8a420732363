import { fstatSync } from "node:fs";
import pino from "pino";
import type { AuditEvent } from "./events.ts";
import { visibleDeep } from "./text.ts";

/** Where events go. Writing is synchronous: what was emitted is out, whatever happens next. */
export interface Journal {
  emit(event: AuditEvent): void;
}

/** syslog priorities, which journald reads from a `<N>` at the start of a line (sd-daemon(3)). */
const PRIORITY: Readonly<Record<number, number>> = { 30: 6, 40: 4, 50: 3 };

/**
 * JSON lines on standard output, through pino; each with its priority in front when the journal listens.
 * @param pass the pass id on every line
 * @param onBroken called when standard output can no longer be written: an unlogged pass must not go on
 */
export function jsonJournal(pass: string, onBroken: (error: Error) => void): Journal {
  const out = pino.destination({ dest: 1, sync: true });
  out.on("error", onBroken);
  const prefixed = journalListens(process.env.JOURNAL_STREAM);
  const stream = {
    // pino sets lastLevel before each write on a stream that carries this symbol.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 30,
    write(line: string) {
      out.write(prefixed ? `<${PRIORITY[this.lastLevel] ?? 6}>${line}` : line);
    },
  };
  const logger = pino(
    {
      base: { pass },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    emit: ({ event, level, msg, fields }) =>
      logger[level]({ event, ...(visibleDeep(fields) as Record<string, unknown>) }, msg),
  };
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
