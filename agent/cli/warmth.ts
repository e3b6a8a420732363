import type { Fact } from "../facts.ts";
import type { Engine } from "../observe/engine.ts";
import { type Pressure, readable } from "../pass/pressure.ts";
import { diskFor, WORKING_SET_DAYS } from "../plan/forecast.ts";
import type { Holder } from "../plan/holders.ts";
import { cacheMark } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { coverageOf, type Ledger } from "../state/ledger.ts";
import { WARMTH_DAYS, warmthOf } from "../state/warmth.ts";
import { formatBytes, formatDuration, formatWatermark } from "../units.ts";
import { formatMoment } from "./ticks.ts";

/** What `status` knows of the cache. */
export interface CacheFacts {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly engine: Fact<Engine>;
  readonly pressure: Pressure;
  /** `null`: not asked for. */
  readonly holders: Fact<readonly Holder[]> | null;
  /** Milliseconds. */
  readonly now: number;
}

/** For a machine, and for the screen. Pure. `null`: there is no ledger of uses. */
export function cacheDocument({ settings, ledger, engine, pressure, holders, now }: CacheFacts) {
  if (ledger.since === null && settings.cache.evict === "never") return null;
  const { since: _, ...warmth } = warmthOf(ledger, now);
  const rootDir = engine.known ? engine.value.info.rootDir : "";
  const root = readable(pressure.filesystems).find(({ paths }) => paths.includes(rootDir));
  const images = holders?.known ? (holders.value.find(({ what }) => what === "images")?.bytes ?? 0) : null;
  // What else lies on the disk stays on it.
  const others = root === undefined || images === null ? 0 : Math.max(0, root.usedBytes - images);
  const wanted = Math.round(diskFor(warmth.workingSetBytes + others, cacheMark(settings)));
  const regretted = ledger.regrets
    .filter(({ at }) => at > now - WARMTH_DAYS * 86_400_000)
    .map(({ id }) => ledger.images.get(id)?.names[0] ?? id);
  return {
    ...warmth,
    ledger: coverageOf(ledger),
    warnings: ledger.warnings,
    regretted: [...new Set(regretted)],
    diskBytes: root?.totalBytes ?? null,
    diskForWorkingSetBytes: wanted,
  };
}

/** `" since 2026-07-12 12:00 (19d 22h, 12h of it not heard)"`; nothing where there is no ledger. */
export function coverage({ since, coveredSeconds, gapSeconds }: ReturnType<typeof coverageOf>): string {
  const gaps = gapSeconds === 0 ? "" : `, ${formatDuration(gapSeconds)} of it not heard`;
  return since === null ? "" : ` since ${formatMoment(since)} (${formatDuration(coveredSeconds)}${gaps})`;
}

const NAMED = 3;

/** Lines of the section, without an indent. Pure. */
export function cacheLines(facts: CacheFacts): string[] {
  const told = cacheDocument(facts);
  if (told === null) return [];
  const { ledger, days, regretted, diskBytes, diskForWorkingSetBytes: wanted } = told;
  if (ledger.since === null) return ["the ledger of uses is empty: the first pass learns", ...told.warnings];
  const share = ({ uses, warmUses }: { readonly uses: number; readonly warmUses: number }) =>
    uses === 0 ? "-" : `${Math.floor((100 * warmUses) / uses)}%`;
  const more = regretted.length > NAMED ? ", …" : "";
  const names = regretted.length === 0 ? "" : ` (${regretted.slice(0, NAMED).join(", ")}${more})`;
  return [
    `${share(told)} of ${told.uses} uses in ${WARMTH_DAYS} days met an image that was here; by day: ${days.map(share).join(" ")}`,
    `${told.evictions} evicted, ${told.regrets} came back${names}`,
    `ledger of uses${coverage(ledger)}`,
    ...told.warnings,
    ...(diskBytes === null || wanted <= diskBytes
      ? []
      : [
          `the images of the last ${WORKING_SET_DAYS} days ask for a disk of ${formatBytes(wanted)} to stay below ${formatWatermark(cacheMark(facts.settings))}; this one has ${formatBytes(diskBytes)} (ci-docker-prune forecast)`,
        ]),
  ];
}
