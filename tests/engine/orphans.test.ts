/**
 * Rules of `orphans` on a real engine: which workers are stopped and removed, which are not touched, and when one no
 * longer counts as a live run. The agent's own clock is set ahead, so that nothing has to be waited for. Every pass goes
 * through a proxy that notes each request, and every one that could change something is judged.
 */
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AgentEvent, type AgentResult, only, runAgent } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead, startingAt } from "../support/clock.ts";
import { onEngine } from "../support/engine-under-test.ts";
import { FaultProxy, type FaultRule } from "../support/fault-proxy.ts";

const OLD = "2020-01-01T00:00:00Z";
const HOUR = 3600;
const POLL = { timeout: 30_000, interval: 50 };
const MANAGED = { "cascade.managed": "true" };

/** Ends by itself at SIGTERM, with a code that says so. */
const POLITE = ["/bin/sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"];
/** Only SIGKILL ends it. */
const DEAF = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"];

const WORKERS = {
  name: "workers",
  label: "cascade.managed=true",
  runningLongerThan: "1h",
  stoppedLongerThan: "1h",
  stopTimeout: "1s",
};

interface PassOptions {
  readonly orphans?: readonly object[];
  readonly args?: readonly string[];
  /** Merged into the usual settings. */
  readonly rest?: object;
  readonly stateDir?: string;
  readonly faults?: readonly FaultRule[];
  /** Default: two hours ahead. */
  readonly env?: Readonly<Record<string, string>>;
  readonly meanwhile?: (proxy: FaultProxy, child: ChildProcess) => Promise<unknown>;
}

type Ran = AgentResult & { readonly proxy: FaultProxy };

onEngine("orphans", () => {
  let host: CiHost;

  beforeAll(async () => {
    host = await CiHost.start({ name: "orphans" });
    await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(() => host.removeContainers());

  /** Runs a pass behind a proxy, and judges every request that could change something. */
  async function pass(options: PassOptions = {}): Promise<Ran> {
    const { args = ["run"], orphans = [WORKERS], env = ahead(2 * HOUR) } = options;
    const proxy = await FaultProxy.start(host.socketPath, options.faults);
    const labelled = (
      await host.docker.listContainers({ all: true, filters: { label: ["cascade.managed=true"] } })
    ).map(({ Id }) => Id);
    let child: ChildProcess | undefined;
    try {
      const running = runAgent({
        args,
        settings: {
          engine: { socketPath: proxy.socketPath },
          disk: { paths: [host.dataRoot] },
          convergence: { settle: "0s" },
          // All that the prune could ever take is past its age: below the watermark it must stay all the same.
          prune: { until: "1s", buildCache: false },
          orphans,
          ...options.rest,
        },
        env,
        ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
        whileRunning: (started) => {
          child = started;
        },
      });
      await options.meanwhile?.(proxy, child as ChildProcess);
      const result = await running;
      for (const { line } of proxy.destructive) {
        const [, id] = /^(?:DELETE|POST) \/containers\/([0-9a-f]{64})(?:\/stop\?t=\d+)?$/.exec(line) ?? [];
        expect(labelled, line).toContain(id);
      }
      return { ...result, proxy };
    } finally {
      await proxy.close();
    }
  }

  interface Worker {
    readonly cmd?: readonly string[];
    readonly labels?: Record<string, string>;
    readonly image?: string;
    readonly hostConfig?: object;
    readonly volumes?: object;
  }

  /** A running container with the label, unless told otherwise. */
  async function worker(name: string, spec: Worker = {}): Promise<string> {
    const container = await host.docker.createContainer({
      name,
      Image: spec.image ?? "base:1",
      Cmd: [...(spec.cmd ?? POLITE)],
      Labels: spec.labels ?? MANAGED,
      Volumes: spec.volumes ?? {},
      HostConfig: { NetworkMode: "none", ...spec.hostConfig },
    } as object);
    await container.start();
    return container.id;
  }

  const stateOf = async (id: string) => (await host.docker.getContainer(id).inspect()).State;
  const startedAt = async (id: string) => Date.parse((await stateOf(id)).StartedAt);
  const eventsOf = (events: readonly AgentEvent[], name: string) =>
    events.filter(({ event }) => event === name);

  /** What became of each container: `"removed orphaned"`, by its name. */
  const fates = ({ events }: AgentResult) =>
    Object.fromEntries(
      events
        .filter(({ event, kind }) => event.startsWith("object.") && kind === "container")
        .map(({ names: [name], event, rule }) => [name, `${event.slice(7)} ${rule}`]),
    );

  /** What the engine tells of containers since then: `"die 7"`, by id. */
  async function toldSince(from: number): Promise<Record<string, string[]>> {
    const stream = await host.docker.getEvents({
      since: (from / 1000).toFixed(3),
      until: (Date.now() / 1000).toFixed(3),
      filters: { type: ["container"] },
    } as object);
    let text = "";
    for await (const chunk of stream) text += chunk.toString();
    const told: Record<string, string[]> = {};
    for (const line of text.split("\n").filter((one) => one !== "")) {
      const { Action, Actor } = JSON.parse(line);
      const what = Action === "die" ? `die ${Actor.Attributes.exitCode}` : Action;
      told[Actor.ID] = [...(told[Actor.ID] ?? []), what];
    }
    return told;
  }

  describe("workers that were left behind", () => {
    it("are stopped with a grace and removed, one by one; nothing without the label is touched", async () => {
      const ids = {
        polite: await worker("polite"),
        deaf: await worker("deaf", { cmd: DEAF }),
        paused: await worker("paused"),
        always: await worker("always", { hostConfig: { RestartPolicy: { Name: "always" } } }),
        vanishing: await worker("vanishing", { hostConfig: { AutoRemove: true } }),
        exited: await worker("exited", { cmd: ["/bin/true"], volumes: { "/work": {} } }),
        created: await host.createContainer({ image: "base:1", name: "created", labels: MANAGED }),
      };
      await host.docker.getContainer("paused").pause();
      const kept = await worker("kept", { labels: { ...MANAGED, "ci-docker-prune.keep": "" } });
      const untouched = [
        await worker("unlabelled", { labels: {} }),
        await worker("otherwise", { labels: { "cascade.managed": "false" } }),
        await worker("similar", { labels: { "cascade.managed.by": "true" } }),
        await worker("ended", { labels: {}, cmd: ["/bin/true"] }),
      ];
      const service = await host.docker.createService({
        Name: "svc",
        TaskTemplate: {
          ContainerSpec: { Image: "base:1", Command: [...POLITE], Labels: MANAGED, StopGracePeriod: 2e8 },
        },
        Mode: { Replicated: { Replicas: 1 } },
      } as object);
      const tasks = async () =>
        await host.docker.listContainers({
          filters: { label: [`com.docker.swarm.service.id=${(service as unknown as { id: string }).id}`] },
        });
      await vi.waitUntil(async () => (await tasks())[0]?.State === "running", POLL);
      const [task] = await tasks();
      await vi.waitUntil(async () => (await stateOf(ids.exited)).Status === "exited", POLL);
      const volumes = (await host.docker.listVolumes()).Volumes.map(({ Name }) => Name);
      expect(volumes).toHaveLength(1);

      const from = Date.now();
      const ran = await pass();
      expect(ran.code).toBe(0);
      const removed = Object.fromEntries(Object.keys(ids).map((name) => [name, "removed orphaned"]));
      expect(fates(ran)).toEqual({
        ...removed,
        kept: "kept keep-label",
        [task?.Names[0]?.slice(1) ?? ""]: "kept in-use",
      });
      for (const id of Object.values(ids)) expect(await host.hasContainer(id)).toBe(false);
      for (const id of [kept, ...untouched, task?.Id ?? ""]) expect(await host.hasContainer(id)).toBe(true);
      for (const id of [kept, ...untouched.slice(0, 3), task?.Id ?? ""])
        expect((await stateOf(id)).Running).toBe(true);
      expect((await host.docker.listVolumes()).Volumes.map(({ Name }) => Name)).toEqual(volumes);

      // What was running is told as stopped before it is told as removed; what had stopped is only removed.
      const stopped = eventsOf(ran.events, "container.stopped");
      expect(stopped.map(({ names: [name] }) => name).sort()).toEqual([
        ...["always", "deaf", "paused", "polite", "vanishing"],
      ]);
      for (const line of stopped) {
        expect(line).toMatchObject({ policy: "orphans/workers", rule: "orphaned", ageBasis: "started" });
        expect(line.timeoutSeconds).toBe(1);
        const gone = ran.events.findIndex(({ event, id }) => event === "object.removed" && id === line.id);
        expect(gone).toBeGreaterThan(ran.events.indexOf(line));
      }
      expect(only(ran.events, "step.finished")).toMatchObject({
        by: "orphans",
        kind: "container",
        removed: 7,
      });
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 7 },
        rules: [{ list: "orphans", name: "workers", matched: 9, removed: 7, failed: 0, keptBytes: null }],
      });

      // The engine's own word: SIGTERM and its code where it is heard, SIGKILL where not; and nothing comes back.
      const told = await toldSince(from);
      for (const id of [ids.polite, ids.paused, ids.always, ids.vanishing])
        expect(told[id]).toEqual(expect.arrayContaining(["die 7", "destroy"]));
      expect(told[ids.deaf]).toEqual(expect.arrayContaining(["die 137", "destroy"]));
      expect(Object.values(told).flat()).not.toContain("start");
      await host.docker.getService("svc").remove();
    });

    it("go by the time since they were started last, on both sides of the limit", async () => {
      const first = await worker("first");
      await worker("restarted");
      await sleep(3000);
      await worker("second");
      await host.docker.getContainer("restarted").restart({ t: 1 });
      const ran = await pass({ env: startingAt((await startedAt(first)) + HOUR * 1000 + 1100) });
      expect(fates(ran)).toEqual({
        first: "removed orphaned",
        second: "kept young",
        restarted: "kept young",
      });
      const reasons = eventsOf(ran.events, "object.kept").map(({ names: [name], reason }) => [name, reason]);
      expect(Object.fromEntries(reasons)).toEqual({
        // Created before that: it was asked when it started.
        restarted: "running for less than the 1h of runningLongerThan",
        second: "created more recently than runningLongerThan",
      });
    });
  });

  describe("a worker with the label of live runs", () => {
    const rest = { liveRuns: { labels: ["cascade.managed=true"] } };

    it("is a live run within its limit, and keeps every pass away; past it, it is nobody's, and goes", async () => {
      const left = await worker("left");
      await sleep(3000);
      const live = await worker("live");
      const at = (await startedAt(left)) + HOUR * 1000 + 1100;
      const deferred = await pass({ rest, env: startingAt(at) });
      expect(only(deferred.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "live-run" });
      const [, , verdict] = eventsOf(deferred.events, "gate.verdict");
      expect(verdict).toMatchObject({ verdict: "closed", liveCount: 1, live: [{ name: "live" }] });
      expect(deferred.proxy.destructive).toEqual([]);

      await host.docker.getContainer(live).remove({ force: true });
      const ran = await pass({ rest, env: startingAt(at) });
      expect(fates(ran)).toEqual({ left: "removed orphaned" });
      expect(ran.code).toBe(0);
    });

    it("that starts while another is being stopped ends the pass: the rest stays, and is said to", async () => {
      const names = ["one", "two", "three"];
      for (const name of names) await worker(name, { cmd: DEAF });
      const ran = await pass({
        orphans: [{ ...WORKERS, stopTimeout: "3s" }],
        rest: { liveRuns: { containers: ["^ci-run-"] } },
        meanwhile: async (proxy) => {
          await proxy.when(/^POST .*\/stop/);
          await worker("ci-run-1", { labels: {} });
        },
      });
      expect(ran.code).toBe(0);
      expect(Object.values(fates(ran)).sort()).toEqual([
        ...["kept not-reached", "kept not-reached"],
        "removed orphaned",
      ]);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "incomplete", gate: "live-run" });
    });
  });

  describe("what changes between the plan and the stop", () => {
    const soon = { ...WORKERS, runningLongerThan: "2s", stoppedLongerThan: "2s" };

    /** Something happens when the pass has planned and comes to the container. */
    async function passWith(id: string, happens: () => Promise<unknown>, nth: number): Promise<Ran> {
      const look = new RegExp(`^GET /containers/${id}/json$`);
      let go = () => {};
      const until = new Promise<void>((resolve) => {
        go = resolve;
      });
      return await pass({
        orphans: [soon],
        env: {},
        faults: [{ match: look, nth, fault: { kind: "hold", until } }],
        meanwhile: async (proxy) => {
          await proxy.when(look, nth);
          await happens();
          go();
        },
      });
    }

    it("a container that was started again is young, and is not stopped", async () => {
      const id = await worker("again");
      await sleep(3100);
      // Two looks at the gates, one for the plan, and then the one before it is stopped.
      const ran = await passWith(id, () => host.docker.getContainer(id).restart({ t: 1 }), 4);
      expect(fates(ran)).toEqual({ again: "kept young" });
      expect(ran.proxy.destructive).toEqual([]);
    });
  });

  it("one that ends between the last look and its stop (304) is removed all the same", async () => {
    const id = await worker("ending");
    let go = () => {};
    const until = new Promise<void>((resolve) => {
      go = resolve;
    });
    const ran = await pass({
      faults: [{ match: /^POST .*\/stop/, fault: { kind: "hold", until } }],
      meanwhile: async (proxy) => {
        await proxy.when(/^POST .*\/stop/);
        await host.docker.getContainer(id).stop({ t: 1 });
        go();
      },
    });
    expect([ran.code, fates(ran)]).toEqual([0, { ending: "removed orphaned" }]);
  });

  describe("one stop or removal among many", () => {
    const refused = (status: number) =>
      ({ kind: "answer", status, body: { message: "from the test" } }) as const;

    it("that removes itself while it is asked to go (409, then 404) counts as removed", async () => {
      const id = await worker("vanishing");
      const ran = await pass({
        faults: [{ match: new RegExp(`^DELETE /containers/${id}$`), nth: 1, fault: refused(409) }],
        meanwhile: async (proxy) => {
          await proxy.when(/^DELETE /);
          await host.docker.getContainer(id).remove();
        },
      });
      expect(fates(ran)).toEqual({ vanishing: "removed orphaned" });
      expect(ran.code).toBe(0);
    });

    it("SIGTERM while a stop takes its time ends the pass within 2 s: not known whether, and the rest not reached", async () => {
      for (const name of ["one", "two"]) await worker(name, { cmd: DEAF });
      let signalled = 0;
      const ran = await pass({
        orphans: [{ ...WORKERS, stopTimeout: "4s" }],
        meanwhile: async (proxy, child) => {
          await proxy.when(/^POST .*\/stop/);
          signalled = Date.now();
          child.kill("SIGTERM");
        },
      });
      expect(Date.now() - signalled).toBeLessThan(2500);
      expect(ran.code).toBe(75);
      const failed = only(ran.events, "object.failed");
      expect(failed).toMatchObject({ removed: "unknown", policy: "orphans/workers" });
      expect(only(ran.events, "object.kept")).toMatchObject({ rule: "not-reached" });
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        reason: "told to stop",
      });
      expect(ran.proxy.destructive).toHaveLength(1);
      // The engine goes on with what it was asked; the next pass finds it stopped.
      await vi.waitUntil(async () => (await stateOf(String(failed.id))).Status === "exited", POLL);
      expect(Object.values(fates(await pass()))).toEqual(["removed orphaned", "removed orphaned"]);
    });
  });
});
