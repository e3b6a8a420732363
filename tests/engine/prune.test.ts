/** What a pass takes and what it leaves, on a real engine: both sides of every boundary, and bystanders. */
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type AgentEvent,
  type AgentResult,
  BUNDLE,
  idsOf,
  only,
  runAgent,
  scratchDir,
} from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";
import { pull, Registry } from "../support/registry.ts";

const OLD = "2020-01-01T00:00:00Z";
const MIB = 1024 * 1024;

interface CacheRecord {
  readonly ID: string;
  readonly Shared: boolean;
}

onEngine("prune", () => {
  let host: CiHost;
  let base: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "prune", swarm: false });
    base = await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const settings = (prune: object, rest: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot] },
    convergence: { settle: "0s" },
    prune,
    ...rest,
  });

  function prunes(prune: object, stateDir?: string): Promise<AgentResult> {
    return runAgent({
      args: ["run", "--without-pressure"],
      settings: settings(prune),
      ...(stateDir === undefined ? {} : { stateDir }),
    });
  }

  /** The document of `plan --json`. */
  async function planOf(prune: object) {
    const dir = scratchDir();
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify(settings(prune)));
    const { stdout } = await promisify(execFile)(process.execPath, [
      BUNDLE,
      ...["plan", "--json", "--settings", file, "--state-dir", dir],
    ]);
    return JSON.parse(stdout);
  }

  async function cacheIds(): Promise<string[]> {
    return (((await host.docker.df()).BuildCache as CacheRecord[] | null) ?? []).map(({ ID }) => ID).sort();
  }

  /** Runs `make` and tells which build cache records it left. */
  async function cacheMadeBy(make: () => Promise<unknown>): Promise<string[]> {
    const before = new Set(await cacheIds());
    await make();
    return (await cacheIds()).filter((id) => !before.has(id));
  }

  /** Resolves when what was made then is older than the limit. Ages count whole seconds, as the engine's own do. */
  const grownOlderThan = (seconds: number, madeAt: number) =>
    sleep(madeAt + (seconds + 1) * 1000 + 100 - Date.now());

  /** The same for images whose Created is years ago: they are old at once, but where a load sets LastTagTime. */
  const loadedLongerAgoThan = async (seconds: number, loadedAt: number) =>
    containerd ? await grownOlderThan(seconds, loadedAt) : undefined;

  describe("one pass over a host with old and young things of every kind", () => {
    /** Seconds; more on a machine that is so busy that the young ones would grow old before the pass comes. */
    let limit = 8;
    /** Of one that ends at once the engine may say that it started after it finished. */
    const A_MOMENT = ["/bin/busybox", "sleep", "0.3"];
    const prune = { until: `${limit}s` };
    const made: Record<string, string> = {};
    let oldCache: string[];
    let youngCache: string[];
    let sharedCache: string[];
    let volumes: string[];
    let registry: Registry;
    let before: { images: string[]; containers: string[]; cache: string[] };
    let planned: { remove: AgentEvent[]; keep: AgentEvent[]; totals: { remove: { count: number } } };
    let dryRun: AgentResult;
    let afterDryRun: typeof before;
    let dryRunState: string;
    const passState = scratchDir();
    let pass: AgentResult;

    const look = async () => ({
      images: (await host.images()).sort(),
      containers: (await host.docker.listContainers({ all: true })).map(({ Id }) => Id).sort(),
      cache: await cacheIds(),
    });
    const volumeNames = async () => (await host.docker.listVolumes()).Volumes.map(({ Name }) => Name).sort();
    const id = (name: string): string => {
      const found = made[name];
      if (found === undefined) throw new Error(`the scenario has no ${name}`);
      return found;
    };

    beforeAll(async () => {
      registry = await Registry.start(host);
      const source = await host.loadImage({ ref: "source:1", created: OLD, seed: "digest", cmd: ["digest"] });
      const published = await registry.publish(host, source, "app:1");
      await host.docker.getImage("source:1").remove();

      // What will be old when the pass comes.
      made.sleeper = await host.runContainer({ image: "base:1", cmd: ["/bin/busybox", "sleep", "3600"] });
      made.running = await host.runContainer({ image: "base:1", cmd: ["/bin/busybox", "sleep", "3600"] });
      made.paused = await host.runContainer({ image: "base:1", cmd: ["/bin/busybox", "sleep", "3600"] });
      await host.docker.getContainer(id("paused")).pause();
      const restarting = await host.docker.createContainer({
        Image: "base:1",
        Cmd: ["/bin/busybox", "false"],
        HostConfig: { NetworkMode: "none", RestartPolicy: { Name: "always" } },
      });
      await restarting.start();
      made.restarting = restarting.id;
      made.neverStartedOld = await host.createContainer({ image: "base:1" });
      made.keptByLabel = await host.runContainer({
        image: "base:1",
        labels: { "ci-docker-prune.keep": "" },
        cmd: A_MOMENT,
        wait: true,
      });
      const withVolume = await host.docker.createContainer({
        Image: "base:1",
        Cmd: [...A_MOMENT],
        Volumes: { "/anonymous": {} },
        HostConfig: { NetworkMode: "none" },
      });
      await withVolume.start();
      await withVolume.wait();
      made.exitedOld = withVolume.id;
      await host.docker.createVolume({ Name: "named-and-unused" });
      volumes = await volumeNames();

      made.tagged = await host.loadImage({ ref: "tagged:1", created: OLD });
      made.taggedTwice = await host.loadImage({ ref: "twice:1", created: OLD });
      await host.docker.getImage("twice:1").tag({ repo: "twice", tag: "2" });
      made.lostItsTag = await host.loadImage({ ref: "moving:1", created: OLD });
      made.movingTag = await host.loadImage({ ref: "moving:1", created: OLD });
      await pull(host, published.byDigest);
      made.digestOnly = (await host.docker.getImage(published.byDigest).inspect()).Id;
      made.danglingOld = await host.loadImage({ created: OLD, seed: "old", sizeMiB: 2 });
      made.danglingJustOld = await host.loadImage({ created: new Date().toISOString() });
      made.danglingKept = await host.loadImage({ created: OLD, labels: { "ci-docker-prune.keep": "no" } });
      made.usedByYoung = await host.loadImage({ created: OLD });
      made.usedByRunning = await host.loadImage({ created: OLD, cmd: ["/bin/busybox", "sleep", "3600"] });
      await host.runContainer({ image: id("usedByRunning"), cmd: ["/bin/busybox", "sleep", "3600"] });
      made.usedByOld = await host.loadImage({ created: OLD });
      made.oldUser = await host.runContainer({ image: id("usedByOld"), wait: true });
      made.year1970 = await host.loadImage({ created: "1970-01-01T00:00:01Z" });
      oldCache = await cacheMadeBy(() => host.buildCache(3));
      sharedCache = await cacheMadeBy(async () => {
        made.buildkitTagged = await host.buildImage({
          tag: "kit:1",
          dockerfile: "FROM base:1\nRUN touch /kit\n",
          buildkit: true,
        });
      });
      const planning = Date.now();
      await planOf(prune);
      limit = Math.max(limit, Math.ceil((20 * (Date.now() - planning)) / 1000));
      prune.until = `${limit}s`;
      await grownOlderThan(limit, Date.now());

      // What will be young when the pass comes.
      youngCache = await cacheMadeBy(() => host.buildCache(3));
      await host.docker.getContainer(id("sleeper")).kill();
      await host.docker.getContainer(id("sleeper")).wait();
      made.exitedYoung = await host.runContainer({ image: id("usedByYoung"), wait: true });
      made.neverStartedYoung = await host.createContainer({ image: "base:1" });
      made.danglingYoung = await host.loadImage({});

      before = await look();
      planned = await planOf(prune);
      dryRunState = scratchDir();
      dryRun = await runAgent({
        args: ["run", "--without-pressure", "--dry-run"],
        settings: settings(prune),
        stateDir: dryRunState,
      });
      afterDryRun = await look();
      pass = await prunes(prune, passState);
    });
    afterAll(async () => {
      await registry?.stop();
      await host.clear([base]);
    });

    /** What the log says of an object: "removed", or the rule that keeps it, and the basis of its age. */
    function fate(name: string): unknown {
      const lines = pass.events.filter((line) => line.id === id(name));
      return lines.map(({ event, rule, ageBasis }) => [event, rule, ageBasis]);
    }

    it("ends as pruned, with exit 0, and its counts are those of its lines", () => {
      expect(pass.code).toBe(0);
      const removed = {
        container: idsOf(pass.events, "object.removed", "container").length,
        image: idsOf(pass.events, "object.removed", "image").length,
        "build-cache": idsOf(pass.events, "object.removed", "build-cache").length,
      };
      expect(only(pass.events, "pass.finished")).toMatchObject({ outcome: "pruned", removed, failed: 0 });
      const steps = pass.events.filter(({ event }) => event === "step.finished");
      expect(steps.map(({ kind, removed }) => [kind, removed])).toEqual(Object.entries(removed));
    });

    it("takes a container that finished longer ago than the limit, and one that never started", async () => {
      expect(fate("exitedOld")).toEqual([["object.removed", "expired", "finished"]]);
      expect(await host.hasContainer(id("exitedOld"))).toBe(false);
      expect(fate("neverStartedOld")).toEqual([["object.removed", "expired", "created"]]);
      expect(await host.hasContainer(id("neverStartedOld"))).toBe(false);
    });

    it("leaves a container that ran for long and has just finished, though it was created long ago", async () => {
      const { Created } = await host.docker.getContainer(id("sleeper")).inspect();
      const [line] = pass.events.filter((event) => event.id === id("sleeper"));
      expect(Date.parse(String(line?.time)) - Date.parse(Created)).toBeGreaterThan(limit * 1000);
      expect(fate("sleeper")).toEqual([["object.kept", "young", "finished"]]);
    });

    it("leaves young containers, stopped or never started", async () => {
      expect(fate("exitedYoung")).toEqual([["object.kept", "young", "created"]]);
      expect(await host.hasContainer(id("exitedYoung"))).toBe(true);
      expect(fate("neverStartedYoung")).toEqual([["object.kept", "young", "created"]]);
      expect(await host.hasContainer(id("neverStartedYoung"))).toBe(true);
    });

    it("leaves what runs, is paused or restarts, however old, and does not even judge it", async () => {
      for (const name of ["running", "paused"]) {
        expect(fate(name)).toEqual([]);
        const { State } = await host.docker.getContainer(id(name)).inspect();
        expect(State.Status).toBe(name);
      }
      expect(fate("restarting")).toEqual([]);
      expect(await host.hasContainer(id("restarting"))).toBe(true);
    });

    it("leaves old things that carry a label of keepLabels, whatever its value", async () => {
      expect(fate("keptByLabel")).toEqual([["object.kept", "keep-label", "created"]]);
      expect(await host.hasContainer(id("keptByLabel"))).toBe(true);
      expect(fate("danglingKept")).toMatchObject([["object.kept", "keep-label", expect.any(String)]]);
      expect(await host.hasImage(id("danglingKept"))).toBe(true);
    });

    it(`takes old dangling images, also one that lost a moving tag; dated by ${containerd ? "LastTagTime, which a load sets on this engine" : "Created: a load sets no LastTagTime on this engine"}`, async () => {
      const basis = containerd ? "last-tagged" : "created";
      for (const name of ["danglingOld", "danglingJustOld"]) {
        expect(fate(name)).toEqual([["object.removed", "expired", basis]]);
        expect(await host.hasImage(id(name))).toBe(false);
      }
      expect(fate("lostItsTag")).toMatchObject([["object.removed", "expired", expect.any(String)]]);
      expect(await host.hasImage(id("lostItsTag"))).toBe(false);
      const removed = pass.events.filter((line) => line.id === id("danglingOld"));
      expect(removed).toMatchObject([{ kind: "image", names: [], sizeBytes: expect.any(Number) }]);
      expect(removed[0]?.sizeBytes).toBeGreaterThan(2 * MIB);
      expect(removed[0]?.ageSeconds).toBeGreaterThan(limit - 1);
    });

    it("leaves a young dangling image", async () => {
      expect(fate("danglingYoung")).toMatchObject([["object.kept", "young", expect.any(String)]]);
      expect(await host.hasImage(id("danglingYoung"))).toBe(true);
    });

    it("never judges, let alone takes, an image with a tag, or with two, however old", async () => {
      for (const name of ["tagged", "taggedTwice", "movingTag", "buildkitTagged"]) {
        expect(fate(name)).toEqual([]);
        expect(await host.hasImage(id(name))).toBe(true);
      }
      for (const ref of ["base:1", "tagged:1", "twice:1", "twice:2", "moving:1", "kit:1"]) {
        expect(await host.hasImage(ref)).toBe(true);
      }
    });

    it(`leaves an old image that has a digest and no tag${containerd ? " (this engine does not list it as dangling)" : ""}`, async () => {
      expect(await host.hasImage(id("digestOnly"))).toBe(true);
      expect(fate("digestOnly")).toMatchObject(
        containerd ? [] : [["object.kept", "has-digest", expect.any(String)]],
      );
    });

    it("leaves an old dangling image whose container stays, and takes one whose container goes with it", async () => {
      for (const name of ["usedByYoung", "usedByRunning"]) {
        expect(fate(name)).toMatchObject([["object.kept", "in-use", expect.any(String)]]);
        expect(await host.hasImage(id(name))).toBe(true);
      }
      expect(await host.hasContainer(id("oldUser"))).toBe(false);
      expect(fate("usedByOld")).toMatchObject([["object.removed", "expired", expect.any(String)]]);
      expect(await host.hasImage(id("usedByOld"))).toBe(false);
    });

    it("leaves an image of 1970 that it sees for the first time", async () => {
      expect(fate("year1970")).toEqual([["object.kept", "undatable", "first-seen-dangling"]]);
      expect(await host.hasImage(id("year1970"))).toBe(true);
    });

    it("takes build cache that was not used for the limit, leaves young records and those an image shares", async () => {
      const left = await cacheIds();
      expect(oldCache.length).toBeGreaterThan(1);
      expect(left.filter((record) => oldCache.includes(record))).toEqual([]);
      expect(youngCache.length).toBeGreaterThan(1);
      expect(left).toEqual(expect.arrayContaining(youngCache));
      expect(sharedCache.length).toBeGreaterThan(0);
      const removed = idsOf(pass.events, "object.removed", "build-cache");
      expect(removed).toEqual(expect.arrayContaining(oldCache));
      expect(before.cache.filter((record) => !removed.includes(record))).toEqual(left);
    });

    it("touches no volume: neither an unused one nor the anonymous one of a container that went", async () => {
      expect(volumes).toHaveLength(2);
      expect(await volumeNames()).toEqual(volumes);
    });

    it("has changed nothing in a dry run, nor recorded it", () => {
      expect(dryRun.code).toBe(0);
      expect(only(dryRun.events, "pass.finished")).toMatchObject({ outcome: "dry-run", claimedBytes: 0 });
      expect(dryRun.events.filter(({ event }) => event === "object.removed")).toEqual([]);
      expect(afterDryRun).toEqual(before);
      expect(existsSync(join(dryRunState, "state.json"))).toBe(false);
      expect(existsSync(join(passState, "state.json"))).toBe(true);
    });

    it("removes exactly what the plan before it said, and the dry run counted the same", () => {
      const idsByKind = (objects: readonly AgentEvent[]) =>
        objects.map((object) => `${object.kind} ${object.id}`).sort();
      const removed = pass.events.filter(({ event }) => event === "object.removed");
      expect(idsByKind(planned.remove)).toEqual(idsByKind(removed));
      expect(planned.totals.remove.count).toBe(removed.length);
      expect(only(dryRun.events, "prune.planned").remove).toEqual(only(pass.events, "pass.finished").removed);
      const gone = (was: string[], kind: string) =>
        was.filter((one) => planned.remove.some((object) => object.kind === kind && object.id === one));
      expect(gone(before.images, "image").length).toBeGreaterThan(3);
      expect(gone(before.containers, "container").length).toBeGreaterThan(2);
    });
  });

  describe("images whose Created says nothing", () => {
    afterEach(() => host.clear([base]));

    it("go when the state has seen them dangling for the whole limit, without a break", async () => {
      const stateDir = scratchDir();
      const prune = { until: "4s", buildCache: false };
      const seen1970 = await host.loadImage({ created: "1970-01-01T00:00:01Z" });
      const seen1980 = await host.loadImage({ created: "1980-01-01T00:00:00Z" });
      const undated = await host.loadImage({ created: null });
      const taggedForAWhile = await host.loadImage({ created: "1970-01-01T00:00:02Z" });
      const all = [seen1970, seen1980, undated, taggedForAWhile];
      const there = async () => {
        const left = await host.images();
        return all.filter((image) => left.includes(image));
      };

      const first = await prunes(prune, stateDir);
      const firstAt = Date.now();
      expect(idsOf(first.events, "object.kept", "image").sort()).toEqual([...all].sort());
      expect(await there()).toEqual(all);

      await host.docker.getImage(taggedForAWhile).tag({ repo: "while", tag: "1" });
      const second = await prunes(prune, stateDir);
      const kept = second.events.filter(({ event }) => event === "object.kept");
      expect(kept.map(({ id, rule }) => [id, rule]).sort()).toEqual(
        [seen1970, seen1980, undated].map((image) => [image, "undatable"]).sort(),
      );
      expect(await there()).toEqual(all);

      await untag("while:1", taggedForAWhile);
      await grownOlderThan(4, firstAt);
      const stranger = await prunes(prune); // a state of its own, which has seen nothing yet
      expect(idsOf(stranger.events, "object.removed", "image")).toEqual([]);

      const third = await prunes(prune, stateDir);
      expect(idsOf(third.events, "object.removed", "image").sort()).toEqual(
        [seen1970, seen1980, undated].sort(),
      );
      expect(await there()).toEqual([taggedForAWhile]);
    });

    /** Takes the tag by moving it, since removing an image's last tag removes the image. */
    async function untag(ref: string, image: string): Promise<void> {
      await host.loadImage({ ref });
      const { RepoTags } = await host.docker.getImage(image).inspect();
      expect(RepoTags).toEqual([]);
    }
  });

  describe("images of the classic builder", () => {
    afterEach(() => host.clear([base]));

    it("go with those they were made on, from the top, and a tagged child keeps its parents", async () => {
      const build = (name: string, tag?: string) =>
        host.buildImage({
          dockerfile: `FROM base:1\nRUN touch /${name}1\nRUN touch /${name}2\nRUN touch /${name}3\n`,
          ...(tag === undefined ? {} : { tag }),
        });
      const chainOf = async (leaf: string) => {
        const chain = [leaf];
        for (let at = leaf; ; ) {
          const { Parent } = await host.docker.getImage(at).inspect();
          if (Parent === "" || Parent === base || Parent === undefined) return chain;
          chain.push(Parent);
          at = Parent;
        }
      };
      const loose = await chainOf(await build("loose"));
      const held = await chainOf(await build("held", "held:1"));
      expect([loose.length, held.length]).toEqual([3, 3]);
      await grownOlderThan(1, Date.now());
      const prune = { until: "1s", buildCache: false };
      const pass = await prunes(prune);
      expect(pass.code).toBe(0);
      expect(idsOf(pass.events, "object.removed", "image")).toEqual(loose);
      expect(idsOf(pass.events, "object.kept", "image")).toEqual([]);
      const left = await host.images();
      expect(loose.filter((image) => left.includes(image))).toEqual([]);
      const last = await prunes(prune);
      expect(only(last.events, "pass.finished").outcome).toBe("nothing-eligible");
      expect(await host.images()).toEqual(expect.arrayContaining(held));
    });
  });

  describe("watermarks", () => {
    afterEach(() => host.clear([base]));

    /** Six dangling images of 10 MiB; on the containerd store each takes that twice, as blob and as snapshot. */
    async function sixImages(): Promise<string[]> {
      const ids: string[] = [];
      for (let n = 0; n < 6; n++) ids.push(await host.loadImage({ created: OLD, sizeMiB: 10 }));
      await loadedLongerAgoThan(1, Date.now());
      return ids;
    }
    const prune = { until: "1s" };
    const bytesFree = (bytes: number) => `${Math.round(bytes)}B free`;

    it("prunes below the high watermark only with --without-pressure", async () => {
      const image = await host.loadImage({ created: OLD });
      await loadedLongerAgoThan(1, Date.now());
      const percent = await host.diskPercent();
      const below = { paths: [host.dataRoot], highWatermark: `${percent + 1}%` };
      const quiet = await runAgent({ args: ["run"], settings: settings(prune, { disk: below }) });
      expect(quiet.code).toBe(0);
      expect(only(quiet.events, "pass.finished").outcome).toBe("below-watermark");
      expect(await host.hasImage(image)).toBe(true);
      const anyway = await runAgent({
        args: ["run", "--without-pressure"],
        settings: settings(prune, { disk: below }),
      });
      expect(anyway.code).toBe(0);
      expect(only(anyway.events, "pass.finished").outcome).toBe("pruned");
      expect(await host.hasImage(image)).toBe(false);
    });

    it("stops once below the low watermark, and logs the rest as not reached", async () => {
      const images = await sixImages();
      const free = await host.freeBytes();
      const disk = {
        paths: [host.dataRoot],
        highWatermark: bytesFree(free + MIB),
        lowWatermark: bytesFree(free + 15 * MIB),
      };
      const pass = await runAgent({ args: ["run"], settings: settings(prune, { disk }) });
      expect(pass.code).toBe(0);
      const removed = idsOf(pass.events, "object.removed", "image");
      // What it takes, and up to three more that were under way by then.
      const enough = containerd ? 1 : 2;
      expect(removed.length).toBeGreaterThanOrEqual(enough);
      expect(removed.length).toBeLessThanOrEqual(enough + 3);
      const rest = images.filter((image) => !removed.includes(image));
      const kept = pass.events.filter(({ event, rule }) => event === "object.kept" && rule === "not-reached");
      expect(kept.map(({ id }) => id).sort()).toEqual([...rest].sort());
      expect((await host.images()).sort()).toEqual([base, ...rest].sort());
      expect(only(pass.events, "pass.ended-early")).toMatchObject({
        left: rest.length,
        stepsLeft: ["build-cache"],
        level: "info",
      });
      expect(only(pass.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 0, image: removed.length, "build-cache": 0 },
        kept: rest.length,
      });
    });

    it("ends with exit 10 and says what holds the space when pressure remains, with 0 when it does not", async () => {
      const images = await sixImages();
      const free = await host.freeBytes();
      const mark = (bytes: number) => ({ paths: [host.dataRoot], highWatermark: bytesFree(free + bytes) });
      await host.docker.createVolume({ Name: "beside" });
      const helped = await host.loadImage({ created: OLD, sizeMiB: 10 });
      await loadedLongerAgoThan(1, Date.now());
      const enough = await runAgent({ args: ["run"], settings: settings(prune, { disk: mark(30 * MIB) }) });
      expect(enough.code).toBe(0);
      expect(only(enough.events, "pass.finished").outcome).toBe("pruned");
      expect(idsOf(enough.events, "object.removed", "image").sort()).toEqual([...images, helped].sort());
      const last = await host.loadImage({ created: OLD, sizeMiB: 10 });
      await loadedLongerAgoThan(1, Date.now());
      const tooLittle = await runAgent({
        args: ["run"],
        settings: settings(prune, { disk: mark(500 * MIB) }),
      });
      expect(tooLittle.code).toBe(10);
      expect(await host.hasImage(last)).toBe(false);
      const line = only(tooLittle.events, "pass.ineffective");
      expect(line).toMatchObject({ cause: "pressure-remains", level: "error", removed: 1 });
      const holders = (line.holders as { what: string; count: number | null }[]).map(
        ({ what, count }) => [what, count] as const,
      );
      expect(Object.fromEntries(holders)).toMatchObject({ images: 1, "outside-docker": null });
      expect(only(tooLittle.events, "pass.finished")).toMatchObject({
        outcome: "pressure-remains",
        level: "error",
      });
      await host.docker.getVolume("beside").inspect();
    });
  });
});
