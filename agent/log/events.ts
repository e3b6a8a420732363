import type { Checked } from "../auth/check.ts";
import type { Shadow } from "../auth/config.ts";
import type { EngineErrorKind } from "../engine/errors.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Judged, ObjectKind, Plan, ReasonCode } from "../plan/plan.ts";
import type { Bytes, Seconds } from "../units.ts";
import type { Outcome } from "./outcome.ts";

/**
 * What the log can say. An event's name and message never change and never hold variable text; the facts are fields:
 * sizes in bytes, ages in seconds. Scripts rely on the names: add to them, do not rename them.
 */
export type Level = "info" | "warn" | "error";

export interface AuditEvent {
  readonly event: keyof typeof MESSAGES;
  readonly level: Level;
  readonly msg: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const MESSAGES = {
  "pass.started": "a pass starts",
  "gate.verdict": "a gate was asked",
  "fact.unknown": "a fact could not be read",
  "service.ignored": "a service is stuck for so long that it no longer blocks",
  "prune.planned": "this is what the pass will remove",
  "object.planned": "would be removed",
  "object.removed": "removed",
  "object.untagged": "lost its names, and is kept by others",
  "object.kept": "kept",
  "container.stopped": "stopped, to be removed",
  "object.gone": "was gone already",
  "object.failed": "could not be removed",
  "step.skipped": "a step does not apply here",
  "step.finished": "a step is done",
  "pass.ended-early": "the pass ends before its plan is done",
  "pass.ineffective": "the pass did not achieve what it is for",
  "pass.finished": "the pass is done",
  "state.damaged": "the state file was damaged and set aside",
  "state.unwritable": "the state could not be written",
  "metrics.unwritable": "the metrics could not be written",
  "auth.applied": "the registry credentials are in place",
  "auth.unchanged": "the registry credentials were in place already",
  "auth.shadowed": "the Docker client will not use these credentials: it asks a helper instead",
  "auth.failed": "the registry credentials could not be put in place",
  "auth.checked": "a registry was asked whether it takes the stored credentials",
} as const;

function event(
  name: AuditEvent["event"],
  level: Level,
  fields: Readonly<Record<string, unknown>>,
): AuditEvent {
  return { event: name, level, msg: MESSAGES[name], fields };
}

export const passStarted = (fields: {
  readonly version: string;
  readonly dryRun: boolean;
  readonly withoutPressure: boolean;
  /** `rules`: without pressure, only rules that do not wait for it are gone by. */
  readonly scope: "prune-and-rules" | "rules";
  readonly filesystems: readonly NamedFilesystem[];
}) => event("pass.started", "info", fields);

/** A filesystem with the name people know it by, where that could be told. */
export interface NamedFilesystem extends Filesystem {
  readonly mount?: { readonly device: string; readonly type: string; readonly mountPoint: string };
}

export const gateVerdict = ({ gate, verdict, reason, facts }: Verdict) =>
  event("gate.verdict", verdict === "unknown" ? "warn" : "info", { gate, verdict, reason, ...facts });

export const factUnknown = (what: string, reason: string) => event("fact.unknown", "error", { what, reason });

export const serviceIgnored = (fields: {
  readonly service: string;
  readonly why: string;
  readonly busySeconds: Seconds;
}) => event("service.ignored", "warn", fields);

/** @param buildCache `forecast`: listed for a plan that is only shown; `engine-decides`: its prune will be asked */
export const prunePlanned = (plan: Plan, until: Seconds, buildCache: "forecast" | "engine-decides" | "off") =>
  event("prune.planned", "info", {
    untilSeconds: until,
    buildCache,
    remove: countByKind(plan.remove),
    keep: countByKind(plan.keep),
    removeBytes: sumSizes(plan.remove),
  });

/** What every `object.*` line says of its object: `rule` is the reason's code, `policy` the rule of the settings. */
export function objectFields(object: Judged) {
  const { kind, id, names, sizeBytes, ageSeconds, ageBasis, because, reason, rule, references } = object;
  return {
    kind,
    id,
    names,
    sizeBytes,
    ageSeconds,
    ageBasis,
    rule: because,
    reason,
    ...(rule === undefined ? {} : { policy: rule }),
    ...(references === undefined ? {} : { references }),
  };
}

/** Dry runs only: what a pass would remove. */
export const objectPlanned = (object: Judged) => event("object.planned", "info", objectFields(object));
export const objectRemoved = (object: Judged) => event("object.removed", "info", objectFields(object));
/** The names a rule took are gone; the image is still there, by other names or under an image built on it. */
export const objectUntagged = (object: Judged) => event("object.untagged", "info", objectFields(object));
/** @param timeoutSeconds what it was given between SIGTERM and SIGKILL */
export const containerStopped = (object: Judged, timeoutSeconds: Seconds) =>
  event("container.stopped", "info", { ...objectFields(object), timeoutSeconds });
export const objectKept = (object: Judged) => event("object.kept", "info", objectFields(object));
export const objectGone = (object: Judged) => event("object.gone", "info", objectFields(object));
/** @param removed `unknown`: the request was sent, and what came of it was not told */
export const objectFailed = (
  object: Judged,
  error: string,
  status: number | null,
  removed: "no" | "unknown",
) => event("object.failed", "error", { ...objectFields(object), error, status, removed });

export const stepSkipped = (kind: ObjectKind, reason: string) =>
  event("step.skipped", "info", { kind, reason });

export const stepFinished = (fields: StepReport) =>
  event("step.finished", fields.failed > 0 ? "warn" : "info", { ...fields });

export interface StepReport {
  /** What named the objects. */
  readonly by: "orphans" | "retention" | "prune";
  readonly kind: ObjectKind;
  readonly removed: number;
  readonly kept: number;
  /** Planned, and gone before its turn came. */
  readonly gone: number;
  readonly failed: number;
  readonly claimedBytes: Bytes;
  readonly durationSeconds: Seconds;
}

/** @param left objects of the plan that were not come to @param stepsLeft kinds that were not come to at all */
export const passEndedEarly = (
  reason: string,
  left: number,
  stepsLeft: readonly ObjectKind[],
  level: Level,
) => event("pass.ended-early", level, { reason, left, stepsLeft });

export const passIneffective = (fields: {
  readonly cause: "pressure-remains" | "labels-match-nothing" | "rule-matches-nothing";
  readonly reason: string;
  readonly [more: string]: unknown;
}) => event("pass.ineffective", "error", fields);

export const stateDamaged = (reason: string, setAside: string) =>
  event("state.damaged", "warn", { reason, setAside });
export const stateUnwritable = (reason: string) => event("state.unwritable", "warn", { reason });
export const metricsUnwritable = (file: string, reason: string) =>
  event("metrics.unwritable", "warn", { file, reason });

/** Registries by name (`"docker.io"`); `target` is the client's config file. */
export const authApplied = (fields: {
  readonly target: string;
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** No longer wanted, and changed by somebody else since we wrote them. */
  readonly left: readonly string[];
  /** The file was readable for others, and no longer is. */
  readonly closedToOthers: boolean;
}) => event("auth.applied", "info", fields);
export const authUnchanged = (fields: {
  readonly target: string;
  readonly registries: number;
  readonly left: readonly string[];
}) => event("auth.unchanged", "info", fields);
export const authShadowed = (fields: Shadow & { readonly target: string }) =>
  event("auth.shadowed", "warn", { ...fields });
/** @param fields.reason holds no secret: agent/auth/redact.ts */
export const authFailed = (fields: { readonly target: string; readonly reason: string }) =>
  event("auth.failed", "error", fields);
export const authChecked = (checked: Checked) =>
  event("auth.checked", checked.result === "accepted" ? "info" : "error", { ...checked });

export interface PassFinished {
  readonly outcome: Outcome;
  readonly exitCode: number;
  /** Why it came to this outcome, as a sentence. */
  readonly reason: string;
  /** Measured by statfs before and after, over all watched filesystems; negative when others wrote more. */
  readonly freedBytes: Bytes;
  /** What the engine says the removed objects held; layers that several share count more than once. */
  readonly claimedBytes: Bytes;
  readonly durationSeconds: Seconds;
  /** As measured at the end. */
  readonly filesystems: readonly FilesystemReport[];
  readonly removed: Readonly<Record<ObjectKind, number>>;
  /** What `claimedBytes` is made of. */
  readonly removedBytes: Readonly<Record<ObjectKind, Bytes>>;
  readonly kept: number;
  /** Planned, and gone before its turn came. */
  readonly gone: number;
  readonly failed: number;
  /** The same objects, and why; no two entries of one kind, fate and reason. */
  readonly objects: readonly ObjectCount[];
  /** What each rule of `retention`, `snapshots` and `orphans` came to, of those that this pass went by. */
  readonly rules: readonly RuleReport[];
  readonly deferralsInARow: number;
  /** `null`: the last pass was not deferred. */
  readonly deferredForSeconds: Seconds | null;
  readonly engineRequests: number;
  /** The gate that deferred or ended the pass. */
  readonly gate: Verdict["gate"] | null;
}

/** A watched filesystem in a finished pass. */
export interface FilesystemReport extends Filesystem {
  /** The high watermark then as df's Use%; of a mark in bytes, what it comes to on this filesystem. */
  readonly highWatermarkPercent: number;
  /** The same for the low watermark; absent where none is set. */
  readonly lowWatermarkPercent?: number;
  /** At the start of the pass; absent where the pass looked once. */
  readonly before?: Pick<Filesystem, "usedPercent" | "availableBytes" | "inodesUsedPercent">;
}

/** Fates of objects, counted. */
export interface ObjectCount {
  readonly kind: ObjectKind;
  /** `untagged`: it lost the names that a rule took, and is kept by others. */
  readonly fate: "removed" | "untagged" | "kept" | "gone" | "failed";
  /** The rule that decided (plan/plan.ts); of a failure, what came in between (engine/errors.ts). */
  readonly reason: ReasonCode | EngineErrorKind;
  readonly count: number;
}

/** One rule of the settings in one pass. */
export interface RuleReport {
  readonly list: "retention" | "orphans";
  readonly name: string;
  /** Images or containers that it names. */
  readonly matched: number;
  /** Left the family: removed, or lost the names that the rule took. */
  readonly removed: number;
  readonly failed: number;
  /** Of those that are still there: the bytes that nothing outside the family holds; `null`: not measured. */
  readonly keptBytes: Bytes | null;
}

export const passFinished = (fields: PassFinished, level: Level) =>
  event("pass.finished", level, { ...fields });

export function countByKind(objects: readonly Judged[]): Record<ObjectKind, number> {
  const counts: Record<ObjectKind, number> = { container: 0, image: 0, "build-cache": 0 };
  for (const { kind } of objects) counts[kind]++;
  return counts;
}

/** What its removal is expected to give back: nothing where it keeps other names. */
export function claimed({ action, sizeBytes, names, references = [] }: Judged): Bytes {
  const keepsNames = action === "remove" && references.length > 0 && names.length > references.length;
  return keepsNames ? 0 : (sizeBytes ?? 0);
}

export function sumSizes(objects: readonly Judged[]): Bytes {
  return objects.reduce((sum, object) => sum + claimed(object), 0);
}
