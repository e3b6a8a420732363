import {
  type CountableTimeInterval,
  timeDay,
  timeHour,
  timeMinute,
  timeMonday,
  timeMonth,
  timeYear,
} from "d3-time";

export interface Tick {
  readonly at: number;
  /** `"Nov 15"`, or `"15:00"` within a day, in this machine's time zone. */
  readonly label: string;
}

/** From fine to coarse. Days are counted from the first one on: as days of the month, 31 would be followed by 1. */
const STEPS: readonly (readonly [CountableTimeInterval, number])[] = [
  ...[1, 5, 15, 30].map((count) => [timeMinute, count] as const),
  ...[1, 3, 6, 12].map((count) => [timeHour, count] as const),
  ...[1, 2, 3].map((count) => [timeDay, count] as const),
  ...[1, 2].map((count) => [timeMonday, count] as const),
  ...[1, 3, 6].map((count) => [timeMonth, count] as const),
  ...[1, 2, 5, 10, 100, 1000].map((count) => [timeYear, count] as const),
];

/** Round moments of the calendar between two, at most so many. */
export function calendarTicks(from: number, to: number, most: number): Tick[] {
  // To the millisecond before it a range runs up to; the last moment may be a tick as well.
  const [start, stop] = [new Date(from), new Date(to + 1)];
  for (const [interval, count] of STEPS) {
    if (interval.count(start, stop) / count > 2 * most) continue;
    const aligned = interval === timeDay || interval === timeMonday;
    const dates = aligned
      ? interval.range(interval.ceil(start), stop, count)
      : (interval.every(count)?.range(start, stop) ?? []);
    if (dates.length <= most) return dates.map((date) => ({ at: date.getTime(), label: label(date) }));
  }
  return [];
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (value: number) => String(value).padStart(2, "0");

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
