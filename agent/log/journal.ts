import pino from "pino";
import { colours } from "../colours.ts";
import { outputTaken } from "../host/output.ts";
import { journalListens } from "../host/places.ts";
import { visibleDeep } from "../text.ts";
import type { AuditEvent } from "./events.ts";
import { bar, describeFilesystem, journalLine, safe, sentence as sentenceIn } from "./line.ts";
import type { Look } from "./row.ts";

/** Where events go. What was emitted is out, whatever happens next, as long as the reader keeps up. */
export interface Journal {
  emit(event: AuditEvent): void;
  /** Waits until the reader has caught up; asked before each deletion. Absent where there is no reader. */
  taken?(): Promise<void>;
}

/** Waits for the reader of standard output. @param onBroken called where nobody reads it */
const takenOr = (onBroken: (error: Error) => void) => async () => {
  if (!(await outputTaken())) onBroken(new Error("nobody reads it"));
};

/**
 * JSON lines on standard output, through pino; in the journal, each with its priority and a sentence in front.
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

/**
 * The same events as sentences for a person, with a progress line while objects are removed.
 * @param onBroken called when `out` can no longer be written: an unlogged pass must not go on
 */
export function plainJournal(out: NodeJS.WriteStream, onBroken: (error: Error) => void) {
  let shown = "";
  out.on("error", onBroken);
  const clear = () => {
    if (shown !== "") out.write("\r\u001b[K");
    shown = "";
  };
  return {
    emit(event: AuditEvent) {
      clear();
      out.write(`${sentence(visibleDeep(event))}\n`);
    },
    taken: takenOr(onBroken),
    progress(done: number, total: number) {
      if (out.isTTY !== true) return;
      clear();
      if (done < total) {
        shown = colours.dim(`  ${bar((100 * done) / total)} ${done} of ${total}`);
        out.write(shown);
      }
    },
  };
}

const TERMINAL: Look = {
  pc: colours,
  mark: (sign, colour) => `${colours[colour](sign)} `,
  verdicts: {
    open: `${colours.green("✓")} `,
    closed: `${colours.yellow("■")} `,
    unknown: `${colours.red("?")} `,
  },
  filesystem: describeFilesystem,
};

export const sentence = (event: AuditEvent): string => sentenceIn(event, TERMINAL);
