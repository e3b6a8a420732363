import type { Filesystem } from "../host/disk.ts";
import type { PassFinished } from "../log/events.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import type { Warmth } from "../state/warmth.ts";
import { visible } from "../text.ts";

/** A pass, and what it leaves behind. */
export interface MeasuredPass {
  readonly version: string;
  /** Milliseconds. */
  readonly endedAt: number;
  readonly finished: PassFinished;
  readonly state: Pick<State, "engineVersion" | "totals" | "deferrals" | "cache">;
  readonly settings: Pick<Settings, "disk" | "metrics">;
  /** Where the filesystem of a watched path is mounted. */
  mountPoint(path: string): string;
}

export interface Sample {
  /** The same keys in all samples of a family. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** None: the family is left out of this file. */
  samples(pass: MeasuredPass): readonly Sample[];
}

type Samples = Family["samples"];

export const gauge = (help: string, samples: Samples): Family => ({ type: "gauge", help, samples });
export const counter = (help: string, samples: Samples): Family => ({ type: "counter", help, samples });

/** One series a watched filesystem; none where `value` gives `null`. */
export const filesystems =
  (value: (filesystem: Filesystem, disk: Settings["disk"]) => number | null): Samples =>
  ({ finished, settings, mountPoint }) =>
    finished.filesystems.flatMap((filesystem) => {
      const [path = "?"] = filesystem.paths;
      return one(value(filesystem, settings.disk), { mountpoint: visible(mountPoint(path)) });
    });

/** One series a rule of the settings; none where it is not known. */
export const rules =
  (field: "matched" | "keptBytes" | "passes" | "matchedPasses" | "removed" | "failed"): Samples =>
  ({ state }) =>
    state.totals.rules.flatMap((rule) => one(rule[field], { list: rule.list, rule: rule.name }));

/** Of the ledger of uses, as it was read last; none where the last tier is off. */
export const cache =
  (field: keyof Warmth): Samples =>
  ({ state }) =>
    one(state.cache === null ? null : state.cache[field]);

export const one = (value: number | null, labels: Sample["labels"] = {}): Sample[] =>
  value === null ? [] : [{ labels, value }];

export const seconds = (milliseconds: number | null): Sample[] =>
  one(milliseconds === null ? null : milliseconds / 1000);

export const oneOf = (label: string, all: readonly string[], current: string | null): Sample[] =>
  each(label, all, current === null ? {} : { [current]: 1 });

export const each = (
  label: string,
  all: readonly string[],
  counts: Readonly<Record<string, number>>,
): Sample[] => all.map((name) => ({ labels: { [label]: name }, value: counts[name] ?? 0 }));
