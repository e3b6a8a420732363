import type { Colors } from "picocolors/types";
import { formatBytes } from "../units.ts";
import { type AuditEvent, rowOf } from "./events.ts";
import type { Look, NamedFilesystem } from "./row.ts";

/** Not picocolors' own: the front has no terminal, and loading it takes a quiet pass 3 ms. */
const UNCOLOURED = Object.fromEntries(
  ["bold", "dim", "red", "green", "yellow"].map((name) => [name, String]),
) as unknown as Colors;

const JOURNAL: Look = {
  pc: UNCOLOURED,
  mark: () => "",
  verdicts: { open: "Gate open, ", closed: "Gate closed, ", unknown: "Gate not known, " },
  filesystem: (filesystem) => {
    const { usedPercent, availableBytes } = filesystem;
    return `${nameOf(filesystem)} ${usedPercent}% full, ${formatBytes(availableBytes)} left${inodesOf(filesystem)}`;
  },
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
  const { usedPercent, availableBytes } = filesystem;
  return `  ${bar(usedPercent)} ${usedPercent}% of ${nameOf(filesystem)}, ${formatBytes(availableBytes)} left${inodesOf(filesystem)}`;
}

function nameOf({ paths, mount }: NamedFilesystem): string {
  return `${paths.join(", ")}${mount === undefined ? "" : ` (${mount.type} on ${mount.device})`}`;
}

function inodesOf({ inodesUsedPercent }: NamedFilesystem): string {
  return inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
}

/** 40 -> `"████████░░░░░░░░░░░░"` */
export function bar(percent: number, width = 20): string {
  const full = Math.max(0, Math.min(width, Math.round((percent / 100) * width)));
  return "█".repeat(full) + "░".repeat(width - full);
}
