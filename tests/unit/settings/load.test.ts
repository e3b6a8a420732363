import { execFileSync, spawn } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../../agent/settings/load.ts";
import { parseSettings } from "../../../agent/settings/parse.ts";
import { testFolder } from "../folder.ts";

describe("whatever JSON is handed in", () => {
  const KEYS = [
    ...["engine", "disk", "liveRuns", "convergence", "prune", "deferrals", "metrics", "retention", "orphans"],
    ...["socketPath", "timeout", "paths", "highWatermark", "lowWatermark", "services", "labels", "presets"],
    ...["settle", "until", "keepLabels", "lockFile", "warnAfterPasses", "textfile", "__proto__", "toString"],
    ...["snapshots", "name", "match", "repositories", "olderThan", "keepCount", "maxTotalSize", "label"],
  ];
  const leaf = fc.oneof(
    fc.constantFrom(null, true, 0, -1, 1e308, "", "80%", "24h", "20GiB free", "/", "^a", "(", "a=b", "defer"),
    fc.constantFrom("ci-app", "ci-app/*:sha-?", "**", "snapshots", "10GB", "always"),
    fc.string(),
    fc.double(),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), fc.string()), tie("tree"), { maxKeys: 6 }),
    ),
  }));

  it("the answer is settings or problems, never an exception", () => {
    const seen = { ok: 0, problems: 0 };
    fc.assert(
      fc.property(fc.oneof(tree, fc.jsonValue()), (raw) => {
        const parsed = parseSettings(raw);
        seen[parsed.ok ? "ok" : "problems"]++;
        expect(parsed.ok || parsed.problems.length > 0).toBe(true);
      }),
      { numRuns: 400, seed: 20260801, examples: [[{}], [{ prune: {} }]] },
    );
    expect(seen.ok).toBeGreaterThan(0);
    expect(seen.problems).toBeGreaterThan(300);
  });

  it("every problem says where, what and what instead, in short", () => {
    fc.assert(
      fc.property(tree, (raw) => {
        const parsed = parseSettings({ prune: raw, disk: 1 });
        const problems = parsed.ok ? [] : parsed.problems;
        expect(problems.length).toBeGreaterThan(0);
        for (const { found, expected } of problems) {
          expect(found.length).toBeLessThanOrEqual(80);
          expect(expected).not.toBe("");
        }
      }),
    );
  });
});

describe("a settings file", () => {
  const withFile = (content: string | Buffer, look: (path: string) => void) => {
    const dir = testFolder();
    writeFileSync(join(dir, "s.json"), content);
    look(join(dir, "s.json"));
  };

  it("that nobody named gives the defaults", () => {
    expect(loadSettings(undefined)).toEqual(parseSettings({}));
  });

  it("is the service's own where nobody named one", () => {
    withFile('{"prune": {"until": "2h"}}', (path) => {
      expect(loadSettings(undefined, path)).toMatchObject({ ok: true, settings: { prune: { until: 7200 } } });
      expect(loadSettings(path, "/nowhere")).toMatchObject({ ok: true });
    });
    withFile("{", (path) => expect(loadSettings(undefined, path)).toMatchObject({ ok: false }));
    expect(loadSettings(undefined, "/nowhere/settings.json")).toEqual(parseSettings({}));
  });

  it("is read through a link, and from a pipe once, but not from a device and not without end", () => {
    withFile('{"prune": {"until": "2h"}}', (path) => {
      symlinkSync(path, `${path}.link`);
      expect(loadSettings(`${path}.link`)).toMatchObject({ ok: true });
      execFileSync("mkfifo", [`${path}.pipe`]);
      spawn("sh", ["-c", `cat ${path} >${path}.pipe`], { stdio: "ignore" });
      expect(loadSettings(`${path}.pipe`)).toMatchObject({ ok: true, settings: { prune: { until: 7200 } } });
    });
    expect(loadSettings("/dev/zero")).toMatchObject({
      problems: [{ found: "/dev/zero is a device, not a file" }],
    });
  });

  it("is read, also with a byte order mark in front", () => {
    withFile('\uFEFF{"prune": {"until": "2h"}}', (path) => {
      expect(loadSettings(path)).toMatchObject({ ok: true, settings: { prune: { until: 7200 } } });
    });
  });

  it.each([
    ["empty", ""],
    ["not JSON", "{prune: {}}"],
    ["cut off", '{"prune": {"until": "2h"'],
    ["nested beyond all measure", "[".repeat(200_000)],
  ])("that is %s is a problem, not an exception", (_, content) => {
    withFile(content, (path) => {
      expect(loadSettings(path)).toMatchObject({
        ok: false,
        problems: [{ path: "", expected: "a JSON document" }],
      });
    });
  });

  it("that has a key twice, or a number that would be rounded, is a problem at its place", () => {
    withFile('{"prune":{"until":"24h","until":"1s"},"deferrals":{"warnAfterPasses":1e999}}', (path) => {
      const loaded = loadSettings(path);
      expect(loaded.ok ? [] : loaded.problems.map((problem) => problem.path)).toEqual([
        "prune.until",
        "deferrals.warnAfterPasses",
      ]);
    });
  });

  it("that is not there is a problem which names it", () => {
    const loaded = loadSettings("/nowhere/settings.json");
    expect(loaded).toMatchObject({ ok: false, problems: [{ path: "", expected: "a readable file" }] });
    expect(JSON.stringify(loaded)).toContain("/nowhere/settings.json");
  });
});
