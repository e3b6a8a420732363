/**
 * Faults at the HTTP edge that only a real socket shows: the finished bundle talks to a real engine through a proxy that
 * breaks answers on purpose. What becomes of each fault at each place of a pass is in tests/unit/pass and tests/unit/act.
 */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type AgentEvent, copyBundle, only, scratchDir } from "../support/agent.ts";
import { onEngine } from "../support/engine-under-test.ts";
import { type Fault, FaultProxy } from "../support/fault-proxy.ts";
import { FaultyEngine, type Lot, refused, unknownReasons } from "../support/faulty-engine.ts";

const CONTAINER_DELETE = /^DELETE \/containers\//;
const IMAGE_DELETE = /^DELETE \/images\//;
const SERVICES = /^GET \/services/;

let on: FaultyEngine;

/** Seconds: a slow machine gets there, and a request that nothing ends would wait for a minute. */
const IN_TIME = 30;

onEngine("faults", () => {
  beforeAll(async () => {
    on = await FaultyEngine.start("faults");
  });
  afterAll(async () => {
    await on?.host.stop();
  });

  describe("before anything may be deleted", () => {
    let lot: Lot;
    beforeAll(async () => {
      ({ lot } = await on.makeLots({ lot: [2, 2] }));
    });

    const FAULTS: readonly {
      readonly name: string;
      readonly fault: Fault;
      readonly says: RegExp;
      readonly timeout?: string;
    }[] = [
      {
        name: "hangs",
        fault: { kind: "hang" },
        says: /no complete answer within 1 s/,
        timeout: "1s",
      },
      {
        name: "hangs in mid-body",
        fault: { kind: "hang-in-body" },
        says: /no complete answer within 1 s/,
        timeout: "1s",
      },
      { name: "is cut", fault: { kind: "cut" }, says: /the answer broke off/ },
      {
        name: "is cut in mid-body",
        fault: { kind: "cut-in-body" },
        says: /the answer broke off/,
      },
      {
        name: "is cut in mid-body (chunked)",
        fault: { kind: "cut-in-body", chunked: true },
        says: /the answer broke off/,
      },
      {
        name: "is not HTTP",
        fault: { kind: "raw", bytes: "\0\x01SSH-2.0 hello\r\n" },
        says: /the answer broke off/,
      },
      {
        name: "is garbage",
        fault: { kind: "answer", status: 200, body: "<html>\x1b[31m" },
        says: /not JSON/,
      },
      { name: "is half a document", fault: { kind: "half" }, says: /not JSON/ },
      {
        name: "is empty",
        fault: { kind: "answer", status: 200, body: "" },
        says: /unexpected answer/,
      },
      { name: "is null", fault: { kind: "answer", status: 200, body: "null" }, says: /unexpected answer/ },
      {
        name: "is a list",
        fault: { kind: "answer", status: 200, body: [] },
        says: /unexpected answer/,
      },
      {
        name: "has wrong things in it",
        fault: { kind: "answer", status: 200, body: { DockerRootDir: 2, Swarm: [] } },
        says: /unexpected answer/,
      },
      { name: "is 500", fault: refused(500), says: /: 500 a fault from the test/ },
      { name: "is 503", fault: refused(503), says: /: 503 a fault from the test/ },
      { name: "is 404", fault: refused(404), says: /: 404 a fault from the test/ },
    ];

    it.concurrent.each(FAULTS)(
      "what the engine says it is $name: 69, and nothing is deleted",
      async (row) => {
        const { fault, says, timeout } = row;
        const ran = await on.pass({
          rules: [{ match: /^GET \/info$/, fault }],
          lot,
          ...(timeout === undefined ? {} : { timeout }),
        });
        expect(ran.code).toBe(69);
        expect(ran.proxy.destructive).toEqual([]);
        expect(unknownReasons(ran).join("\n")).toMatch(says);
        expect(only(ran.events, "pass.finished").removed).toMatchObject({ container: 0, image: 0 });
        expect(ran.seconds).toBeLessThan(IN_TIME);
      },
    );

    it("plan says which gate it could not ask, and ends in 69", async () => {
      const ran = await on.pass({
        rules: [{ match: SERVICES, fault: refused(500) }],
        args: ["plan", "--json"],
        lot,
      });
      expect(ran.code).toBe(69);
      const { gates } = JSON.parse(ran.stdout) as { gates: { gate: string; verdict: string }[] };
      expect(gates.map(({ gate, verdict }) => `${gate} ${verdict}`)).toEqual([
        "disk-pressure closed",
        "lock open",
        "live-run unknown",
        "converging unknown",
      ]);
    });

    it("status --quick asks the gates and nothing else: no list of what could go, and no /system/df", async () => {
      const ran = await on.pass({ args: ["status", "--quick", "--json"], lot });
      expect(ran.code).toBe(0);
      const document = JSON.parse(ran.stdout) as { gates: { gate: string }[] };
      expect(document.gates).toHaveLength(4);
      expect(document).toMatchObject({ plan: null });
      const seen = ran.proxy.seen.map(({ line }) => line);
      expect(seen.filter((line) => SERVICES.test(line))).toHaveLength(1);
      expect(seen.filter((line) => /images|system|"exited"|[0-9a-f]{64}/.test(line))).toEqual([]);
    });

    it("status gives up a plan that takes too long; the gates are known, so it ends in 0", async () => {
      const ran = await on.pass({
        rules: [{ match: /^GET \/images\/json/, fault: { kind: "hang" } }],
        args: ["status", "--json"],
        lot,
      });
      expect(ran.code).toBe(0);
      expect(ran.seconds).toBeGreaterThan(4.9);
      expect(ran.seconds).toBeLessThan(IN_TIME);
      const document = JSON.parse(ran.stdout) as { gates: { verdict: string }[]; plan: unknown };
      expect(document.gates.map(({ verdict }) => verdict)).not.toContain("unknown");
      expect(document.plan).toEqual({ unknown: expect.stringMatching(/^not known within 5 s/) });
    });

    it("status of an engine that hangs ends in time, and in 69", async () => {
      const ran = await on.pass({
        rules: [{ match: /./, fault: { kind: "hang" } }],
        args: ["status", "--json"],
        timeout: "1s",
      });
      expect(ran.code).toBe(69);
      expect(ran.seconds).toBeLessThan(IN_TIME);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        engine: { unknown: expect.stringMatching(/within 1 s/) },
      });
    });

    it("after all this the lot is whole, and a plan without a fault is the lot", async () => {
      expect(await on.left(lot)).toEqual({ containers: 2, images: 2 });
      const ran = await on.pass({ args: ["plan", "--json"], lot });
      expect(ran.code).toBe(0);
      const { remove } = JSON.parse(ran.stdout) as { remove: { id: string }[] };
      expect(remove.map(({ id }) => id).sort()).toEqual([...lot.containers, ...lot.images].sort());
      expect(ran.proxy.destructive).toEqual([]);
    });
  });

  it("a socket that may not be used: permission denied: 69, and says so", async () => {
    const dir = scratchDir();
    const at = (name: string) => join(dir, name);
    const proxy = await FaultProxy.start(on.host.socketPath);
    onTestFinished(() => proxy.close());
    const NOBODY = 65534;
    chmodSync(join(proxy.socketPath, ".."), 0o755);
    chmodSync(proxy.socketPath, 0o600);
    chmodSync(dir, 0o755);
    const state = at("nobody");
    mkdirSync(state);
    chownSync(state, NOBODY, NOBODY);
    const settings = at("nobody.json");
    writeFileSync(
      settings,
      JSON.stringify({ engine: { socketPath: proxy.socketPath }, disk: { paths: ["/"] } }),
    );
    const child = spawn(
      process.execPath,
      [copyBundle(), "run", "--json", "--without-pressure", "--settings", settings, "--state-dir", state],
      { cwd: "/", uid: NOBODY, gid: NOBODY, env: { PATH: process.env.PATH ?? "" } },
    );
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    const events = said
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as AgentEvent);
    expect(code).toBe(69);
    expect(only(events, "fact.unknown").reason).toMatch(/EACCES/);
    expect(only(events, "pass.finished")).toMatchObject({ outcome: "failed", exitCode: 69 });
    expect(proxy.seen).toEqual([]);
  });

  describe("while objects are deleted", () => {
    /** Of containers and images. */
    type Two = readonly [number, number];
    const garbage: Fault = { kind: "answer", status: 200, body: "<html>", done: true };
    const half: Fault = { kind: "cut-in-body", chunked: true };
    const ROWS: readonly (readonly [name: string, RegExp, Fault, code: number, removed: Two, left: Two])[] = [
      ["a container's is done and answers garbage", CONTAINER_DELETE, garbage, 0, [2, 2], [0, 0]],
      [
        "a container's answers 204 and is not done",
        CONTAINER_DELETE,
        { kind: "answer", status: 204, body: "" },
        75,
        [1, 2],
        [1, 0],
      ],
      [
        "an image's answers 200 and is not done",
        IMAGE_DELETE,
        { kind: "answer", status: 200, body: [] },
        75,
        [2, 1],
        [0, 1],
      ],
      ["a container's hangs", CONTAINER_DELETE, { kind: "hang" }, 69, [0, 0], [2, 2]],
      [
        "a container's is done, its answer hangs",
        CONTAINER_DELETE,
        { kind: "hang-in-body" },
        69,
        [1, 0],
        [1, 2],
      ],
      ["a container's is cut", CONTAINER_DELETE, { kind: "cut" }, 69, [0, 0], [2, 2]],
      ["an image's is done, its answer is cut in mid-body", IMAGE_DELETE, half, 69, [2, 1], [0, 1]],
    ];
    let lots: Readonly<Record<string, Lot>>;
    beforeAll(async () => {
      lots = await on.makeLots(Object.fromEntries(ROWS.map(([name]) => [name, [2, 2] as const])));
    });

    it.each(ROWS)(
      "%s: what the log says is what the engine has",
      async (name, match, fault, code, removed, rest) => {
        const lot = lots[name]!;
        const others = await on.bystanders(lot);
        const ran = await on.pass({ rules: [{ match, nth: 1, fault }], lot, timeout: "1s" });
        expect(ran.code).toBe(code);
        const [container, image] = removed;
        expect(only(ran.events, "pass.finished")).toMatchObject({ removed: { container, image } });
        expect(await on.left(lot)).toEqual({ containers: rest[0], images: rest[1] });
        expect(await on.bystanders(lot)).toEqual(others);
        // Not by the engine's own time limit, which is a minute.
        expect(ran.seconds).toBeLessThan(30);
      },
    );
  });

  describe("with the disk 100 % full", () => {
    const full = { disk: { highWatermark: "80%" } };
    const stateDir = () => join(on.host.dataRoot, "state");
    let lots: Readonly<Record<"blind" | "one", Lot>>;
    beforeAll(async () => {
      lots = await on.makeLots({ blind: [1, 1], one: [2, 2] });
      mkdirSync(stateDir());
      await on.host.fillDisk(100);
    });
    afterAll(async () => {
      await on.host.unfill();
    });

    it("and an engine that answers 500: 69, also when the history cannot be written", async () => {
      const ran = await on.pass({
        rules: [{ match: /^GET \/info$/, fault: refused(500) }],
        args: ["run"],
        settings: full,
        lot: lots.blind,
        stateDir: stateDir(),
      });
      expect(await on.host.diskPercent()).toBe(100);
      expect(ran.code).toBe(69);
      expect(ran.proxy.destructive).toEqual([]);
      expect(ran.events.map(({ event }) => event)).toContain("fact.unknown");
      expect(only(ran.events, "state.unwritable").reason).toMatch(/ENOSPC/);
    });

    it("and one DELETE that fails: the rest goes, 75, and it says that it was not enough", async () => {
      const ran = await on.pass({
        rules: [{ match: CONTAINER_DELETE, nth: 1, fault: refused(500, "no space left on device") }],
        args: ["run"],
        settings: full,
        lot: lots.one,
      });
      expect(ran.code).toBe(75);
      expect(only(ran.events, "object.failed")).toMatchObject({ error: expect.stringMatching(/no space/) });
      expect(ran.events.filter((line) => line.cause === "pressure-remains")).toHaveLength(1);
      expect(await on.left(lots.one)).toEqual({ containers: 1, images: 0 });
      expect(await on.left(lots.blind)).toEqual({ containers: 1, images: 1 });
    });
  });

  describe("a restart of the engine in mid-pass", () => {
    it("ends the pass with its report and 69; the next pass does the rest", async () => {
      const { lot } = await on.makeLots({ lot: [240, 2] });
      const taskContainers = await on.host.docker.listContainers({
        all: true,
        filters: { label: ["com.docker.swarm.service.name"] },
      });
      // Tasks get new containers after a restart; what is not a task's stays.
      const tasks = new Set(taskContainers.map(({ Id }) => Id));
      const others = (await on.bystanders(lot)).filter((id) => !tasks.has(id));
      const stateDir = join(scratchDir(), "state");
      let restart = Promise.resolve();
      const ran = await on.pass({
        lot,
        stateDir,
        socketPath: on.host.socketPath,
        timeout: "10s",
        whileRunning: (child, _, events) => {
          const timer = setInterval(() => {
            if (!events.some(({ event }) => event === "object.removed")) return;
            clearInterval(timer);
            // A fast pass would be through before the engine is down: it stands still meanwhile.
            child.kill("SIGSTOP");
            restart = on.host.stopEngine().then(() => {
              child.kill("SIGCONT");
              return on.host.startEngine();
            });
          }, 2);
          child.once("close", () => clearInterval(timer));
        },
      });
      await restart;
      expect(ran.code, ran.stdout.slice(-2500)).toBe(69);
      const removed = only(ran.events, "pass.finished").removed as { container: number; image: number };
      expect(removed.container).toBeGreaterThan(0);
      expect(removed.container).toBeLessThan(240);
      expect(removed.image).toBe(0);
      expect(only(ran.events, "pass.ended-early").level).toMatch(/warn|error/);
      expect(await on.bystanders(lot)).toEqual(expect.arrayContaining(others));

      let next = await on.pass({ lot, stateDir });
      for (let tries = 0; next.code !== 0 || only(next.events, "pass.finished").gate !== null; tries++) {
        expect(tries, "the swarm settles").toBeLessThan(30);
        await sleep(300);
        next = await on.pass({ lot, stateDir });
      }
      expect(only(next.events, "pass.finished")).toMatchObject({ outcome: "pruned" });
      expect(await on.left(lot)).toEqual({ containers: 0, images: 0 });
    });
  });
});
