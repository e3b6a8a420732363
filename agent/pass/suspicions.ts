import { crossings, markPercent } from "../gates/disk-pressure.ts";
import type { Filesystem } from "../host/disk.ts";
import { limitOf } from "../plan/age.ts";
import { isTemporary } from "../settings/parse.ts";
import { rulesWithoutPressure } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import type { PassRecord } from "../state/state.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import type { PlanPreview } from "./preview.ts";

/** A setting that is valid, and most likely not what the operator wants on this host. */
export interface Suspicion {
  /** `"disk.highWatermark"` */
  readonly setting: string;
  /** What follows from it here, as a sentence without its full stop. */
  readonly why: string;
}

export interface Seen {
  readonly filesystems: readonly Filesystem[];
  /** `null`: not known. */
  readonly swarm: boolean | null;
  /** Oldest first. */
  readonly passes: readonly PassRecord[];
  /** `null`: not known, or not asked. */
  readonly plan: PlanPreview | null;
  /** The folder of `metrics.textfile` is there; `null`: no such setting. */
  readonly metricsFolder: boolean | null;
}

const LATE_PERCENT = 95;
const HASTY_UNTIL = 3600;
const HASTY_STUCK = 600;
/** So many passes in a row are no chance. */
const IN_A_ROW = 3;

/** Only what bites on this host, each with what follows from it. Pure. */
export function suspicions(settings: Settings, seen: Seen): Suspicion[] {
  const { disk, liveRuns, lockFile, convergence, prune, retention, orphans, metrics } = settings;
  const { filesystems, swarm, passes, plan } = seen;
  const mark = formatWatermark(disk.highWatermark);
  const late = filesystems.find((one) => markPercent(one, disk.highWatermark) >= LATE_PERCENT);
  const left = late && ((100 - markPercent(late, disk.highWatermark)) / 100) * late.totalBytes;
  const pressed = filesystems.some((one) => crossings(one, disk.highWatermark, disk.inodes).length > 0);
  const tried = passes.filter(({ outcome }) =>
    ["pruned", "nothing-eligible", "pressure-remains"].includes(outcome),
  );
  // A launcher that holds a lock needs no rule.
  const blind =
    lockFile === null && [liveRuns.containers, liveRuns.labels, liveRuns.presets].flat().length === 0;
  const stuck = convergence.ignoreStuckAfter;
  const off = (["containers", "images", "buildCache"] as const).filter((kind) => !prune[kind]);
  const noRule = [...retention, ...orphans, ...rulesWithoutPressure(settings)].length === 0;
  const ofImages = limitOf(prune, "images");
  const nothing = off.length === 3 && noRule;

  const rows: readonly (readonly [boolean, string, string])[] = [
    [
      late !== undefined,
      "disk.highWatermark",
      `with ${mark} a pass starts when ${late?.paths[0]} has ${formatBytes(left ?? 0)} left; one run may fill that`,
    ],
    [
      tried.length >= IN_A_ROW && tried.slice(-IN_A_ROW).every(({ exitCode }) => exitCode === 10),
      "disk.highWatermark",
      `the last ${IN_A_ROW} passes that ran all left the disk above ${mark}: what fills it is nothing they may remove`,
    ],
    [
      blind && liveRuns.services.length === 0,
      "liveRuns",
      "no rule says what a CI run looks like, so a pass may start in the middle of one",
    ],
    [
      blind && liveRuns.services.length > 0 && swarm === false,
      "liveRuns",
      "its only rules are for Swarm services, and this engine is in no swarm: no run is ever seen " +
        "(liveRuns.presets names common runners)",
    ],
    [
      lockFile !== null && isTemporary(lockFile),
      "lockFile",
      "a service may have a /tmp of its own, where neither it nor a launcher sees the other's lock; " +
        "/run/lock is one for all",
    ],
    [
      stuck !== null && stuck < HASTY_STUCK,
      "convergence.ignoreStuckAfter",
      `a deploy that pulls for longer than ${formatDuration(stuck ?? 0)} is taken for stuck, and no longer waited for`,
    ],
    [
      nothing,
      "prune",
      "containers, images and buildCache are all off, and no rule is set: a pass has nothing to remove but snapshots",
    ],
    [
      pressed && off.length > 0 && !nothing,
      `prune.${off.join(", prune.")}`,
      "off, while the disk is under pressure",
    ],
    [
      ofImages.seconds < HASTY_UNTIL,
      ofImages.key,
      `what is ${formatDuration(ofImages.seconds)} old goes: an image between two stages of a pipeline may be older`,
    ],
    [prune.keepLabels.length === 0, "prune.keepLabels", "empty, so no label protects anything"],
    [
      seen.metricsFolder === false,
      "metrics.textfile",
      `the folder of ${metrics.textfile} is not there, so no metrics are written`,
    ],
  ];
  const idle = (plan?.idle ?? []).map(({ fields }) => ({
    setting: "policy" in fields ? fields.policy : "labels" in fields ? "prune.labels" : "retention",
    why: fields.reason,
  }));
  const empty = retention
    .filter(({ name }) => namedNothing(name, passes))
    .map(({ name }) => `retention/${name}`)
    .filter((setting) => idle.every((one) => one.setting !== setting))
    .map((setting) => ({
      setting,
      why: `named no image in its last ${IN_A_ROW} passes: are its repositories and labels right?`,
    }));
  const suspected = rows.filter(([bites]) => bites).map(([, setting, why]) => ({ setting, why }));
  return [...suspected, ...idle, ...empty];
}

function namedNothing(rule: string, passes: readonly PassRecord[]): boolean {
  const reports = passes.flatMap(({ rules = [] }) =>
    rules.filter(({ list, name }) => list === "retention" && name === rule),
  );
  return reports.length >= IN_A_ROW && reports.slice(-IN_A_ROW).every(({ matched }) => matched === 0);
}
