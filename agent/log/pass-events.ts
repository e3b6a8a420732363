import type { EngineErrorKind } from "../engine/errors.ts";
import { GATE_TITLES, type GateName, type Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import type { Holder } from "../plan/holders.ts";
import type { ObjectKind, ReasonCode } from "../plan/plan.ts";
import { type Bytes, formatBytes, formatDuration, type Seconds } from "../units.ts";
import { countOf, counts, KINDS } from "./object-events.ts";
import { type Level, type Look, type NamedFilesystem, type Outcome, row, warning } from "./row.ts";

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

export interface ObjectCount {
  readonly kind: ObjectKind;
  /** `untagged`: it lost the names that a rule took, and is kept by others. */
  readonly fate: "removed" | "untagged" | "kept" | "gone" | "failed";
  /** The rule that decided (plan/plan.ts); of a failure, what came in between (engine/errors.ts). */
  readonly reason: ReasonCode | EngineErrorKind;
  readonly count: number;
}

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

type Ineffective =
  | {
      readonly cause: "pressure-remains";
      readonly reason: string;
      readonly removed: number;
      /** A text where it is not known. */
      readonly holders: readonly Holder[] | string;
    }
  | {
      readonly cause: "labels-match-nothing";
      readonly reason: string;
      readonly labels: readonly string[];
      readonly unselectedImages: number;
      readonly unselectedBytes: Bytes;
    }
  | {
      readonly cause: "rule-matches-nothing";
      readonly reason: string;
      /** `"retention/workers"` */
      readonly policy: string;
      readonly labels: readonly string[];
      readonly unlabelledImages: number;
      readonly unlabelledBytes: Bytes;
      readonly labelledContainers: number;
    };

export const PASS_EVENTS = {
  "pass.started": row<{
    readonly version: string;
    readonly dryRun: boolean;
    readonly withoutPressure: boolean;
    /** `rules`: without pressure, only rules that do not wait for it are gone by. */
    readonly scope: "prune-and-rules" | "rules";
    /** Why a shorter age limit holds, and which; absent: none does. */
    readonly emergency?: string;
    readonly filesystems: readonly NamedFilesystem[];
  }>({
    level: "info",
    msg: "a pass starts",
    say: ({ dryRun, withoutPressure, scope, emergency, filesystems }, { pc, filesystem, mark }) => {
      const what = pc.bold(dryRun ? "A dry run starts" : "A pass starts");
      const forRules = scope === "rules" ? " for the rules that wait for no disk pressure" : "";
      const how = withoutPressure ? ", whatever the disk says" : forRules;
      const why = emergency === undefined ? [] : [`${mark("!", "yellow")}${emergency}`];
      return [`${what}${how}`, ...why, ...filesystems.map(filesystem)].join("\n");
    },
  }),
  /** With the facts of the verdict beside these. */
  "gate.verdict": row<Omit<Verdict, "facts">>({
    level: ({ verdict }) => (verdict === "unknown" ? "warn" : "info"),
    msg: "a gate was asked",
    say: ({ gate, verdict, reason }, { verdicts }) => `${verdicts[verdict]}${GATE_TITLES[gate]}: ${reason}`,
  }),
  /** `what`: `"the engine"`, `"whether the pass helped"`, `"gate live-run"` */
  "fact.unknown": row<{ readonly what: string; readonly reason: string }>({
    level: "error",
    msg: "a fact could not be read",
    say: ({ what, reason }, { mark }) => {
      const gate = what.startsWith("gate ") ? GATE_TITLES[what.slice(5) as GateName] : undefined;
      const asked = gate === undefined ? what : `whether the gate for ${gate} is open`;
      return `${mark("?", "red")}could not ${asked.startsWith("whether ") ? "tell" : "read"} ${asked}: ${reason}`;
    },
  }),
  "service.ignored": warning<{
    readonly service: string;
    readonly why: string;
    readonly busySeconds: Seconds;
  }>(
    "a service is stuck for so long that it no longer blocks",
    ({ service, why, busySeconds }) =>
      `service ${service} has been stuck for ${formatDuration(busySeconds)} (${why}) and no longer blocks`,
  ),
  "prune.planned": row<{
    readonly untilSeconds: Seconds;
    /** Absent: `untilSeconds` holds for them too. */
    readonly containersUntilSeconds?: Seconds;
    readonly imagesUntilSeconds?: Seconds;
    /** In an emergency: as long as it lasts, this holds in place of all of these. */
    readonly emergencyUntilSeconds?: Seconds;
    /** `forecast`: listed for a plan that is only shown; `engine-decides`: its prune will be asked. */
    readonly buildCache: "forecast" | "engine-decides" | "off";
    readonly remove: Readonly<Record<ObjectKind, number>>;
    readonly keep: Readonly<Record<ObjectKind, number>>;
    readonly removeBytes: Bytes;
    /** Of those in `remove`, how many are old enough by the list alone: judged by the look before their deletion. */
    readonly unlooked?: number;
  }>({
    level: "info",
    msg: "this is what the pass will remove",
    say: ({ untilSeconds, buildCache, remove, keep, removeBytes, unlooked = 0, ...own }) => {
      const limits = [
        formatDuration(untilSeconds),
        ...ofKind("containers", own.containersUntilSeconds),
        ...ofKind("images", own.imagesUntilSeconds),
        ...ofKind("in the emergency", own.emergencyUntilSeconds),
      ].join(", ");
      const size = removeBytes > 0 ? ` (${formatBytes(removeBytes)})` : "";
      const cache = buildCache === "engine-decides" ? "; build cache by the engine, same age limit" : "";
      const looks = unlooked > 0 ? `; ${unlooked} of these if a look right before finds them that old` : "";
      return `Plan: remove ${counts(remove)}${size}, keep ${counts(keep)}; age limit ${limits}${cache}${looks}`;
    },
  }),
  /** At the level of what ended it. `left`: objects of the plan, `stepsLeft`: kinds, that were not come to. */
  "pass.ended-early": row<{
    readonly reason: string;
    readonly left: number;
    readonly stepsLeft: readonly ObjectKind[];
  }>({
    level: "warn",
    msg: "the pass ends before its plan is done",
    say: ({ reason, left, stepsLeft }, { pc }) => {
      const kinds = stepsLeft.map((kind) => KINDS[kind].all);
      const untouched = kinds.length === 0 ? "" : `, ${kinds.join(" and ")} not come to`;
      return pc.yellow(`The pass ends before its plan is done, ${left} left${untouched}: ${reason}`);
    },
  }),
  "pass.ineffective": row<Ineffective>({
    level: "error",
    msg: "the pass did not achieve what it is for",
    say: describeIneffective,
  }),
  /** At level warn, too, where passes are deferred for too long. */
  "pass.finished": row<PassFinished>({
    level: "info",
    msg: "the pass is done",
    notice: ({ outcome }) => outcome !== "below-watermark",
    say: describeFinish,
  }),
  "state.damaged": warning<{ readonly reason: string; readonly setAside: string }>(
    "the state file was damaged and set aside",
    ({ reason, setAside }) =>
      `the state file was damaged (${reason}); the pass starts from nothing; the old one: ${setAside}`,
  ),
  "state.unwritable": warning<{ readonly reason: string }>(
    "the state could not be written",
    ({ reason }) => `the state could not be written, the next pass will not know of this: ${reason}`,
  ),
  "metrics.unwritable": warning<{ readonly file: string; readonly reason: string }>(
    "the metrics could not be written",
    ({ file, reason }) => `the metrics could not be written, ${file}: ${reason}`,
  ),
};

function describeIneffective(fields: Ineffective, { pc }: Look): string {
  const { cause, reason } = fields;
  if (cause === "pressure-remains") {
    const lead = `${pc.red(pc.bold("Not enough:"))} ${pc.red(`the disk is still ${reason}`)}`;
    return [lead, ...describeHolders(fields.holders)].join("\n");
  }
  const [images, bytes] =
    cause === "labels-match-nothing"
      ? [fields.unselectedImages, fields.unselectedBytes]
      : [fields.unlabelledImages, fields.unlabelledBytes];
  return [
    `${pc.red(pc.bold("A rule without effect:"))} ${pc.red(reason)}`,
    `  ${countOf(images, "image")} without, ${formatBytes(bytes)}`,
  ].join("\n");
}

function describeHolders(holders: readonly Holder[] | string): string[] {
  if (typeof holders === "string") return [`  what holds the space: ${holders}`];
  return holders.flatMap(({ what, bytes, count, note, largest, wayOut }) => [
    `  ${formatBytes(bytes).padStart(9)}  ${what}${count === null ? "" : ` (${count})`}: ${note}`,
    ...largest.map((part) => `             ${formatBytes(part.bytes)} ${part.name}: ${part.note}`),
    ...(wayOut === null ? [] : [`             -> ${wayOut}`]),
  ]);
}

function describeFinish(finished: PassFinished, look: Look, level: Level): string {
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

/** `["containers 48h"]`; none where they have no limit of their own. */
const ofKind = (kind: string, until: Seconds | undefined): string[] =>
  until === undefined ? [] : [`${kind} ${formatDuration(until)}`];
