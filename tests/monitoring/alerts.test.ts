/** docs/monitoring/alerts.yml, by promtool and against what the agent writes and the manual says. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseExposition } from "../support/exposition.ts";
import { everyMetric } from "../support/metrics.ts";
import { programsMissing, promtool, titled } from "../support/monitoring.ts";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), "utf8");
const alerts = read("docs/monitoring/alerts.yml");
const names = [...alerts.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name = ""]) => name);
const missing = programsMissing("promtool");

describe.skipIf(missing !== null)(titled("promtool", missing), () => {
  it("has no complaint about the metrics in all their forms", async () => {
    expect(promtool(["check", "metrics"], await everyMetric())).toEqual({ code: 0, said: "" });
  });

  it("takes the rules", () => {
    const { code, said } = promtool([
      "check",
      "rules",
      "--lint=all",
      "--lint-fatal",
      path("docs/monitoring/alerts.yml"),
    ]);
    expect(code, said).toBe(0);
    expect(said).toContain(`${names.length} rules found`);
  });

  it("finds that they fire when they should, and only then", () => {
    const { code, said } = promtool(["test", "rules", path("tests/monitoring/alerts.test.yml")]);
    expect(code, said).toBe(0);
  });
});

describe("the alerts", () => {
  const metricNames = async () => parseExposition(await everyMetric()).map(({ name }) => name);

  it("are ten", () => {
    expect(names).toHaveLength(10);
  });

  it("ask for metrics that there are", async () => {
    const asked = new Set(alerts.match(/\bci_docker_prune_\w+/g));
    expect(asked.size).toBeGreaterThan(8);
    expect(await metricNames()).toEqual(expect.arrayContaining([...asked]));
  });

  it.each(names)("%s is tried when it fires, and when it does not", (name) => {
    const tries = read("tests/monitoring/alerts.test.yml")
      .split(/^ +- (?=alertname|name:)/m)
      .filter((one) => one.startsWith(`alertname: ${name}\n`));
    expect(tries.filter((one) => one.includes("exp_alerts"))).not.toHaveLength(0);
    expect(tries.filter((one) => !one.includes("exp_alerts"))).not.toHaveLength(0);
  });

  it.each(names)("%s has a summary, a description, and its section in the manual", (name) => {
    const one = alerts.split(/^ +- alert: /m).find((part) => part.startsWith(`${name}\n`)) ?? "";
    expect(one).toMatch(/^ +summary: "\{\{ \$labels\.instance \}\}: /m);
    expect(one).toMatch(/^ +description: >-\n +\S/m);
    expect(one).toMatch(/^ +severity: (warning|critical)$/m);
    expect(one).toContain(`runbook: docs/monitoring.md#${name.toLowerCase()}\n`);
    expect(read("docs/monitoring.md")).toContain(`\n### ${name}\n`);
  });
});
