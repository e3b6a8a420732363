import { crossings, markPercent } from "../gates/disk-pressure.ts";
import type { Filesystem } from "../host/disk.ts";
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

/** What a look at the host has shown. */
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
  return [
    ...ofDisk(settings, seen),
    ...ofRuns(settings, seen),
    ...ofPrune(settings, seen),
    ...ofRules(settings, seen),
    ...(seen.metricsFolder === false
      ? [
          {
            setting: "metrics.textfile",
            why: `the folder of ${settings.metrics.textfile} is not there, so no metrics are written`,
          },
        ]
      : []),
  ];
}

function ofDisk({ disk }: Settings, { filesystems, passes }: Seen): Suspicion[] {
  const late = filesystems.find((filesystem) => markPercent(filesystem, disk.highWatermark) >= LATE_PERCENT);
  const left =
    late === undefined ? 0 : ((100 - markPercent(late, disk.highWatermark)) / 100) * late.totalBytes;
  const tried = passes.filter(({ outcome }) =>
    ["pruned", "nothing-eligible", "pressure-remains"].includes(outcome),
  );
  const vain = tried.length >= IN_A_ROW && tried.slice(-IN_A_ROW).every(({ exitCode }) => exitCode === 10);
  return [
    ...(late === undefined
      ? []
      : [
          {
            setting: "disk.highWatermark",
            why: `with ${formatWatermark(disk.highWatermark)} a pass starts when ${late.paths[0]} has ${formatBytes(left)} left; one run may fill that`,
          },
        ]),
    ...(vain
      ? [
          {
            setting: "disk.highWatermark",
            why: `the last ${IN_A_ROW} passes that ran all left the disk above ${formatWatermark(disk.highWatermark)}: what fills it is nothing they may remove`,
          },
        ]
      : []),
  ];
}

/** A run that no rule can see is a run that a pass may disturb; a launcher that holds a lock needs no rule. */
function ofRuns({ liveRuns, lockFile, convergence }: Settings, { swarm }: Seen): Suspicion[] {
  const { services, containers, labels, presets } = liveRuns;
  const found: Suspicion[] = [];
  const others = containers.length + labels.length + presets.length;
  if (lockFile === null && others === 0) {
    if (services.length === 0)
      found.push({
        setting: "liveRuns",
        why: "no rule says what a CI run looks like, so a pass may start in the middle of one",
      });
    else if (swarm === false)
      found.push({
        setting: "liveRuns",
        why: "its only rules are for Swarm services, and this engine is in no swarm: no run is ever seen (liveRuns.presets names common runners)",
      });
  }
  const stuck = convergence.ignoreStuckAfter;
  if (stuck !== null && stuck < HASTY_STUCK)
    found.push({
      setting: "convergence.ignoreStuckAfter",
      why: `a deploy that pulls for longer than ${formatDuration(stuck)} is taken for stuck, and no longer waited for`,
    });
  return found;
}

function ofPrune({ prune, disk, retention, orphans }: Settings, { filesystems, plan }: Seen): Suspicion[] {
  const kinds = { containers: prune.containers, images: prune.images, buildCache: prune.buildCache };
  const off = Object.entries(kinds).flatMap(([kind, on]) => (on ? [] : [kind]));
  const pressed = filesystems.some(
    (filesystem) => crossings(filesystem, disk.highWatermark, disk.inodes).length > 0,
  );
  const found: Suspicion[] = [];
  if (off.length === 3 && retention.length + orphans.length === 0)
    found.push({
      setting: "prune",
      why: "containers, images and buildCache are all off, and no rule is set: a pass has nothing to remove",
    });
  else if (off.length > 0 && pressed)
    found.push({ setting: `prune.${off.join(", prune.")}`, why: "off, while the disk is under pressure" });
  if (prune.until < HASTY_UNTIL)
    found.push({
      setting: "prune.until",
      why: `what is ${formatDuration(prune.until)} old goes: an image between two stages of a pipeline may be older`,
    });
  if (prune.keepLabels.length === 0)
    found.push({ setting: "prune.keepLabels", why: "empty, so no label protects anything" });
  const judged = [...(plan?.plan.remove ?? []), ...(plan?.plan.keep ?? [])].filter(
    ({ kind, rule, because }) =>
      kind !== "build-cache" && rule === undefined && because !== "in-use" && because !== "young",
  );
  if (
    prune.labels.length > 0 &&
    judged.length > 0 &&
    judged.every(({ because }) => because === "not-selected")
  )
    found.push({
      setting: "prune.labels",
      why: `none of ${judged.length} old containers and images carries ${prune.labels.map(({ text }) => text).join(" or ")}`,
    });
  return found;
}

function ofRules({ retention }: Settings, { passes, plan }: Seen): Suspicion[] {
  const idle = (plan?.idle ?? []).map(({ fields }) => ({
    setting: "policy" in fields ? fields.policy : "retention",
    why: fields.reason,
  }));
  const empty = retention.flatMap(({ name }) => {
    const reports = passes.flatMap(({ rules = [] }) =>
      rules.filter((rule) => rule.list === "retention" && rule.name === name),
    );
    const setting = `retention/${name}`;
    if (reports.length < IN_A_ROW || idle.some((one) => one.setting === setting)) return [];
    return reports.slice(-IN_A_ROW).every(({ matched }) => matched === 0)
      ? [
          {
            setting,
            why: `named no image in its last ${IN_A_ROW} passes: are its repositories and labels right?`,
          },
        ]
      : [];
  });
  return [...idle, ...empty];
}
