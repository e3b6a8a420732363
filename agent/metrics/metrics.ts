import { Counter, Gauge, Registry } from "prom-client";
import { crossings, inodePercent } from "../gates/disk-pressure.ts";
import { GATE_NAMES } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import { replaceFile } from "../host/files.ts";
import type { PassFinished } from "../log/events.ts";
import { OUTCOMES } from "../log/row.ts";
import { NONE_OF_EACH, type ObjectKind, type ReasonCode } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import type { State, Warmth } from "../state/state.ts";
import { visible } from "../text.ts";
import type { Watermark } from "../units.ts";

/**
 * What a pass tells Prometheus, as a file for node_exporter's textfile collector. Loaded only where
 * `metrics.textfile` is set (docs/development/decisions/0010-metrics.md). Every label is of a set that is known
 * beforehand: our own words, the rules of the settings, the watched filesystems. No object's name ever is one.
 */

const PREFIX = "ci_docker_prune_";

/** Dry runs leave no trace. */
const PASSES = OUTCOMES.filter((outcome) => outcome !== "dry-run");
/** What may go, and by which rule. */
const REMOVALS: readonly (readonly [ObjectKind, ReasonCode])[] = [
  ["container", "expired"],
  ["container", "orphaned"],
  ["image", "expired"],
  ["image", "unused"],
  ["image", "over-count"],
  ["image", "over-size"],
  ["image", "evicted"],
  ["build-cache", "expired"],
  ["network", "expired"],
];

export interface MeasuredPass {
  readonly version: string;
  readonly endedAt: number;
  readonly finished: PassFinished;
  readonly state: Pick<State, "engineVersion" | "totals" | "deferrals" | "cache">;
  readonly settings: Pick<Settings, "disk" | "metrics">;
  /** Where the filesystem of a watched path is mounted. */
  mountPoint(path: string): string;
}

interface Sample {
  /** The same keys in all samples of a family. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** None: the family is left out of this file. */
  samples(pass: MeasuredPass): readonly Sample[];
}

type Samples = Family["samples"];

const gauge = (help: string, samples: Samples): Family => ({ type: "gauge", help, samples });
const counter = (help: string, samples: Samples): Family => ({ type: "counter", help, samples });

/** One series a watched filesystem; none where it is `null`. */
const filesystems =
  (value: (filesystem: Filesystem, disk: Settings["disk"]) => number | null): Samples =>
  ({ finished, settings, mountPoint }) =>
    finished.filesystems.flatMap((filesystem) => {
      const [path = "?"] = filesystem.paths;
      return one(value(filesystem, settings.disk), { mountpoint: visible(mountPoint(path)) });
    });

const lastPass =
  (field: "durationSeconds" | "exitCode" | "freedBytes" | "claimedBytes"): Samples =>
  ({ finished }) =>
    one(finished[field]);

/** One series a rule of the settings; none where it is not known. */
const rules =
  (field: "matched" | "keptBytes" | "passes" | "matchedPasses" | "removed" | "failed"): Samples =>
  ({ state }) =>
    state.totals.rules.flatMap((rule) => one(rule[field], { list: rule.list, rule: rule.name }));

/** Of the ledger of uses, as it was read last; none where the last tier is off. */
const cache =
  (field: keyof Warmth): Samples =>
  ({ state }) =>
    one(state.cache === null ? null : state.cache[field]);

const one = (value: number | null, labels: Sample["labels"] = {}): Sample[] =>
  value === null ? [] : [{ labels, value }];

const seconds = (milliseconds: number | null): Sample[] =>
  one(milliseconds === null ? null : milliseconds / 1000);

const oneOf = (label: string, all: readonly string[], current: string | null): Sample[] =>
  each(label, all, current === null ? {} : { [current]: 1 });

const each = (label: string, all: readonly string[], counts: Readonly<Record<string, number>>): Sample[] =>
  all.map((name) => ({ labels: { [label]: name }, value: counts[name] ?? 0 }));

const FAMILIES: Readonly<Record<string, Family>> = {
  build_info: gauge("Version of the agent that wrote this file.", ({ version }) => one(1, { version })),
  engine_info: gauge(
    "Version of the engine, as it said when it was last asked.",
    ({ state: { engineVersion } }) =>
      engineVersion === null ? [] : one(1, { version: visible(engineVersion).slice(0, 64) }),
  ),
  last_pass_timestamp_seconds: gauge("When the last pass ended.", ({ endedAt }) => one(endedAt / 1000)),
  last_success_timestamp_seconds: gauge(
    "When a pass last ended with exit code 0, neither deferred nor cut short.",
    ({ state }) => seconds(state.totals.lastSuccessAt),
  ),
  last_pass_duration_seconds: gauge("How long the last pass took.", lastPass("durationSeconds")),
  last_pass_exit_code: gauge("What the last pass ended with.", lastPass("exitCode")),
  last_pass_outcome: gauge("1 for what the last pass came to, 0 for the others.", ({ finished }) =>
    oneOf("outcome", PASSES, finished.outcome),
  ),
  last_pass_gate: gauge(
    "1 for the gate that ended or deferred the last pass, 0 for the others.",
    ({ finished }) => oneOf("gate", GATE_NAMES, finished.gate),
  ),
  last_pass_freed_bytes: gauge(
    "Space gained over the last pass, as measured; negative when others wrote more.",
    lastPass("freedBytes"),
  ),
  last_pass_claimed_bytes: gauge(
    "Space that the engine says the last pass freed; shared layers count more than once.",
    lastPass("claimedBytes"),
  ),
  last_pass_objects: gauge(
    "Objects that the last pass judged, by what became of them and the rule or error that decided.",
    ({ finished }) => finished.objects.map(({ count: value, ...labels }) => ({ labels, value })),
  ),
  deferrals_in_a_row: gauge(
    "Passes in a row that were deferred under pressure up to now, by the gate that deferred each.",
    ({ state }) => each("gate", GATE_NAMES, state.totals.deferralsInARow),
  ),
  deferred_since_timestamp_seconds: gauge(
    "Since when passes are deferred under pressure; absent while they are not.",
    ({ state }) => seconds(state.deferrals.since),
  ),
  filesystem_size_bytes: gauge(
    "Size of a watched filesystem.",
    filesystems(({ totalBytes }) => totalBytes),
  ),
  filesystem_used_bytes: gauge(
    "Used space of a watched filesystem.",
    filesystems(({ usedBytes }) => usedBytes),
  ),
  filesystem_available_bytes: gauge(
    "What ordinary users may still write to a watched filesystem.",
    filesystems(({ availableBytes }) => availableBytes),
  ),
  filesystem_used_ratio: gauge(
    "Used share of a watched filesystem, rounded up to percent as df does.",
    filesystems(({ usedPercent }) => usedPercent / 100),
  ),
  filesystem_high_watermark_bytes: gauge(
    "Used space at which a watched filesystem is under pressure.",
    filesystems((filesystem, { highWatermark }) => markBytes(filesystem, highWatermark)),
  ),
  filesystem_low_watermark_bytes: gauge(
    "Used space below which a pass removes no more; absent where there is no such mark.",
    filesystems((filesystem, { lowWatermark }) => lowWatermark && markBytes(filesystem, lowWatermark)),
  ),
  filesystem_inodes: gauge(
    "Inodes of a watched filesystem; absent where it counts none.",
    filesystems(({ totalInodes }) => totalInodes),
  ),
  filesystem_free_inodes: gauge(
    "Free inodes of a watched filesystem.",
    filesystems(({ freeInodes }) => freeInodes),
  ),
  filesystem_high_watermark_inodes: gauge(
    "Used inodes at which a watched filesystem is under pressure; absent where they are not judged.",
    filesystems(markInodes),
  ),
  filesystem_under_pressure: gauge(
    "1 when a watched filesystem is at its high watermark after the last pass.",
    filesystems((filesystem, { highWatermark, inodes }) =>
      Number(crossings(filesystem, highWatermark, inodes).length > 0),
    ),
  ),
  passes_total: counter("Passes, by what they came to.", ({ state }) =>
    each("outcome", PASSES, state.totals.passes),
  ),
  deferred_passes_total: counter("Deferred passes, by gate.", ({ state }) =>
    each("gate", GATE_NAMES, state.totals.deferred),
  ),
  removed_objects_total: counter("Removed objects, by the rule that decided.", ({ state }) => [
    // A series that begins above 0 hides its first step from increase().
    ...REMOVALS.map(([kind, reason]) => ({ labels: { kind, reason }, value: 0 })),
    ...state.totals.objects
      .filter(({ fate }) => fate === "removed")
      .map(({ kind, reason, count }) => ({ labels: { kind, reason }, value: count })),
  ]),
  failed_objects_total: counter("Objects that could not be removed.", ({ state }) => {
    const failed: Record<string, number> = {};
    for (const { kind, fate, count } of state.totals.objects)
      if (fate === "failed") failed[kind] = (failed[kind] ?? 0) + count;
    return each("kind", Object.keys(NONE_OF_EACH), failed);
  }),
  freed_bytes_total: counter("Space gained over passes that removed something, as measured.", ({ state }) =>
    one(state.totals.freedBytes),
  ),
  claimed_bytes_total: counter("Space that the engine says passes freed.", ({ state }) =>
    one(state.totals.claimedBytes),
  ),
  rule_matched_objects: gauge(
    "Images or containers that a rule of the settings named when a pass last went by it.",
    rules("matched"),
  ),
  rule_kept_bytes: gauge(
    "Bytes that only a rule's remaining images hold, when a pass last measured them.",
    rules("keptBytes"),
  ),
  rule_passes_total: counter("Passes that went by a rule of the settings.", rules("passes")),
  rule_matched_passes_total: counter(
    "Passes in which a rule named at least one image or container.",
    rules("matchedPasses"),
  ),
  rule_removed_objects_total: counter("Images or containers that a rule removed.", rules("removed")),
  rule_failed_objects_total: counter(
    "Images or containers that a rule would have removed and that could not be.",
    rules("failed"),
  ),
  cache_read_timestamp_seconds: gauge("When a pass last read the ledger of uses.", ({ state }) =>
    seconds(state.cache?.at ?? null),
  ),
  cache_uses: gauge("Uses of images that a registry has, over seven days.", cache("uses")),
  cache_warm_uses: gauge("Of those, uses of an image that was here before.", cache("warmUses")),
  cache_evictions: gauge("Named images that the last tier removed, over seven days.", cache("evictions")),
  cache_regrets: gauge("Images that came back after they were evicted, over seven days.", cache("regrets")),
  cache_ledger_start_timestamp_seconds: gauge("When the ledger of uses begins.", ({ state }) =>
    seconds(state.cache?.since ?? null),
  ),
  cache_ledger_gap_seconds: gauge("What nobody heard of the last seven days.", cache("gapSeconds")),
  cache_working_set_bytes: gauge(
    "What the images of the last 30 days take on disk, estimated.",
    cache("workingSetBytes"),
  ),
};

/** The mark in bytes of used space. df's whole is used and available: without the reserve that ext4 keeps for root. */
function markBytes({ usedBytes, availableBytes }: Filesystem, mark: Watermark): number {
  const whole = usedBytes + availableBytes;
  return mark.kind === "used-percent"
    ? Math.round((whole * mark.percent) / 100)
    : Math.max(0, whole - mark.bytes);
}

/** `null`: they are not judged. */
function markInodes({ totalInodes }: Filesystem, { inodes, highWatermark }: Settings["disk"]): number | null {
  if (totalInodes === null || inodes === false) return null;
  return typeof inodes === "number"
    ? Math.max(0, totalInodes - inodes)
    : Math.round((totalInodes * inodePercent(highWatermark)) / 100);
}

/** The text exposition format, version 0.0.4. */
export async function renderMetrics(pass: MeasuredPass): Promise<string> {
  const registry = new Registry();
  for (const [name, { type, help, samples }] of Object.entries(FAMILIES)) {
    const found = samples(pass);
    if (found[0] === undefined) continue;
    const labelNames = Object.keys(found[0].labels);
    const family = { name: `${PREFIX}${name}`, help, labelNames, registers: [registry] };
    const metric = type === "gauge" ? new Gauge(family) : new Counter(family);
    for (const { labels, value } of found) {
      if (metric instanceof Gauge) metric.set(labels, value);
      else metric.inc(labels, value);
    }
  }
  return registry.metrics();
}

/** Replaces the file as a whole; readable by all. Throws what the filesystem says. */
export async function writeMetrics(file: string, pass: MeasuredPass): Promise<void> {
  replaceFile(file, await renderMetrics(pass), { mode: 0o644, durable: false });
}
