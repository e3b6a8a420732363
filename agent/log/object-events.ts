import type { AgeBasis } from "../plan/age.ts";
import type { Judged, ObjectKind } from "../plan/plan.ts";
import { shortId } from "../text.ts";
import { type Bytes, formatBytes, formatDuration, type Seconds } from "../units.ts";
import { row } from "./row.ts";

/** What every `object.*` line says of its object: `rule` is the reason's code, `policy` the rule of the settings. */
export interface ObjectFields
  extends Pick<Judged, "kind" | "id" | "names" | "sizeBytes" | "ageSeconds" | "ageBasis" | "reason"> {
  readonly rule: Judged["because"];
  readonly policy?: string;
  readonly references?: readonly string[];
}

export interface StepReport {
  /** What named the objects. */
  readonly by: "orphans" | "retention" | "prune" | "emergency" | "cache";
  readonly kind: ObjectKind;
  readonly removed: number;
  readonly kept: number;
  /** Planned, and gone before its turn came. */
  readonly gone: number;
  readonly failed: number;
  readonly claimedBytes: Bytes;
  readonly durationSeconds: Seconds;
}

const changed = <Fields extends ObjectFields>(msg: string, words: (fields: Fields) => string) =>
  row<Fields>({
    level: "info",
    msg,
    notice: () => true,
    say: (fields, { mark }) => `  ${mark("−", "green")}${words(fields)}`,
  });
const unchanged = (msg: string, words: (fields: ObjectFields) => string) =>
  row<ObjectFields>({
    level: "info",
    msg,
    say: (fields, { pc, mark }) => `  ${mark("=", "dim")}${pc.dim(words(fields))}`,
  });

export const OBJECT_EVENTS = {
  /** Dry runs only: what a pass would remove. */
  "object.planned": {
    ...changed("would be removed", (fields: ObjectFields) => `would remove ${describeObject(fields)}`),
    notice: () => false,
  },
  "object.removed": changed("removed", (fields) => `removed ${describeObject(fields)}`),
  /** The names a rule took are gone; the image is still there, by other names or under an image built on it. */
  "object.untagged": changed("lost its names, and is kept by others", (fields) => {
    const taken = `took ${listed(fields.references ?? [])} off ${describeObject(fields)}`;
    return `${taken}; the image stays, by other names or under one built on it`;
  }),
  "object.kept": unchanged("kept", (fields) => `kept ${describeObject(fields)}`),
  "container.stopped": changed<ObjectFields & { readonly timeoutSeconds: Seconds }>(
    "stopped, to be removed",
    (fields) => `stopped ${describeObject(fields)}`,
  ),
  "object.gone": unchanged(
    "was gone already",
    (fields) => `gone before its turn came: ${describeWhat(fields)}`,
  ),
  /** `removed: "unknown"`: the request was sent, and what came of it was not told. */
  "object.failed": row<
    ObjectFields & {
      readonly error: string;
      readonly status: number | null;
      readonly removed: "no" | "unknown";
    }
  >({
    level: "error",
    msg: "could not be removed",
    say: (fields, { pc, mark }) => {
      const what = fields.removed === "unknown" ? "not known whether it removed" : "could not remove";
      return `  ${mark("✗", "red")}${pc.red(`${what} ${describeWhat(fields)}: ${fields.error}`)}`;
    },
  }),
  "step.skipped": row<{ readonly kind: ObjectKind; readonly reason: string }>({
    level: "info",
    msg: "a step does not apply here",
    say: ({ kind, reason }, { pc, mark }) =>
      `  ${mark("=", "dim")}${pc.dim(`${KINDS[kind].all} skipped: ${reason}`)}`,
  }),
  "step.finished": row<StepReport>({
    level: ({ failed }) => (failed > 0 ? "warn" : "info"),
    msg: "a step is done",
    say: (step, { pc }) => {
      const gone = step.gone > 0 ? `, ${step.gone} gone before` : "";
      const failed = step.failed > 0 ? pc.red(`, ${step.failed} failed`) : "";
      const by = step.by === "prune" ? "" : `${step.by}, `;
      const what = `${by}${KINDS[step.kind].all}: ${step.removed} removed, ${step.kept} kept${gone}`;
      const took = formatDuration(step.durationSeconds);
      const claimed = `; the engine says ${formatBytes(step.claimedBytes)}, in ${took}`;
      return `  ${pc.dim(what)}${failed}${pc.dim(claimed)}`;
    },
  }),
};

/** One, several, and the kind as a whole. */
export const KINDS: Readonly<Record<ObjectKind, Readonly<Record<"one" | "many" | "all", string>>>> = {
  container: { one: "container", many: "containers", all: "containers" },
  image: { one: "image", many: "images", all: "images" },
  "build-cache": { one: "cache record", many: "cache records", all: "build cache" },
  network: { one: "network", many: "networks", all: "networks" },
};

/** `"1 image"`, `"2 images"` */
export const countOf = (number: number, kind: ObjectKind): string =>
  `${number} ${number === 1 ? KINDS[kind].one : KINDS[kind].many}`;

/** `"1 container, 2 images"`, or `"nothing"` */
export function counts(byKind: Readonly<Record<ObjectKind, number>>): string {
  const parts = (Object.keys(KINDS) as ObjectKind[]).flatMap((kind) =>
    byKind[kind] > 0 ? [countOf(byKind[kind], kind)] : [],
  );
  return parts.join(", ") || "nothing";
}

/** What, how large, how old, and why; by which rule of the settings, where it was one. */
function describeObject(fields: ObjectFields): string {
  const policy = fields.policy === undefined ? "" : ` (${fields.policy})`;
  return `${describeWhat(fields)}: ${fields.reason}${policy}`;
}

function describeWhat({ kind, id, names, sizeBytes, ageSeconds, ageBasis }: ObjectFields): string {
  const short = shortId(id);
  return [
    `${KINDS[kind].one} ${names.length > 0 ? `${listed(names)} (${short})` : short}`,
    ...(sizeBytes === null ? [] : [formatBytes(sizeBytes)]),
    // The engine reports which records its prune took, not how old they were.
    ...(kind === "build-cache" && ageSeconds === null ? [] : [describeAge(ageSeconds, ageBasis)]),
  ].join(", ");
}

/** A sentence holds the first of many names; the fields have them all. */
function listed(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more names` : "";
  return `${names.slice(0, 3).join(", ")}${more}`;
}

/** `"last tagged 2d ago"` */
function describeAge(seconds: number | null, basis: AgeBasis): string {
  if (seconds === null || basis === "none") return "age not known";
  const since = basis.replaceAll("-", " ");
  return seconds < 0
    ? `${since} ${formatDuration(-seconds)} in the future`
    : `${since} ${formatDuration(seconds)} ago`;
}
