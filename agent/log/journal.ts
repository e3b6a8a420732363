import pino from "pino";
import type { AuditEvent } from "./events.ts";
import { journalLine, journalListens, safe } from "./line.ts";

/** Where events go. Writing is synchronous: what was emitted is out, whatever happens next. */
export interface Journal {
  emit(event: AuditEvent): void;
}

/**
 * JSON lines on standard output, through pino; in the journal, each with its priority and a sentence in front.
 * @param pass the pass id on every line
 * @param onBroken called when standard output can no longer be written: an unlogged pass must not go on
 */
export function jsonJournal(pass: string, onBroken: (error: Error) => void): Journal {
  const out = pino.destination({ dest: 1, sync: true });
  out.on("error", onBroken);
  const listens = journalListens(process.env.JOURNAL_STREAM);
  let object = "";
  const logger = pino(
    {
      base: { pass },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write: (line: string) => {
        object = line;
      },
    },
  );
  return {
    emit(event) {
      const shown = safe(event, listens);
      logger[shown.level]({ event: shown.event, ...shown.fields }, shown.msg);
      out.write(listens ? journalLine(shown, object) : object);
    },
  };
}
