/**
 * Bytes, percentages and durations: parsed once, at the boundary, into plain numbers whose unit is in the name.
 * Every parser returns `undefined` for text it does not understand; the caller knows the path and says so.
 * Where nothing else is said, a moment such as `now` is in milliseconds since the epoch, and what lasts in seconds.
 */

export type Seconds = number;
export type Bytes = number;

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `"20GiB"`, `"1.5 GB"`, `"512 B"` -> bytes. The unit is required: a bare number would be a guess. */
export function parseBytes(text: string): Bytes | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kKMGT]i?B|B)$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : BYTE_UNITS[match[2]];
  if (match?.[1] === undefined || factor === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `"24h"`, `"1h30m"`, `"7d"`, `"500ms"` -> seconds. Parts run from the larger unit to the smaller, each once. */
export function parseDuration(text: string): Seconds | undefined {
  const match = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$/.exec(
    text.trim(),
  );
  if (match === null || match[0] === "") return undefined;
  return ["w", "d", "h", "m", "s", "ms"].reduce(
    (sum, unit, index) => sum + Number(match[index + 1] ?? 0) * (SECONDS[unit] ?? 0),
    0,
  );
}

/** `"80%"`, `"82.5%"` -> 80, 82.5; from 0 to 100. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(text.trim());
  const value = match?.[1] === undefined ? Number.NaN : Number(match[1]);
  return value >= 0 && value <= 100 ? value : undefined;
}

/** A limit on a filesystem: so much used, in percent as df counts it, or so much still available, in bytes. */
export type Watermark =
  | { readonly kind: "used-percent"; readonly percent: number }
  | { readonly kind: "free-bytes"; readonly bytes: Bytes };

/** `"80%"` or `"20GiB free"` -> Watermark. */
export function parseWatermark(text: string): Watermark | undefined {
  const free = /^(.*\S)\s+free$/.exec(text.trim());
  if (free?.[1] !== undefined) {
    const bytes = parseBytes(free[1]);
    return bytes === undefined || bytes === 0 ? undefined : { kind: "free-bytes", bytes };
  }
  const percent = parsePercent(text);
  return percent === undefined || percent === 0 ? undefined : { kind: "used-percent", percent };
}

/** `"250000 free"` -> 250000; from 1. */
export function parseFreeCount(text: string): number | undefined {
  const count = Number(/^(\d+)\s+free$/.exec(text.trim())?.[1]);
  return Number.isSafeInteger(count) && count > 0 ? count : undefined;
}

/** 1536 -> `"1.5 KiB"`: binary units, one decimal below 100. */
export function formatBytes(bytes: Bytes): string {
  const sign = bytes < 0 ? "-" : "";
  let value = Math.abs(bytes);
  let unit = "B";
  for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  const digits = unit === "B" || value >= 99.95 ? 0 : 1;
  return `${sign}${value.toFixed(digits)} ${unit}`;
}

/** 90061 -> `"1d 1h"`: the two largest units that say something. */
export function formatDuration(seconds: Seconds): string {
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds > 0 && seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)}s`;
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0s";
}

export function formatWatermark(mark: Watermark): string {
  return mark.kind === "used-percent" ? `${mark.percent}%` : `${formatBytes(mark.bytes)} free`;
}

/**
 * `"2026-11-27T18:35:37.000Z"`, as toISOString writes it; that one reads the zone of the host first (node 20, 24),
 * which takes a quiet pass more than a millisecond. @param time milliseconds
 */
export function isoTime(time: number): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
  const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return `${day}T${clock}.${String(at.getUTCMilliseconds()).padStart(3, "0")}Z`;
}
