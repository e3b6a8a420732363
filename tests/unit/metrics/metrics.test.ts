import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { PassFinished } from "../../../agent/log/events.ts";
import { type MeasuredPass, renderMetrics, writeMetrics } from "../../../agent/metrics/metrics.ts";
import { allRules } from "../../../agent/settings/rules.ts";
import { EMPTY_STATE, type State } from "../../../agent/state/state.ts";
import { addToTotals } from "../../../agent/state/totals.ts";
import { type MetricFamily, parseExposition, seriesValue } from "../../support/exposition.ts";
import { testFolder } from "../folder.ts";
import { ago, filesystem, finished, GiB, NOW, settingsOf } from "../support.ts";

interface Given {
  readonly pass?: Partial<PassFinished>;
  readonly settings?: unknown;
  readonly state?: Partial<State>;
  readonly mountPoint?: (path: string) => string;
}

/** A pass that began with this state, and what it leaves. */
function measured({
  pass = {},
  settings = {},
  state = {},
  mountPoint = (path) => path,
}: Given): MeasuredPass {
  const parsed = settingsOf(settings);
  const before = { ...EMPTY_STATE, ...state };
  const fields = finished(pass);
  return {
    version: "1.2.3",
    endedAt: NOW,
    finished: fields,
    settings: parsed,
    state: {
      ...before,
      totals: addToTotals(before, fields, allRules(parsed), NOW),
    },
    mountPoint,
  };
}

const P = "ci_docker_prune_";

/** How to read the metrics after such a pass. */
async function metrics(given: Given) {
  const families = parseExposition(await renderMetrics(measured(given)));
  return {
    families,
    names: families.map(({ name }) => name.slice(P.length)),
    value: (name: string, labels = {}) => seriesValue(families, `${P}${name}`, labels),
    /** `{"live-run": 2}` of the series that are not 0. */
    by: (name: string, label: string) => by(families, `${P}${name}`, label),
  };
}

function by(families: readonly MetricFamily[], name: string, label: string): Record<string, number> {
  const { series = [] } = families.find((family) => family.name === name) ?? {};
  return Object.fromEntries(
    series.filter(({ value }) => value !== 0).map(({ labels, value }) => [labels[label] ?? "", value]),
  );
}

describe("the cache's part of the metrics", () => {
  const cache = {
    ...{ at: NOW, uses: 100, warmUses: 97, evictions: 12, regrets: 1 },
    ...{ since: 5000, gapSeconds: 60, workingSetBytes: 30 * GiB },
  };

  it("is what the ledger of uses said when it was read last", async () => {
    const { value } = await metrics({ state: { cache } });
    const names = ["uses", "warm_uses", "evictions", "regrets", "ledger_gap_seconds", "working_set_bytes"];
    expect(names.map((name) => value(`cache_${name}`))).toEqual([100, 97, 12, 1, 60, 30 * GiB]);
    expect(value("cache_ledger_start_timestamp_seconds")).toBe(5);
    expect(value("cache_read_timestamp_seconds")).toBe(NOW / 1000);
  });

  it("is left out where the last tier is off, all but the counter of what it removed", async () => {
    const { names, value } = await metrics({});
    expect(names.filter((name) => name.startsWith("cache_"))).toEqual([]);
    expect(value("removed_objects_total", { kind: "image", reason: "evicted" })).toBe(0);
  });
});

describe("the metrics of a pass", () => {
  it("say when it ended, how long it took and with what", async () => {
    const { value } = await metrics({ pass: { durationSeconds: 12.5, exitCode: 10 } });
    expect(value("last_pass_timestamp_seconds")).toBe(NOW / 1000);
    expect(value("last_pass_duration_seconds")).toBe(12.5);
    expect(value("last_pass_exit_code")).toBe(10);
  });

  it("say what it came to: one outcome and one gate of all that there are", async () => {
    const { by, value } = await metrics({ pass: { outcome: "deferred", gate: "live-run" } });
    expect(by("last_pass_outcome", "outcome")).toEqual({ deferred: 1 });
    expect(by("last_pass_gate", "gate")).toEqual({ "live-run": 1 });
    expect(value("last_pass_outcome", { outcome: "pruned" })).toBe(0);
    expect(value("last_pass_gate", { gate: "converging" })).toBe(0);
  });

  it("name no gate where none ended it", async () => {
    const { by } = await metrics({ pass: { outcome: "pruned", gate: null } });
    expect(by("last_pass_gate", "gate")).toEqual({});
  });

  it("count objects by kind, fate and reason", async () => {
    const { value } = await metrics({
      pass: {
        objects: [
          { kind: "image", fate: "removed", reason: "expired", count: 4 },
          { kind: "image", fate: "kept", reason: "young", count: 2 },
          { kind: "container", fate: "failed", reason: "timeout", count: 1 },
        ],
      },
    });
    expect(value("last_pass_objects", { kind: "image", fate: "removed", reason: "expired" })).toBe(4);
    expect(value("last_pass_objects", { kind: "image", fate: "kept", reason: "young" })).toBe(2);
    expect(value("last_pass_objects", { kind: "container", fate: "failed" })).toBe(1);
    expect(value("removed_objects_total", { kind: "image", reason: "expired" })).toBe(4);
    expect(value("removed_objects_total", { kind: "container", reason: "expired" })).toBe(0);
    expect(value("failed_objects_total", { kind: "container" })).toBe(1);
  });

  it("give freed space as measured and as claimed, also when there is less than before", async () => {
    const { value } = await metrics({ pass: { freedBytes: -5 * GiB, claimedBytes: 7 * GiB } });
    expect(value("last_pass_freed_bytes")).toBe(-5 * GiB);
    expect(value("last_pass_claimed_bytes")).toBe(7 * GiB);
  });

  it("go on counting where earlier passes ended", async () => {
    const first = measured({ pass: { outcome: "pruned", claimedBytes: 3 } }).state;
    const { value } = await metrics({
      state: { ...EMPTY_STATE, totals: first.totals },
      pass: { outcome: "pruned", claimedBytes: 4 },
    });
    expect(value("passes_total", { outcome: "pruned" })).toBe(2);
    expect(value("passes_total", { outcome: "failed" })).toBe(0);
    expect(value("claimed_bytes_total")).toBe(7);
  });

  it("say since when passes are deferred, and by which gate each was", async () => {
    const state = { deferrals: { count: 1, since: ago(7200) } };
    const { value, by } = await metrics({
      state,
      pass: { outcome: "deferred", gate: "lock", deferralsInARow: 2 },
    });
    expect(value("deferred_since_timestamp_seconds")).toBe(NOW / 1000 - 7200);
    expect(by("deferrals_in_a_row", "gate")).toEqual({ lock: 1 });
    expect(by("deferred_passes_total", "gate")).toEqual({ lock: 1 });
  });

  it("leave out what is not known: no deferral, no success yet, no engine asked yet", async () => {
    const { names } = await metrics({ pass: { outcome: "failed", exitCode: 69 } });
    expect(names).not.toContain("deferred_since_timestamp_seconds");
    expect(names).not.toContain("last_success_timestamp_seconds");
    expect(names).not.toContain("engine_info");
  });

  it("know the versions", async () => {
    const { value } = await metrics({ state: { engineVersion: "28.5.1" } });
    expect(value("build_info", { version: "1.2.3" })).toBe(1);
    expect(value("engine_info", { version: "28.5.1" })).toBe(1);
  });

  it("keep an engine's answer from flooding or forging anything", async () => {
    const engineVersion = `28"} 1\n${"x".repeat(1000)}`;
    const { families } = await metrics({ state: { engineVersion } });
    const version = families.find(({ name }) => name === `${P}engine_info`)?.series[0]?.labels.version;
    expect(version).toBe(`28"} 1\\u000a${"x".repeat(52)}`);
  });

  it("have a series for each rule of the settings, and what it came to", async () => {
    const { families, value } = await metrics({
      settings: {
        retention: [{ name: "sha-tags", match: { repositories: ["ci/app"] }, keepCount: 3 }],
        orphans: [{ name: "workers", label: "ci.worker", stoppedLongerThan: "1h" }],
      },
      pass: {
        rules: [
          { list: "retention", name: "sha-tags", matched: 5, removed: 2, failed: 1, keptBytes: GiB },
          { list: "orphans", name: "workers", matched: 0, removed: 0, failed: 0, keptBytes: null },
        ],
      },
    });
    const labels = { list: "retention", rule: "sha-tags" };
    expect(value("rule_matched_objects", labels)).toBe(5);
    expect(value("rule_kept_bytes", labels)).toBe(GiB);
    expect(value("rule_removed_objects_total", labels)).toBe(2);
    expect(value("rule_failed_objects_total", labels)).toBe(1);
    expect(value("rule_passes_total", { rule: "workers" })).toBe(1);
    expect(value("rule_matched_passes_total", { rule: "workers" })).toBe(0);
    expect(value("rule_kept_bytes", { rule: "workers" })).toBeUndefined();
    const rules = families.find(({ name }) => name === `${P}rule_passes_total`)?.series;
    expect(rules?.map(({ labels }) => `${labels.list}/${labels.rule}`)).toEqual([
      "retention/sha-tags",
      "retention/snapshots",
      "orphans/workers",
    ]);
  });
});

describe("a watched filesystem", () => {
  const disk = (settings: object, changes: Parameters<typeof filesystem>[0] = {}) =>
    metrics({
      settings: { disk: settings },
      pass: { filesystems: [filesystem(changes)] },
    });

  it("has its size, what is used and what is left, in bytes and as df's share", async () => {
    const { value } = await disk({});
    const labels = { mountpoint: "/" };
    expect(value("filesystem_size_bytes", labels)).toBe(100 * GiB);
    expect(value("filesystem_used_bytes", labels)).toBe(50 * GiB);
    expect(value("filesystem_available_bytes", labels)).toBe(50 * GiB);
    expect(value("filesystem_used_ratio", labels)).toBe(0.5);
  });

  it("is named by where it is mounted, whichever of its paths is watched", async () => {
    const { value } = await metrics({
      pass: {
        filesystems: [
          filesystem({ paths: ["/srv/docker", "/srv/more"] }),
          filesystem({ paths: ["/"], device: "2", usedBytes: 1 }),
        ],
      },
      mountPoint: (path) => (path === "/srv/docker" ? "/srv" : path),
    });
    expect(value("filesystem_used_bytes", { mountpoint: "/srv" })).toBe(50 * GiB);
    expect(value("filesystem_used_bytes", { mountpoint: "/" })).toBe(1);
  });

  it.each([
    ["80%", 80 * GiB],
    ["82.5%", 82.5 * GiB],
    ["20GiB free", 80 * GiB],
    ["200GiB free", 0],
  ])("has its high watermark of %s in used bytes", async (highWatermark, bytes) => {
    const { value } = await disk({ highWatermark });
    expect(value("filesystem_high_watermark_bytes")).toBe(bytes);
  });

  it("counts the reserve of ext4 to nobody, as df does", async () => {
    // 100 GiB of which 5 are root's: 80 % of the other 95.
    const { value } = await disk({ highWatermark: "80%" }, { availableBytes: 45 * GiB });
    expect(value("filesystem_high_watermark_bytes")).toBe(76 * GiB);
  });

  it("has a low watermark only where one is set", async () => {
    expect((await disk({})).value("filesystem_low_watermark_bytes")).toBeUndefined();
    expect((await disk({ lowWatermark: "60%" })).value("filesystem_low_watermark_bytes")).toBe(60 * GiB);
  });

  it("has inodes and their watermark", async () => {
    const { value } = await disk({ highWatermark: "70%" });
    expect(value("filesystem_inodes")).toBe(1_000_000);
    expect(value("filesystem_free_inodes")).toBe(900_000);
    expect(value("filesystem_high_watermark_inodes")).toBe(700_000);
    const inBytes = await disk({ highWatermark: "20GiB free" });
    expect(inBytes.value("filesystem_high_watermark_inodes")).toBe(800_000);
    const counted = await disk({ inodes: "250000 free" });
    expect(counted.value("filesystem_high_watermark_inodes")).toBe(750_000);
  });

  it("has no inodes where it counts none, and no watermark where they are not judged", async () => {
    const none = await disk({}, { inodesUsedPercent: null, totalInodes: null, freeInodes: null });
    expect(none.names.filter((name) => name.includes("inodes"))).toEqual([]);
    const { names } = await disk({ inodes: false });
    expect(names.filter((name) => name.includes("inodes"))).toEqual([
      "filesystem_inodes",
      "filesystem_free_inodes",
    ]);
  });

  it.each([
    [{}, { usedPercent: 79 }, 0],
    [{}, { usedPercent: 80 }, 1],
    [{}, { inodesUsedPercent: 80 }, 1],
    [{ inodes: false }, { inodesUsedPercent: 80 }, 0],
    [{ highWatermark: "20GiB free" }, { usedPercent: 99, availableBytes: 20 * GiB }, 0],
    [{ highWatermark: "20GiB free" }, { availableBytes: 20 * GiB - 1 }, 1],
  ])("under %j and with %j: pressure is %i, as its gate sees it", async (settings, changes, pressure) => {
    expect((await disk(settings, changes)).value("filesystem_under_pressure")).toBe(pressure);
  });
});

describe("the text", () => {
  it.each([
    ["a quote", 'a"b', 'a"b'],
    ["a backslash", "a\\b", "a\\b"],
    ["braces and commas", 'a",b="c"} 1', 'a",b="c"} 1'],
    ["a line end", "a\nb 1", "a\\u000ab 1"],
    ["a colour", "a\u001b[31m", "a\\u001b[31m"],
    ["half a pair", "a\ud800", "a\\ud800"],
  ])("cannot be broken by a path with %s", async (_, path, shown) => {
    const text = await renderMetrics(measured({ pass: { filesystems: [filesystem({ paths: [path] })] } }));
    const used = parseExposition(text).find(({ name }) => name === `${P}filesystem_used_bytes`);
    expect(used?.series).toEqual([
      { name: `${P}filesystem_used_bytes`, labels: { mountpoint: shown }, value: 50 * GiB },
    ]);
    const plain = await renderMetrics(measured({ pass: { filesystems: [filesystem()] } }));
    expect(text.split("\n")).toHaveLength(plain.split("\n").length);
  });

  it("has each family once, with a help and a type, and ends with a line end", async () => {
    const text = await renderMetrics(measured({}));
    const families = parseExposition(text);
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
    for (const { name, help, type, series } of families) {
      expect(help, name).toMatch(/^[A-Z1].*\.$/);
      expect(type, name).toBe(name.endsWith("_total") ? "counter" : "gauge");
      expect(series.length, name).toBeGreaterThan(0);
      expect(
        series.every((one) => one.name === name),
        name,
      ).toBe(true);
    }
    expect(text.endsWith("\n")).toBe(true);
  });

  it("has as many series after a thousand objects as after one", async () => {
    const count = async (objects: number) => {
      const { families } = await metrics({
        pass: { objects: [{ kind: "image", fate: "removed", reason: "expired", count: objects }] },
      });
      return families.reduce((sum, { series }) => sum + series.length, 0);
    };
    expect(await count(1000)).toBe(await count(1));
  });

  it("has numbers that can be read, whatever a pass measured", async () => {
    const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
    await fc.assert(
      fc.asyncProperty(number, fc.nat(), fc.string(), async (freedBytes, claimedBytes, path) => {
        const text = await renderMetrics(
          measured({ pass: { freedBytes, claimedBytes, filesystems: [filesystem({ paths: [path] })] } }),
        );
        expect(seriesValue(parseExposition(text), `${P}last_pass_freed_bytes`)).toBe(freedBytes + 0);
      }),
      { numRuns: 20 },
    );
  });
});

describe("the file", () => {
  let dir: string;
  let file: string;

  beforeEach(() => {
    dir = testFolder();
    file = join(dir, "ci.prom");
  });

  it("is there as a whole, alone, and readable for the exporter, whatever the umask", async () => {
    const before = process.umask(0o077);
    try {
      await writeMetrics(file, measured({}));
    } finally {
      process.umask(before);
    }
    expect(readFileSync(file, "utf8")).toBe(await renderMetrics(measured({})));
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(dir)).toEqual(["ci.prom"]);
  });

  it("is not there, and nothing else either, where its folder is missing", async () => {
    await expect(writeMetrics(join(dir, "absent", "ci.prom"), measured({}))).rejects.toThrow("ENOENT");
    expect(readdirSync(dir)).toEqual([]);
  });
});
