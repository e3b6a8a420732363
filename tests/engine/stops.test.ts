/** A pass that is ended from outside while the engine is slow or silent: by signals, by nobody reading its log. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { only, recordedPasses, scratchDir } from "../support/agent.ts";
import { onEngine } from "../support/engine-under-test.ts";
import { FaultyEngine, type Lot, refused } from "../support/faulty-engine.ts";

const CONTAINER_DELETE = /^DELETE \/containers\//;
const BUILD_PRUNE = /^POST \/build\/prune/;
const SERVICES = /^GET \/services/;

let on: FaultyEngine;

onEngine("stops", () => {
  beforeAll(async () => {
    on = await FaultyEngine.start("stops");
  });
  afterAll(async () => {
    await on?.host.stop();
  });

  describe("in mid-pass", () => {
    let lots: Readonly<Record<string, Lot>>;
    beforeAll(async () => {
      lots = await on.makeLots({
        kill: [3, 0],
        epipe: [4, 0],
        plain: [4, 0],
        term: [3, 0],
        ineffective: [2, 0],
        size: [2, 0],
        signals: [2, 0],
      });
    });

    it("a container that takes too long to measure is asked without its size, and goes", async () => {
      const lot = lots.size!;
      const [slow] = lot.containers;
      const ran = await on.pass({
        rules: [{ match: new RegExp(`^GET /containers/${slow}/json\\?size=true$`), fault: { kind: "hang" } }],
        lot,
      });
      expect(ran.code).toBe(0);
      expect(await on.left(lot)).toEqual({ containers: 0, images: 0 });
      const removed = ran.events.filter(({ event }) => event === "object.removed");
      const sizes = new Map(removed.map(({ id, sizeBytes }) => [id, sizeBytes]));
      expect(sizes.get(slow)).toBe(null);
      expect(sizes.get(lot.containers[1])).toBeTypeOf("number");
      expect(ran.seconds).toBeGreaterThan(5);
      expect(ran.seconds).toBeLessThan(20);
    });

    it("what holds the space cannot be told: still the report, still 75", async () => {
      const lot = lots.ineffective!;
      const ran = await on.pass({
        rules: [
          { match: CONTAINER_DELETE, nth: 1, fault: refused(500) },
          { match: /^GET \/system\/df/, fault: { kind: "hang" } },
        ],
        lot,
        args: ["run"],
        settings: { disk: { highWatermark: "1%" } },
        timeout: "1s",
      });
      expect(ran.code).toBe(75);
      const ineffective = ran.events.filter((line) => line.cause === "pressure-remains");
      expect(ineffective).toMatchObject([{ holders: expect.stringMatching(/not known: .*within 1 s/) }]);
      expect(await on.left(lot)).toEqual({ containers: 1, images: 0 });
      expect(ran.seconds).toBeLessThan(20);
    });

    describe("when nobody reads the log any more", () => {
      it.each([
        ["JSON lines", "epipe", []],
        ["sentences", "plain", ["--plain"]],
      ] as const)("%s: no further deletion, and no 0", async (_, key, more) => {
        const lot = lots[key]!;
        let deaf = () => {};
        const closed = new Promise<void>((resolve) => {
          deaf = resolve;
        });
        const ran = await on.pass({
          rules: [{ match: CONTAINER_DELETE, nth: 2, fault: { kind: "hold", until: closed } }],
          lot,
          args: ["run", "--without-pressure", ...more],
          reports: false,
          whileRunning: (child, proxy) => {
            proxy.when(CONTAINER_DELETE, 2).then(() => {
              child.stdout?.once("close", deaf);
              child.stdout?.destroy();
            });
          },
        });
        // The second was under way; its line is the first that cannot be written.
        expect(ran.proxy.destructive).toHaveLength(2);
        expect(await on.left(lot)).toEqual({ containers: 2, images: 0 });
        expect(ran.code).toBe(75);
        expect(ran.stderr).toMatch(/standard output cannot be written: EPIPE/);
        // A reader that is only late is waited for longer.
        expect(ran.seconds).toBeLessThan(30);
      });
    });

    it("SIGKILL: the history is intact, the lock is free, the next pass does the rest", async () => {
      const lot = lots.kill!;
      const stateDir = join(scratchDir(), "state");
      const file = join(stateDir, "state.json");
      const earlier = await on.pass({
        rules: [{ match: /^GET \/info$/, fault: refused(500) }],
        lot,
        stateDir,
      });
      expect(earlier.code).toBe(69);
      const history = readFileSync(file, "utf8");
      const killed = await on.pass({
        rules: [{ match: CONTAINER_DELETE, nth: 3, fault: { kind: "hold", until: new Promise(() => {}) } }],
        lot,
        stateDir,
        reports: false,
        whileRunning: (child, proxy) => {
          proxy.when(CONTAINER_DELETE, 3).then(() => child.kill("SIGKILL"));
        },
      });
      expect(killed.code).toBe(null);
      // The first one is confirmed, and from then on each is told at once.
      expect(killed.events.filter(({ event }) => event === "object.removed")).toHaveLength(2);
      expect(readFileSync(file, "utf8")).toBe(history);
      const next = await on.pass({ lot, stateDir });
      expect(next.code).toBe(0);
      expect(next.events.filter(({ event }) => event === "state.damaged")).toEqual([]);
      expect(only(next.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 1 },
      });
      expect(await on.left(lot)).toEqual({ containers: 0, images: 0 });
      expect(recordedPasses(stateDir).map(({ outcome }) => outcome)).toEqual(["failed", "pruned"]);
    });

    it.each([
      ["SIGTERM twice and SIGHUP", ["SIGTERM", "SIGTERM", "SIGHUP"]],
      ["SIGHUP", ["SIGHUP"]],
      ["SIGINT, and again", ["SIGINT", "SIGINT"]],
    ] as const)("%s: like one SIGTERM, the report within 2 s, and 75", async (_, signals) => {
      const lot = lots.signals!;
      let told = 0;
      const ran = await on.pass({
        rules: [{ match: CONTAINER_DELETE, fault: { kind: "hang" } }],
        lot,
        timeout: "60s",
        whileRunning: (child, proxy) => {
          proxy.when(CONTAINER_DELETE).then(async () => {
            told = Date.now();
            for (const signal of signals) {
              child.kill(signal);
              await sleep(100);
            }
          });
        },
      });
      expect(Date.now() - told).toBeLessThan(2000);
      expect(ran.code).toBe(75);
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        reason: "told to stop",
        failed: 1,
      });
      expect(only(ran.events, "object.failed")).toMatchObject({ removed: "unknown" });
      expect(await on.left(lot)).toEqual({ containers: 2, images: 0 });
    });

    describe("SIGTERM while a request hangs: the report within 2 s, and 75", () => {
      it.each([
        ["/version", /^GET \/version$/],
        ["services", SERVICES],
        ["DELETE", CONTAINER_DELETE],
      ])("%s", async (_, match) => {
        const lot = lots.term!;
        let told = 0;
        const ran = await on.pass({
          rules: [{ match, fault: { kind: "hang" } }],
          lot,
          timeout: "60s",
          whileRunning: (child, proxy) => {
            proxy.when(match).then(() => {
              told = Date.now();
              child.kill("SIGTERM");
            });
          },
        });
        expect(Date.now() - told).toBeLessThan(2000);
        expect(ran.code).toBe(75);
        expect(only(ran.events, "pass.finished")).toMatchObject({
          outcome: "incomplete",
          removed: { container: 0, image: 0 },
        });
        expect(await on.left(lot)).toEqual({ containers: 3, images: 0 });
      });

      it("while it waits for the second look", async () => {
        const lot = lots.term!;
        let told = 0;
        const ran = await on.pass({
          lot,
          settings: { convergence: { settle: "60s" } },
          whileRunning: (child, proxy) => {
            proxy.when(/^GET \/tasks/).then(async () => {
              await sleep(300);
              told = Date.now();
              child.kill("SIGTERM");
            });
          },
        });
        expect(Date.now() - told).toBeLessThan(2000);
        expect(ran.code).toBe(75);
        expect(await on.left(lot)).toEqual({ containers: 3, images: 0 });
      });
    });
  });

  describe("of the build cache", () => {
    let lots: Readonly<Record<string, Lot>>;
    const prune = { prune: { buildCache: true } };
    const cacheIds = async () =>
      ((await on.host.docker.df()) as { BuildCache: { ID: string }[] | null }).BuildCache?.map(
        ({ ID }) => ID,
      ).sort() ?? [];
    beforeAll(async () => {
      await on.host.buildCache(1);
      lots = await on.makeLots({ term: [1, 0], half: [1, 0] });
    });

    it("SIGTERM while it hangs: the report within 2 s, 75, and what it did is said to be unknown", async () => {
      let told = 0;
      const ran = await on.pass({
        rules: [{ match: BUILD_PRUNE, fault: { kind: "hang" } }],
        settings: prune,
        lot: lots.term!,
        whileRunning: (child, proxy) => {
          proxy.when(BUILD_PRUNE).then(() => {
            told = Date.now();
            child.kill("SIGTERM");
          });
        },
      });
      expect(Date.now() - told).toBeLessThan(2000);
      expect(ran.code).toBe(75);
      expect(only(ran.events, "object.failed")).toMatchObject({ kind: "build-cache", removed: "unknown" });
    });

    it("outlives engine.timeout: a client that goes away would cancel it half-way", async () => {
      const ran = await on.pass({
        rules: [
          {
            match: BUILD_PRUNE,
            delayMs: 1500,
            fault: { kind: "answer", status: 200, body: { CachesDeleted: [], SpaceReclaimed: 0 } },
          },
        ],
        settings: prune,
        timeout: "1s",
      });
      expect(ran.code).toBe(0);
      expect(ran.seconds).toBeGreaterThan(1.5);
    });

    it("done, and cut off in mid-answer: 69, and the next pass is none the worse for it", async () => {
      const lot = lots.half!;
      const before = await cacheIds();
      const ran = await on.pass({
        rules: [{ match: BUILD_PRUNE, fault: { kind: "cut-in-body" } }],
        settings: prune,
        lot,
      });
      expect(ran.code).toBe(69);
      expect(only(ran.events, "object.failed")).toMatchObject({
        kind: "build-cache",
        error: expect.stringMatching(/broke off/),
        removed: "unknown",
      });
      expect(only(ran.events, "pass.finished").removed).toMatchObject({ container: 1, "build-cache": 0 });
      expect((await cacheIds()).length).toBeLessThan(before.length);
      const next = await on.pass({ settings: prune, lot });
      expect(next.code).toBe(0);
      expect(only(next.events, "pass.finished")).toMatchObject({ outcome: "nothing-eligible" });
    });
  });
});
