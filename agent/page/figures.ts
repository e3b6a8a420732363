import {
  type Curve,
  endOf,
  KINDS,
  type Mark,
  markOf,
  type PastPass,
  type Point,
  removedCount,
} from "../history/passes.ts";
import { calendarTicks, formatMoment, type Tick } from "../history/ticks.ts";
import type { ObjectKind } from "../plan/plan.ts";
import { formatBytes, formatDuration } from "../units.ts";
import { type Content, html, type Markup } from "./html.ts";
import { type Bucket, roundUp } from "./sums.ts";

/**
 * Figures as inline SVG that fill the width they are given: places across are in percent, so that letters keep their
 * size on a phone; curves lie in a box of their own that is stretched.
 */
const HEIGHT = 210;
/** Of the box of a curve, which is stretched to the width and height that there are. */
const BOX = 1000;
const MARK_STRIP = 26;
const DATES = 20;
const TICKS = 6;

export const MARK_WORDS: Readonly<Record<Mark, string>> = {
  removed: "removed something",
  deferred: "put off",
  pressure: "pressure remained",
  failed: "failed",
  quiet: "nothing to do",
};

export const KIND_WORDS: Readonly<Record<ObjectKind, string>> = {
  image: "images",
  "build-cache": "build cache",
  container: "containers",
};
/** From the bottom of a column up. */
const STACK = ["image", "build-cache", "container"] as const satisfies readonly ObjectKind[];

type Range = readonly [number, number];

const percentOf =
  ([from, to]: Range) =>
  (at: number): number =>
    from < to ? round(100 * Math.max(0, Math.min(1, (at - from) / (to - from))), 3) : 50;

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Disk usage over time, its watermarks, and the passes below. @param id unique in the page */
export function curveFigure(curve: Curve, passes: readonly PastPass[], range: Range, id: string): Markup {
  const x = percentOf(range);
  const y = (percent: number) => round(HEIGHT * (1 - Math.max(0, Math.min(100, percent)) / 100), 2);
  const inBox = ({ at, percent }: Point) => `${round(x(at) * (BOX / 100), 2)} ${y(percent)}`;
  const lines = curve.stretches.map((points) => `M${points.map(inBox).join("L")}`);
  const areas = curve.stretches.map((points) => {
    const [first, last] = [points[0], points.at(-1)];
    return first === undefined || last === undefined
      ? ""
      : `M${round(x(first.at) * 10, 2)} ${HEIGHT}L${points.map(inBox).join("L")}L${round(x(last.at) * 10, 2)} ${HEIGHT}Z`;
  });
  const alone = curve.stretches.flatMap((points) => (points.length === 1 ? points : []));
  const total = HEIGHT + MARK_STRIP + DATES;
  const ticks = calendarTicks(range[0], range[1], TICKS);
  const { usedPercent, availableBytes } = curve.last;
  return html`<div class="plot">${scale(
    [0, 25, 50, 75, 100].map((percent) => [y(percent), `${percent}%`]),
    total,
  )}<svg role="img" height="${total}" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">Disk usage of ${curve.path} over time</title>
<desc id="${id}-d">${description(curve, passes)} At the end ${usedPercent}% used, ${formatBytes(availableBytes)} left.</desc>
${[0, 25, 50, 75, 100].map(
  (percent) =>
    html`<line class="${percent === 0 ? "axis" : "gridline"}" x1="0" x2="100%" y1="${y(percent)}" y2="${y(percent)}"/>`,
)}
<svg width="100%" height="${HEIGHT}" viewBox="0 0 ${BOX} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
<path class="area" d="${areas.join("")}"/>
${stepLine("high", curve.marks.high, range, x, y)}${stepLine("low", curve.marks.low, range, x, y)}
<path class="curve" d="${lines.join("")}"/>
</svg>
${alone.map(({ at, percent }) => html`<circle class="dot" cx="${x(at)}%" cy="${y(percent)}" r="3"/>`)}
${dateTicks(ticks, x, HEIGHT, MARK_STRIP)}
${marksInOrder(passes).map((pass) => html`<svg x="${x(pass.startedAt)}%" y="${HEIGHT + MARK_STRIP / 2}"><title>${passWords(pass)}</title>${markShape(markOf(pass))}</svg>`)}
</svg></div>`;
}

function description(curve: Curve, passes: readonly PastPass[]): string {
  const percents = curve.stretches.flat().map(({ percent }) => percent);
  const mark = curve.marks.high.at(-1);
  const highest = Math.max(...percents);
  const against = mark === undefined ? "" : `, the high watermark is ${mark.percent}%`;
  return `${passes.length} passes; between ${Math.min(...percents)}% and ${highest}% used${against}.`;
}

function stepLine(
  kind: "high" | "low",
  steps: readonly Point[],
  range: Range,
  x: (at: number) => number,
  y: (percent: number) => number,
): Content {
  const [first] = steps;
  if (first === undefined) return null;
  // The first is taken to have held before as well: older records do not tell.
  const parts = steps.map(({ at, percent }, index) => {
    const from = index === 0 ? range[0] : at;
    const to = steps[index + 1]?.at ?? range[1];
    return `${index === 0 ? "M" : "L"}${x(from) * 10} ${y(percent)}L${x(to) * 10} ${y(percent)}`;
  });
  return html`<path class="${kind}" d="${parts.join("")}"/>`;
}

/** The figures at the left, in a box of their own that is not stretched. */
function scale(marks: readonly (readonly [number, string])[], height: number): Markup {
  return html`<svg class="scale" height="${height}" aria-hidden="true">${marks.map(
    ([y, text]) => html`<text x="100%" dx="-8" y="${y + 4}" text-anchor="end">${text}</text>`,
  )}</svg>`;
}

/** @param top where the axis is @param gap down from it to the dates */
function dateTicks(ticks: readonly Tick[], x: (at: number) => number, top: number, gap: number): Markup[] {
  return ticks.map(({ at, label }) => {
    const place = x(at);
    // At the very end there is no room for it on a telephone.
    const date =
      place < 96 && html`<text x="${place}%" y="${top + gap + 14}" text-anchor="middle">${label}</text>`;
    return html`<line class="axis" x1="${place}%" x2="${place}%" y1="${top}" y2="${top + 5}"/>${date}`;
  });
}

/** What matters is drawn last, and so on top. */
function marksInOrder(passes: readonly PastPass[]): PastPass[] {
  const order: readonly Mark[] = ["quiet", "deferred", "removed", "pressure", "failed"];
  return [...passes].sort((a, b) => order.indexOf(markOf(a)) - order.indexOf(markOf(b)));
}

/** Told apart by shape as well as by colour; around 0,0. */
function markShape(mark: Mark): Markup {
  switch (mark) {
    case "removed":
      return html`<path class="m-removed" d="M-6-5H6L0 6Z"/>`;
    case "deferred":
      return html`<circle class="m-deferred" r="4.5"/>`;
    case "pressure":
      return html`<path class="m-pressure" d="M-6 5H6L0-6Z"/>`;
    case "failed":
      return html`<path class="m-failed" d="M-4.5-4.5L4.5 4.5M-4.5 4.5L4.5-4.5"/>`;
    case "quiet":
      return html`<circle class="m-quiet" r="2.2"/>`;
  }
}

/** `"2026-11-15 03:00: pruned, 183 objects, 21.0 GiB gained, in 1m 14s: the plan is done"` */
function passWords(pass: PastPass): string {
  const count = removedCount(pass);
  const objects = count === 0 ? "" : `, ${count} objects, ${formatBytes(pass.freedBytes)} gained`;
  return `${formatMoment(pass.startedAt)}: ${pass.outcome}${objects}, in ${formatDuration((endOf(pass) - pass.startedAt) / 1000)}: ${pass.reason}`;
}

export function markLegend(curve: Curve, passes: readonly PastPass[]): Markup {
  const lines = (["high", "low"] as const).flatMap((kind) => {
    const last = curve.marks[kind].at(-1);
    return last === undefined
      ? []
      : [
          html`<li><svg class="dash" viewBox="0 0 24 14" aria-hidden="true"><path class="${kind}" d="M0 7H24"/></svg>${kind} watermark ${last.percent}%</li>`,
        ];
  });
  const used = new Set(passes.map(markOf));
  const marks = (Object.keys(MARK_WORDS) as Mark[]).filter((mark) => used.has(mark));
  return html`<ul class="legend">${lines}${marks.map(
    (mark) =>
      html`<li><svg viewBox="-7 -7 14 14" aria-hidden="true">${markShape(mark)}</svg>${MARK_WORDS[mark]}</li>`,
  )}</ul>`;
}

const COLUMN_HEIGHT = 150;

/** What was removed, a column a day or week, by kind. */
export function removedFigure(buckets: readonly Bucket[], range: Range, id: string): Markup {
  const sumOf = (bucket: Bucket) => KINDS.reduce((sum, kind) => sum + bucket.bytes[kind], bucket.untold);
  const top = roundUp(Math.max(...buckets.map(sumOf)));
  // Columns are whole days or weeks, of which the first and the last may reach beyond the range.
  const whole: Range = [
    Math.min(range[0], buckets[0]?.from ?? range[0]),
    Math.max(range[1], buckets.at(-1)?.to ?? range[1]),
  ];
  const x = percentOf(whole);
  const height = (bytes: number) => round((bytes / top) * COLUMN_HEIGHT, 2);
  const ticks = calendarTicks(whole[0], whole[1], TICKS);
  const sum = buckets.reduce((all, bucket) => all + sumOf(bucket), 0);
  const total = COLUMN_HEIGHT + DATES + 4;
  const figures = [0, 0.5, 1].map(
    (part) => [round(COLUMN_HEIGHT * (1 - part), 2), formatBytes(top * part)] as const,
  );
  return html`<div class="plot wide">${scale(figures, total)}<svg role="img" height="${total}" aria-labelledby="${id}-t ${id}-d">
<title id="${id}-t">Bytes removed over time, by kind</title>
<desc id="${id}-d">${formatBytes(sum)} in all; at most ${formatBytes(Math.max(...buckets.map(sumOf)))} in one column.</desc>
${[0, 0.5, 1].map((part) => {
  const y = round(COLUMN_HEIGHT * (1 - part), 2);
  return html`<line class="${part === 0 ? "axis" : "gridline"}" x1="0" x2="100%" y1="${y}" y2="${y}"/>`;
})}
${buckets.map((bucket) => {
  const [left, right] = [x(bucket.from), x(bucket.to)];
  const wide = Math.min(right - left, 8);
  const start = round((left + right - wide * 0.72) / 2, 3);
  let y = COLUMN_HEIGHT;
  const parts = [
    ...STACK.map((kind) => [kind, bucket.bytes[kind]] as const),
    ["untold", bucket.untold] as const,
  ];
  const rects = parts.flatMap(([kind, bytes]) => {
    if (bytes <= 0) return [];
    y -= height(bytes);
    return [
      html`<rect class="k-${kind}" x="${start}%" width="${round(wide * 0.72, 3)}%" y="${round(y, 2)}" height="${height(bytes)}"/>`,
    ];
  });
  return rects.length === 0 ? null : html`<g><title>${bucketWords(bucket)}</title>${rects}</g>`;
})}
${dateTicks(ticks, x, COLUMN_HEIGHT, 4)}
</svg></div>`;
}

function bucketWords({ from, bytes, untold, objects }: Bucket): string {
  const parts = STACK.flatMap((kind) =>
    bytes[kind] > 0 ? [`${KIND_WORDS[kind]} ${formatBytes(bytes[kind])}`] : [],
  );
  if (untold > 0) parts.push(`not told by kind ${formatBytes(untold)}`);
  return `${formatMoment(from)}: ${objects} objects, ${parts.join(", ")}`;
}

export function kindLegend(buckets: readonly Bucket[]): Markup {
  const used = STACK.filter((kind) => buckets.some(({ bytes }) => bytes[kind] > 0));
  const swatch = (kind: string, words: string) =>
    html`<li><svg viewBox="0 0 14 14" aria-hidden="true"><rect class="k-${kind}" width="14" height="14" rx="3"/></svg>${words}</li>`;
  return html`<ul class="legend">${used.map((kind) => swatch(kind, KIND_WORDS[kind]))}${
    buckets.some(({ untold }) => untold > 0) && swatch("untold", "not told by kind (older records)")
  }</ul>`;
}

/** A part of a whole as a bar. @param mark in percent */
export function barFigure(percent: number, mark: number | null, over: boolean, words: string): Markup {
  const part = Math.max(0, Math.min(100, percent));
  return html`<svg role="img" height="12" aria-label="${words}"><rect class="bar-back" width="100%" height="12" rx="4"/><rect class="${over ? "bar-over" : "bar-full"}" width="${part}%" height="12" rx="4"/>${
    mark !== null && html`<rect class="bar-mark" x="${Math.min(99.4, mark)}%" y="-3" width="2" height="18"/>`
  }</svg>`;
}
