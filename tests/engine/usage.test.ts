/** What the finished bundle says to settings and options that are not valid. No engine is asked. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runAgent, scratchDir } from "../support/agent.ts";

describe("faults of the command line", () => {
  it("settings that are not valid: 78, with every problem", async () => {
    const { code, stdout, stderr } = await runAgent({
      args: ["run", "--without-pressure"],
      settings: {
        engine: { socketPath: "docker.sock", timeout: "soon" },
        disk: { highWatermark: "eighty" },
        prune: { until: "0s", volumes: true },
        colour: "red",
      },
    });
    expect(code).toBe(78);
    expect(stdout).toBe("");
    for (const path of [
      "engine.socketPath",
      "engine.timeout",
      "disk.highWatermark",
      "prune.until",
      "prune.volumes",
      "colour",
    ]) {
      expect(stderr).toContain(`  ${path}: found `);
    }
    expect(stderr).toContain("6 problems");
  });

  it.each([
    ["not JSON", "{ engine: "],
    ["a list", "[]"],
    ["a number", "80"],
    ["null", "null"],
    ["empty", ""],
  ])("a settings file that is %s: 78", async (_, text) => {
    const file = join(scratchDir(), "settings.json");
    writeFileSync(file, text);
    const { code, stderr } = await runAgent({ args: ["validate", file] });
    expect(code).toBe(78);
    expect(stderr).toContain("the document: found ");
  });

  it("a settings file that is not there: 78", async () => {
    const { code, stderr } = await runAgent({
      args: ["run", "--dry-run", "--settings", "/nonexistent.json"],
    });
    expect(code).toBe(78);
    expect(stderr).toMatch(/ENOENT/);
  });

  it.each([
    ["an unknown option", ["run", "--force"]],
    ["an unknown option before a good one", ["run", "--all", "--without-pressure"]],
    ["an unknown command", ["prune"]],
    ["no command", []],
    ["an option without its value", ["run", "--settings"]],
    ["two options that exclude each other", ["run", "--json", "--plain"]],
    ["an argument too many", ["run", "everything"]],
  ])("%s: 64, and the log stays empty", async (_, args) => {
    const { code, stdout, stderr } = await runAgent({ args });
    expect(code).toBe(64);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/Try: ci-docker-prune --help/);
  });
});
