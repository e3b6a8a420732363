/** What the finished bundle says to settings and options that are not valid. No engine is asked. */
import { describe, expect, it } from "vitest";
import { runAgent } from "../support/agent.ts";

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
    ["an unknown option before a good one", ["run", "--all", "--without-pressure"]],
    ["no command", []],
    ["an option without its value", ["run", "--settings"]],
    ["two options that exclude each other", ["run", "--json", "--plain"]],
  ])("%s: 64, and the log stays empty", async (_, args) => {
    const { code, stdout, stderr } = await runAgent({ args });
    expect(code).toBe(64);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/Try: ci-docker-prune --help/);
  });
});
