import type { Filesystem } from "../host/disk.ts";
import type { PassFinished } from "../log/events.ts";
import type { Settings } from "../settings/settings.ts";
import type { State } from "../state/state.ts";
import type { RuleTotals } from "../state/totals.ts";
import type { Warmth } from "../state/warmth.ts";
import { visible } from "../text.ts";

/** What families of metrics are made of. */

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
  /** Without the prefix. */
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  /** None: the family is left out of this file. */
  samples(pass: MeasuredPass): readonly Sample[];
}

type Samples = Family["samples"];

export function gauge(name: string, help: string, samples: Samples): Family {
  return { name, type: "gauge", help, samples };
}

export function counter(name: string, help: string, samples: Samples): Family {
  return { name, type: "counter", help, samples };
}

/** One series a watched filesystem; none where `value` gives `null`. */
export function filesystems(
  name: string,
  help: string,
  value: (filesystem: Filesystem, settings: Pick<Settings, "disk">) => number | null,
): Family {
  return gauge(`filesystem_${name}`, help, ({ finished, settings, mountPoint }) =>
    finished.filesystems.flatMap((filesystem) => {
      const [path = "?"] = filesystem.paths;
      return one(value(filesystem, settings), { mountpoint: visible(mountPoint(path)) });
    }),
  );
}

/** One series a rule of the settings; none where `value` gives `null`. */
export function rules(
  type: Family["type"],
  name: string,
  help: string,
  value: (rule: RuleTotals) => number | null,
): Family {
  const samples: Samples = ({ state }) =>
    state.totals.rules.flatMap((rule) => one(value(rule), { list: rule.list, rule: rule.name }));
  return { name, type, help, samples };
}

/** Of the ledger of uses, as it was read last; none where the last tier is off. */
export const cache = (name: string, help: string, value: (warmth: Warmth) => number): Family =>
  gauge(`cache_${name}`, help, ({ state }) => one(state.cache === null ? null : value(state.cache)));

export const one = (value: number | null, labels: Sample["labels"] = {}): Sample[] =>
  value === null ? [] : [{ labels, value }];

export const seconds = (milliseconds: number | null): Sample[] =>
  one(milliseconds === null ? null : milliseconds / 1000);

export const oneOf = (label: string, all: readonly string[], current: string | null): Sample[] =>
  all.map((name) => ({ labels: { [label]: name }, value: name === current ? 1 : 0 }));

export const each = (
  label: string,
  all: readonly string[],
  counts: Readonly<Record<string, number>>,
): Sample[] => all.map((name) => ({ labels: { [label]: name }, value: counts[name] ?? 0 }));
