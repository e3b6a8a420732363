import type { Colors } from "picocolors/types";
import { visible, visibleDeep } from "../text.ts";
import { formatBytes, isoTime } from "../units.ts";
import { type AuditEvent, rowOf } from "./events.ts";
import type { Level, Look, NamedFilesystem } from "./row.ts";

/** Between the sentence and the object of a journal entry. Neither holds one: text.ts, JSON.stringify. */
export const SEPARATOR = "\t";

/** syslog priorities, which journald reads from a `<N>` at the start of a line (sd-daemon(3)). */
const PRIORITY: Readonly<Record<Level, number>> = { info: 6, warn: 4, error: 3 };
/** "Normal, but significant". */
const NOTICE = 5;

/** `-p notice` is a host owner's morning: what changed, what passes came to, what went wrong. Pure. */
export function priority(event: AuditEvent): number {
  if (event.level !== "info") return PRIORITY[event.level];
  return rowOf(event).notice?.(event.fields) ? NOTICE : PRIORITY.info;
}

/** An event safe to show and, for the journal, of a length that journald takes as one entry. Pure. */
export function safe(event: AuditEvent, inJournal: boolean): AuditEvent {
  const shown = visibleDeep(event);
  return inJournal ? ({ ...shown, fields: fitting({ ...shown.fields }) } as AuditEvent) : shown;
}

/**
 * One event as the line that journal.ts would write through pino: for the quiet pass, which writes one line and would
 * spend a fifth of its time on loading pino. A test holds the two against each other. Pure.
 */
export function auditLine(event: AuditEvent, pass: string, time: number, inJournal = false): string {
  const shown = safe(event, inJournal);
  const { level, event: name, fields, msg } = shown;
  const facts = { level, time: isoTime(time), pass, event: name, ...fields, msg };
  const object = `${JSON.stringify(facts)}\n`;
  return inJournal ? journalLine(shown, object) : object;
}

/** A safe event as an entry of the journal: docs/development/decisions/0008-journal-lines.md. Pure. */
export function journalLine(event: AuditEvent, object: string): string {
  return `<${priority(event)}>${journalSentence(event)}${SEPARATOR}${object}`;
}

/**
 * Bytes of the fields as JSON. journald cuts a line after 48 KiB (LineMax= of journald.conf(5)), and what it cuts off
 * is an entry of its own, at another priority; the sentence is never longer than the fields that it is made of.
 */
const MOST = 20_000;

/** The same where it fits; else with long texts and lists cut, and `cut` naming the fields that were. Pure. */
function fitting(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const size = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  let fitted = fields;
  for (let most = 4096; size(fitted) > MOST && most > 0; most >>= 1) {
    const shorter = Object.entries(fields).map(([key, value]) => [key, shortened(value, most)] as const);
    const cut = shorter.filter(([key, value]) => size(value) !== size(fields[key])).map(([key]) => key);
    fitted = { ...Object.fromEntries(shorter), cut };
  }
  return fitted;
}

/** @param most characters of a text; of a list, a 32nd of that many entries */
function shortened(value: unknown, most: number): unknown {
  if (typeof value === "string") {
    // Again made safe: the cut may go through a pair of surrogates.
    return value.length <= most ? value : `${visible(value.slice(0, most))}… (${value.length} characters)`;
  }
  if (Array.isArray(value)) {
    return value.slice(0, Math.max(1, most >> 5)).map((inner) => shortened(inner, most));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shortened(inner, most)]));
}

/** Not picocolors' own: the front has no terminal, and loading it takes a quiet pass 3 ms. */
const UNCOLOURED = Object.fromEntries(
  ["bold", "dim", "red", "green", "yellow"].map((name) => [name, String]),
) as unknown as Colors;

const JOURNAL: Look = {
  pc: UNCOLOURED,
  mark: () => "",
  verdicts: { open: "Gate open, ", closed: "Gate closed, ", unknown: "Gate not known, " },
  filesystem: (filesystem) => `${nameOf(filesystem)} ${filesystem.usedPercent}% full, ${roomOf(filesystem)}`,
};

/** One event, already made safe to show, as one line: no line end and no tab. Pure. */
export function journalSentence(event: AuditEvent): string {
  return sentence(event, JOURNAL)
    .split("\n")
    .map((line) => line.trim())
    .join("; ");
}

/** One event, already made safe to show, as one or more lines. Pure. */
export function sentence(event: AuditEvent, look: Look): string {
  return rowOf(event).say(event.fields, look, event.level);
}

export function describeFilesystem(filesystem: NamedFilesystem): string {
  const { usedPercent } = filesystem;
  return `  ${bar(usedPercent)} ${usedPercent}% of ${nameOf(filesystem)}, ${roomOf(filesystem)}`;
}

function nameOf({ paths, mount }: NamedFilesystem): string {
  return `${paths.join(", ")}${mount === undefined ? "" : ` (${mount.type} on ${mount.device})`}`;
}

/** `"26.0 GiB left, 7% of inodes"`: the inodes where they are counted. */
function roomOf({ availableBytes, inodesUsedPercent }: NamedFilesystem): string {
  const inodes = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
  return `${formatBytes(availableBytes)} left${inodes}`;
}

const BAR = 20;

/** 40 -> `"████████░░░░░░░░░░░░"` */
export function bar(percent: number): string {
  const full = Math.max(0, Math.min(BAR, Math.round((percent / 100) * BAR)));
  return "█".repeat(full) + "░".repeat(BAR - full);
}
