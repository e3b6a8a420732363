/**
 * Faults at the HTTP edge: the finished bundle talks to a real engine through a proxy that breaks answers on purpose.
 * After every fault: nothing is sent that could delete anything but this test's own lot, what could not be read is
 * never a 0, the pass ends in time and with its report.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  type AgentEvent,
  type AgentResult,
  BUNDLE,
  copyBundle,
  only,
  recordedPasses,
  runAgent,
  scratchDir,
} from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { containerd, engine, onEngine } from "../support/engine-under-test.ts";
import { type Fault, FaultProxy, type FaultRule } from "../support/fault-proxy.ts";

/** What one test may lose, and nothing else. */
interface Lot {
  readonly label: string;
  readonly containers: readonly string[];
  readonly images: readonly string[];
}

interface Pass {
  readonly rules?: readonly FaultRule[];
  /** What this pass may delete; absent: nothing at all. */
  readonly lot?: Lot;
  /** `engine.timeout`; generous unless the test is about it, so that a busy machine is no fault. */
  readonly timeout?: string;
  /** Merged into the sections of the usual settings. */
  readonly settings?: Readonly<Record<string, object>>;
  /** Default: a run whatever the disk says, so that a green pass would end in 0. */
  readonly args?: readonly string[];
  readonly stateDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly whileRunning?: (child: ChildProcess, proxy: FaultProxy, events: readonly AgentEvent[]) => void;
  /** `false`: it was killed, or nobody listened: there is no report to check. */
  readonly reports?: false;
  /** Past the proxy, straight to this socket. */
  readonly socketPath?: string;
}

type Ran = AgentResult & { readonly proxy: FaultProxy };

let host: CiHost;
let labels = 0;

const CONTAINER_DELETE = /^DELETE \/containers\//;
const IMAGE_DELETE = /^DELETE \/images\//;
const BUILD_PRUNE = /^POST \/build\/prune/;
/** The first look at a container, which also measures it; the second goes without. */
const SIZE_INSPECT = /^GET \/containers\/[0-9a-f]{64}\/json\?size=true$/;
const SERVICES = /^GET \/services/;
const LIVE = /^GET \/containers\/json\?.*"running"/;

const refused = (status: number, message = "a fault from the test"): Fault => ({
  kind: "answer",
  status,
  body: { message },
});

/** Lots of expired objects: containers that never started, and dangling images. Waits until they are old enough. */
async function makeLots<K extends string>(
  wanted: Readonly<Record<K, readonly [containers: number, images: number]>>,
): Promise<Readonly<Record<K, Lot>>> {
  const lots: Partial<Record<K, Lot>> = {};
  for (const key of Object.keys(wanted) as K[]) {
    const [containers, images] = wanted[key];
    const label = `lot=${++labels}`;
    const mine = { lot: String(labels) };
    const made: string[] = [];
    for (let n = 0; n < images; n++) {
      const created = `2021-01-${String(n + 1).padStart(2, "0")}T00:00:00Z`;
      made.push(await host.loadImage({ created, sizeMiB: 0, labels: { ...mine, n: String(n) } }));
    }
    lots[key] = {
      label,
      images: made,
      containers: await Promise.all(
        Array.from({ length: containers }, () => host.createContainer({ image: "base:1", labels: mine })),
      ),
    };
  }
  // prune.until is 1 s, and an age is whole seconds and must be above it.
  await sleep(2100);
  return lots as Readonly<Record<K, Lot>>;
}

/** Runs the bundle behind a proxy, and checks what holds after every fault. */
async function pass(options: Pass): Promise<Ran> {
  const proxy = await FaultProxy.start(host.socketPath, options.rules);
  try {
    return { ...(await passThrough(proxy, options)), proxy };
  } finally {
    await proxy.close();
  }
}

async function passThrough(proxy: FaultProxy, options: Pass): Promise<AgentResult> {
  const settings = {
    ...options.settings,
    engine: {
      socketPath: options.socketPath ?? proxy.socketPath,
      timeout: options.timeout ?? "30s",
      deleteTimeout: options.timeout ?? "30s",
      ...options.settings?.engine,
    },
    disk: { paths: [host.dataRoot], ...options.settings?.disk },
    convergence: { settle: "0s", ...options.settings?.convergence },
    prune: {
      until: "1s",
      labels: [options.lot?.label ?? "lot=none"],
      buildCache: false,
      ...options.settings?.prune,
    },
  };
  const args = options.args ?? ["run", "--without-pressure"];
  if (args[0] !== "run") {
    const result = await runForDocument(args, settings);
    expectSafe(proxy, result, options);
    return result;
  }
  const result = await runAgent({
    args,
    settings,
    ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
    ...(options.env === undefined ? {} : { env: options.env }),
    whileRunning: (child, events) => {
      // A hang would be the worst outcome: it ends here, with no exit code.
      const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
      child.once("close", () => clearTimeout(timer));
      options.whileRunning?.(child, proxy, events);
    },
  });
  expectSafe(proxy, result, options);
  return result;
}

/** For commands that print one document, not events. */
async function runForDocument(args: readonly string[], settings: unknown): Promise<AgentResult> {
  const dir = scratchDir();
  const file = join(dir, "settings.json");
  writeFileSync(file, JSON.stringify(settings));
  const startedAt = Date.now();
  const child = spawn(
    process.execPath,
    [BUNDLE, ...args, "--settings", file, "--state-dir", join(dir, "state")],
    { cwd: dir, env: { PATH: process.env.PATH ?? "" }, timeout: 20_000, killSignal: "SIGKILL" },
  );
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...said, events: [], seconds: (Date.now() - startedAt) / 1000 };
}

function expectSafe(proxy: FaultProxy, { code, events, stderr }: AgentResult, options: Pass): void {
  const { containers, images } = options.lot ?? { containers: [], images: [] };
  const allowed = [
    ...containers.map((id) => `DELETE /containers/${id}`),
    ...images.map((id) => `DELETE /images/${id}?noprune=true`),
    ...((options.settings?.prune as { buildCache?: boolean } | undefined)?.buildCache
      ? ['POST /build/prune?filters={"until":["1s"]}']
      : []),
  ];
  const sent = proxy.destructive.map(({ line }) => line);
  expect(sent.filter((line) => !allowed.includes(line))).toEqual([]);
  expect(new Set(sent).size, "nothing is asked for twice").toBe(sent.length);
  const unread = events.filter((line) => line.event === "fact.unknown" || line.verdict === "unknown");
  expect(unread.length > 0 && code === 0, "an unreadable fact never ends in 0").toBe(false);
  const removed = events.filter(({ event }) => event === "object.removed" || event === "object.gone");
  const mine = new Set([...containers, ...images]);
  expect(removed.filter((line) => line.kind !== "build-cache" && !mine.has(line.id))).toEqual([]);
  expect(stderr).toBe("");
  if (options.reports !== false && (options.args?.[0] ?? "run") === "run") {
    expect(only(events, "pass.finished").exitCode).toBe(code);
  }
}

/** How much of the lot the engine still has. */
async function left(lot: Lot): Promise<{ containers: number; images: number }> {
  const count = (answers: readonly boolean[]) => answers.filter(Boolean).length;
  return {
    containers: count(await Promise.all(lot.containers.map((id) => host.hasContainer(id)))),
    images: count(await Promise.all(lot.images.map((id) => host.hasImage(id)))),
  };
}

/** Ids of everything on the engine that is not in one of these lots. */
async function bystanders(...lots: readonly Lot[]): Promise<string[]> {
  const mine = new Set(lots.flatMap(({ containers, images }) => [...containers, ...images]));
  const [containers, images, { Volumes }] = await Promise.all([
    host.docker.listContainers({ all: true }),
    host.images(),
    host.docker.listVolumes(),
  ]);
  const ids = [...containers.map(({ Id }) => Id), ...images, ...Volumes.map(({ Name }) => Name)];
  return ids.filter((id) => !mine.has(id)).sort();
}

const unknownReasons = ({ events }: AgentResult): string[] =>
  events.filter(({ event }) => event === "fact.unknown").map((line) => String(line.reason));

onEngine("faults", () => {
  beforeAll(async () => {
    host = await CiHost.start({ name: "faults" });
    await host.loadImage({ ref: "base:1" });
    await host.docker.createVolume({ Name: "precious" });
    await host.createService({ name: "web", image: "base:1", waitForRunning: true });
    // A global service that wants no task: the gate asks for its tasks.
    await host.createService({
      name: "idle",
      image: "base:1",
      mode: "global",
      constraints: ["node.labels.none == here"],
    });
    await host.createContainer({ image: "base:1", name: "not-in-any-lot" });
    await host.loadImage({ created: "2020-01-01T00:00:00Z", sizeMiB: 0 });
  });
  afterAll(async () => {
    await host?.stop();
  });

  describe("before anything may be deleted", () => {
    let lot: Lot;
    beforeAll(async () => {
      ({ lot } = await makeLots({ lot: [2, 2] }));
    });

    /** Every request of a pass before its first deletion, and what its answer looks like. */
    const PLACES: readonly {
      readonly place: string;
      readonly match: RegExp;
      readonly after?: RegExp;
      readonly nth?: number;
      readonly shape: "object" | "list";
      readonly args?: readonly string[];
      /** Meets every fault, also those that the client treats alike wherever they come. */
      readonly thorough?: true;
      /** About a single object: only an engine that does not answer at all is a fault. */
      readonly single?: true;
    }[] = [
      { place: "/version", match: /^GET \/version$/, shape: "object" },
      { place: "/info", match: /^GET \/info$/, shape: "object", thorough: true },
      { place: "live containers", match: LIVE, nth: 1, shape: "list" },
      { place: "services, first look", match: SERVICES, nth: 1, shape: "list" },
      { place: "services, second look", match: SERVICES, nth: 2, shape: "list" },
      { place: "tasks", match: /^GET \/tasks/, nth: 1, shape: "list" },
      {
        place: "stopped containers",
        match: /^GET \/containers\/json\?.*"exited"/,
        shape: "list",
        thorough: true,
      },
      {
        place: "inspect of a container",
        match: /^GET \/containers\/[0-9a-f]{64}\/json$/,
        after: SIZE_INSPECT,
        shape: "object",
        single: true,
      },
      { place: "dangling images", match: /^GET \/images\/json\?.*"dangling"/, shape: "list" },
      {
        place: "inspect of an image",
        match: /^GET \/images\/sha256:[0-9a-f]{64}\/json/,
        nth: 2,
        shape: "object",
        thorough: true,
        single: true,
      },
      {
        // Only a forecast depends on it.
        place: "build cache",
        match: /^GET \/system\/df/,
        shape: "object",
        args: ["run", "--without-pressure", "--dry-run"],
      },
      ...(containerd
        ? [{ place: "all images", match: /^GET \/images\/json\?all=true/, shape: "list" as const }]
        : []),
    ];

    const FAULTS: readonly {
      readonly name: string;
      readonly fault: Fault | Readonly<Record<"object" | "list", Fault>>;
      readonly says: RegExp;
      readonly timeout?: string;
      /** Only at the thorough places. */
      readonly sample?: true;
      /** No answer to speak of: it ends the pass also where only one object was asked for. */
      readonly ends?: true;
    }[] = [
      {
        name: "hangs",
        ends: true,
        fault: { kind: "hang" },
        says: /no complete answer within 1 s/,
        timeout: "1s",
      },
      {
        name: "hangs in mid-body",
        ends: true,
        sample: true,
        fault: { kind: "hang-in-body" },
        says: /no complete answer within 1 s/,
        timeout: "1s",
      },
      { name: "is cut", sample: true, ends: true, fault: { kind: "cut" }, says: /the answer broke off/ },
      {
        name: "is cut in mid-body",
        ends: true,
        fault: { kind: "cut-in-body" },
        says: /the answer broke off/,
      },
      {
        name: "is cut in mid-body (chunked)",
        ends: true,
        sample: true,
        fault: { kind: "cut-in-body", chunked: true },
        says: /the answer broke off/,
      },
      {
        name: "is not HTTP",
        ends: true,
        sample: true,
        fault: { kind: "raw", bytes: "\0\x01SSH-2.0 hello\r\n" },
        says: /the answer broke off/,
      },
      {
        name: "is garbage",
        fault: { kind: "answer", status: 200, body: "<html>\x1b[31m" },
        says: /not JSON/,
      },
      { name: "is half a document", sample: true, fault: { kind: "half" }, says: /not JSON/ },
      {
        name: "is empty",
        sample: true,
        fault: { kind: "answer", status: 200, body: "" },
        says: /unexpected answer/,
      },
      { name: "is null", fault: { kind: "answer", status: 200, body: "null" }, says: /unexpected answer/ },
      {
        name: "is an object for a list, or a list for an object",
        fault: {
          list: { kind: "answer", status: 200, body: { message: "page not found" } },
          object: { kind: "answer", status: 200, body: [] },
        },
        says: /unexpected answer/,
      },
      {
        name: "has wrong things in it",
        fault: {
          list: { kind: "answer", status: 200, body: [7] },
          object: {
            kind: "answer",
            status: 200,
            body: { Version: 1, DockerRootDir: 2, Id: 3, Created: 4, BuildCache: 5 },
          },
        },
        says: /unexpected answer/,
      },
      { name: "is 500", fault: refused(500), says: /: 500 a fault from the test/ },
      { name: "is 503", fault: refused(503), says: /: 503 a fault from the test/ },
      { name: "is 404", sample: true, fault: refused(404), says: /: 404 a fault from the test/ },
    ];

    for (const { place, match, after, nth, shape, args, thorough, single } of PLACES) {
      describe(`the answer of ${place}`, () => {
        const rows = FAULTS.filter(({ sample, ends }) => (!sample || thorough) && (ends || !single));
        it.concurrent.each(rows)("$name: 69, and nothing is deleted", async ({ fault, says, timeout }) => {
          const ran = await pass({
            rules: [
              ...(after === undefined ? [] : [{ match: after, fault: refused(500) }]),
              {
                match,
                ...(after === undefined ? {} : { after }),
                ...(nth === undefined ? {} : { nth }),
                fault: "kind" in fault ? fault : fault[shape],
              },
            ],
            lot,
            ...(timeout === undefined ? {} : { timeout }),
            ...(args === undefined ? {} : { args }),
            ...(args === undefined ? {} : { settings: { prune: { buildCache: true } } }),
          });
          expect(ran.code).toBe(69);
          expect(ran.proxy.destructive).toEqual([]);
          expect(unknownReasons(ran).join("\n")).toMatch(says);
          expect(ran.events.map(({ event }) => event)).not.toContain("prune.planned");
          expect(only(ran.events, "pass.finished").removed).toEqual({
            container: 0,
            image: 0,
            "build-cache": 0,
          });
          expect(ran.seconds).toBeLessThan(timeout === undefined ? 8 : 1 + 8);
        });
      });
    }

    it("a body that never ends does not get more time for each byte", async () => {
      const ran = await pass({
        rules: [{ match: /^GET \/info$/, fault: { kind: "drip" } }],
        lot,
        timeout: "1s",
      });
      expect(ran.code).toBe(69);
      expect(unknownReasons(ran)).toEqual([expect.stringMatching(/\/info: no complete answer within 1 s/)]);
      expect(ran.seconds).toBeGreaterThan(1);
      expect(ran.seconds).toBeLessThan(4);
    });

    it.each([
      ["another host", "http://127.0.0.1:1/v1.41/info"],
      ["what is no web address", "unix:///run/docker.sock"],
      ["itself", "/v1.41/info"],
    ])("a redirect to %s is refused, and not followed", async (_, location) => {
      const ran = await pass({
        rules: [
          {
            match: /^GET \/info$/,
            fault: { kind: "answer", status: 301, body: "", headers: { Location: location } },
          },
        ],
        lot,
      });
      expect(ran.code).toBe(69);
      expect(unknownReasons(ran)).toEqual([expect.stringMatching(/GET \/info: 301/)]);
      expect(ran.proxy.seen.map(({ line }) => line)).toEqual(["GET /version", "GET /info"]);
      expect(ran.seconds).toBeLessThan(4);
    });

    it("500 after a delay on /services, as a swarm without a quorum answers", async () => {
      const ran = await pass({
        rules: [{ match: SERVICES, delayMs: 700, fault: refused(500, "The swarm does not have a leader.") }],
        lot,
      });
      expect(ran.code).toBe(69);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "live-run" });
      expect(unknownReasons(ran).join("\n")).toMatch(/does not have a leader/);
    });

    describe("one object that the engine does not show is kept as unreadable, and the others still go", () => {
      const ROWS = FAULTS.filter(({ ends }) => !ends);
      const kinds = ["container", "image"] as const;
      it.concurrent.each(kinds.flatMap((kind) => ROWS.map(({ name, fault }) => ({ kind, name, fault }))))(
        "$kind: its answer $name",
        async ({ kind, fault }) => {
          const [, id] = kind === "container" ? lot.containers : lot.images;
          const ran = await pass({
            rules: [
              {
                match: new RegExp(`^GET /${kind}s/${id}/json`),
                fault: "kind" in fault ? fault : fault.object,
              },
            ],
            args: ["run", "--without-pressure", "--dry-run"],
            lot,
          });
          expect(ran.code).toBe(0);
          const kept = ran.events.filter((line) => line.event === "object.kept" && line.id === id);
          expect(kept).toMatchObject([{ kind, rule: "unreadable" }]);
          const others = [...lot.containers, ...lot.images].filter((one) => one !== id);
          const planned = ran.events.filter(({ event }) => event === "object.planned");
          expect(planned.map((line) => String(line.id)).sort()).toEqual(others.sort());
        },
      );
    });

    it("a service without its ServiceStatus counts as converging: deferred", async () => {
      const ran = await pass({
        rules: [
          {
            match: SERVICES,
            fault: {
              kind: "rewrite",
              change: (services: { ServiceStatus?: unknown }[]) =>
                services.map(({ ServiceStatus: _, ...service }) => service),
            },
          },
        ],
        lot,
      });
      expect(ran.code).toBe(0);
      expect(ran.proxy.destructive).toEqual([]);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "converging" });
    });

    it.each([
      ["a status without numbers", { RunningTasks: "2", DesiredTasks: 2 }],
      ["a status without DesiredTasks", { RunningTasks: 0 }],
      ["negative tasks", { RunningTasks: -1, DesiredTasks: -1 }],
      ["a status that is a list", []],
    ])("a service with %s is unknown: 69", async (_, status) => {
      const ran = await pass({
        rules: [
          {
            match: SERVICES,
            fault: {
              kind: "rewrite",
              change: (services: object[]) =>
                services.map((service) => ({ ...service, ServiceStatus: status })),
            },
          },
        ],
        lot,
      });
      expect(ran.code).toBe(69);
      expect(unknownReasons(ran).join("\n")).toMatch(/services: unexpected answer/);
      expect(ran.proxy.destructive).toEqual([]);
    });

    describe("a swarm that cannot be asked", () => {
      const SWARMS: readonly [string, (swarm: object) => unknown, RegExp][] = [
        [
          "that has lost its quorum",
          (swarm) => ({ ...swarm, Error: "rpc error: context deadline exceeded" }),
          /deadline exceeded/,
        ],
        ["that this node is a worker of", (swarm) => ({ ...swarm, ControlAvailable: false }), /worker/],
        [
          "that is locked",
          (swarm) => ({
            ...swarm,
            LocalNodeState: "locked",
            ControlAvailable: false,
            Error: "Swarm is encrypted",
          }),
          /encrypted/,
        ],
        [
          "whose node is pending",
          (swarm) => ({ ...swarm, LocalNodeState: "pending", ControlAvailable: false }),
          /"pending"/,
        ],
        [
          "whose node is in error",
          (swarm) => ({ ...swarm, LocalNodeState: "error", ControlAvailable: false }),
          /"error"/,
        ],
        ["whose state is not told", () => null, /state is ""/],
      ];
      it.each(SWARMS)("%s: deferred with 69", async (_, change, says) => {
        const ran = await pass({
          rules: [
            {
              match: /^GET \/info$/,
              fault: { kind: "rewrite", change: (info) => ({ ...info, Swarm: change(info.Swarm) }) },
            },
            { match: SERVICES, fault: refused(503, "This node is not a swarm manager.") },
          ],
          lot,
        });
        expect(ran.code).toBe(69);
        expect(ran.proxy.destructive).toEqual([]);
        expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "deferred" });
        const verdicts = ran.events.filter(({ event }) => event === "gate.verdict").slice(-2);
        expect(verdicts).toMatchObject([
          { gate: "live-run", verdict: "unknown" },
          { gate: "converging", verdict: "unknown", reason: expect.stringMatching(says) },
        ]);
      });
    });

    it("plan says which gate it could not ask, and ends in 69", async () => {
      const ran = await pass({
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

    it("plan whose objects cannot be read names no object, and ends in 69", async () => {
      const ran = await pass({
        rules: [{ match: /^GET \/images\/json/, fault: { kind: "cut-in-body" } }],
        args: ["plan", "--json"],
        lot,
      });
      expect(ran.code).toBe(69);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        remove: [],
        keep: [],
        unknown: [{ reason: expect.stringMatching(/broke off/) }],
      });
    });

    it("status --quick asks the gates and nothing else: no list of what could go, and no /system/df", async () => {
      const ran = await pass({ args: ["status", "--quick", "--json"], lot });
      expect(ran.code).toBe(0);
      const document = JSON.parse(ran.stdout) as { gates: { gate: string }[] };
      expect(document.gates).toHaveLength(4);
      expect(document).toMatchObject({ plan: null });
      const seen = ran.proxy.seen.map(({ line }) => line);
      expect(seen.filter((line) => SERVICES.test(line))).toHaveLength(1);
      expect(seen.filter((line) => /images|system|"exited"|[0-9a-f]{64}/.test(line))).toEqual([]);
    });

    it("status says what a pass would remove", async () => {
      const ran = await pass({ args: ["status", "--json"], lot });
      expect(ran.code).toBe(0);
      expect(JSON.parse(ran.stdout).plan.remove).toMatchObject({
        container: { count: 2 },
        image: { count: 2 },
      });
    });

    it("status gives up a plan that takes too long; the gates are known, so it ends in 0", async () => {
      const ran = await pass({
        rules: [{ match: /^GET \/images\/json/, fault: { kind: "hang" } }],
        args: ["status", "--json"],
        lot,
      });
      expect(ran.code).toBe(0);
      expect(ran.seconds).toBeGreaterThan(4.9);
      expect(ran.seconds).toBeLessThan(7);
      const document = JSON.parse(ran.stdout) as { gates: { verdict: string }[]; plan: unknown };
      expect(document.gates.map(({ verdict }) => verdict)).not.toContain("unknown");
      expect(document.plan).toEqual({ unknown: expect.stringMatching(/^not known within 5 s/) });
    });

    it("status of an engine that hangs ends in time, and in 69", async () => {
      const ran = await pass({
        rules: [{ match: /./, fault: { kind: "hang" } }],
        args: ["status", "--json"],
        timeout: "1s",
      });
      expect(ran.code).toBe(69);
      expect(ran.seconds).toBeLessThan(4);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        engine: { unknown: expect.stringMatching(/within 1 s/) },
      });
    });

    it("after all this the lot is whole, and a plan without a fault is the lot", async () => {
      expect(await left(lot)).toEqual({ containers: 2, images: 2 });
      const ran = await pass({ args: ["plan", "--json"], lot });
      expect(ran.code).toBe(0);
      const { remove } = JSON.parse(ran.stdout) as { remove: { id: string }[] };
      expect(remove.map(({ id }) => id).sort()).toEqual([...lot.containers, ...lot.images].sort());
      expect(ran.proxy.destructive).toEqual([]);
    });
  });

  describe("a socket that cannot be used", () => {
    const dir = scratchDir();
    const at = (name: string) => join(dir, name);

    it.each([
      ["is absent", () => at("absent.sock"), /ENOENT/],
      [
        "refuses",
        () => {
          // Bound, and its owner dead.
          const script = `require("net").createServer().listen(${JSON.stringify(at("dead.sock"))}, () => process.kill(process.pid, "SIGKILL"))`;
          spawnSync(process.execPath, ["-e", script]);
          return at("dead.sock");
        },
        /ECONNREFUSED/,
      ],
      [
        "is a plain file",
        () => {
          writeFileSync(at("file.sock"), "");
          return at("file.sock");
        },
        /ECONNREFUSED|ENOTSOCK/,
      ],
    ] as const)("%s: 69 at once", async (_, make, says) => {
      const ran = await pass({ socketPath: make() });
      expect(ran.code).toBe(69);
      expect(only(ran.events, "fact.unknown")).toMatchObject({
        what: "the engine",
        reason: expect.stringMatching(says),
      });
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "failed", engineRequests: 1 });
      expect(ran.seconds).toBeLessThan(4);
    });

    it("permission denied: 69, and says so", async () => {
      const proxy = await FaultProxy.start(host.socketPath);
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
  });

  describe("while containers are deleted", () => {
    type Row = {
      readonly name: string;
      readonly rules: readonly FaultRule[];
      readonly code: number;
      readonly outcome: string;
      /** Of two containers and two images. */
      readonly left: { readonly containers: number; readonly images: number };
      /** Deletions asked for, faulty ones included. */
      readonly sent: number;
      /** What the log says of the object that met the fault. */
      readonly event: "object.failed" | "object.kept" | "object.gone" | "object.removed";
      readonly says?: Readonly<Record<string, unknown>>;
      /** Where the object that met the fault counts among these: what was removed, by `pass.finished`. */
      readonly removed?: { readonly container: number; readonly image: number };
      readonly timeout?: string;
    };
    const first = (match: RegExp, fault: Fault): readonly FaultRule[] => [{ match, nth: 1, fault }];
    const AGAIN_CONTAINER = /^GET \/containers\/[0-9a-f]{64}\/json$/;
    /** The containers have gone by then: it is the look before the first deletion of an image. */
    const againImage = (fault: Fault): readonly FaultRule[] => [
      { match: /^GET \/images\/sha256:[0-9a-f]{64}\/json$/, after: CONTAINER_DELETE, nth: 1, fault },
    ];
    const goesOn = { code: 75, outcome: "incomplete", event: "object.failed", sent: 4 } as const;
    const ends = { code: 69, outcome: "failed", event: "object.failed" } as const;
    const fine = { code: 0, outcome: "pruned" } as const;
    const oneContainer = { left: { containers: 1, images: 0 } } as const;
    const oneImage = { left: { containers: 0, images: 1 } } as const;

    const containerRows: readonly Row[] = [
      {
        ...fine,
        ...oneContainer,
        name: "DELETE is 409",
        rules: first(CONTAINER_DELETE, refused(409)),
        sent: 4,
        event: "object.kept",
        says: { rule: "in-use" },
      },
      {
        ...fine,
        ...oneContainer,
        name: "DELETE is 404",
        rules: first(CONTAINER_DELETE, refused(404)),
        sent: 4,
        event: "object.gone",
      },
      {
        ...goesOn,
        ...oneContainer,
        name: "DELETE is 500",
        rules: first(CONTAINER_DELETE, refused(500)),
        says: { status: 500, removed: "no" },
      },
      {
        ...goesOn,
        ...oneContainer,
        name: "DELETE is 503",
        rules: first(CONTAINER_DELETE, refused(503)),
        says: { status: 503 },
      },
      {
        ...goesOn,
        ...oneContainer,
        name: "DELETE answers garbage",
        rules: first(CONTAINER_DELETE, { kind: "answer", status: 200, body: "<html>" }),
        says: { error: expect.stringMatching(/not JSON/), removed: "unknown" },
      },
      {
        ...fine,
        left: { containers: 0, images: 0 },
        name: "DELETE is done, and answers garbage",
        rules: first(CONTAINER_DELETE, { kind: "answer", status: 200, body: "<html>", done: true }),
        sent: 4,
        event: "object.removed",
        removed: { container: 2, image: 2 },
      },
      {
        ...ends,
        name: "DELETE hangs",
        rules: first(CONTAINER_DELETE, { kind: "hang" }),
        left: { containers: 2, images: 2 },
        sent: 1,
        says: { error: expect.stringMatching(/within 1 s/), removed: "unknown" },
        timeout: "1s",
      },
      {
        ...ends,
        name: "DELETE is done, its answer hangs",
        rules: first(CONTAINER_DELETE, { kind: "hang-in-body" }),
        left: { containers: 1, images: 2 },
        sent: 1,
        event: "object.removed",
        removed: { container: 1, image: 0 },
        timeout: "1s",
      },
      {
        ...ends,
        name: "DELETE is cut",
        rules: first(CONTAINER_DELETE, { kind: "cut" }),
        left: { containers: 2, images: 2 },
        sent: 1,
        says: { error: expect.stringMatching(/broke off/), removed: "unknown" },
      },
      {
        ...ends,
        name: "DELETE is done, its answer is cut in mid-body",
        rules: first(CONTAINER_DELETE, { kind: "cut-in-body" }),
        left: { containers: 1, images: 2 },
        sent: 1,
        event: "object.removed",
        removed: { container: 1, image: 0 },
      },
      {
        ...ends,
        name: "DELETE is done, its answer is cut, and the engine does not answer the look after it either",
        rules: [
          { match: CONTAINER_DELETE, nth: 1, fault: { kind: "cut-in-body" } },
          { match: AGAIN_CONTAINER, after: CONTAINER_DELETE, fault: { kind: "cut" } },
        ],
        left: { containers: 1, images: 2 },
        sent: 1,
        says: { error: expect.stringMatching(/DELETE .*broke off/), removed: "unknown" },
      },
      {
        ...goesOn,
        ...oneContainer,
        name: "the look before it is 500",
        rules: first(AGAIN_CONTAINER, refused(500)),
        sent: 3,
        says: { status: 500 },
      },
      {
        ...goesOn,
        ...oneContainer,
        name: "the look before it has the wrong shape",
        rules: first(AGAIN_CONTAINER, { kind: "answer", status: 200, body: {} }),
        sent: 3,
        says: { error: expect.stringMatching(/unexpected answer/), removed: "no" },
      },
      {
        ...fine,
        ...oneContainer,
        name: "the look before it is 404",
        rules: first(AGAIN_CONTAINER, refused(404)),
        sent: 3,
        event: "object.gone",
      },
      {
        ...ends,
        name: "the look before it hangs",
        rules: first(AGAIN_CONTAINER, { kind: "hang" }),
        left: { containers: 2, images: 2 },
        sent: 0,
        says: { removed: "no" },
        timeout: "1s",
      },
      {
        ...fine,
        ...oneContainer,
        name: "the look before it finds it running",
        rules: first(AGAIN_CONTAINER, {
          kind: "rewrite",
          change: (body) => ({ ...body, State: { ...body.State, Status: "running" } }),
        }),
        sent: 3,
        event: "object.kept",
        says: { rule: "in-use" },
      },
    ];

    const imageRows: readonly Row[] = [
      {
        ...fine,
        ...oneImage,
        name: "DELETE is 409",
        rules: first(IMAGE_DELETE, refused(409)),
        sent: 4,
        event: "object.kept",
        says: { rule: "in-use" },
      },
      {
        ...fine,
        ...oneImage,
        name: "DELETE is 404",
        rules: first(IMAGE_DELETE, refused(404)),
        sent: 4,
        event: "object.gone",
      },
      {
        ...goesOn,
        ...oneImage,
        name: "DELETE is 500",
        rules: first(IMAGE_DELETE, refused(500)),
        says: { status: 500 },
      },
      {
        ...goesOn,
        ...oneImage,
        name: "DELETE answers garbage",
        rules: first(IMAGE_DELETE, { kind: "answer", status: 200, body: "<html>" }),
        says: { error: expect.stringMatching(/not JSON/) },
      },
      {
        ...ends,
        name: "DELETE hangs",
        rules: first(IMAGE_DELETE, { kind: "hang" }),
        left: { containers: 0, images: 2 },
        sent: 3,
        timeout: "1s",
      },
      {
        ...ends,
        ...oneImage,
        name: "DELETE is done, its answer is cut in mid-body",
        rules: first(IMAGE_DELETE, { kind: "cut-in-body", chunked: true }),
        sent: 3,
        event: "object.removed",
        removed: { container: 2, image: 1 },
      },
      {
        ...goesOn,
        ...oneImage,
        name: "the look before it is 503",
        rules: againImage(refused(503)),
        sent: 3,
        says: { status: 503 },
      },
      {
        ...ends,
        name: "the look before it is cut in mid-body",
        rules: againImage({ kind: "cut-in-body" }),
        left: { containers: 0, images: 2 },
        sent: 2,
      },
      {
        ...fine,
        ...oneImage,
        name: "the look before it finds it tagged",
        rules: againImage({ kind: "rewrite", change: (body) => ({ ...body, RepoTags: ["fresh:1"] }) }),
        sent: 3,
        event: "object.kept",
        says: { rule: "tagged" },
      },
    ];

    /** One row: the pass, then what the log, the exit code and the engine say. */
    async function check(row: Row, kind: "container" | "image", lot: Lot): Promise<void> {
      const others = await bystanders(lot);
      const ran = await pass({
        rules: row.rules,
        lot,
        ...(row.timeout === undefined ? {} : { timeout: row.timeout }),
      });
      expect(ran.code).toBe(row.code);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: row.outcome });
      const met = ran.events.filter(
        (line) =>
          line.event === row.event &&
          line.kind === kind &&
          line.rule !== "not-reached" &&
          line.rule !== "not-selected",
      );
      const finished = only(ran.events, "pass.finished");
      if (row.removed === undefined) expect(met).toMatchObject([{ ...row.says, kind }]);
      else expect(finished).toMatchObject({ removed: row.removed, failed: 0 });
      expect(finished.gone).toBe(row.event === "object.gone" ? 1 : 0);
      const steps = ran.events.filter(({ event }) => event === "step.finished");
      for (const field of ["gone", "failed"]) {
        expect(steps.reduce((sum, step) => sum + step[field], 0)).toBe(finished[field]);
      }
      const kept = ran.events.filter(({ event }) => event === "object.kept");
      expect(finished.kept).toBe(kept.length);
      expect(ran.proxy.destructive).toHaveLength(row.sent);
      expect(await left(lot)).toEqual(row.left);
      expect(await bystanders(lot)).toEqual(others);
      expect(ran.seconds).toBeLessThan(5);
    }

    describe("of a container", () => {
      let lots: Readonly<Record<string, Lot>>;
      beforeAll(async () => {
        lots = await makeLots(Object.fromEntries(containerRows.map(({ name }) => [name, [2, 2] as const])));
      });
      it.each(containerRows)("$name: $code, $outcome", async (row) => {
        await check(row, "container", lots[row.name]!);
      });
    });

    describe("of an image", () => {
      let lots: Readonly<Record<string, Lot>>;
      beforeAll(async () => {
        lots = await makeLots(Object.fromEntries(imageRows.map(({ name }) => [name, [2, 2] as const])));
      });
      it.each(imageRows)("$name: $code, $outcome", async (row) => {
        await check(row, "image", lots[row.name]!);
      });
    });
  });

  describe("in mid-pass", () => {
    /** After the first deletion only the gates ask for these. */
    const GATE_FAULTS: readonly [
      name: string,
      match: RegExp,
      fault: Fault,
      says: RegExp,
      timeout?: string,
    ][] = [
      ["services are 500", SERVICES, refused(500), /: 500/],
      ["services hang", SERVICES, { kind: "hang" }, /within 1 s/, "1s"],
      ["services are cut in mid-body", SERVICES, { kind: "cut-in-body" }, /broke off/],
      ["services are null", SERVICES, { kind: "answer", status: 200, body: "null" }, /unexpected/],
      ["tasks are garbage", /^GET \/tasks/, { kind: "answer", status: 200, body: "{" }, /not JSON/],
      ["live containers are 503", LIVE, refused(503), /: 503/],
      ["what the engine is, is 500", /^GET \/info$/, refused(500), /\/info: 500/],
      ["what the engine is, is cut", /^GET \/info$/, { kind: "cut" }, /\/info: .*broke off/],
      [
        "a manager that has lost its quorum",
        /^GET \/info$/,
        { kind: "rewrite", change: (info) => ({ ...info, Swarm: { ...info.Swarm, Error: "no quorum" } }) },
        /no quorum/,
      ],
      [
        // So does a manager that shuts down, on the connections it still has (engine 20.10).
        "a manager that is in no swarm any more",
        /^GET \/info$/,
        {
          kind: "rewrite",
          change: (info) => ({ ...info, Swarm: { LocalNodeState: "inactive", ControlAvailable: false } }),
        },
        /swarm/,
      ],
    ];
    let lots: Readonly<Record<string, Lot>>;
    beforeAll(async () => {
      lots = await makeLots({
        ...Object.fromEntries(GATE_FAULTS.map(([name]) => [name, [1, 2] as const])),
        slow: [1, 1],
        kill: [3, 0],
        epipe: [4, 0],
        plain: [4, 0],
        term: [3, 0],
        ineffective: [2, 0],
        host: [1, 0],
        local: [1, 0],
        size: [2, 0],
        vanishes: [3, 0],
        looks: [11, 1],
        signals: [2, 0],
      });
    });

    it.each(GATE_FAULTS)("%s: the pass ends there, 69", async (name, match, fault, says, timeout) => {
      const lot = lots[name]!;
      const ran = await pass({
        rules: [{ match, after: CONTAINER_DELETE, fault }],
        lot,
        ...(timeout === undefined ? {} : { timeout }),
      });
      expect(ran.code).toBe(69);
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        removed: { container: 1, image: 0 },
      });
      expect(only(ran.events, "pass.ended-early")).toMatchObject({
        reason: expect.stringMatching(says),
        left: 2,
        stepsLeft: ["image"],
      });
      expect(unknownReasons(ran).join("\n")).toMatch(says);
      const unreached = ran.events.filter((line) => line.rule === "not-reached").map((line) => line.id);
      expect(unreached.sort()).toEqual([...lot.images].sort());
      expect(await left(lot)).toEqual({ containers: 0, images: 2 });
    });

    it("each look at the gates asks the engine anew what it is: before each step", async () => {
      const lot = lots.looks!;
      const ran = await pass({ lot });
      expect(ran.code).toBe(0);
      const lines = ran.proxy.seen.map(({ line }) => line);
      const start = lines.findIndex((line) => CONTAINER_DELETE.test(line));
      const count = (match: RegExp) => lines.slice(start).filter((line) => match.test(line)).length;
      // Before the images.
      expect(count(SERVICES)).toBe(1);
      expect(count(/^GET \/info$/)).toBe(1);
      expect(only(ran.events, "pass.finished").engineRequests).toBe(lines.length);
    });

    it("a container that takes too long to measure is asked without its size, and goes", async () => {
      const lot = lots.size!;
      const [slow] = lot.containers;
      const ran = await pass({
        rules: [{ match: new RegExp(`^GET /containers/${slow}/json\\?size=true$`), fault: { kind: "hang" } }],
        lot,
      });
      expect(ran.code).toBe(0);
      expect(await left(lot)).toEqual({ containers: 0, images: 0 });
      const removed = ran.events.filter(({ event }) => event === "object.removed");
      const sizes = new Map(removed.map(({ id, sizeBytes }) => [id, sizeBytes]));
      expect(sizes.get(slow)).toBe(null);
      expect(sizes.get(lot.containers[1])).toBeTypeOf("number");
      expect(ran.seconds).toBeGreaterThan(5);
      expect(ran.seconds).toBeLessThan(9);
    });

    it("a watched path that was named and vanishes in mid-pass: 69, and said to be unknown", async () => {
      const lot = lots.vanishes!;
      const watched = scratchDir();
      let vanished = () => {};
      const gone = new Promise<void>((resolve) => {
        vanished = resolve;
      });
      const ran = await pass({
        rules: [{ match: CONTAINER_DELETE, nth: 2, fault: { kind: "hold", until: gone } }],
        lot,
        settings: { disk: { paths: [host.dataRoot, watched] } },
        whileRunning: (_, proxy, events) => {
          proxy.when(CONTAINER_DELETE, 2).then(() => {
            expect(events.some(({ event }) => event === "object.removed")).toBe(true);
            rmSync(watched, { recursive: true });
            vanished();
          });
        },
      });
      expect(ran.code).toBe(69);
      expect(only(ran.events, "fact.unknown")).toMatchObject({
        what: "whether the pass helped",
        reason: expect.stringContaining(watched),
      });
      expect(only(ran.events, "pass.finished")).toMatchObject({
        exitCode: 69,
        reason: expect.stringContaining(watched),
        removed: { container: 3 },
      });
      expect(await left(lot)).toEqual({ containers: 0, images: 0 });
    });

    it("an engine that is only slow is waited for: the deadline is for each answer", async () => {
      const lot = lots.slow!;
      const ran = await pass({
        rules: [{ match: /^GET \/(version|info|services)|^DELETE/, delayMs: 600, fault: { kind: "pass" } }],
        lot,
        timeout: "2s",
      });
      expect(ran.code).toBe(0);
      expect(ran.seconds).toBeGreaterThan(3);
      expect(await left(lot)).toEqual({ containers: 0, images: 0 });
    });

    it("what holds the space cannot be told: still the report, still 75", async () => {
      const lot = lots.ineffective!;
      const ran = await pass({
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
      expect(await left(lot)).toEqual({ containers: 1, images: 0 });
      expect(ran.seconds).toBeLessThan(5);
    });

    it("DOCKER_HOST and its kin in the environment are ignored", async () => {
      const lot = lots.host!;
      const decoy = await FaultProxy.start(host.socketPath);
      onTestFinished(() => decoy.close());
      const ran = await pass({
        lot,
        env: {
          DOCKER_HOST: `unix://${decoy.socketPath}`,
          DOCKER_TLS_VERIFY: "1",
          DOCKER_CERT_PATH: "/nonexistent",
          DOCKER_PATH_PREFIX: "/elsewhere",
          DOCKER_API_VERSION: "1.12",
          DOCKER_CONTEXT: "elsewhere",
        },
      });
      expect(ran.code).toBe(0);
      expect(decoy.seen).toEqual([]);
      expect(ran.proxy.destructive).toHaveLength(1);
      const tcp = await pass({ env: { DOCKER_HOST: "tcp://127.0.0.1:1" } });
      expect(tcp.code).toBe(0);
      expect(tcp.proxy.seen.length).toBeGreaterThan(4);
    });

    describe("a worker told to judge by its local tasks", () => {
      const worker: FaultRule = {
        match: /^GET \/info$/,
        fault: {
          kind: "rewrite",
          change: (info) => ({ ...info, Swarm: { ...info.Swarm, ControlAvailable: false } }),
        },
      };
      const notAManager: FaultRule = {
        match: SERVICES,
        fault: refused(503, "This node is not a swarm manager."),
      };
      const settings = { convergence: { onWorker: "local-tasks" } };
      const STARTING = /^GET \/containers\/json\?.*"health"/;

      it("is unknown when the containers that start cannot be read", async () => {
        const ran = await pass({
          rules: [worker, notAManager, { match: STARTING, fault: refused(500) }],
          settings,
          lot: lots.local!,
        });
        expect(ran.code).toBe(69);
        expect(ran.proxy.destructive).toEqual([]);
        expect(unknownReasons(ran).join("\n")).toMatch(/the containers that start: .*: 500/);
      });

      it("waits for a task that starts", async () => {
        const ran = await pass({
          rules: [
            worker,
            notAManager,
            {
              match: STARTING,
              fault: {
                kind: "answer",
                status: 200,
                body: [
                  {
                    Id: "a".repeat(64),
                    Names: ["/web.1.abc"],
                    ImageID: `sha256:${"b".repeat(64)}`,
                    State: "running",
                    Created: 1_700_000_000,
                    Labels: { "com.docker.swarm.service.name": "web" },
                  },
                ],
              },
            },
          ],
          settings,
          lot: lots.local!,
        });
        expect(ran.code).toBe(0);
        expect(ran.proxy.destructive).toEqual([]);
        expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "converging" });
      });

      it("prunes when none starts, and asks for no services", async () => {
        const lot = lots.local!;
        const ran = await pass({ rules: [worker, notAManager], settings, lot });
        expect(ran.code).toBe(0);
        expect(ran.proxy.seen.filter(({ line }) => SERVICES.test(line))).toEqual([]);
        expect(await left(lot)).toEqual({ containers: 0, images: 0 });
      });
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
        const ran = await pass({
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
        expect(await left(lot)).toEqual({ containers: 2, images: 0 });
        expect(ran.code).toBe(75);
        expect(ran.seconds).toBeLessThan(5);
      });
    });

    it("SIGKILL: the history is intact, the lock is free, the next pass does the rest", async () => {
      const lot = lots.kill!;
      const stateDir = join(scratchDir(), "state");
      const file = join(stateDir, "state.json");
      const earlier = await pass({ rules: [{ match: /^GET \/info$/, fault: refused(500) }], lot, stateDir });
      expect(earlier.code).toBe(69);
      const history = readFileSync(file, "utf8");
      const killed = await pass({
        rules: [{ match: CONTAINER_DELETE, nth: 2, fault: { kind: "hold", until: new Promise(() => {}) } }],
        lot,
        stateDir,
        reports: false,
        whileRunning: (child, proxy) => {
          proxy.when(CONTAINER_DELETE, 2).then(() => child.kill("SIGKILL"));
        },
      });
      expect(killed.code).toBe(null);
      expect(only(killed.events, "object.removed").kind).toBe("container");
      expect(readFileSync(file, "utf8")).toBe(history);
      const next = await pass({ lot, stateDir });
      expect(next.code).toBe(0);
      expect(next.events.filter(({ event }) => event === "state.damaged")).toEqual([]);
      expect(only(next.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 2 },
      });
      expect(await left(lot)).toEqual({ containers: 0, images: 0 });
      expect(recordedPasses(stateDir).map(({ outcome }) => outcome)).toEqual(["failed", "pruned"]);
    });

    it.each([
      ["SIGTERM twice and SIGHUP", ["SIGTERM", "SIGTERM", "SIGHUP"]],
      ["SIGHUP", ["SIGHUP"]],
      ["SIGINT, and again", ["SIGINT", "SIGINT"]],
    ] as const)("%s: like one SIGTERM, the report within 2 s, and 75", async (_, signals) => {
      const lot = lots.signals!;
      let told = 0;
      const ran = await pass({
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
      expect(await left(lot)).toEqual({ containers: 2, images: 0 });
    });

    describe("SIGTERM while a request hangs: the report within 2 s, and 75", () => {
      it.each([
        ["/version", /^GET \/version$/],
        ["/info", /^GET \/info$/],
        ["live containers", LIVE],
        ["services", SERVICES],
        ["inspect", /^GET \/containers\/[0-9a-f]{64}\/json/],
        ["images", /^GET \/images\/json/],
        ["DELETE", CONTAINER_DELETE],
      ])("%s", async (_, match) => {
        const lot = lots.term!;
        let told = 0;
        const ran = await pass({
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
        expect(await left(lot)).toEqual({ containers: 3, images: 0 });
      });

      it("while it waits for the second look", async () => {
        const lot = lots.term!;
        let told = 0;
        const ran = await pass({
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
        expect(await left(lot)).toEqual({ containers: 3, images: 0 });
      });
    });
  });

  describe("of the build cache", () => {
    let lots: Readonly<Record<string, Lot>>;
    const prune = { prune: { buildCache: true } };
    const cacheIds = async () =>
      ((await host.docker.df()) as { BuildCache: { ID: string }[] | null }).BuildCache?.map(
        ({ ID }) => ID,
      ).sort() ?? [];
    const ROWS: readonly [
      name: string,
      fault: Fault,
      code: number,
      outcome: string,
      says: RegExp,
      removed: "no" | "unknown",
    ][] = [
      ["500", refused(500), 75, "incomplete", /: 500/, "no"],
      ["garbage", { kind: "answer", status: 200, body: "<html>" }, 75, "incomplete", /not JSON/, "unknown"],
      ["a list", { kind: "answer", status: 200, body: [] }, 75, "incomplete", /unexpected answer/, "unknown"],
      ["cut off before the answer", { kind: "cut" }, 69, "failed", /broke off/, "unknown"],
    ];
    beforeAll(async () => {
      await host.buildCache(1);
      lots = await makeLots({
        ...Object.fromEntries(ROWS.map(([name]) => [name, [1, 0] as const])),
        null: [1, 0],
        none: [1, 0],
        term: [1, 0],
        half: [1, 0],
      });
    });

    it.each(ROWS)("%s: $2, the rest is done", async (name, fault, code, outcome, says, removed) => {
      const cache = await cacheIds();
      expect(cache.length).toBeGreaterThan(0);
      const ran = await pass({
        rules: [{ match: BUILD_PRUNE, fault }],
        settings: prune,
        lot: lots[name]!,
      });
      expect(ran.code).toBe(code);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome, removed: { container: 1 } });
      expect(only(ran.events, "object.failed")).toMatchObject({
        kind: "build-cache",
        error: expect.stringMatching(says),
        removed,
      });
      expect(await left(lots[name]!)).toEqual({ containers: 0, images: 0 });
      expect(await cacheIds()).toEqual(cache);
    });

    it("200 with CachesDeleted null, as a second prune at the same time gets: nothing was removed, 0", async () => {
      const ran = await pass({
        rules: [
          {
            match: BUILD_PRUNE,
            fault: { kind: "answer", status: 200, body: { CachesDeleted: null, SpaceReclaimed: 0 } },
          },
        ],
        settings: prune,
        lot: lots.null!,
      });
      expect(ran.code).toBe(0);
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 1, "build-cache": 0 },
      });
      expect(ran.proxy.destructive.filter(({ line }) => BUILD_PRUNE.test(line))).toHaveLength(1);
    });

    it("404, an engine without a build cache: the step is skipped, and all is well", async () => {
      const ran = await pass({
        rules: [{ match: BUILD_PRUNE, fault: refused(404, "page not found") }],
        settings: prune,
        lot: lots.none!,
      });
      expect(ran.code).toBe(0);
      expect(only(ran.events, "step.skipped")).toMatchObject({
        kind: "build-cache",
        level: "info",
        reason: expect.stringContaining("404"),
      });
      expect(ran.events.filter(({ event }) => event === "object.failed")).toEqual([]);
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 1, "build-cache": 0 },
        failed: 0,
      });
      expect(ran.proxy.destructive.filter(({ line }) => BUILD_PRUNE.test(line))).toHaveLength(1);
    });

    it("SIGTERM while it hangs: the report within 2 s, 75, and what it did is said to be unknown", async () => {
      let told = 0;
      const ran = await pass({
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
      const ran = await pass({
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

    describe.skipIf(engine === "20.10")("listed right before its prune (API 1.42)", () => {
      const LISTED = /^GET \/system\/df\?type=build-cache/;

      it("the list is for the log alone: a 500 changes nothing but that", async () => {
        const ran = await pass({
          rules: [
            { match: LISTED, fault: refused(500) },
            {
              match: BUILD_PRUNE,
              fault: { kind: "answer", status: 200, body: { CachesDeleted: ["abc"], SpaceReclaimed: 1 } },
            },
          ],
          settings: prune,
        });
        expect(ran.code).toBe(0);
        expect(only(ran.events, "object.removed")).toMatchObject({ kind: "build-cache", id: "abc" });
      });

      it("an engine that hangs there is not asked to prune", async () => {
        const ran = await pass({
          rules: [
            { match: LISTED, fault: { kind: "hang" } },
            { match: BUILD_PRUNE, fault: { kind: "hang" } },
          ],
          settings: prune,
          timeout: "1s",
        });
        expect(ran.code).toBe(69);
        expect(ran.proxy.destructive).toEqual([]);
      });

      it("SIGTERM meanwhile: no prune after it", async () => {
        let told = () => {};
        const signalled = new Promise<void>((resolve) => {
          told = resolve;
        });
        const ran = await pass({
          rules: [
            { match: LISTED, fault: { kind: "hold", until: signalled.then(() => sleep(300)) } },
            { match: BUILD_PRUNE, fault: { kind: "hang" } },
          ],
          settings: prune,
          whileRunning: (child, proxy) => {
            proxy.when(LISTED).then(() => {
              child.kill("SIGTERM");
              told();
            });
          },
        });
        expect(ran.code).toBe(75);
        expect(ran.proxy.destructive).toEqual([]);
      });
    });

    it("done, and cut off in mid-answer: 69, and the next pass is none the worse for it", async () => {
      const lot = lots.half!;
      const before = await cacheIds();
      const ran = await pass({
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
      expect(only(ran.events, "pass.finished").removed).toEqual({
        container: 1,
        image: 0,
        "build-cache": 0,
      });
      expect((await cacheIds()).length).toBeLessThan(before.length);
      const next = await pass({ settings: prune, lot });
      expect(next.code).toBe(0);
      expect(only(next.events, "pass.finished")).toMatchObject({ outcome: "nothing-eligible" });
    });
  });

  describe("with the disk 100 % full", () => {
    const full = { disk: { highWatermark: "80%" } };
    const stateDir = () => join(host.dataRoot, "state");
    let lots: Readonly<Record<"blind" | "one", Lot>>;
    beforeAll(async () => {
      lots = await makeLots({ blind: [1, 1], one: [2, 2] });
      mkdirSync(stateDir());
      await host.fillDisk(100);
    });
    afterAll(async () => {
      await host?.unfill();
    });

    it("and an engine that answers 500: 69, also when the history cannot be written", async () => {
      const ran = await pass({
        rules: [{ match: /^GET \/info$/, fault: refused(500) }],
        args: ["run"],
        settings: full,
        lot: lots.blind,
        stateDir: stateDir(),
      });
      expect(await host.diskPercent()).toBe(100);
      expect(ran.code).toBe(69);
      expect(ran.proxy.destructive).toEqual([]);
      expect(ran.events.map(({ event }) => event)).toContain("fact.unknown");
      expect(only(ran.events, "state.unwritable").reason).toMatch(/ENOSPC/);
    });

    it("and one DELETE that fails: the rest goes, 75, and it says that it was not enough", async () => {
      const ran = await pass({
        rules: [{ match: CONTAINER_DELETE, nth: 1, fault: refused(500, "no space left on device") }],
        args: ["run"],
        settings: full,
        lot: lots.one,
      });
      expect(ran.code).toBe(75);
      expect(only(ran.events, "object.failed")).toMatchObject({ error: expect.stringMatching(/no space/) });
      expect(ran.events.filter((line) => line.cause === "pressure-remains")).toHaveLength(1);
      expect(await left(lots.one)).toEqual({ containers: 1, images: 0 });
      expect(await left(lots.blind)).toEqual({ containers: 1, images: 1 });
    });
  });

  describe("a restart of the engine in mid-pass", () => {
    it("ends the pass with its report and 69; the next pass does the rest", async () => {
      const { lot } = await makeLots({ lot: [80, 2] });
      const taskContainers = await host.docker.listContainers({
        all: true,
        filters: { label: ["com.docker.swarm.service.name"] },
      });
      // Tasks get new containers after a restart; what is not a task's stays.
      const tasks = new Set(taskContainers.map(({ Id }) => Id));
      const others = (await bystanders(lot)).filter((id) => !tasks.has(id));
      const stateDir = join(scratchDir(), "state");
      let restart = Promise.resolve();
      const ran = await pass({
        lot,
        stateDir,
        socketPath: host.socketPath,
        timeout: "10s",
        whileRunning: (child, _, events) => {
          const timer = setInterval(() => {
            if (!events.some(({ event }) => event === "object.removed")) return;
            clearInterval(timer);
            restart = host.restartEngine();
          }, 2);
          child.once("close", () => clearInterval(timer));
        },
      });
      await restart;
      expect(ran.code, ran.stdout.slice(-2500)).toBe(69);
      const removed = only(ran.events, "pass.finished").removed as { container: number; image: number };
      expect(removed.container).toBeGreaterThan(0);
      expect(removed.container).toBeLessThan(80);
      expect(removed.image).toBe(0);
      expect(only(ran.events, "pass.ended-early").level).toMatch(/warn|error/);
      expect(await bystanders(lot)).toEqual(expect.arrayContaining(others));

      let next = await pass({ lot, stateDir });
      for (let tries = 0; next.code !== 0 || only(next.events, "pass.finished").gate !== null; tries++) {
        expect(tries, "the swarm settles").toBeLessThan(30);
        await sleep(300);
        next = await pass({ lot, stateDir });
      }
      expect(only(next.events, "pass.finished")).toMatchObject({ outcome: "pruned" });
      expect(await left(lot)).toEqual({ containers: 0, images: 0 });
    });
  });
});

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
