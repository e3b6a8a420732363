import { describe, expect, it } from "vitest";
import { dashboard } from "../../support/dashboard.ts";
import { parseExposition } from "../../support/exposition.ts";
import { everyMetric } from "../../support/metrics.ts";

const { panels, templating } = dashboard;
const targets = panels.flatMap(({ targets }) => targets);
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own
const OURS = { type: "prometheus", uid: "${datasource}" };

describe("docs/monitoring/dashboard.json", () => {
  it("can be imported: of a known schema, and with a data source to be chosen", () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    expect(dashboard).not.toHaveProperty("id");
    const [source, instance] = templating.list;
    expect(source).toMatchObject({ name: "datasource", type: "datasource", query: "prometheus" });
    expect(instance).toMatchObject({ name: "instance", type: "query", datasource: OURS });
    for (const { datasource } of [...panels, ...targets]) expect(datasource).toEqual(OURS);
  });

  it("has panels of kinds that Grafana has, each with an id, a title and a unit of its own", () => {
    expect(panels.length).toBeGreaterThan(10);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const { type, title, fieldConfig } of panels) {
      expect(["stat", "timeseries", "table"], title).toContain(type);
      expect(["short", "s", "bytes", "percentunit"], title).toContain(fieldConfig.defaults.unit);
    }
  });

  it("has panels that lie side by side, and not on one another", () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x},${y}`), title).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });

  it("asks for metrics that there are, of the hosts that were chosen", async () => {
    const names = parseExposition(await everyMetric()).map(({ name }) => name);
    for (const { expr } of targets) {
      const asked = expr.match(/\bci_docker_prune_\w+/g) ?? [];
      expect(asked.length, expr).toBeGreaterThan(0);
      expect(names, expr).toEqual(expect.arrayContaining(asked));
      const selectors = expr.match(/\{[^}]*\}/g) ?? [];
      expect(
        selectors.every((one) => one.includes('instance=~"$instance"')),
        expr,
      ).toBe(true);
      expect(expr.match(/\b(?:ci_docker_prune|node)_\w+/g)).toHaveLength(selectors.length);
    }
  });

  it("shows every metric but those that need no picture", async () => {
    const names = parseExposition(await everyMetric()).map(({ name }) => name);
    const text = targets.map(({ expr }) => expr).join("\n");
    const left = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
    expect(left.map((name) => name.replace("ci_docker_prune_", "")).sort()).toEqual([
      "deferred_since_timestamp_seconds",
      "filesystem_available_bytes",
      "filesystem_size_bytes",
      "filesystem_under_pressure",
      "filesystem_used_ratio",
      "last_pass_claimed_bytes",
      "last_pass_freed_bytes",
      "last_pass_gate",
    ]);
  });
});
