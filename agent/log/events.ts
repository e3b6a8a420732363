import type { Verdict } from "../gates/verdict.ts";
import type { PruneAges } from "../plan/age.ts";
import { type Judged, NONE_OF_EACH, type ObjectKind, type Plan } from "../plan/plan.ts";
import type { Bytes } from "../units.ts";
import { AUTH_EVENTS } from "./auth-events.ts";
import { OBJECT_EVENTS, type ObjectFields } from "./object-events.ts";
import { PASS_EVENTS } from "./pass-events.ts";
import type { EventRow, Level } from "./row.ts";

export type { StepReport } from "./object-events.ts";
export type { FilesystemReport, ObjectCount, PassFinished, RuleReport } from "./pass-events.ts";
export type { Level, NamedFilesystem } from "./row.ts";

/**
 * What the log can say. An event's name and message never change and never hold variable text; the facts are fields:
 * sizes in bytes, ages in seconds. Scripts rely on the names: add to them, do not rename them.
 */
export const EVENTS = { ...PASS_EVENTS, ...OBJECT_EVENTS, ...AUTH_EVENTS };

type EventName = keyof typeof EVENTS;
export type FieldsOf<Name extends EventName> =
  (typeof EVENTS)[Name] extends EventRow<infer Fields> ? Fields : never;

/** One event of that name; of any name by default. */
export type AuditEvent<Name extends EventName = EventName> = {
  readonly [Each in Name]: {
    readonly event: Each;
    readonly level: Level;
    readonly msg: string;
    readonly fields: FieldsOf<Each>;
  };
}[Name];

export const rowOf = ({ event }: AuditEvent) => EVENTS[event] as unknown as EventRow<AuditEvent["fields"]>;

/** @param level needed where only the pass can tell it */
export function event<Name extends EventName>(name: Name, fields: FieldsOf<Name>, level?: Level) {
  const { level: usual, msg } = EVENTS[name] as unknown as EventRow<FieldsOf<Name>>;
  const told = level ?? (typeof usual === "function" ? usual(fields) : usual);
  return { event: name, level: told, msg, fields } as unknown as AuditEvent<Name>;
}

export const gateFields = ({ facts, ...verdict }: Verdict) => ({ ...verdict, ...facts });
export const gateVerdict = (verdict: Verdict) => event("gate.verdict", gateFields(verdict));

export const factUnknown = (what: string, reason: string) => event("fact.unknown", { what, reason });

export const prunePlanned = (
  plan: Plan,
  { until, containers, images, shorter }: PruneAges,
  buildCache: FieldsOf<"prune.planned">["buildCache"],
  unlooked = 0,
) =>
  event("prune.planned", {
    untilSeconds: until,
    ...(typeof containers === "object" ? { containersUntilSeconds: containers.until } : {}),
    ...(typeof images === "object" ? { imagesUntilSeconds: images.until } : {}),
    ...(shorter === undefined ? {} : { emergencyUntilSeconds: shorter.seconds }),
    buildCache,
    remove: countByKind(plan.remove),
    keep: countByKind(plan.keep),
    removeBytes: sumSizes(plan.remove),
    ...(unlooked === 0 ? {} : { unlooked }),
  });

export function objectFields(object: Judged): ObjectFields {
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

/** What became of an object, where there is no more to say than that. */
export const objectEvent = (fate: "planned" | "removed" | "untagged" | "kept" | "gone", object: Judged) =>
  event(`object.${fate}`, objectFields(object));

export function countByKind(objects: readonly Judged[]): Record<ObjectKind, number> {
  const counts: Record<ObjectKind, number> = { ...NONE_OF_EACH };
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

/** Logs a verdict, and what could not be read as what it is. */
export function say(journal: { emit(event: AuditEvent): void }, verdict: Verdict): void {
  journal.emit(gateVerdict(verdict));
  if (verdict.verdict === "unknown") journal.emit(factUnknown(`gate ${verdict.gate}`, verdict.reason));
}
