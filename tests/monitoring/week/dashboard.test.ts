/** The dashboard and the alerts against a real Prometheus that holds a replayed week, and pictures of it. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scratchDir } from "../../support/agent.ts";
import { dashboard, type Panel, type Target } from "../../support/dashboard.ts";
import { type Daemon, programsMissing, promtool, startPrometheus, titled } from "../../support/monitoring.ts";
import { COLUMN, type Line, page, ROW, screenshot } from "./picture.ts";
import { END, START, writeWeek } from "./replay.ts";

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const missing = programsMissing("promtool", "prometheus");
const STEP = 3600;

/** One series of an answer: the labels, and the points as numbers. */
interface Answer {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [at: number, value: number])[];
}

describe.skipIf(missing !== null)(titled("a replayed week in a real Prometheus", missing), () => {
  let dir: string;
  let prometheus: Daemon;

  beforeAll(async () => {
    dir = scratchDir();
    const week = join(dir, "week.om");
    const data = join(dir, "data");
    mkdirSync(data);
    await writeWeek(week);
    const { code, said } = promtool(["tsdb", "create-blocks-from", "openmetrics", "-q", week, data]);
    expect(code, said).toBe(0);
    prometheus = await startPrometheus({ dir, rules: [path("docs/monitoring/alerts.yml")] });
  });
  afterAll(async () => {
    await prometheus?.stop();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  async function api(call: string, query: Readonly<Record<string, string | number>>): Promise<unknown> {
    const words = new URLSearchParams(
      Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
    );
    return JSON.parse(await prometheus.text(`/api/v1/${call}?${words}`)).data;
  }

  async function over(expr: string): Promise<Answer[]> {
    const { result } = (await api("query_range", { query: expr, start: START, end: END, step: STEP })) as {
      result: { metric: Record<string, string>; values: [number, string][] }[];
    };
    return result.map(({ metric, values }) => ({
      labels: metric,
      points: values.map(([at, value]) => [at, Number(value)]),
    }));
  }

  async function now(expr: string): Promise<Answer[]> {
    const { result } = (await api("query", { query: expr, time: END })) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return result.map(({ metric, value: [at, value] }) => ({
      labels: metric,
      points: [[at, Number(value)]],
    }));
  }

  /** As Grafana would ask: every host, the range of the week, and the panel's least interval plus one scrape. */
  const asked = (expr: string) =>
    expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "70m").replaceAll("$__range", "7d");
  const ask = ({ expr, instant }: Target) => (instant === true ? now : over)(asked(expr));

  const queries = dashboard.panels.flatMap((panel) =>
    panel.targets.map((target) => [`${panel.title}, ${target.refId}`, panel, target] as const),
  );

  it.each(queries)("the panel has something to show: %s", async (_, __, target) => {
    expect(asked(target.expr)).not.toContain("$");
    const answers = await ask(target);
    const values = answers.flatMap(({ points }) => points.map(([, value]) => value));
    expect(values.length).toBeGreaterThan(target.instant === true ? 0 : 24);
    expect(values.every(Number.isFinite)).toBe(true);
    // At the week's end there may be nothing to tell; over the week there was.
    const week = (await over(asked(target.expr))).flatMap(({ points }) => points);
    expect(week.some(([, value]) => value !== 0)).toBe(true);
    for (const { labels } of answers) {
      for (const [, label = ""] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        expect(labels, target.legendFormat).toHaveProperty(label);
      }
    }
  });

  async function linesOf(panel: Panel): Promise<Line[]> {
    const answers = panel.targets.map(async (target) =>
      (await ask(target)).map(({ labels, points }) => ({
        // A table has no legend: each of its rows shows the labels.
        legend: (panel.type === "table"
          ? `${target.legendFormat}: ${Object.values(labels).join(" ")}`
          : target.legendFormat
        ).replace(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? "?"),
        points,
      })),
    );
    return (await Promise.all(answers)).flat();
  }

  it("no two lines of a panel have one name", async () => {
    for (const panel of dashboard.panels.filter(({ type }) => type !== "table")) {
      const legends = (await linesOf(panel)).map(({ legend }) => legend);
      expect(new Set(legends).size, `${panel.title}: ${legends.join("; ")}`).toBe(legends.length);
    }
  });

  it("the variable offers both hosts", async () => {
    const definition = dashboard.templating.list.find(({ name }) => name === "instance")?.definition ?? "";
    const [, metric = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
    const values = await api(`label/${label}/values`, { "match[]": metric, start: START, end: END });
    expect(values).toEqual(["ci-1:9100", "ci-2:9100"]);
  });

  it("the alerts would have told of what went wrong that week, and of nothing else", async () => {
    const { groups } = (await api("rules", { type: "alert" })) as {
      groups: { rules: { name: string; query: string }[] }[];
    };
    const told = new Map<string, string[]>();
    for (const { name, query } of groups.flatMap(({ rules }) => rules)) {
      for (const { labels } of await over(query)) {
        const { instance = "", rule } = labels;
        told.set(name, [...(told.get(name) ?? []), rule === undefined ? instance : `${instance} ${rule}`]);
      }
    }
    expect(Object.fromEntries(told)).toEqual({
      // The backup on Saturday, which also leaves the disk too full for all that a pass can do.
      CiDockerPruneDiskFillsUp: ["ci-1:9100"],
      CiDockerPrunePressureRemains: ["ci-1:9100"],
      // The engine on Thursday, two images on Friday.
      CiDockerPruneFailing: ["ci-1:9100"],
      CiDockerPruneRuleNeverMatches: ["ci-1:9100 workers"],
    });
  });

  const browserMissing = programsMissing("chromium");

  describe.skipIf(browserMissing !== null)(titled("pictures in docs/monitoring", browserMissing), () => {
    const picture = (name: string) => path(`docs/monitoring/${name}.png`);
    /** Takes one, and puts it in its place if it has to be another one. */
    const take = (name: string, url: string, width: number, height: number, replace: boolean) => {
      const file = join(dir, `${name}.png`);
      screenshot(url, file, width, height);
      const bytes = readFileSync(file);
      expect(bytes.subarray(1, 4).toString()).toBe("PNG");
      expect(bytes.length).toBeGreaterThan(20_000);
      expect(bytes.length).toBeLessThan(150_000);
      const same = existsSync(picture(name)) && bytes.equals(readFileSync(picture(name)));
      if (!same && (replace || !existsSync(picture(name)))) copyFileSync(file, picture(name));
      return !same;
    };
    let changed = false;

    it("the panels of the dashboard", async () => {
      const drawn = await Promise.all(
        dashboard.panels.map(async (panel) => ({ panel, lines: await linesOf(panel) })),
      );
      const file = join(dir, "dashboard.html");
      writeFileSync(file, page(drawn, START, END));
      const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
      changed = take("dashboard", `file://${file}`, 24 * COLUMN + 12, rows * ROW + 12, true);
    });

    it("Prometheus' own page", () => {
      const exprs = [
        '{__name__=~"ci_docker_prune_filesystem_(used|high_watermark|low_watermark)_bytes", instance="ci-1:9100"}',
      ];
      const words = exprs.flatMap((expr, at) => [
        [`g${at}.expr`, expr],
        [`g${at}.tab`, "0"],
        [`g${at}.range_input`, "7d"],
        [`g${at}.end_input`, new Date(END * 1000).toISOString().slice(0, 16).replace("T", " ")],
        [`g${at}.step_input`, "1800"],
      ]);
      const query = words.map((word) => word.map(encodeURIComponent).join("=")).join("&");
      // It shows how long the query took: never twice the same.
      take("prometheus", `${prometheus.url}/graph/?${query}`, 1200, 850, changed);
    });
  });
});
