/**
 * Pictures for docs/monitoring: headless Chromium on a page. The dashboard's page is drawn here from what a real
 * Prometheus answered to each panel's queries, in the places and with the words that the dashboard gives them; Grafana
 * is in no Debian release.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { formatBytes, formatDuration } from "../../../agent/units.ts";
import { scratchDir } from "../../support/agent.ts";
import type { Panel } from "../../support/dashboard.ts";

/** What one query came to, by what the legend calls each series. */
export interface Line {
  readonly legend: string;
  readonly points: readonly (readonly [at: number, value: number])[];
}

export interface Drawn {
  readonly panel: Panel;
  readonly lines: readonly Line[];
}

export const COLUMN = 42;
export const ROW = 29;
const COLOURS = [
  "#1f60c4",
  "#e0752d",
  "#56a64b",
  "#c4162a",
  "#8f3bb8",
  "#0a8f8f",
  "#b8860b",
  "#705da0",
  "#5c6370",
  "#d44a7a",
] as const;

/** One HTML page, without scripts. */
export function page(drawn: readonly Drawn[], from: number, to: number): string {
  const height = Math.max(...drawn.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h)) * ROW;
  const panels = drawn.map(({ panel, lines }) => {
    const { x, y, w, h } = panel.gridPos;
    const [width, tall] = [w * COLUMN - 8, h * ROW - 8];
    const body =
      panel.type === "timeseries"
        ? chart(panel, lines, width - 20, tall - 62, from, to)
        : figures(panel, lines);
    return `<section style="left:${x * COLUMN}px;top:${y * ROW}px;width:${width}px;height:${tall}px">
      <h2>${escaped(panel.title)}</h2>${body}</section>`;
  });
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 8px; font: 10px/1.3 sans-serif; color: #24292e; background: #eef0f3; }
    main { position: relative; width: ${24 * COLUMN}px; height: ${height}px; }
    section { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #d5d9de; padding: 4px 8px;
      overflow: hidden; }
    h2 { font-size: 11px; margin: 0 0 2px; }
    p { margin: 0; font-size: 17px; } small { font-size: 11px; color: #5c6370; }
    svg { display: block; } ul { margin: 2px 0 0; padding: 0; height: 26px; overflow: hidden; }
    li { display: inline-block; margin-right: 10px; white-space: nowrap; font-size: 10px; }
    li::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 3px; background: var(--c); }
    </style><main>${panels.join("")}</main>`;
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const colour = (at: number) => COLOURS[at % COLOURS.length] ?? "#000";

function figures({ fieldConfig }: Panel, lines: readonly Line[]): string {
  return lines
    .map(({ legend, points }) => {
      const value = points.at(-1)?.[1] ?? Number.NaN;
      // Where the name says it all the value is but 1.
      const shown = legend.includes(": ") ? "" : shownAs(value, fieldConfig.defaults.unit);
      return `<p>${shown} <small>${escaped(legend)}</small></p>`;
    })
    .join("");
}

function shownAs(value: number, unit: string): string {
  if (unit === "bytes") return formatBytes(value);
  if (unit === "s") return value < 60 ? `${Math.round(value * 10) / 10}s` : formatDuration(value);
  if (unit === "percentunit") return `${Math.round(value * 100)}%`;
  return String(Math.round(value * 10) / 10);
}

function chart(
  panel: Panel,
  lines: readonly Line[],
  width: number,
  height: number,
  from: number,
  to: number,
): string {
  const { unit, custom } = panel.fieldConfig.defaults;
  const values = lines.flatMap(({ points }) => points);
  const sums = values.map(([at]) =>
    values.reduce((sum, [when, value]) => (when === at ? sum + value : sum), 0),
  );
  const peaks = custom?.stacking === undefined ? values.map(([, value]) => value) : sums;
  const top = Math.max(1e-9, ...peaks) * 1.08;
  /** How high the bars of each moment are so far. */
  const piled = new Map<number, number>();
  const left = 56;
  const x = (at: number) => left + ((at - from) / (to - from)) * (width - left);
  const y = (value: number) => height - 14 - (value / top) * (height - 20);
  const drawn = lines.map(({ legend, points }, index) => {
    const stroke = `stroke="${colour(index)}" fill="none"`;
    if (custom?.drawStyle === "bars") {
      const stacked = custom.stacking !== undefined;
      const shift = stacked ? 0 : (index - lines.length / 2) * 1.5;
      const bars = points
        .filter(([, value]) => value > 0)
        .map(([at, value]) => {
          const below = stacked ? (piled.get(at) ?? 0) : 0;
          piled.set(at, below + value);
          return `M${(x(at) + shift).toFixed(1)} ${y(below).toFixed(1)}V${y(below + value).toFixed(1)}`;
        });
      return `<path ${stroke} stroke-width="1.8" d="${bars.join("")}"/>`;
    }
    const dash = legend.includes("watermark") ? ' stroke-dasharray="6 5"' : "";
    let before = Number.NEGATIVE_INFINITY;
    const path = points.map(([at, value]) => {
      const to = `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      const gap = at - before > 2 * 3600;
      before = at;
      return gap ? `M${to}` : `L${to}`;
    });
    return `<path ${stroke} stroke-width="1.4"${dash} d="${path.join("")}"/>`;
  });
  const days = Array.from({ length: 8 }, (_, day) => from + day * 86_400).map((at) => {
    const text = new Date(at * 1000).toISOString().slice(5, 10);
    return `<path stroke="#e3e6ea" d="M${x(at)} 4V${y(0)}"/><text x="${x(at) + 3}" y="${height - 2}">${at < to ? text : ""}</text>`;
  });
  const marks = [0, 0.5, 0.925].map(
    (share) =>
      `<text x="${left - 6}" y="${y(top * share) + 4}" text-anchor="end">${shownAs(top * share, unit)}</text>`,
  );
  const legend = lines.map(({ legend }, at) => `<li style="--c:${colour(at)}">${escaped(legend)}</li>`);
  return `<svg width="${width}" height="${height}" font-size="10" fill="#5c6370">${days.join("")}${marks.join("")}${drawn.join("")}</svg><ul>${legend.join("")}</ul>`;
}

/** @param url a page, of a server on the loopback or of a file */
export function screenshot(url: string, file: string, width: number, height: number): void {
  const profile = join(scratchDir(), "profile");
  const { status, stderr, error } = spawnSync(
    "chromium",
    [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...[
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
      ],
      ...[`--user-data-dir=${profile}`, `--window-size=${width},${height}`, "--virtual-time-budget=10000"],
      ...[`--screenshot=${file}`, url],
    ],
    { encoding: "utf8", timeout: 60_000 },
  );
  rmSync(profile, { recursive: true, force: true });
  if (status !== 0) throw new Error(`chromium: ${stderr}${error?.message ?? ""}`);
}
