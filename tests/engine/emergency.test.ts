/** A disk that garbage of the last minutes fills: `prune.emergency` on a real engine and a small disk. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type AgentEvent, idsOf, only, runAgent } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { onEngine } from "../support/engine-under-test.ts";

const WRITES = ["/bin/busybox", "dd", "if=/dev/urandom", "of=/junk", "bs=1M", "count=48"];

onEngine("an emergency", () => {
  let host: CiHost;
  let base: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "emergency", swarm: false, diskMiB: 512 });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(async () => {
    await host.unfill();
    await host.clear();
  });

  const run = (emergency: object | null) =>
    runAgent({
      args: ["run"],
      settings: {
        engine: { socketPath: host.socketPath },
        disk: { paths: [host.dataRoot], highWatermark: "80%" },
        prune: { emergency },
      },
    });
  /** Garbage of every kind that is three seconds old, and an image that a run may want: `keep:1`. */
  async function garbage() {
    base = await host.loadImage({ ref: "base:1", created: "2020-01-01T00:00:00Z" });
    const container = await host.runContainer({ image: "base:1", cmd: WRITES, wait: true });
    const image = await host.loadImage({ sizeMiB: 8 });
    await host.loadImage({ ref: "keep:1", sizeMiB: 4 });
    await host.buildCache(24);
    await sleep(3500);
    return { container, image };
  }
  const removed = (events: readonly AgentEvent[], kind: string) => idsOf(events, "object.removed", kind);

  it("takes what is older than its own limit, and no named image; without it nothing is old enough", async () => {
    const { container, image } = await garbage();
    await host.fillDisk(99);
    const usual = await run(null);
    expect(usual.events.filter(({ event }) => event === "object.removed")).toEqual([]);
    expect(usual.code).toBe(10);
    const above = await run({ at: "100%", until: "2s" });
    expect(above.events.filter(({ event }) => event === "object.removed")).toEqual([]);

    const young = await run({ at: "82%", until: "1h" });
    expect(young.events.filter(({ event }) => event === "object.removed")).toEqual([]);
    expect(only(young.events, "pass.started").emergency).toMatch(/: age limit 1h instead of 1d$/);

    const { events } = await run({ at: "82%", until: "2s" });
    expect(removed(events, "container")).toEqual([container]);
    expect(removed(events, "image")).toEqual([image]);
    expect(removed(events, "build-cache").length).toBeGreaterThan(0);
    expect(await host.hasImage("keep:1")).toBe(true);
    expect(await host.hasImage(base)).toBe(true);
  });

  it("ends as soon as the disk is below its mark: what is young stays", async () => {
    const { container, image } = await garbage();
    await host.fillDisk(97);
    // The container alone gives back more than 8 % of the disk.
    const { events } = await run({ at: "93%", until: "2s" });
    expect(removed(events, "container")).toEqual([container]);
    expect(removed(events, "image")).toEqual([]);
    expect(removed(events, "build-cache")).toEqual([]);
    const kept = events.filter(({ event, kind }) => event === "object.kept" && kind === "image");
    expect(kept.find(({ id }) => id === image)?.rule).toBe("not-needed");
    expect(await host.hasImage(image)).toBe(true);
  });
});
