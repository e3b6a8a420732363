/**
 * When a pass defers and when it goes on, on a real engine with a real swarm: each gate closed and open. That a gate
 * let the pass through is seen on the engine: the bait, an old dangling image, is gone.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type AgentEvent, type AgentResult, idsOf, only, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead } from "../support/clock.ts";
import { onEngine } from "../support/engine-under-test.ts";
import type { ServiceSpec } from "../support/services.ts";

const OLD = "2020-01-01T00:00:00Z";
/** Loaded again it is the same image again. */
const BAIT = { created: OLD, sizeMiB: 0, labels: { for: "bait" } };
const RUN = "ab12-1f2e3d_ci_commoninternet_net";
/** What waits here waits for the engine: poll soon and long. */
const POLL = { timeout: 30_000, interval: 50 };

interface ServiceView {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: Record<string, unknown> & { readonly TaskTemplate: Record<string, unknown> };
  readonly ServiceStatus: { RunningTasks: number; DesiredTasks: number; CompletedTasks: number };
  readonly UpdateStatus?: { State?: string };
}

onEngine("gates", () => {
  let host: CiHost;
  let base: string;
  let bait: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "gates" });
    base = await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });
  beforeEach(async () => {
    for (const id of await host.images()) if (id !== base) await host.docker.getImage(id).remove();
    bait = await host.loadImage(BAIT);
  });
  /** A limit that the bait is past on every engine; short ones are for what a test lets grow old. */
  const settings = (rest: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot] },
    convergence: { settle: "300ms" },
    prune: { until: "1s", buildCache: false },
    ...rest,
  });

  interface PassOptions {
    readonly rest?: object;
    readonly stateDir?: string;
    readonly env?: Readonly<Record<string, string>>;
  }

  async function pass({ rest, stateDir, env }: PassOptions = {}): Promise<AgentResult> {
    await baitIsOld();
    return await runAgent({
      args: ["run", "--without-pressure"],
      settings: settings(rest),
      ...(stateDir === undefined ? {} : { stateDir }),
      ...(env === undefined ? {} : { env }),
    });
  }

  /** By LastTagTime the containerd store dates it from its load, and ages count whole seconds. */
  async function baitIsOld(): Promise<void> {
    const image = (await host.docker.getImage(bait).inspect()) as unknown as {
      Metadata: { LastTagTime: string };
    };
    await past(Date.parse(image.Metadata.LastTagTime));
  }

  /** Resolves when what is dated so is older than the limit of 1 s. */
  const past = (at: number) => sleep(Math.max(0, at + 2100 - Date.now()));

  async function expectPassed(result: AgentResult): Promise<void> {
    const verdicts = result.events.filter(({ event }) => event === "gate.verdict");
    expect(verdicts.map(({ gate, verdict }) => [gate, verdict])).toEqual([
      ["lock", "open"],
      ["live-run", "open"],
      ["converging", "open"],
    ]);
    expect(result.code).toBe(0);
    expect(only(result.events, "pass.finished").outcome).toBe("pruned");
    expect(idsOf(result.events, "object.removed", "image")).toEqual([bait]);
    expect(await host.hasImage(bait)).toBe(false);
    bait = await host.loadImage(BAIT);
  }

  /** @returns the verdict that deferred the pass */
  async function expectDeferred(result: AgentResult, gate: string): Promise<AgentEvent> {
    const verdicts = result.events.filter(({ event }) => event === "gate.verdict");
    const closed = verdicts.filter(({ verdict }) => verdict !== "open");
    expect(closed.map((line) => [line.gate, line.verdict])).toEqual([[gate, "closed"]]);
    expect(result.code).toBe(0);
    const [verdict] = closed as [AgentEvent];
    expect(only(result.events, "pass.finished")).toMatchObject({
      outcome: "deferred",
      gate,
      reason: verdict.reason,
      removed: { container: 0, image: 0, "build-cache": 0 },
    });
    expect(await host.hasImage(bait)).toBe(true);
    return verdict;
  }

  async function service(id: string): Promise<ServiceView> {
    // Of the list: GET /services/{id} has no ServiceStatus.
    const services = (await host.docker.listServices({ status: true } as object)) as unknown as ServiceView[];
    const found = services.find(({ ID }) => ID === id);
    if (found === undefined) throw new Error(`no service ${id}`);
    return found;
  }

  async function counts(id: string): Promise<[number, number, number]> {
    const { RunningTasks, DesiredTasks, CompletedTasks } = (await service(id)).ServiceStatus;
    return [RunningTasks, DesiredTasks, CompletedTasks ?? 0];
  }

  /** Creates the service and waits until running/desired/completed tasks are these. */
  async function serviceWith(spec: ServiceSpec, wanted: readonly number[]): Promise<string> {
    const id = await host.createService(spec);
    await vi.waitUntil(async () => String(await counts(id)) === String(wanted), POLL);
    return id;
  }

  /** Asks for an update and waits until the engine calls its state that. */
  async function update(id: string, state: string, change: (spec: ServiceView["Spec"]) => object) {
    const { Version, Spec } = await service(id);
    await host.docker.getService(id).update({ version: Version.Index, ...change(Spec) });
    await vi.waitUntil(async () => (await service(id)).UpdateStatus?.State === state, POLL);
  }

  /** A task that runs until it is let go, and then ends well. */
  const untilLetGo = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];
  async function letGo(serviceName: string): Promise<void> {
    const tasks = await host.docker.listContainers({
      filters: { label: [`com.docker.swarm.service.name=${serviceName}`] },
    });
    expect(tasks).toHaveLength(1);
    for (const { Id } of tasks) await host.docker.getContainer(Id).kill({ signal: "SIGTERM" });
  }

  describe("live runs", () => {
    afterEach(() => host.removeContainers());

    it("defers for a service named like a run by default", async () => {
      await host.createService({ name: `${RUN}_app`, image: "base:1", replicas: 0 });
      const verdict = await expectDeferred(await pass(), "live-run");
      expect(verdict.reason).toContain(`service ${RUN}_app`);
      expect(verdict.live).toMatchObject([{ kind: "service", name: `${RUN}_app` }]);
      expect(verdict.liveCount).toBe(1);
      await host.removeService(`${RUN}_app`);
      await expectPassed(await pass());
    });

    it("still defers while the containers of a service run that has just been deleted", async () => {
      await host.createService({
        name: `${RUN}_db`,
        image: "base:1",
        cmd: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
        stopGraceMs: 6000,
        waitForRunning: true,
      });
      await baitIsOld();
      await host.removeService(`${RUN}_db`);
      const deferred = await pass();
      expect(await host.docker.listServices()).toEqual([]);
      expect(await host.docker.listContainers()).toHaveLength(1);
      const verdict = await expectDeferred(deferred, "live-run");
      expect(verdict.live).toMatchObject([
        { kind: "container", name: expect.stringContaining(`${RUN}_db.`) },
      ]);
      const [container] = await host.docker.listContainers();
      await host.docker.getContainer(container!.Id).kill();
      await vi.waitUntil(async () => (await host.docker.listContainers({ all: true })).length === 0, POLL);
      await expectPassed(await pass());
    });

    it("defers for a running container of a rule, and not for others or stopped ones", async () => {
      const liveRuns = { containers: ["^job-[0-9]+$"], labels: ["ci.run"] };
      const rest = { liveRuns, prune: { until: "1s", containers: false, buildCache: false } };
      const idle = { image: "base:1", cmd: ["/bin/sleep", "3600"] };
      await host.runContainer({ ...idle, name: "my-job-1", labels: { "ci.runner": "1" } });
      await host.runContainer({ image: "base:1", name: "job-99", labels: { "ci.run": "1" }, wait: true });
      await expectPassed(await pass({ rest }));
      await host.runContainer({ ...idle, name: "labelled", labels: { "ci.run": "" } });
      const { live } = await expectDeferred(await pass({ rest }), "live-run");
      expect(live).toMatchObject([{ kind: "container", name: "labelled", rule: "ci.run" }]);
    });

    it("defers for a container that was created a moment ago, and takes it for a leftover past the limit", async () => {
      const liveRuns = { containers: ["^job-"] };
      const created = await host.createContainer({ image: "base:1", name: "job-1" });
      const young = { liveRuns, prune: { until: "1h", buildCache: false } };
      await expectDeferred(await pass({ rest: young }), "live-run");
      const { Created } = await host.docker.getContainer(created).inspect();
      await past(Date.parse(Created));
      const old = await pass({ rest: { liveRuns, prune: { until: "1s", buildCache: false } } });
      expect(idsOf(old.events, "object.removed", "container")).toEqual([created]);
      expect(await host.hasContainer(created)).toBe(false);
      await expectPassed(old);
    });
  });

  describe("converging services", () => {
    afterEach(() => host.removeContainers());

    it("passes beside services that are settled, at 2 of 2 or scaled to 0, and defers while one is at 0 of 1", async () => {
      await serviceWith({ name: "web", image: "base:1", replicas: 2 }, [2, 2, 0]);
      await serviceWith({ name: "off", image: "base:1", replicas: 0 }, [0, 0, 0]);
      await expectPassed(await pass());
      const stuck = await serviceWith(HOMELESS, [0, 1, 0]);
      const verdict = await expectDeferred(await pass(), "converging");
      expect(verdict).toMatchObject({
        services: 3,
        busyCount: 1,
        busy: [{ id: stuck, service: "homeless", why: "0 of 1 tasks run" }],
      });
      await host.removeService("homeless");
      await expectPassed(await pass());
    });

    it("passes beside a one-shot service that is done", async () => {
      const id = await host.createService({
        name: "oneshot",
        image: "base:1",
        cmd: ["/bin/true"],
        restartCondition: "none",
      });
      const done = async () =>
        (await host.docker.listTasks({ filters: { service: ["oneshot"] } })).map(
          ({ Status }) => Status.State,
        );
      await vi.waitUntil(async () => String(await done()) === "complete", POLL);
      expect(await counts(id)).toEqual([0, 1, 0]);
      await expectPassed(await pass());
      await host.removeService("oneshot");
    });

    it("takes a service for stuck whose tasks are rejected again and again, and never run", async () => {
      const stateDir = scratchDir();
      const rest = { convergence: { settle: "0s", ignoreStuckAfter: "1m" } };
      const id = await host.createService({ name: "imageless", image: "127.0.0.1:9/no/such:1" });
      const rejected = async () =>
        (await host.docker.listTasks({ filters: { service: [id] } })).filter(
          ({ Status }) => Status.State === "rejected",
        ).length;
      await vi.waitUntil(async () => (await rejected()) > 0, POLL);
      await expectDeferred(await pass({ rest, stateDir }), "converging");
      const before = await rejected();
      await vi.waitUntil(async () => (await rejected()) > before, POLL);
      const ignoring = await pass({ rest, stateDir, env: ahead(75) });
      expect(only(ignoring.events, "service.ignored").service).toBe("imageless");
      await expectPassed(ignoring);
    });

    it.each([
      ["its node is drained", async (there: boolean) => node({ Availability: there ? "active" : "drain" })],
      ["its node loses a label", async (there: boolean) => node({ Labels: there ? { here: "yes" } : {} })],
    ])("does not take a service for stuck that has run since it was seen so: %s, twice", async (_, make) => {
      const stateDir = scratchDir();
      const rest = { convergence: { settle: "0s", ignoreStuckAfter: "1m" } };
      const spec = { name: "web", image: "base:1", constraints: ["node.labels.here==yes"] };
      await node({ Labels: { here: "yes" } });
      try {
        await make(false);
        const id = await serviceWith(spec, [0, 1, 0]);
        await expectDeferred(await pass({ rest, stateDir }), "converging");
        const seenAt = Date.now();
        // What a pass on a slow machine takes until it looks.
        await sleep(8000);
        await make(true);
        await vi.waitUntil(async () => (await counts(id))[0] === 1, POLL);
        await make(false);
        await vi.waitUntil(async () => String(await counts(id)) === "0,1,0", POLL);
        const { since } = stateOf(stateDir).busy[id]!;
        expect(since).toBeLessThan(seenAt);
        // 61 s after it was seen, and less than 60 s after it ran.
        const again = await pass({ rest, stateDir, env: ahead((seenAt + 61_000 - Date.now()) / 1000) });
        expect(again.events.filter(({ event }) => event === "service.ignored")).toEqual([]);
        const [stuck] = (await expectDeferred(again, "converging")).busy;
        expect(stuck).toMatchObject({ service: "web", why: "0 of 1 tasks run" });
        expect(stuck.busySeconds).toBeGreaterThan(30);
        expect(stateOf(stateDir).busy[id]?.since).toBe(since); // all the same: only its tasks tell
        const longer = await pass({ rest, stateDir, env: ahead(75) });
        expect(only(longer.events, "service.ignored").service).toBe("web");
        await expectPassed(longer);
      } finally {
        await node({});
      }
    });

    it("defers while jobs run, replicated or global, and passes when they are done", async () => {
      await serviceWith({ name: "job", image: "base:1", mode: "replicated-job", cmd: untilLetGo }, [1, 1, 0]);
      await serviceWith(
        { name: "everywhere", image: "base:1", mode: "global-job", cmd: untilLetGo },
        [1, 1, 0],
      );
      const both = await expectDeferred(await pass(), "converging");
      expect(both.busyCount).toBe(2);
      await letGo("job");
      const [job] = await host.docker.listServices({ filters: { name: ["job"] } });
      await vi.waitUntil(async () => (await counts(job!.ID))[2] === 1, POLL);
      expect(await counts(job!.ID)).toEqual([0, 1, 1]); // done, though it looks as if 1 were wanted
      const one = await expectDeferred(await pass(), "converging");
      expect(one.busy).toMatchObject([{ service: "everywhere", why: "1 tasks to complete" }]);
      await letGo("everywhere");
      const [all] = await host.docker.listServices({ filters: { name: ["everywhere"] } });
      await vi.waitUntil(async () => String(await counts(all!.ID)) === "0,0,1", POLL);
      await expectPassed(await pass());
    });

    it("defers for a global service whose image cannot be had, though it wants 0 tasks most of the time", async () => {
      const id = await host.createService({
        name: "everywhere",
        image: "127.0.0.1:9/no/such:1",
        mode: "global",
      });
      await vi.waitUntil(async () => {
        const tasks = await host.docker.listTasks({ filters: { service: [id] } });
        return (
          tasks.some(({ Status }) => Status.State === "rejected") && String(await counts(id)) === "0,0,0"
        );
      }, POLL);
      for (let look = 0; look < 3; look++) {
        const verdict = await expectDeferred(await pass(), "converging");
        expect(verdict.busy).toMatchObject([{ service: "everywhere" }]);
      }
    });

    it("defers while an update is under way, though 2 of 2 tasks run, and while a failed one is paused", async () => {
      const id = await serviceWith({ name: "web", image: "base:1", replicas: 2 }, [2, 2, 0]);
      await update(id, "updating", (spec) => ({
        ...spec,
        TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: 1 },
        UpdateConfig: { Parallelism: 1, Delay: 600e9, Order: "start-first" },
      }));
      await vi.waitUntil(async () => String(await counts(id)) === "2,2,0", POLL);
      const updating = await expectDeferred(await pass(), "converging");
      expect(updating.busy).toMatchObject([{ service: "web", why: "update updating" }]);

      await update(id, "paused", (spec) => ({
        ...spec,
        TaskTemplate: {
          ...spec.TaskTemplate,
          ForceUpdate: 2,
          ContainerSpec: {
            ...(spec.TaskTemplate.ContainerSpec as object),
            Command: ["/bin/busybox", "false"],
          },
        },
        UpdateConfig: { Parallelism: 1, FailureAction: "pause", Order: "start-first", Monitor: 10e9 },
      }));
      const paused = await expectDeferred(await pass(), "converging");
      expect(paused.busy).toMatchObject([{ service: "web", why: "update paused" }]);
    });

    const HOMELESS = { name: "homeless", image: "base:1", constraints: ["node.labels.no==such"] };

    /** Sets what the one node of the swarm is for; what is not named is as it was at first. */
    async function node(spec: { Availability?: string; Labels?: Record<string, string> }): Promise<void> {
      const [only] = (await host.docker.listNodes()) as { ID: string; Version: { Index: number } }[];
      const labels = spec.Labels ?? (spec.Availability === undefined ? {} : { here: "yes" });
      await host.docker.getNode(only!.ID).update({
        version: only!.Version.Index,
        Role: "manager",
        Availability: spec.Availability ?? "active",
        Labels: labels,
      } as object);
    }

    function stateOf(dir: string): { busy: Record<string, { since: number; lastSeen: number }> } {
      return JSON.parse(readFileSync(join(dir, "sightings.json"), "utf8"));
    }
  });

  describe("the lock", () => {
    it("defers while a launcher holds it shared, without asking the engine, and passes when it has let go", async () => {
      const lockFile = join(scratchDir(), "lock");
      const launcher = spawn("flock", ["--shared", lockFile, "cat"], { stdio: ["pipe", "ignore", "ignore"] });
      const ended = new Promise((resolve) => launcher.once("exit", resolve));
      const held = () => spawnSync("flock", ["--nonblock", lockFile, "true"]).status !== 0;
      await vi.waitUntil(() => existsSync(lockFile) && held(), POLL);
      const verdict = await expectDeferred(await pass({ rest: { lockFile } }), "lock");
      expect(verdict).toMatchObject({ lockFile, reason: expect.stringContaining(lockFile) });
      const again = await pass({ rest: { lockFile } });
      // Of a state that does not know yet where the engine keeps its data: that alone is asked.
      expect(only(again.events, "pass.finished")).toMatchObject({ engineRequests: 2 });
      launcher.stdin.end();
      await ended;
      await expectPassed(await pass({ rest: { lockFile } }));
    });

    it("lets only one pass of the same state at the engine at a time; one with a state of its own goes on", async () => {
      const stateDir = scratchDir();
      const rest = { convergence: { settle: "4s" } };
      const outcomes: Promise<AgentResult>[] = [];
      await baitIsOld();
      const first = await runAgent({
        args: ["run", "--without-pressure"],
        settings: settings(rest),
        stateDir,
        whileRunning: (child, events) => {
          child.stdout?.on("data", () => {
            // The first line after the lock's: the pass holds it now, and waits for services to settle.
            const locked = events.some(({ event, gate }) => event === "gate.verdict" && gate === "lock");
            if (locked && outcomes.length === 0) {
              outcomes.push(pass({ stateDir }));
              outcomes.push(pass({ rest: { prune: { images: false, buildCache: false } } }));
            }
          });
        },
      });
      const [second, other] = await Promise.all(outcomes);
      expect(only(second!.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "lock" });
      expect(second!.code).toBe(0);
      expect(only(other!.events, "pass.finished").gate).toBe(null);
      await expectPassed(first);
    });
  });

  const COUNT = 40;

  /** Runs a pass over what was made, and starts a run when it has removed its first object. */
  async function passInto(start: () => Promise<unknown>, liveRuns: object) {
    let started: Promise<number> | undefined;
    const result = await runAgent({
      args: ["run", "--without-pressure"],
      settings: settings({ liveRuns, convergence: { settle: "0s" } }),
      whileRunning: (child, events) => {
        child.stdout?.on("data", () => {
          if (started !== undefined || !events.some(({ event }) => event === "object.removed")) return;
          // Held for as long as an answer of the gates is good: they are to be asked again before the next deletion.
          child.kill("SIGSTOP");
          started = Promise.all([start(), sleep(2000)])
            .then(() => Date.now())
            .finally(() => child.kill("SIGCONT"));
        });
      },
    });
    const startedAt = await started;
    if (startedAt === undefined) throw new Error("nothing was removed, so no run was started");
    return { result, startedAt };
  }

  /** By the engine's own word: the log tells a removal up to two seconds later. */
  async function removedSince(time: number, kind: "container" | "image"): Promise<number> {
    const seconds = (at: number) => (at / 1000).toFixed(3);
    const filters = { type: [kind], event: [kind === "container" ? "destroy" : "delete"] };
    const until = seconds(Date.now());
    const events = await host.docker.getEvents({ since: seconds(time), until, filters } as object);
    let text = "";
    for await (const chunk of events) text += String(chunk);
    return text.split("\n").filter((line) => line !== "").length;
  }

  describe("a run that starts in mid-pass", () => {
    afterEach(() => host.removeContainers());

    it("ends the pass at once: a container, while images are removed", async () => {
      const images = [bait];
      for (let n = 1; n < COUNT; n++) {
        images.push(await host.loadImage({ ...BAIT, labels: { n: String(n) } }));
      }
      await past(Date.now()); // also where a load dates an image
      const { result, startedAt } = await passInto(
        () => host.runContainer({ image: "base:1", name: "job-1", cmd: ["/bin/sleep", "3600"] }),
        { containers: ["^job-"] },
      );
      const removed = idsOf(result.events, "object.removed", "image");
      const rest = images.filter((id) => !removed.includes(id));
      expect(rest.length).toBeGreaterThan(0);
      expect(await removedSince(startedAt, "image")).toBeLessThanOrEqual(4); // what was under way
      const there = async () => (await host.images()).filter((id) => images.includes(id));
      expect((await there()).sort()).toEqual([...rest].sort());
      const notReached = result.events.filter(({ rule }) => rule === "not-reached").map(({ id }) => id);
      expect(notReached).toEqual(expect.arrayContaining(rest));
      expect(only(result.events, "pass.ended-early")).toMatchObject({
        level: "warn",
        reason: expect.stringContaining("a CI run is live"),
        left: notReached.length,
      });
      expect(only(result.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        gate: "live-run",
        reason: expect.stringContaining("ended in mid-pass: a CI run is live"),
      });
      expect(result.code).toBe(0);
      // What is left goes with the next pass, once the run is over.
      await host.docker.getContainer("job-1").remove({ force: true });
      const next = await runAgent({ args: ["run", "--without-pressure"], settings: settings() });
      expect(idsOf(next.events, "object.removed", "image").length).toBeGreaterThan(0);
      expect(await there()).toEqual([]);
    });
  });

  // These come last: they take the swarm and then the engine away.
  describe("without a swarm, and without an engine", () => {
    it("passes when the host is in no swarm, and looks only once", async () => {
      await baitIsOld();
      await host.docker.swarmLeave({ force: true });
      const result = await runAgent({
        args: ["run", "--without-pressure"],
        settings: settings({ convergence: { settle: "60s" } }),
      });
      expect(result.seconds).toBeLessThan(30);
      const [, , converging] = result.events.filter(({ event }) => event === "gate.verdict");
      expect(converging?.reason).toBe("this engine is not part of a swarm");
      await expectPassed(result);
    });

    it("ends a pass when the host joins a swarm in mid-pass and a service converges there", async () => {
      const containers: string[] = [];
      for (let n = 0; n < COUNT; n++) containers.push(await host.createContainer({ image: "base:1" }));
      await past(Date.now());
      const { result, startedAt } = await passInto(async () => {
        await host.docker.swarmInit({ ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1" });
        const constraints = ["node.labels.no==such"];
        const id = await host.createService({ name: "homeless", image: "base:1", constraints });
        await vi.waitUntil(async () => String(await counts(id)) === "0,1,0", POLL);
      }, {});
      const [, , converging] = result.events.filter(({ event }) => event === "gate.verdict");
      expect(converging?.reason).toBe("this engine is not part of a swarm");
      expect(await removedSince(startedAt, "container")).toBeLessThanOrEqual(10);
      expect(only(result.events, "pass.ended-early")).toMatchObject({
        reason: expect.stringContaining("a service is converging: homeless"),
        stepsLeft: ["image"],
      });
      expect(only(result.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        gate: "converging",
      });
      expect(result.code).toBe(0);
      const left = (await host.docker.listContainers({ all: true })).map(({ Id }) => Id);
      const removed = idsOf(result.events, "object.removed", "container");
      expect(left.sort()).toEqual(containers.filter((id) => !removed.includes(id)).sort());
      expect(left.length).toBeGreaterThan(0);
      expect(await host.hasImage(bait)).toBe(true);
      await host.removeContainers();
      await host.docker.swarmLeave({ force: true });
    });

    it("below the watermark asks the engine once where its data is, and then never: one line, exit 0, also when it is down", async () => {
      const percent = await host.diskPercent();
      const stateDir = join(scratchDir(), "learnt");
      const disk = (mark: number) => ({ disk: { paths: [host.dataRoot], highWatermark: `${mark}%` } });
      const first = await runAgent({ args: ["run"], settings: settings(disk(percent + 1)), stateDir });
      // Its version, where its data is, and its networks, which the disk says nothing of.
      expect(only(first.events, "pass.finished")).toMatchObject({ engineRequests: 3 });
      let connections = 0;
      const socketPath = join(scratchDir(), "counting.sock");
      const server = createServer((socket) => {
        connections++;
        socket.destroy();
      });
      await new Promise<void>((resolve) => server.listen(socketPath, resolve));
      const counted = { engine: { socketPath } };
      const below = await runAgent({
        args: ["run"],
        settings: settings({ ...disk(percent + 1), ...counted }),
        stateDir,
      });
      expect(connections).toBe(0);
      const above = await runAgent({ args: ["run"], settings: settings({ ...disk(percent), ...counted }) });
      expect(connections).toBeGreaterThan(0);
      expect(above.code).toBe(69);
      server.close();

      await host.killEngine();
      const down = await runAgent({ args: ["run"], settings: settings(disk(percent + 1)), stateDir });
      for (const result of [first, below, down]) {
        expect(result.code).toBe(0);
        expect(result.stdout.trim().split("\n")).toHaveLength(1);
        expect(only(result.events, "pass.finished")).toMatchObject({
          outcome: "below-watermark",
          gate: "disk-pressure",
        });
      }
      expect(only(below.events, "pass.finished")).toMatchObject({ engineRequests: 0 });
      expect(only(down.events, "pass.finished")).toMatchObject({ engineRequests: 0 });
    });
  });
});
