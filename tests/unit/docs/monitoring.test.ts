import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseExposition } from "../../support/exposition.ts";
import { everyMetric } from "../../support/metrics.ts";

const at = (path: string) => new URL(`../../../docs/${path}`, import.meta.url);
const read = (path: string) => readFileSync(at(path), "utf8");
const manual = read("monitoring.md");

/** `"## The disk is full"` -> `"the-disk-is-full"`, as pages of Markdown name it. */
const anchors = (text: string) =>
  [...text.matchAll(/^#{2,3} (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );

describe("docs/monitoring.md", () => {
  it("has every metric in its table as the agent writes it, and no other", async () => {
    const rows = [...manual.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$/gm)].map(
      ([, name, type, labels = "", meaning]) => ({
        name: `ci_docker_prune_${name}`,
        type,
        labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
        meaning,
      }),
    );
    const written = parseExposition(await everyMetric()).map(({ name, type, help, series }) => ({
      name,
      type,
      labels: Object.keys(series[0]?.labels ?? {}),
      meaning: help,
    }));
    expect(rows).toEqual(written);
    expect(written.length).toBeGreaterThan(30);
  });

  it("names every value of a label that has a list of its own", async () => {
    const families = parseExposition(await everyMetric());
    for (const [family, label] of [
      ["last_pass_outcome", "outcome"],
      ["last_pass_gate", "gate"],
      ["failed_objects_total", "kind"],
    ] as const) {
      const { series = [] } = families.find(({ name }) => name === `ci_docker_prune_${family}`) ?? {};
      expect(series.length, family).toBeGreaterThan(2);
      for (const { labels } of series) expect(manual).toContain(`\`${labels[label]}\``);
    }
  });

  it("leads only to pages, sections and pictures that are there", () => {
    const links = [...manual.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) {
      const [path = "", anchor] = link.split("#");
      if (path !== "") expect(existsSync(at(path)), link).toBe(true);
      if (anchor !== undefined) expect(anchors(path === "" ? manual : read(path)), link).toContain(anchor);
    }
  });
});
