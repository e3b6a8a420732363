import { Exit } from "../exit.ts";
import type { Fact } from "../facts.ts";
import { diskPressure, markPercent } from "../gates/disk-pressure.ts";
import type { Verdict } from "../gates/verdict.ts";
import type { Filesystem } from "../host/disk.ts";
import type { FilesystemReport, PassFinished } from "../log/events.ts";
import { NONE_OF_EACH } from "../plan/plan.ts";
import type { Settings } from "../settings/settings.ts";
import type { PassRecord, State } from "../state/state.ts";
import type { HostPorts } from "./host.ts";

/** The cheap half of a pass: on most hosts, most of the time, all of it. Needs no engine. */
export interface Pressure {
  readonly filesystems: readonly Fact<Filesystem>[];
  readonly verdict: Verdict;
}

/**
 * @param roots where the engine keeps its data; watched where they exist
 * @param before an earlier look of this pass: what it could read has to be there still
 */
export async function readPressure(
  { readFilesystems }: Pick<HostPorts, "readFilesystems">,
  settings: Settings["disk"],
  roots: readonly string[],
  before?: Pressure,
): Promise<Pressure> {
  const paths = [...settings.paths, ...roots];
  const named = new Set(settings.pathsNamed ? settings.paths : []);
  const required = (path: string) => named.has(path) || (before !== undefined && isWatched(before, path));
  const filesystems = await readFilesystems(paths, required);
  return { filesystems, verdict: diskPressure(settings, filesystems) };
}

/** What the state remembers of where the engine keeps its data. Pure. */
export const rememberedRoots = ({
  engineRoot,
  containerdRoot,
}: Pick<State, "engineRoot" | "containerdRoot">): string[] =>
  [engineRoot, containerdRoot].filter((root) => root !== null);

/**
 * Milliseconds after which the engine is asked again: its data may have been moved, and the old folder be there still.
 */
const ASK_AGAIN = 24 * 3_600_000;

/** Where the engine keeps its data is remembered, was asked for lately, and was looked at. Pure. */
export function rootsAreKnown(
  state: Pick<State, "engineRoot" | "containerdRoot" | "engineAskedAt">,
  pressure: Pressure,
  now: number,
): boolean {
  const { engineRoot, engineAskedAt } = state;
  if (engineRoot === null || engineAskedAt === null) return false;
  const age = now - engineAskedAt;
  return age >= 0 && age < ASK_AGAIN && rememberedRoots(state).every((root) => isWatched(pressure, root));
}

/** The filesystem on which this path lies; `null`: it was not read. Pure. */
export const filesystemOf = ({ filesystems }: Pick<Pressure, "filesystems">, path: string | null) =>
  readable(filesystems).find(({ paths }) => path !== null && paths.includes(path)) ?? null;

export const isWatched = (pressure: Pressure, path: string): boolean => filesystemOf(pressure, path) !== null;

export function readable(filesystems: readonly Fact<Filesystem>[]): Filesystem[] {
  return filesystems.flatMap((fact) => (fact.known ? [fact.value] : []));
}

/**
 * The filesystems that could be read, for the report. Pure.
 * @param before the look at the start, where that was another
 */
export function reported(pressure: Pressure, disk: Settings["disk"], before?: Pressure): FilesystemReport[] {
  const earlier = new Map(readable(before?.filesystems ?? []).map((was) => [was.device, was]));
  return readable(pressure.filesystems).map((filesystem) => {
    const was = earlier.get(filesystem.device);
    const high = { highWatermarkPercent: markPercent(filesystem, disk.highWatermark) };
    const low = disk.lowWatermark && {
      lowWatermarkPercent: markPercent(filesystem, disk.lowWatermark),
    };
    if (was === undefined) return { ...filesystem, ...high, ...low };
    const { usedPercent, availableBytes, inodesUsedPercent } = was;
    return { ...filesystem, ...high, ...low, before: { usedPercent, availableBytes, inodesUsedPercent } };
  });
}

/** The whole report of a pass that found no pressure: one line. Pure. */
export function belowWatermark(
  pressure: Pressure,
  settings: Settings["disk"],
  durationSeconds: number,
): PassFinished {
  return {
    outcome: "below-watermark",
    exitCode: Exit.ok,
    reason: pressure.verdict.reason,
    freedBytes: 0,
    claimedBytes: 0,
    durationSeconds,
    filesystems: reported(pressure, settings),
    removed: NONE_OF_EACH,
    removedBytes: NONE_OF_EACH,
    kept: 0,
    gone: 0,
    failed: 0,
    objects: [],
    rules: [],
    deferralsInARow: 0,
    deferredForSeconds: null,
    engineRequests: 0,
    gate: "disk-pressure",
  };
}

/** What the state keeps of a finished pass. Pure. */
export function toRecord(pass: string, startedAt: number, finished: PassFinished): PassRecord {
  const { gone, deferralsInARow, deferredForSeconds, engineRequests, filesystems, ...kept } = finished;
  return {
    pass,
    startedAt,
    ...kept,
    filesystems: filesystems.map(({ paths, device, usedBytes, totalInodes, freeInodes, ...look }) => {
      return { path: paths[0] ?? "?", ...look };
    }),
  };
}
