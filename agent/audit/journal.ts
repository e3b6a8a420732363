import pino from "pino";
import type { AuditEvent, Level } from "./events.ts";
import { journalListens, PRIORITY } from "./line.ts";
import { visibleDeep } from "./text.ts";

/** Where events go. Writing is synchronous: what was emitted is out, whatever happens next. */
export interface Journal {
  emit(event: AuditEvent): void;
}

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
      const level = pino.levels.labels[this.lastLevel] as Level;
      out.write(prefixed ? `<${PRIORITY[level]}>${line}` : line);
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
