import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemFacts } from "../../../agent/host/facts.ts";
import { applyLimits } from "../../../agent/snapshots/limits.ts";
import { play, relief } from "../pass/play.ts";
import { exited, fails, ROOT } from "../pass/world.ts";
import { HOUR, imageId, NOW } from "../support.ts";
import { engine, host, nameOf, snapshot } from "./host.ts";

const swarm = (role: "worker" | "manager" | "none") => ({
  rootDir: ROOT,
  imageStore: "classic" as const,
  swarm: { role },
});
const OLD = [snapshot("i1", "41", 30), snapshot("i2", "42", 30)];

describe("the limits of snapshots", () => {
  it.each(["none", "manager", "worker"] as const)(
    "take what is past its time to live: swarm %s",
    async (role) => {
      const { fake, ports } = engine({ images: [...OLD, snapshot("i3", "43", 0)], info: swarm(role) });
      const report = await applyLimits(ports, host(), imageId("i3"));
      expect(report).toMatchObject({ applied: true, unknown: false, removed: 2, failed: 0 });
      expect(fake.writes).toEqual([`untag ${nameOf("42")}`, `untag ${nameOf("41")}`]);
    },
  );

  it.each(["none", "manager", "worker"] as const)("are those of a pass as well: swarm %s", async (role) => {
    const { fake } = await play({
      world: { images: [...OLD], containers: [], cache: [], info: swarm(role) },
      settings: { convergence: { onWorker: "local-tasks" }, prune: { buildCache: false } },
      hook: relief,
    });
    expect(fake.writes).toEqual([`untag ${nameOf("42")}`, `untag ${nameOf("41")}`]);
  });

  it("leave to a rule of the operator's own what that names first", async () => {
    const { fake, ports } = engine({ images: [...OLD] });
    const retention = [{ name: "long", match: { repositories: ["ci-snapshot/web-41-*"] }, olderThan: "60d" }];
    await applyLimits(ports, host({ retention }), imageId("i3"));
    expect(fake.writes).toEqual([`untag ${nameOf("42")}`]);
  });

  it("leave on a worker what its own containers use", async () => {
    const task = exited("task", { imageId: imageId("i1") });
    const { fake, ports } = engine({ images: [...OLD], containers: [task], info: swarm("worker") });
    await applyLimits(ports, host(), imageId("i3"));
    expect(fake.writes).toEqual([`untag ${nameOf("42")}`]);
  });

  it.each([
    ["since the last pass, by the boot clock", 30, 0],
    ["against the engine's", 0, 30],
  ])("are not applied by a clock that was set forward: %s", async (_, sincePass, sinceEngine) => {
    const hours = (count: number) => count * HOUR * 1000;
    const systemTime = NOW - hours(sinceEngine);
    const { fake, ports } = engine({ images: [...OLD], info: { ...swarm("none"), systemTime } });
    const there = host();
    const [bootId, uptime] = [systemFacts.bootId(), systemFacts.uptime()];
    if (!bootId.known || !uptime.known) throw new Error("this host does not tell when it was booted");
    const clock = { at: NOW - hours(sincePass), bootId: bootId.value, uptime: uptime.value };
    writeFileSync(join(there.stateDir, "state.json"), JSON.stringify({ version: 2, clock }));
    const report = await applyLimits(ports, there, imageId("i3"));
    expect(report).toMatchObject({ applied: false, unknown: true, removed: 0 });
    expect(report.reason).toMatch(/no age can be trusted/);
    expect(fake.writes).toEqual([]);
  });

  it.each([
    ["the swarm", { ...swarm("none"), swarm: { role: "unclear", why: "no quorum" } as const }, ""],
    ["the services", swarm("manager"), "services"],
  ])("are said not to be applied where %s cannot be read", async (_, info, broken) => {
    const { fake, ports } = engine({ images: [...OLD], info }, (request) => {
      if (request === broken) fails("refused");
    });
    const report = await applyLimits(ports, host(), imageId("i3"));
    expect(report).toMatchObject({ applied: false, unknown: true, removed: 0 });
    expect(report.reason).toMatch(/^the services could not be read: /);
    expect(fake.writes).toEqual([]);
  });
});

it("a rule of the operator's own that removes nothing on a worker is said to", async () => {
  const { fake } = await play({
    world: { images: [snapshot("i1", "41", 30, { tags: ["app:1"] })], info: swarm("worker") },
    settings: {
      convergence: { onWorker: "local-tasks" },
      retention: [{ name: "apps", match: { repositories: ["app"] }, olderThan: "24h" }],
    },
  });
  expect(fake.said("fact.unknown")).toMatchObject([
    { what: "the users of retention families", reason: expect.stringContaining('"apps" removes nothing') },
  ]);
});
