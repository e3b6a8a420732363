import pino from "pino";
import { outputTaken } from "../host/output.ts";
import { journalListens } from "../host/places.ts";
import type { AuditEvent } from "./events.ts";
import { journalLine, safe } from "./line.ts";

/** Where events go. What was emitted is out, whatever happens next, as long as the reader keeps up. */
export interface Journal {
  emit(event: AuditEvent): void;
  /** Waits for a reader that does not; for before each deletion. Absent where there is no reader. */
  taken?(): Promise<void>;
}

/** {@link Journal.taken} of standard output. @param onBroken as for the journals */
export const takenOr = (onBroken: (error: Error) => void) => async () => {
  if (!(await outputTaken())) onBroken(new Error("nobody reads it"));
};

/**
 * JSON lines on standard output, through pino; in the journal, each with its priority and a sentence in front.
 * @param pass the pass id on every line
 * @param onBroken called when standard output can no longer be written: an unlogged pass must not go on
 */
export function jsonJournal(pass: string, onBroken: (error: Error) => void): Journal {
  process.stdout.on("error", onBroken);
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
      process.stdout.write(listens ? journalLine(shown, object) : object);
    },
    taken: takenOr(onBroken),
  };
}
