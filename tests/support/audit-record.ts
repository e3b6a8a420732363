import type { Level } from "../../agent/log/events.ts";
import { SEPARATOR } from "../../agent/log/line.ts";

/** One event as it was logged, read back. */
export interface AuditRecord {
  /** Not only those of this version: a saved journal may be older or newer. */
  readonly event: string;
  readonly level: Level;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly pass: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * One object of `journalctl -o json --all` as what the agent logged; `null` for what it did not log, such as systemd's
 * own lines. Without `--all`, journalctl gives `null` for a MESSAGE of more than 4087 bytes (systemd 252 and 257), and
 * so does this. Pure.
 */
export function fromJournalEntry(entry: unknown): AuditRecord | null {
  if (typeof entry !== "object" || entry === null) return null;
  const text = messageText((entry as Record<string, unknown>).MESSAGE);
  return text === null ? null : fromLine(text);
}

/**
 * One line of the agent: a sentence, a tab and an object in the journal, the object alone on a pipe and in journals
 * that versions before 0.2 wrote. Pure.
 */
export function fromLine(line: string): AuditRecord | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.slice(line.lastIndexOf(SEPARATOR) + 1));
  } catch {
    return null;
  }
  if (typeof parsed !== "object" || parsed === null) return null;
  const { level, time, pass, event, msg: _, ...fields } = parsed as Record<string, unknown>;
  if (typeof event !== "string" || typeof pass !== "string" || !isLevel(level)) return null;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? null : { event, level, time: at, pass, fields };
}

const isLevel = (value: unknown): value is Level => ["info", "warn", "error"].includes(value as string);

/** journalctl writes what is not UTF-8, or holds control characters, as an array of bytes. */
function messageText(message: unknown): string | null {
  if (typeof message === "string") return message;
  if (!Array.isArray(message) || !message.every((byte) => Number.isInteger(byte))) return null;
  return Buffer.from(message as number[]).toString("utf8");
}
