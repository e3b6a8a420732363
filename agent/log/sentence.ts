import type { Colors } from "picocolors/types";
import type { Checked } from "../auth/check.ts";
import { GATE_TITLES, type GateName, type Verdict } from "../gates/verdict.ts";
import type { Holder } from "../plan/holders.ts";
import type { AgeBasis, ObjectKind } from "../plan/plan.ts";
import { formatBytes, formatDuration } from "../units.ts";
import type { AuditEvent, NamedFilesystem, PassFinished, StepReport } from "./events.ts";

/** How a sentence is set. In the journal, the priority says what colours and marks say on a terminal. */
export interface Look {
  readonly pc: Colors;
  /** A sign that opens a line, such as `"✓"` in green; not in the journal. */
  mark(sign: string, colour: "green" | "yellow" | "red" | "dim"): string;
  readonly verdicts: Readonly<Record<Verdict["verdict"], string>>;
  filesystem(filesystem: NamedFilesystem): string;
}

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

/**
 * One event, already made safe to show, as one or more lines for someone who was woken by it: what, how large, how
 * old and by what basis, and why. Every event has a case of its own. Pure.
 */
export function sentence({ event, level, fields }: AuditEvent, look: Look): string {
  const { pc, mark, verdicts } = look;
  const field = <T>(name: string) => fields[name] as T;
  switch (event) {
    case "pass.started": {
      const what = field<boolean>("dryRun") ? "A dry run starts" : "A pass starts";
      const how = field<boolean>("withoutPressure")
        ? ", whatever the disk says"
        : field("scope") === "rules"
          ? " for the rules that wait for no disk pressure"
          : "";
      return [`${pc.bold(what)}${how}`, ...field<NamedFilesystem[]>("filesystems").map(look.filesystem)].join(
        "\n",
      );
    }
    case "gate.verdict":
      return `${verdicts[field<Verdict["verdict"]>("verdict")]}${GATE_TITLES[field<GateName>("gate")]}: ${field("reason")}`;
    case "fact.unknown": {
      const what = field<string>("what");
      const gate = what.startsWith("gate ") ? GATE_TITLES[what.slice(5) as GateName] : undefined;
      const asked = gate === undefined ? what : `whether the gate for ${gate} is open`;
      return `${mark("?", "red")}could not ${asked.startsWith("whether ") ? "tell" : "read"} ${asked}: ${field("reason")}`;
    }
    case "service.ignored":
      return `${mark("!", "yellow")}service ${field("service")} has been stuck for ${formatDuration(field("busySeconds"))} (${field("why")}) and no longer blocks`;
    case "prune.planned": {
      const bytes = field<number>("removeBytes");
      const size = bytes > 0 ? ` (${formatBytes(bytes)})` : "";
      const cache =
        field("buildCache") === "engine-decides" ? "; build cache by the engine, same age limit" : "";
      return `Plan: remove ${counts(field("remove"))}${size}, keep ${counts(field("keep"))}; age limit ${formatDuration(field("untilSeconds"))}${cache}`;
    }
    case "object.planned":
      return `  ${mark("−", "green")}would remove ${describeObject(fields)}`;
    case "object.removed":
      return `  ${mark("−", "green")}removed ${describeObject(fields)}`;
    case "object.untagged":
      return `  ${mark("−", "green")}took ${listed(field("references"))} off ${describeObject(fields)}; the image stays, by other names or under one built on it`;
    case "container.stopped":
      return `  ${mark("−", "green")}stopped ${describeObject(fields)}`;
    case "object.kept":
      return `  ${mark("=", "dim")}${pc.dim(`kept ${describeObject(fields)}`)}`;
    case "object.gone":
      return `  ${mark("=", "dim")}${pc.dim(`gone before its turn came: ${describeWhat(fields)}`)}`;
    case "object.failed": {
      const what = field("removed") === "unknown" ? "not known whether it removed" : "could not remove";
      return `  ${mark("✗", "red")}${pc.red(`${what} ${describeWhat(fields)}: ${field("error")}`)}`;
    }
    case "step.skipped":
      return `  ${mark("=", "dim")}${pc.dim(`${KINDS[field<ObjectKind>("kind")].all} skipped: ${field("reason")}`)}`;
    case "step.finished": {
      const step = fields as unknown as StepReport;
      const gone = step.gone > 0 ? `, ${step.gone} gone before` : "";
      const failed = step.failed > 0 ? pc.red(`, ${step.failed} failed`) : "";
      const by = step.by === "prune" ? "" : `${step.by}, `;
      const what = `${by}${KINDS[step.kind].all}: ${step.removed} removed, ${step.kept} kept${gone}`;
      return `  ${pc.dim(what)}${failed}${pc.dim(`; the engine says ${formatBytes(step.claimedBytes)}, in ${formatDuration(step.durationSeconds)}`)}`;
    }
    case "pass.ended-early": {
      const kinds = field<ObjectKind[]>("stepsLeft").map((kind) => KINDS[kind].all);
      const untouched = kinds.length === 0 ? "" : `, ${kinds.join(" and ")} not come to`;
      return pc.yellow(
        `The pass ends before its plan is done, ${field("left")} left${untouched}: ${field("reason")}`,
      );
    }
    case "pass.ineffective":
      return describeIneffective(fields, look);
    case "pass.finished":
      return describeFinish(fields as unknown as PassFinished, level, look);
    case "state.damaged":
      return `${mark("!", "yellow")}the state file was damaged (${field("reason")}); the pass starts from nothing; the old one: ${field("setAside")}`;
    case "state.unwritable":
      return `${mark("!", "yellow")}the state could not be written, the next pass will not know of this: ${field("reason")}`;
    case "metrics.unwritable":
      return `${mark("!", "yellow")}the metrics could not be written, ${field("file")}: ${field("reason")}`;
    case "auth.applied": {
      const parts = (["added", "changed", "removed", "left"] as const).flatMap((what) => {
        const names = field<string[]>(what);
        return names.length === 0 ? [] : [`${what} ${names.join(", ")}`];
      });
      if (field<boolean>("closedToOthers")) parts.push("closed to other users");
      return `${mark("✓", "green")}registry credentials in ${field("target")}: ${parts.join("; ")}`;
    }
    case "auth.unchanged": {
      const left = field<string[]>("left");
      const others = left.length === 0 ? "" : `; left ${left.join(", ")}`;
      return `${mark("✓", "green")}registry credentials in ${field("target")}: nothing to change${others}`;
    }
    case "auth.shadowed":
      return `${mark("!", "yellow")}${field("registry")}: ${field("by")} in ${field("target")} names the helper "${field("helper")}", which the Docker client asks instead`;
    case "auth.failed":
      return `${mark("✗", "red")}registry credentials: ${field("reason")}`;
    case "auth.checked":
      return describeCheck(fields as unknown as Checked, look);
  }
}

/** One check, already made safe to show, as a line. */
export function describeCheck(
  { registry, username, result, reason, rateLimit, rateLimitReason }: Checked,
  { mark }: Look,
): string {
  const sign = result === "accepted" ? mark("✓", "green") : mark("✗", "red");
  const user = username === null ? "" : ` as ${username}`;
  return `${sign}${registry}${user}: ${reason}${describeRateLimit(rateLimit, rateLimitReason)}`;
}

function describeRateLimit(limit: Checked["rateLimit"], reason: Checked["rateLimitReason"]): string {
  if (limit === null) return reason === null ? "" : `; pull allowance: ${reason}`;
  const span = limit.windowSeconds === null ? "" : ` in ${formatDuration(limit.windowSeconds)}`;
  return `; ${limit.remaining} of ${limit.limit} pulls${span} left`;
}

function describeIneffective(fields: AuditEvent["fields"], { pc }: Look): string {
  const { cause, reason, holders } = fields;
  const [without, bytes] = [
    fields.unselectedImages ?? fields.unlabelledImages,
    fields.unselectedBytes ?? fields.unlabelledBytes,
  ];
  const lines = [
    cause === "pressure-remains"
      ? `${pc.red(pc.bold("Not enough:"))} ${pc.red(`the disk is still ${reason}`)}`
      : `${pc.red(pc.bold("A rule without effect:"))} ${pc.red(String(reason))}`,
  ];
  if (typeof without === "number" && typeof bytes === "number") {
    lines.push(`  ${count(without, KINDS.image)} without, ${formatBytes(bytes)}`);
  }
  if (typeof holders === "string") lines.push(`  what holds the space: ${holders}`);
  if (Array.isArray(holders)) {
    for (const { what, bytes, count, note, largest, wayOut } of holders as Holder[]) {
      lines.push(
        `  ${formatBytes(bytes).padStart(9)}  ${what}${count === null ? "" : ` (${count})`}: ${note}`,
        ...largest.map((part) => `             ${formatBytes(part.bytes)} ${part.name}: ${part.note}`),
        ...(wayOut === null ? [] : [`             -> ${wayOut}`]),
      );
    }
  }
  return lines.join("\n");
}

function describeFinish(finished: PassFinished, level: AuditEvent["level"], look: Look): string {
  const { pc } = look;
  const colour = { info: pc.green, warn: pc.yellow, error: pc.red }[level];
  const lines = [`${colour(pc.bold(finished.outcome))}: ${finished.reason}`];
  if (!["below-watermark", "deferred", "dry-run"].includes(finished.outcome)) {
    const { removed, kept, gone, failed, durationSeconds } = finished;
    const rest = [
      `kept ${kept}`,
      ...(gone > 0 ? [`${gone} gone before`] : []),
      ...(failed > 0 ? [`${failed} failed`] : []),
    ];
    lines.push(`  removed ${counts(removed)} in ${formatDuration(durationSeconds)}, ${rest.join(", ")}`);
    if (Object.values(removed).some((count) => count > 0)) {
      const { freedBytes, claimedBytes } = finished;
      lines.push(
        `  the disk gained ${formatBytes(freedBytes)} (the engine says ${formatBytes(claimedBytes)})`,
      );
    }
  }
  if (finished.deferralsInARow > 1) {
    const span =
      finished.deferredForSeconds === null ? "" : `, for ${formatDuration(finished.deferredForSeconds)}`;
    lines.push(`  deferred ${finished.deferralsInARow} times in a row${span}`);
  }
  return [...lines, ...finished.filesystems.map(look.filesystem)].join("\n");
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

/** What, how large, how old, and why; by which rule of the settings, where it was one. */
function describeObject(fields: AuditEvent["fields"]): string {
  const policy = fields.policy === undefined ? "" : ` (${fields.policy})`;
  return `${describeWhat(fields)}: ${fields.reason}${policy}`;
}

function describeWhat(fields: AuditEvent["fields"]): string {
  const names = fields.names as readonly string[];
  const id = shortId(fields.id as string);
  const size = fields.sizeBytes as number | null;
  return [
    `${KINDS[fields.kind as ObjectKind].one} ${names.length > 0 ? `${listed(names)} (${id})` : id}`,
    ...(size === null ? [] : [formatBytes(size)]),
    describeAge(fields.ageSeconds as number | null, fields.ageBasis as AgeBasis),
  ].join(", ");
}

/** A sentence holds the first of many names; the fields have them all. */
function listed(names: readonly string[], most = 3): string {
  const more = names.length > most ? ` and ${names.length - most} more names` : "";
  return `${names.slice(0, most).join(", ")}${more}`;
}

/** `"last tagged 2d ago"` */
function describeAge(seconds: number | null, basis: AgeBasis): string {
  if (seconds === null || basis === "none") return "age not known";
  const since = basis.replaceAll("-", " ");
  return seconds < 0
    ? `${since} ${formatDuration(-seconds)} in the future`
    : `${since} ${formatDuration(seconds)} ago`;
}

/** `"sha256:0123456789abcdef…"` -> `"0123456789ab"` */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

interface KindWords {
  readonly one: string;
  readonly many: string;
  /** The kind as a whole. */
  readonly all: string;
}

const KINDS: Readonly<Record<ObjectKind, KindWords>> = {
  container: { one: "container", many: "containers", all: "containers" },
  image: { one: "image", many: "images", all: "images" },
  "build-cache": { one: "cache record", many: "cache records", all: "build cache" },
};

const count = (number: number, { one, many }: KindWords) => `${number} ${number === 1 ? one : many}`;

/** `"1 container, 2 images"`, or `"nothing"` */
function counts(byKind: Readonly<Record<ObjectKind, number>>): string {
  const parts = Object.entries(KINDS).flatMap(([kind, words]) => {
    const number = byKind[kind as ObjectKind];
    return number > 0 ? [count(number, words)] : [];
  });
  return parts.join(", ") || "nothing";
}
