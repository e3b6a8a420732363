import pc from "picocolors";
import type { Checked } from "../auth/check.ts";
import type { ObjectKind } from "../plan/plan.ts";
import { formatBytes, formatDuration } from "../units.ts";
import type { AuditEvent, NamedFilesystem, PassFinished, StepReport } from "./events.ts";
import type { Holder } from "./holders.ts";
import type { Journal } from "./journal.ts";
import { visibleDeep } from "./text.ts";

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
      out.write(`${sentence({ ...event, fields: visibleDeep(event.fields) as AuditEvent["fields"] })}\n`);
    },
    progress(done, total) {
      if (out.isTTY !== true) return;
      clear();
      if (done < total) {
        shown = pc.dim(`  ${bar((100 * done) / total)} ${done} of ${total}`);
        out.write(shown);
      }
    },
  };
}

const GATE_NAMES: Readonly<Record<string, string>> = {
  "disk-pressure": "disk pressure",
  lock: "lock",
  "live-run": "live runs",
  converging: "services",
};

const MARKS = { open: pc.green("✓"), closed: pc.yellow("■"), unknown: pc.red("?") };

/** One event, already made safe to show, as one or more lines. */
export function sentence({ event, level, msg, fields }: AuditEvent): string {
  const field = <T>(name: string) => fields[name] as T;
  switch (event) {
    case "pass.started": {
      const what = field<boolean>("dryRun") ? "A dry run starts" : "A pass starts";
      return [pc.bold(what), ...field<NamedFilesystem[]>("filesystems").map(describeFilesystem)].join("\n");
    }
    case "gate.verdict":
      return `${MARKS[field<keyof typeof MARKS>("verdict")]} ${GATE_NAMES[field<string>("gate")]}: ${field("reason")}`;
    case "fact.unknown":
      return `${pc.red("?")} ${field("what")} could not be read: ${field("reason")}`;
    case "service.ignored":
      return `${pc.yellow("!")} service ${field("service")} has been stuck for ${formatDuration(field("busySeconds"))} (${field("why")}) and no longer blocks`;
    case "prune.planned":
      return `Plan: remove ${counts(field("remove"))}, keep ${counts(field("keep"))}; older than ${formatDuration(field("untilSeconds"))}${field("buildCache") === "engine-decides" ? "; build cache by the engine, same age" : ""}`;
    case "object.planned":
      return `  ${pc.green("−")} would remove ${describeObject(fields)}${because(fields)}`;
    case "object.removed":
      return `  ${pc.green("−")} removed ${describeObject(fields)}${because(fields)}`;
    case "object.untagged":
      return `  ${pc.green("−")} took ${field<string[]>("references").join(", ")} off ${describeObject(fields)}${because(fields)}; the image stays, by other names or under one built on it`;
    case "container.stopped":
      return `  ${pc.green("−")} stopped ${describeObject(fields)}${because(fields)}`;
    case "object.kept":
      return pc.dim(`  = kept ${describeObject(fields)}: ${field("reason")}`);
    case "object.gone":
      return pc.dim(`  = ${describeObject(fields)} was gone already`);
    case "object.failed": {
      const what = field("removed") === "unknown" ? "not known whether it removed" : "could not remove";
      return pc.red(`  ✗ ${what} ${describeObject(fields)}: ${field("error")}`);
    }
    case "step.finished": {
      const step = fields as unknown as StepReport;
      const failed = step.failed > 0 ? pc.red(`, ${step.failed} failed`) : "";
      return pc.dim(`  ${step.kind}: ${step.removed} removed, ${step.kept} kept${failed}`);
    }
    case "pass.ended-early":
      return pc.yellow(`The pass ends before its plan is done, ${field("left")} left: ${field("reason")}`);
    case "pass.ineffective": {
      const list = Array.isArray(fields.holders) ? (fields.holders as Holder[]) : [];
      return [
        pc.red(pc.bold(`Not enough: ${field("reason")}`)),
        ...list.map(
          ({ what, bytes, count, note }) =>
            `  ${formatBytes(bytes).padStart(9)}  ${what}${count === null ? "" : ` (${count})`}: ${note}`,
        ),
      ].join("\n");
    }
    case "pass.finished":
      return describeFinish(fields as unknown as PassFinished, level);
    case "auth.applied": {
      const parts = (["added", "changed", "removed", "left"] as const).flatMap((what) => {
        const names = field<string[]>(what);
        return names.length === 0 ? [] : [`${what} ${names.join(", ")}`];
      });
      if (field<boolean>("closedToOthers")) parts.push("closed to other users");
      return `${pc.green("✓")} ${field("target")}: ${parts.join("; ")}`;
    }
    case "auth.unchanged":
      return `${pc.green("✓")} ${field("target")}: nothing to change`;
    case "auth.shadowed":
      return `${pc.yellow("!")} ${field("registry")}: ${field("by")} in ${field("target")} names the helper "${field("helper")}", which the Docker client asks instead`;
    case "auth.failed":
      return `${pc.red("✗")} ${field("reason")}`;
    case "auth.checked":
      return describeCheck(fields as unknown as Checked);
    default:
      return `${level === "info" ? "" : pc.yellow("! ")}${msg}${"reason" in fields ? `: ${field("reason")}` : ""}`;
  }
}

/** One check, already made safe to show, as a line. */
export function describeCheck({
  registry,
  username,
  result,
  reason,
  rateLimit,
  rateLimitReason,
}: Checked): string {
  const mark = result === "accepted" ? pc.green("✓") : pc.red("✗");
  const user = username === null ? "" : ` as ${username}`;
  return `${mark} ${registry}${user}: ${reason}${describeRateLimit(rateLimit, rateLimitReason)}`;
}

function describeRateLimit(limit: Checked["rateLimit"], reason: Checked["rateLimitReason"]): string {
  if (limit === null) return reason === null ? "" : `; pull allowance: ${reason}`;
  const span = limit.windowSeconds === null ? "" : ` in ${formatDuration(limit.windowSeconds)}`;
  return `; ${limit.remaining} of ${limit.limit} pulls${span} left`;
}

function describeFinish(finished: PassFinished, level: AuditEvent["level"]): string {
  const colour = { info: pc.green, warn: pc.yellow, error: pc.red }[level];
  const lines = [`${colour(pc.bold(finished.outcome))}: ${finished.reason}`];
  if (!["below-watermark", "deferred", "dry-run"].includes(finished.outcome)) {
    lines.push(
      `  removed ${counts(finished.removed)} in ${formatDuration(finished.durationSeconds)}; ` +
        `the disk gained ${formatBytes(finished.freedBytes)} (the engine says ${formatBytes(finished.claimedBytes)})`,
    );
  }
  if (finished.deferralsInARow > 1) {
    const span =
      finished.deferredForSeconds === null ? "" : `, for ${formatDuration(finished.deferredForSeconds)}`;
    lines.push(`  deferred ${finished.deferralsInARow} times in a row${span}`);
  }
  return [...lines, ...finished.filesystems.map(describeFilesystem)].join("\n");
}

export function describeFilesystem(filesystem: NamedFilesystem): string {
  const { paths, usedPercent, availableBytes, inodesUsedPercent, mount } = filesystem;
  const inodes = inodesUsedPercent === null ? "" : `, ${inodesUsedPercent}% of inodes`;
  const name = mount === undefined ? "" : ` (${mount.type} on ${mount.device})`;
  return `  ${bar(usedPercent)} ${usedPercent}% of ${paths.join(", ")}${name}, ${formatBytes(availableBytes)} left${inodes}`;
}

/** 40 -> `"████████░░░░░░░░░░░░"` */
export function bar(percent: number, width = 20): string {
  const full = Math.max(0, Math.min(width, Math.round((percent / 100) * width)));
  return "█".repeat(full) + "░".repeat(width - full);
}

function describeObject(fields: Readonly<Record<string, unknown>>): string {
  const kind = fields.kind as ObjectKind;
  const names = fields.names as readonly string[];
  const id = shortId(fields.id as string);
  const name = names.length > 0 ? `${names.join(", ")} (${id})` : id;
  const size = fields.sizeBytes as number | null;
  const age = fields.ageSeconds as number | null;
  const basis = String(fields.ageBasis).replaceAll("-", " ");
  const details = [
    size === null ? null : formatBytes(size),
    age === null ? null : `${basis} ${formatDuration(age)} ago`,
  ].filter((text) => text !== null);
  return `${kind} ${name}${details.length === 0 ? "" : `, ${details.join(", ")}`}`;
}

/** Of what a rule of the settings named: why, and which rule. */
function because({ policy, reason }: Readonly<Record<string, unknown>>): string {
  return policy === undefined ? "" : `: ${reason} (${policy})`;
}

/** `"sha256:0123456789abcdef…"` -> `"0123456789ab"` */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

function counts(byKind: Readonly<Record<ObjectKind, number>>): string {
  const say = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;
  return [
    say(byKind.container, "container", "containers"),
    say(byKind.image, "image", "images"),
    say(byKind["build-cache"], "cache record", "cache records"),
  ].join(", ");
}
