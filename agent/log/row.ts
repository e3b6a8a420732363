import type { Colors } from "picocolors/types";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";

/** Standard output's levels; the journal's priorities are in line.ts. */
export type Level = "info" | "warn" | "error";

/** A filesystem with the name people know it by, where that could be told. */
export interface NamedFilesystem extends Filesystem {
  readonly mount?: { readonly device: string; readonly type: string; readonly mountPoint: string };
}

/** How a sentence is set. In the journal, the priority says what colours and marks say on a terminal. */
export interface Look {
  readonly pc: Colors;
  /** A sign that opens a line, such as `"✓"` in green; not in the journal. */
  mark(sign: string, colour: "green" | "yellow" | "red" | "dim"): string;
  readonly verdicts: Readonly<Record<Verdict["verdict"], string>>;
  filesystem(filesystem: NamedFilesystem): string;
}

/** All there is to say of one event: its fields' type, its level, its message and its sentence. */
export interface EventRow<Fields> {
  /** Where only the pass can tell it, this one unless told otherwise. */
  readonly level: Level | ((fields: Fields) => Level);
  /** Never changes, and never holds variable text. */
  readonly msg: string;
  /** At level info: what a host's owner asks for in the morning (`journalctl -p notice`). */
  readonly notice?: (fields: Fields) => boolean;
  /** One or more lines for a person, of fields already made safe to show: what, how large, how old, and why. Pure. */
  say(fields: Fields, look: Look, level: Level): string;
}

/** Types a row by the fields that it is given. */
export const row = <Fields>(row: EventRow<Fields>): EventRow<Fields> => row;

/** What somebody should look at, and what the pass goes on after. */
export const warning = <Fields>(msg: string, words: (fields: Fields) => string) =>
  row<Fields>({ level: "warn", msg, say: (fields, { mark }) => `${mark("!", "yellow")}${words(fields)}` });

/** What a pass came to; part of the contract, explained in docs/development/design.md. */
export const OUTCOMES = [
  "below-watermark",
  "deferred",
  "pruned",
  "nothing-eligible",
  "pressure-remains",
  "incomplete",
  "failed",
  "dry-run",
] as const;
export type Outcome = (typeof OUTCOMES)[number];
