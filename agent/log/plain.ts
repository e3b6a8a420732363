import { colours } from "../colours.ts";
import { visibleDeep } from "../text.ts";
import type { AuditEvent } from "./events.ts";
import { type Journal, takenOr } from "./journal.ts";
import type { Look } from "./row.ts";
import { bar, describeFilesystem, sentence as sentenceIn } from "./sentence.ts";

/** The same events as sentences for a person, with a progress line while objects are removed. */
export interface PlainJournal extends Journal {
  progress(done: number, total: number): void;
}

/** @param onBroken called when `out` can no longer be written: an unlogged pass must not go on */
export function plainJournal(out: NodeJS.WriteStream, onBroken: (error: Error) => void): PlainJournal {
  let shown = "";
  out.on("error", onBroken);
  const clear = () => {
    if (shown !== "") out.write("\r\u001b[K");
    shown = "";
  };
  return {
    emit(event) {
      clear();
      out.write(`${sentence(visibleDeep(event))}\n`);
    },
    taken: takenOr(onBroken),
    progress(done, total) {
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

/** One event, already made safe to show, as one or more lines for a terminal. */
export const sentence = (event: AuditEvent): string => sentenceIn(event, TERMINAL);
