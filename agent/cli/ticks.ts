import { timeTicks } from "d3-time";
import type { coverageOf } from "../state/ledger.ts";
import { formatDuration } from "../units.ts";

/** Round moments of the calendar between two, about so many; in this machine's time zone. */
export const calendarTicks = (from: number, to: number, about: number) =>
  timeTicks(new Date(from), new Date(to), about)
    .filter((date) => date.getSeconds() + date.getMilliseconds() === 0)
    .map((date) => ({ at: date.getTime(), label: label(date) }));

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (value: number) => String(value).padStart(2, "0");

/** `"Nov 15"`, or `"15:00"` within a day. */
function label(date: Date): string {
  if (date.getHours() + date.getMinutes() > 0) return clock(date);
  const firstOfYear = date.getMonth() === 0 && date.getDate() === 1;
  return firstOfYear ? String(date.getFullYear()) : `${MONTHS[date.getMonth()]} ${date.getDate()}`;
}

const clock = (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}`;

/** `"11-15 03:00"`, in this machine's time zone. */
export function formatShort(at: number): string {
  const date = new Date(at);
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(date)}`;
}

/** `"2026-11-15 03:00"`, in this machine's time zone. */
export function formatMoment(at: number): string {
  return `${new Date(at).getFullYear()}-${formatShort(at)}`;
}

/** `" since 2026-07-12 12:00 (19d 22h, 12h of it not heard)"`; nothing where there is no ledger. */
export function formatCoverage({ since, coveredSeconds, gapSeconds }: ReturnType<typeof coverageOf>): string {
  const gaps = gapSeconds === 0 ? "" : `, ${formatDuration(gapSeconds)} of it not heard`;
  return since === null ? "" : ` since ${formatMoment(since)} (${formatDuration(coveredSeconds)}${gaps})`;
}
