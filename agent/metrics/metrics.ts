import { Counter, Gauge, Registry } from "prom-client";
import { crossings, inodePercent } from "../gates/disk-pressure.ts";
import { GATE_NAMES } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import { replaceFile } from "../host/files.ts";
import type { Outcome } from "../log/outcome.ts";
import { NONE_OF_EACH, type ObjectKind, type ReasonCode } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { visible } from "../text.ts";
import type { Watermark } from "../units.ts";
import {
  cache,
  counter,
  each,
  type Family,
  filesystems,
  gauge,
  type MeasuredPass,
  one,
  oneOf,
  rules,
  seconds,
} from "./family.ts";

/**
 * What a pass tells Prometheus, as a file for node_exporter's textfile collector. Loaded only where
 * `metrics.textfile` is set (docs/development/decisions/0010-metrics.md). Every label is of a set that is known
 * beforehand: our own words, the rules of the settings, the watched filesystems. No object's name ever is one.
 */

const PREFIX = "ci_docker_prune_";

/** Dry runs leave no trace. */
const OUTCOMES = Object.keys({
  "below-watermark": 0,
  deferred: 0,
  pruned: 0,
  "nothing-eligible": 0,
  "pressure-remains": 0,
  incomplete: 0,
  failed: 0,
} satisfies Record<Exclude<Outcome, "dry-run">, 0>);
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
const KINDS = Object.keys(NONE_OF_EACH);

const FAMILIES: readonly Family[] = [
  gauge("build_info", "Version of the agent that wrote this file.", ({ version }) => [
    { labels: { version }, value: 1 },
  ]),
  gauge("engine_info", "Version of the engine, as it said when it was last asked.", ({ state }) =>
    state.engineVersion === null
      ? []
      : [{ labels: { version: visible(state.engineVersion).slice(0, 64) }, value: 1 }],
  ),
  gauge("last_pass_timestamp_seconds", "When the last pass ended.", ({ endedAt }) => one(endedAt / 1000)),
  gauge(
    "last_success_timestamp_seconds",
    "When a pass last ended with exit code 0, neither deferred nor cut short.",
    ({ state }) => seconds(state.totals.lastSuccessAt),
  ),
  gauge("last_pass_duration_seconds", "How long the last pass took.", ({ finished }) =>
    one(finished.durationSeconds),
  ),
  gauge("last_pass_exit_code", "What the last pass ended with.", ({ finished }) => one(finished.exitCode)),
  gauge("last_pass_outcome", "1 for what the last pass came to, 0 for the others.", ({ finished }) =>
    oneOf("outcome", OUTCOMES, finished.outcome),
  ),
  gauge(
    "last_pass_gate",
    "1 for the gate that ended or deferred the last pass, 0 for the others.",
    ({ finished }) => oneOf("gate", GATE_NAMES, finished.gate),
  ),
  gauge(
    "last_pass_freed_bytes",
    "Space gained over the last pass, as measured; negative when others wrote more.",
    ({ finished }) => one(finished.freedBytes),
  ),
  gauge(
    "last_pass_claimed_bytes",
    "Space that the engine says the last pass freed; shared layers count more than once.",
    ({ finished }) => one(finished.claimedBytes),
  ),
  gauge(
    "last_pass_objects",
    "Objects that the last pass judged, by what became of them and the rule or error that decided.",
    ({ finished }) =>
      finished.objects.map(({ kind, fate, reason, count }) => ({
        labels: { kind, fate, reason },
        value: count,
      })),
  ),
  gauge(
    "deferrals_in_a_row",
    "Passes in a row that were deferred under pressure up to now, by the gate that deferred each.",
    ({ state }) => each("gate", GATE_NAMES, state.totals.deferralsInARow),
  ),
  gauge(
    "deferred_since_timestamp_seconds",
    "Since when passes are deferred under pressure; absent while they are not.",
    ({ state }) => seconds(state.deferrals.since),
  ),
  filesystems("size_bytes", "Size of a watched filesystem.", ({ totalBytes }) => totalBytes),
  filesystems("used_bytes", "Used space of a watched filesystem.", ({ usedBytes }) => usedBytes),
  filesystems(
    "available_bytes",
    "What ordinary users may still write to a watched filesystem.",
    ({ availableBytes }) => availableBytes,
  ),
  filesystems(
    "used_ratio",
    "Used share of a watched filesystem, rounded up to percent as df does.",
    ({ usedPercent }) => usedPercent / 100,
  ),
  filesystems(
    "high_watermark_bytes",
    "Used space at which a watched filesystem is under pressure.",
    (filesystem, { disk }) => markBytes(filesystem, disk.highWatermark),
  ),
  filesystems(
    "low_watermark_bytes",
    "Used space below which a pass removes no more; absent where there is no such mark.",
    (filesystem, { disk }) => (disk.lowWatermark === null ? null : markBytes(filesystem, disk.lowWatermark)),
  ),
  filesystems(
    "inodes",
    "Inodes of a watched filesystem; absent where it counts none.",
    ({ totalInodes }) => totalInodes,
  ),
  filesystems("free_inodes", "Free inodes of a watched filesystem.", ({ freeInodes }) => freeInodes),
  filesystems(
    "high_watermark_inodes",
    "Used inodes at which a watched filesystem is under pressure; absent where they are not judged.",
    ({ totalInodes }, { disk }) =>
      totalInodes === null || disk.inodes === false ? null : markInodes(totalInodes, disk),
  ),
  filesystems(
    "under_pressure",
    "1 when a watched filesystem is at its high watermark after the last pass.",
    (filesystem, { disk }) => (crossings(filesystem, disk.highWatermark, disk.inodes).length > 0 ? 1 : 0),
  ),
  counter("passes_total", "Passes, by what they came to.", ({ state }) =>
    each("outcome", OUTCOMES, state.totals.passes),
  ),
  counter("deferred_passes_total", "Deferred passes, by gate.", ({ state }) =>
    each("gate", GATE_NAMES, state.totals.deferred),
  ),
  counter("removed_objects_total", "Removed objects, by the rule that decided.", ({ state }) => [
    // A series that begins above 0 hides its first step from increase().
    ...REMOVALS.map(([kind, reason]) => ({ labels: { kind, reason }, value: 0 })),
    ...state.totals.objects
      .filter(({ fate }) => fate === "removed")
      .map(({ kind, reason, count }) => ({ labels: { kind, reason }, value: count })),
  ]),
  counter("failed_objects_total", "Objects that could not be removed.", ({ state }) =>
    KINDS.map((kind) => ({
      labels: { kind },
      value: state.totals.objects
        .filter((one) => one.kind === kind && one.fate === "failed")
        .reduce((sum, { count }) => sum + count, 0),
    })),
  ),
  counter("freed_bytes_total", "Space gained over passes that removed something, as measured.", ({ state }) =>
    one(state.totals.freedBytes),
  ),
  counter("claimed_bytes_total", "Space that the engine says passes freed.", ({ state }) =>
    one(state.totals.claimedBytes),
  ),
  rules(
    "gauge",
    "rule_matched_objects",
    "Images or containers that a rule of the settings named when a pass last went by it.",
    ({ matched }) => matched,
  ),
  rules(
    "gauge",
    "rule_kept_bytes",
    "Bytes that only a rule's remaining images hold, when a pass last measured them.",
    ({ keptBytes }) => keptBytes,
  ),
  rules(
    "counter",
    "rule_passes_total",
    "Passes that went by a rule of the settings.",
    ({ passes }) => passes,
  ),
  rules(
    "counter",
    "rule_matched_passes_total",
    "Passes in which a rule named at least one image or container.",
    ({ matchedPasses }) => matchedPasses,
  ),
  rules(
    "counter",
    "rule_removed_objects_total",
    "Images or containers that a rule removed.",
    ({ removed }) => removed,
  ),
  rules(
    "counter",
    "rule_failed_objects_total",
    "Images or containers that a rule would have removed and that could not be.",
    ({ failed }) => failed,
  ),
  cache("read_timestamp_seconds", "When a pass last read the ledger of uses.", ({ at }) => at / 1000),
  cache("uses", "Uses of images that a registry has, over seven days.", ({ uses }) => uses),
  cache("warm_uses", "Of those, uses of an image that was here before.", ({ warmUses }) => warmUses),
  cache(
    "evictions",
    "Named images that the last tier removed, over seven days.",
    ({ evictions }) => evictions,
  ),
  cache(
    "regrets",
    "Images that came back after they were evicted, over seven days.",
    ({ regrets }) => regrets,
  ),
  cache("ledger_start_timestamp_seconds", "When the ledger of uses begins.", ({ since }) => since / 1000),
  cache("ledger_gap_seconds", "What nobody heard of the last seven days.", ({ gapSeconds }) => gapSeconds),
  cache(
    "working_set_bytes",
    "What the images of the last 30 days take on disk, estimated.",
    ({ workingSetBytes }) => workingSetBytes,
  ),
];

/** Of what df takes for the whole: the reserve that ext4 keeps for root is not in it. */
function markBytes({ usedBytes, availableBytes }: Filesystem, mark: Watermark): number {
  const whole = usedBytes + availableBytes;
  return mark.kind === "used-percent"
    ? Math.round((whole * mark.percent) / 100)
    : Math.max(0, whole - mark.bytes);
}

const markInodes = (total: number, { inodes, highWatermark }: Settings["disk"]): number =>
  typeof inodes === "number"
    ? Math.max(0, total - inodes)
    : Math.round((total * inodePercent(highWatermark)) / 100);

/** The text exposition format, version 0.0.4. */
export async function renderMetrics(pass: MeasuredPass): Promise<string> {
  const registry = new Registry();
  for (const { name, type, help, samples } of FAMILIES) {
    const found = samples(pass);
    if (found[0] === undefined) continue;
    const family = {
      name: `${PREFIX}${name}`,
      help,
      labelNames: Object.keys(found[0].labels),
      registers: [registry],
    };
    if (type === "gauge") {
      const metric = new Gauge(family);
      for (const { labels, value } of found) metric.set(labels, value);
    } else {
      const metric = new Counter(family);
      for (const { labels, value } of found) metric.inc(labels, value);
    }
  }
  return registry.metrics();
}

/** Replaces the file as a whole; readable by all. Throws what the filesystem says. */
export async function writeMetrics(file: string, pass: MeasuredPass): Promise<void> {
  replaceFile(file, await renderMetrics(pass), { mode: 0o644, durable: false });
}
