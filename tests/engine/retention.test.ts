/**
 * Rules of `retention` on a real engine: what of a named family goes, what stays and why, what the disk gets back, and
 * which requests leave. Ages come from the engine; the agent's own clock is set ahead, so that nothing has to be waited
 * for. Every pass goes through a proxy that notes each request, and every one that could delete is judged.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AgentEvent, type AgentResult, only, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead, startingAt } from "../support/clock.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";
import { FaultProxy, type FaultRule } from "../support/fault-proxy.ts";
import type { ImageSpec } from "../support/images.ts";
import { pull, Registry } from "../support/registry.ts";

const OLD = "2020-01-01T00:00:00Z";
const MIB = 1024 * 1024;
const HOUR = 3600;
const DAY = 24 * HOUR;
const POLL = { timeout: 30_000, interval: 50 };

interface Rule {
  readonly name: string;
  readonly match: { readonly repositories?: readonly string[]; readonly labels?: readonly string[] };
  readonly [key: string]: unknown;
}

interface PassOptions {
  readonly args?: readonly string[];
  /** Merged into the usual settings. */
  readonly rest?: object;
  readonly stateDir?: string;
  readonly faults?: readonly FaultRule[];
  /** Default: two hours ahead, where all that a test made is past every grace. */
  readonly env?: Readonly<Record<string, string>>;
  readonly meanwhile?: (proxy: FaultProxy) => Promise<unknown>;
}

type Ran = AgentResult & { readonly proxy: FaultProxy };

const family = (
  name: string,
  limits: object,
  match: Rule["match"] = { repositories: [`${name}-*`] },
): Rule => ({
  name,
  match,
  ...limits,
});

onEngine("retention", () => {
  let host: CiHost;
  let base: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "retention", diskMiB: 1536 });
    base = await host.loadImage({ ref: "base:1", created: OLD });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(() => host.clear([base]));

  const settings = (retention: readonly Rule[], rest: object, socketPath: string) => ({
    engine: { socketPath },
    disk: { paths: [host.dataRoot] },
    convergence: { settle: "0s" },
    // All that the prune could ever take is past its age: below the watermark it must stay all the same.
    prune: { until: "1s", buildCache: false },
    retention,
    ...rest,
  });

  /** Runs a pass behind a proxy, and judges every request that could delete. */
  async function pass(rules: readonly Rule[], options: PassOptions = {}): Promise<Ran> {
    const proxy = await FaultProxy.start(host.socketPath, options.faults);
    const { args = ["run"] } = options;
    try {
      const running = runAgent({
        args,
        settings: settings(rules, options.rest ?? {}, proxy.socketPath),
        env: options.env ?? ahead(2 * HOUR),
        ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      });
      await options.meanwhile?.(proxy);
      const result = await running;
      for (const { line } of proxy.destructive) {
        const [, reference = ""] = /^DELETE \/images\/(.+)\?noprune=true$/.exec(line) ?? [];
        const byId = /^sha256:[0-9a-f]{64}$/.test(reference);
        const named = reference !== "" && rules.some((rule) => names(rule, reference));
        const prunes =
          args.includes("--without-pressure") && /^DELETE \/containers\/[0-9a-f]{64}$/.test(line);
        expect(byId || named || prunes, line).toBe(true);
      }
      return { ...result, proxy };
    } finally {
      await proxy.close();
    }
  }

  /** The globs again, in words of the test's own. */
  function names({ match }: Rule, reference: string): boolean {
    const { repositories = [] } = match;
    const colon = reference.lastIndexOf(":");
    const repository = reference.slice(0, colon);
    return (
      repositories.length === 0 ||
      repositories.some((glob) => {
        const source = glob.replaceAll("**", "\0").replaceAll("*", "[^/]*").replaceAll("\0", ".*");
        return new RegExp(`^${source}$`).test(glob.includes(":") ? reference : repository);
      })
    );
  }

  /** A tag dates an image on every engine; a load does not on the classic stores. */
  async function dated(ref: string, spec: Omit<ImageSpec, "ref"> = {}): Promise<string> {
    const id = await host.loadImage({ ref, sizeMiB: 0.1, created: OLD, ...spec });
    await tag(id, ref);
    return id;
  }

  async function tag(image: string, ref: string): Promise<void> {
    const colon = ref.lastIndexOf(":");
    await host.docker.getImage(image).tag({ repo: ref.slice(0, colon), tag: ref.slice(colon + 1) });
  }

  /** What a container of the image leaves behind, under a name. */
  async function committed(ref: string, image: string, script: string): Promise<string> {
    const id = await host.runContainer({ image, cmd: ["/bin/sh", "-c", script], wait: true });
    const [repo = "", version = ""] = ref.split(":");
    await host.docker.getContainer(id).commit({ repo, tag: version } as object);
    await host.docker.getContainer(id).remove();
    return (await host.docker.getImage(ref).inspect()).Id;
  }

  /** Bytes, with nothing left to be written. */
  async function free(): Promise<number> {
    spawnSync("sync", ["-f", host.dataRoot]);
    return await host.freeBytes();
  }

  async function taggedAt(image: string): Promise<number> {
    const { Metadata } = (await host.docker.getImage(image).inspect()) as unknown as {
      Metadata: { LastTagTime: string };
    };
    return Date.parse(Metadata.LastTagTime);
  }

  /** Of each object what became of it, as `"removed expired"`, by its id. */
  function fates(events: readonly AgentEvent[]): Record<string, string> {
    const objects = events.filter(({ event }) => /^object\./.test(event));
    return Object.fromEntries(objects.map(({ event, id, rule }) => [id, `${event.slice(7)} ${rule}`]));
  }

  const eventsOf = (events: readonly AgentEvent[], name: string) =>
    events.filter(({ event }) => event === name);
  const lineOf = (events: readonly AgentEvent[], id: string): AgentEvent => {
    const found = events.filter((line) => line.event.startsWith("object.") && line.id === id);
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} lines of ${id}`);
    return found[0];
  };
  const tagsOf = async (image: string) => (await host.docker.getImage(image).inspect()).RepoTags.sort();

  describe("the three failures this comes from", () => {
    it("the 13-snapshot story: what an older tool leaked goes with the first pass, though nobody remembers it", async () => {
      const commits = (numbers: readonly number[]) =>
        Promise.all(
          numbers.map((n) =>
            committed(
              `cascade-snapshot-proj-${n}:latest`,
              "base:1",
              `dd if=/dev/urandom of=/work bs=64k count=${n + 4} 2>/dev/null`,
            ),
          ),
        );
      const container = await host.runContainer({ image: "base:1", wait: true });
      const others = [
        base,
        await host.loadImage({ created: OLD }),
        await dated("my-cascade-snapshot-proj-1:latest"),
        await dated("acme/cascade-snapshot-proj-1:latest"),
        await dated("worker:sha-1"),
      ];
      const past = await commits([1, 2, 3, 4, 5, 6]);
      await sleep(6000);
      const within = await commits([7, 8, 9, 10, 11, 12, 13]);
      await host.restartEngine();
      await vi.waitUntil(() => host.docker.listServices().then(Boolean, () => false), POLL);
      // A day and a moment after the youngest of the six; the state folder is new.
      const sixth = Math.max(...(await Promise.all(past.map(taggedAt))));
      const first = await pass(
        [family("old-snapshots", { olderThan: "24h" }, { repositories: ["cascade-snapshot-*"] })],
        { env: startingAt(sixth + DAY * 1000 + 1500) },
      );

      expect(first.code).toBe(0);
      expect(only(first.events, "pass.started")).toMatchObject({ scope: "rules" });
      expect(only(first.events, "pass.finished")).toMatchObject({
        outcome: "pruned",
        removed: { container: 0, image: 6, "build-cache": 0 },
        rules: [{ list: "retention", name: "old-snapshots", matched: 13, removed: 6, failed: 0 }],
      });
      const removed = eventsOf(first.events, "object.removed");
      expect(removed.map(({ id }) => id).sort()).toEqual([...past].sort());
      for (const line of removed) {
        const why = { policy: "retention/old-snapshots", rule: "expired", ageBasis: "last-tagged" };
        expect(line).toMatchObject({ ...why, references: line.names });
        expect(line.ageSeconds).toBeGreaterThan(DAY);
      }
      const kept = eventsOf(first.events, "object.kept");
      expect(kept.map(({ id, rule }) => `${id} ${rule}`).sort()).toEqual(
        within.map((id) => `${id} within-limits`).sort(),
      );
      // Below the watermark nothing else is touched, and nothing else is gone.
      expect((await host.images()).sort()).toEqual([...others, ...within].sort());
      expect(await host.hasContainer(container)).toBe(true);
      expect(first.proxy.destructive).toHaveLength(6);

      // Not for want of eligible things: asked to, the same agent takes them.
      const asked = await pass([], { args: ["run", "--without-pressure"] });
      expect(eventsOf(asked.events, "object.removed").map(({ id }) => id)).toEqual([container, others[1]]);
    });

    describe("a size limit that never fired", () => {
      it("counts each byte once, and none that others hold; the disk gives back what was counted, and no more goes than needed", async () => {
        const held = containerd ? 2 : 1;
        const outside = { seed: "outside", sizeMiB: 20 };
        const shared = { seed: "shared", sizeMiB: 10 };
        await dated("app:1", { layers: [outside] });
        const made: string[] = [];
        for (const n of [1, 2, 3, 4, 5]) {
          made.push(
            await dated(`snap-${n}:1`, { layers: [outside, shared, { seed: `own ${n}`, sizeMiB: 8 }] }),
          );
        }
        // Together 10 + 5 * 8; by their plain sizes 190 and more.
        const budget = 35 * held;
        const before = await free();
        const ran = await pass([family("snap", { maxTotalSize: `${budget}MiB` })]);
        const measured = (await free()) - before;

        const [oldest, second, ...left] = made as [string, string, ...string[]];
        expect(fates(ran.events)).toEqual({
          [oldest]: "removed over-size",
          [second]: "removed over-size",
          ...Object.fromEntries(left.map((id) => [id, "kept within-limits"])),
        });
        const predicted = 2 * 8 * held * MIB;
        expect(Math.abs(measured - predicted)).toBeLessThan(0.5 * MIB);
        const finished = only(ran.events, "pass.finished");
        expect(Math.abs(finished.freedBytes - predicted)).toBeLessThan(0.5 * MIB);
        const { keptBytes } = finished.rules[0];
        expect(Math.abs(keptBytes - 34 * held * MIB)).toBeLessThan(0.5 * MIB);
        expect(keptBytes + 8 * held * MIB).toBeGreaterThan(budget * MIB);

        // What is left fits: nothing more goes, and of a smaller budget than even the shared layer all goes.
        expect(
          eventsOf((await pass([family("snap", { maxTotalSize: `${budget}MiB` })])).events, "object.removed"),
        ).toEqual([]);
        const rest = await free();
        const all = await pass([family("snap", { maxTotalSize: `${9 * held}MiB` })]);
        expect(Object.values(fates(all.events))).toEqual(left.map(() => "removed over-size"));
        expect(Math.abs((await free()) - rest - 34 * held * MIB)).toBeLessThan(0.5 * MIB);
        expect(await host.hasImage("app:1")).toBe(true);
      });

      it.each([
        ["the classic builder", false],
        ["BuildKit", true],
      ])(
        "counts what each build of %s adds, between an empty folder below and a CMD above it",
        async (_, buildkit) => {
          const held = containerd ? 2 : 1;
          const made: string[] = [];
          for (const n of [1, 2, 3, 4]) {
            // Made in one second, with as many bytes, two steps look the same: then it counts for less.
            await sleep(1000);
            made.push(
              await host.buildImage({
                tag: `build-${n}:1`,
                dockerfile: 'FROM base:1\nENV A=1\nWORKDIR /app\nCOPY blob /app/\nENV B=2\nCMD ["true"]\n',
                files: { blob: randomBytes(6 * MIB) },
                buildkit,
              }),
            );
          }
          const ran = await pass([family("build", { maxTotalSize: `${15 * held}MiB` })]);
          expect(made.map((id) => fates(ran.events)[id])).toEqual([
            ...["removed over-size", "removed over-size"],
            ...["kept within-limits", "kept within-limits"],
          ]);
          const { keptBytes } = only(ran.events, "pass.finished").rules[0];
          expect(Math.abs(keptBytes - 2 * 6 * held * MIB)).toBeLessThan(0.5 * MIB);
        },
      );

      it("counts what each snapshot adds to a base that ends in an empty folder", async () => {
        const held = containerd ? 2 : 1;
        await host.buildImage({ tag: "project:1", dockerfile: 'FROM base:1\nWORKDIR /app\nCMD ["true"]\n' });
        const script = "dd if=/dev/urandom of=/app/work bs=1M count=6 2>/dev/null";
        const made: string[] = [];
        for (const n of [1, 2, 3]) made.push(await committed(`snap-${n}:1`, "project:1", script));
        const ran = await pass([family("snap", { maxTotalSize: `${15 * held}MiB` })]);
        expect(made.map((id) => fates(ran.events)[id])).toEqual([
          "removed over-size",
          ...["kept within-limits", "kept within-limits"],
        ]);
      });

      it("counts what is stored, not how small its blobs are: bytes that compress well are bytes", async () => {
        const script = "dd if=/dev/zero of=/work bs=1M count=10 2>/dev/null";
        const made: string[] = [];
        for (const n of [1, 2, 3]) {
          made.push(await committed(`snap-${n}:1`, "base:1", `${script}; echo ${n} >/own`));
        }
        const ran = await pass([family("snap", { maxTotalSize: "26MiB" })]);
        expect(made.map((id) => fates(ran.events)[id])).toEqual([
          "removed over-size",
          ...["kept within-limits", "kept within-limits"],
        ]);
        const finished = only(ran.events, "pass.finished");
        expect(Math.abs(finished.freedBytes - 10 * MIB)).toBeLessThan(0.5 * MIB);
        // Where blobs are held as well, what the steps do not tell is shared out evenly: here up to a quarter too much.
        expect(finished.rules[0].keptBytes).toBeGreaterThan(19.5 * MIB);
        expect(finished.rules[0].keptBytes).toBeLessThan((containerd ? 25 : 20.5) * MIB);
      });

      it("takes no name off an image that others keep: nothing would come back", async () => {
        const oldest = await dated("snap-1:1", { sizeMiB: 3 });
        await tag(oldest, "keeper:1");
        const second = await dated("snap-2:1", { sizeMiB: 3 });
        const youngest = await dated("snap-3:1", { sizeMiB: 3 });
        const ran = await pass([family("snap", { maxTotalSize: containerd ? "8MiB" : "4MiB" })]);
        expect(fates(ran.events)).toEqual({
          [oldest]: "kept within-limits",
          [second]: "removed over-size",
          [youngest]: "kept within-limits",
        });
        expect(await tagsOf(oldest)).toEqual(["keeper:1", "snap-1:1"]);
      });

      it("that cannot be measured, since one image on the host cannot be read, is said to be unknown; other limits hold", async () => {
        const broken = await host.loadImage({ ref: "broken:1" });
        const oldest = await dated("snap-1:1", { sizeMiB: 3 });
        const second = await dated("snap-2:1", { sizeMiB: 3 });
        const third = await dated("snap-3:1", { sizeMiB: 3 });
        const refused = { kind: "answer", status: 500, body: { message: "no such layer" } } as const;
        const ran = await pass([family("snap", { maxTotalSize: "1MiB", keepCount: 2 })], {
          faults: [{ match: new RegExp(`^GET /images/${broken}/json$`), fault: refused }],
        });
        expect(fates(ran.events)).toEqual({
          [oldest]: "removed over-count",
          [second]: "kept within-limits",
          [third]: "kept within-limits",
        });
        expect(only(ran.events, "fact.unknown")).toMatchObject({
          level: "error",
          what: "the size of retention families",
          reason: expect.stringContaining("broken:1"),
        });
        expect(only(ran.events, "pass.finished").rules).toMatchObject([{ keptBytes: null }]);
      });
    });

    describe("green while nothing matches: a label that no image carries", () => {
      const labelled = (repositories?: string[]) => [
        family(
          "managed",
          { olderThan: "24h" },
          {
            labels: ["cascade.managed=true"],
            ...(repositories === undefined ? {} : { repositories }),
          },
        ),
      ];
      const run = (rules: readonly Rule[]) => pass(rules, { env: ahead(3 * DAY) });

      it("is said at priority err while containers carry it", async () => {
        await host.createContainer({ image: "base:1", labels: { "cascade.managed": "true" } });
        const ran = await run(labelled());
        expect(only(ran.events, "pass.ineffective")).toMatchObject({
          level: "error",
          cause: "rule-matches-nothing",
          policy: "retention/managed",
          labels: ["cascade.managed=true"],
          labelledContainers: 1,
          unlabelledImages: 0,
        });
        expect(only(ran.events, "pass.finished")).toMatchObject({
          outcome: "nothing-eligible",
          rules: [{ name: "managed", matched: 0, removed: 0 }],
        });
        expect(ran.proxy.destructive).toEqual([]);
      });

      it("is said while images of its repositories lack it, with what they hold", async () => {
        await dated("worker-1:1", { sizeMiB: 2 });
        await dated("worker-2:1", { sizeMiB: 2, labels: { "cascade.managed": "no" } });
        const ran = await run(labelled(["worker-*"]));
        const line = only(ran.events, "pass.ineffective");
        expect(line).toMatchObject({
          cause: "rule-matches-nothing",
          unlabelledImages: 2,
          labelledContainers: 0,
        });
        expect(line.unlabelledBytes).toBeGreaterThan(4 * MIB);
        expect(ran.proxy.destructive).toEqual([]);
      });

      it("is not said where nothing looks alike, nor where the rule names one", async () => {
        await host.createContainer({ image: "base:1", labels: { "cascade.managed": "false" } });
        await dated("other-1:1");
        for (const repositories of [undefined, ["worker-*"]]) {
          const ran = await run(labelled(repositories));
          expect(eventsOf(ran.events, "pass.ineffective")).toEqual([]);
        }
        await host.createContainer({ image: "base:1", labels: { "cascade.managed": "true" } });
        const one = await dated("worker-1:1", { labels: { "cascade.managed": "true" } });
        await dated("worker-2:1");
        for (const repositories of [undefined, ["worker-*"]]) {
          const ran = await pass(labelled(repositories), { env: ahead(3 * DAY), args: ["run", "--dry-run"] });
          expect(eventsOf(ran.events, "pass.ineffective")).toEqual([]);
          expect(fates(ran.events)).toEqual({ [one]: "planned expired" });
        }
        expect((await run(labelled())).code).toBe(0);
        expect(await host.hasImage(one)).toBe(false);
      });
    });
  });

  describe("an image in use stays, and the log says who uses it", () => {
    const sleeping = ["/bin/busybox", "sleep", "3600"];

    it("by a container in any state, by a service at any number of replicas, or by the spec it could go back to", async () => {
      const registry = await Registry.start(host);
      try {
        const publish = async (name: string, spec: ImageSpec) => {
          const id = await host.loadImage({ ref: "source:1", created: OLD, ...spec });
          const published = await registry.publish(host, id, name);
          await host.docker.getImage("source:1").remove();
          return published;
        };
        const users: Record<string, string> = {};
        const use = (id: string, user: string) => {
          users[id] = user;
        };
        use(await dated("use-running:1"), "container running");
        await host.runContainer({ image: "use-running:1", name: "running", cmd: sleeping });
        use(await dated("use-exited:1"), "container exited");
        await host.runContainer({ image: "use-exited:1", name: "exited", wait: true });
        const byId = await dated("use-created:1");
        use(byId, "container created");
        await host.createContainer({ image: byId, name: "created" });
        const paused = await dated("use-paused:1");
        use(paused, "container paused");
        await host.runContainer({ image: "use-paused:1", name: "paused", cmd: sleeping });
        await host.docker.getContainer("paused").pause();
        const two = await dated("use-two:1");
        await tag(two, "use-two:2");
        use(two, "container two");
        await host.createContainer({ image: "use-two:2", name: "two" });

        use(await dated("use-off:1"), "service off");
        await host.createService({ name: "off", image: "use-off:1", replicas: 0 });
        const pinned = await publish("use-pinned:1", {});
        await pull(host, pinned.ref);
        await tag(pinned.ref, pinned.ref);
        use((await host.docker.getImage(pinned.ref).inspect()).Id, "service pinned");
        await host.createService({
          name: "pinned",
          image: `${pinned.ref}@${pinned.byDigest.split("@")[1]}`,
          replicas: 0,
        });
        // The nodes pull by digest, and the image gets no tag.
        const pulled = await publish("use-pulled:1", { busybox: true, seed: "pulled" });
        await host.createService({
          name: "pulled",
          image: `${pulled.ref}@${pulled.byDigest.split("@")[1]}`,
          waitForRunning: true,
        });
        use((await host.docker.getImage(pulled.byDigest).inspect()).Id, "container pulled.1");
        use(await dated("use-before:1"), "service updated");
        use(await dated("use-after:1"), "service updated");
        const updated = host.docker.getService(
          await host.createService({ name: "updated", image: "use-before:1", replicas: 0 }),
        );
        // A new service's version still moves.
        await vi.waitUntil(async () => {
          const { Version, Spec } = await updated.inspect();
          Spec.TaskTemplate.ContainerSpec.Image = "use-after:1";
          return await updated.update({ version: Number(Version.Index), ...Spec }).then(
            () => true,
            () => false,
          );
        }, POLL);
        const states = async () => (await updated.inspect()).UpdateStatus?.State ?? "completed";
        await vi.waitUntil(async () => (await states()) === "completed", POLL);
        const unused = await dated("use-unused:1");

        const rule = family("use", { olderThan: "1h" }, { repositories: ["use-*", "127.0.0.1:5000/use-*"] });
        // The plan knows it already, not only the look before each deletion.
        const dry = await pass([rule], { args: ["run", "--dry-run"] });
        expect(eventsOf(dry.events, "object.planned").map(({ id }) => id)).toEqual([unused]);
        const ran = await pass([rule]);
        expect(ran.code).toBe(0);
        expect(fates(ran.events)).toEqual({
          ...Object.fromEntries(Object.keys(users).map((id) => [id, "kept in-use"])),
          [unused]: "removed expired",
        });
        for (const [id, user] of Object.entries(users)) {
          expect(lineOf(ran.events, id).reason).toContain(user);
          expect(await host.hasImage(id)).toBe(true);
        }
        expect(ran.proxy.destructive.map(({ line }) => line)).toEqual([
          "DELETE /images/use-unused:1?noprune=true",
        ]);
        // The engine would have taken one name of two, whoever uses the image.
        await host.docker.getImage("use-two:1").remove();
        expect(await tagsOf(two)).toEqual(["use-two:2"]);
      } finally {
        await registry.stop();
      }
    });
  });

  describe("names", () => {
    const rule = family("name", { olderThan: "1h" });

    it("an image of two names that the rule names both goes, and its bytes are claimed", async () => {
      const id = await dated("name-a:1");
      await tag(id, "name-b:2");
      const ran = await pass([rule]);
      const line = only(ran.events, "object.removed");
      expect([...line.references].sort()).toEqual(["name-a:1", "name-b:2"]);
      expect(only(ran.events, "pass.finished").claimedBytes).toBe(line.sizeBytes);
      expect(await host.hasImage(id)).toBe(false);
    });

    it("of an image with another name only the rule's go, it stays, and nothing is claimed", async () => {
      const id = await dated("name-a:1");
      await tag(id, "other:1");
      await tag(id, "registry.example:5000/name-a:1");
      const ran = await pass([rule]);
      expect(ran.code).toBe(0);
      expect(only(ran.events, "object.untagged")).toMatchObject({ id, references: ["name-a:1"] });
      expect(eventsOf(ran.events, "object.removed")).toEqual([]);
      expect(only(ran.events, "pass.finished")).toMatchObject({ claimedBytes: 0, rules: [{ removed: 1 }] });
      expect(await tagsOf(id)).toEqual(["other:1", "registry.example:5000/name-a:1"]);
      expect(ran.proxy.destructive).toHaveLength(1);
    });

    it("a name belongs to the first rule that names it: each rule takes its own", async () => {
      const id = await dated("name-a:1");
      await tag(id, "name-b:1");
      const rules = [
        family("first", { olderThan: "1h" }, { repositories: ["name-a"] }),
        family("second", { olderThan: "30d" }, { repositories: ["name-*"] }),
      ];
      const ran = await pass(rules);
      expect(only(ran.events, "object.untagged")).toMatchObject({
        policy: "retention/first",
        references: ["name-a:1"],
      });
      expect(only(ran.events, "object.kept")).toMatchObject({
        policy: "retention/second",
        rule: "within-limits",
      });
      expect(await tagsOf(id)).toEqual(["name-b:1"]);
      const both = [family("first", { olderThan: "1h" }, { repositories: ["name-c"] }), rule];
      await tag(id, "name-c:1");
      expect(Object.values(fates((await pass(both)).events))).toEqual(["removed expired"]);
      expect(await host.hasImage(id)).toBe(false);
    });

    it("a snapshot made on a snapshot goes before it, so that neither is left without a name", async () => {
      const write = (file: string) => `dd if=/dev/urandom of=/${file} bs=1M count=2 2>/dev/null`;
      const before = await free();
      const first = await committed("name-a:1", "base:1", write("a"));
      const second = await committed("name-b:1", "name-a:1", write("b"));
      const rules = [
        family("first", { olderThan: "1h" }, { repositories: ["name-a"] }),
        family("second", { olderThan: "1h" }, { repositories: ["name-b"] }),
      ];
      const ran = await pass(rules);
      expect(fates(ran.events)).toEqual({ [first]: "removed expired", [second]: "removed expired" });
      expect(await host.images()).toEqual([base]);
      expect(before - (await free())).toBeLessThan(0.5 * MIB);
    });

    it("a snapshot that another was made on loses its name, and says that it stays as long as that one", async () => {
      const first = await committed("name-a:1", "base:1", "echo a >/a");
      const second = await committed("later-b:1", "name-a:1", "echo b >/b");
      const ran = await pass([rule]);
      expect(await host.hasImage("name-a:1")).toBe(false);
      expect(await host.hasImage(second)).toBe(true);
      // The containerd store says that it was deleted, and keeps it all the same (28.5).
      expect(fates(ran.events)).toEqual({ [first]: "untagged expired" });
      expect(only(ran.events, "pass.finished").claimedBytes).toBe(0);
      expect(await host.hasImage(first)).toBe(true);
    });
  });

  describe("limits", () => {
    const reasons = (ran: AgentResult) =>
      Object.fromEntries(
        ran.events
          .filter(({ event }) => event.startsWith("object."))
          .map(({ names: [name], event, rule }) => [name, `${event.slice(7)} ${rule}`]),
      );

    it("keepNewest keeps the most recently used, however old; also one that an earlier pass saw in use", async () => {
      const stateDir = scratchDir();
      for (const n of [1, 2, 3, 4]) await dated(`lim-${n}:1`);
      const rule = family("lim", { olderThan: "1h", keepNewest: 2 });
      const user = await host.createContainer({ image: "lim-1:1" });
      const dry = ["run", "--dry-run"];
      expect(reasons(await pass([rule], { args: dry }))).toEqual({
        "lim-1:1": "kept in-use",
        "lim-2:1": "planned expired",
        "lim-3:1": "planned expired",
        "lim-4:1": "kept newest",
      });
      // Whatever a pass sees in use is used now, and the next pass goes by that.
      await pass([family("lim", { olderThan: "30d", keepNewest: 2 })], { stateDir });
      await host.docker.getContainer(user).remove();
      expect(reasons(await pass([rule], { stateDir }))).toEqual({
        "lim-1:1": "kept newest",
        "lim-2:1": "removed expired",
        "lim-3:1": "removed expired",
        "lim-4:1": "kept newest",
      });
    });

    it("keepCount takes the least recently used beyond it, of each value of perGroup by itself", async () => {
      const of = (group?: string) => (group === undefined ? {} : { labels: { "ci.project": group } });
      await dated("lim-a1:1", of("a"));
      await dated("lim-b1:1", of("b"));
      await dated("lim-a2:1", of("a"));
      await dated("lim-n1:1", of());
      await dated("lim-a3:1", of("a"));
      await dated("lim-n2:1", of());
      await tag("lim-a1:1", "lim-a1:2");
      const grouped = family("lim", { keepCount: 1, perGroup: "ci.project" });
      expect(reasons(await pass([grouped], { args: ["run", "--dry-run"] }))).toEqual({
        "lim-a1:1": "kept within-limits",
        "lim-a2:1": "planned over-count",
        "lim-a3:1": "planned over-count",
        "lim-b1:1": "kept within-limits",
        "lim-n1:1": "planned over-count",
        "lim-n2:1": "kept within-limits",
      });
      expect(reasons(await pass([family("lim", { keepCount: 4 })]))).toEqual({
        "lim-a1:1": "kept within-limits",
        "lim-a2:1": "removed over-count",
        "lim-a3:1": "kept within-limits",
        "lim-b1:1": "removed over-count",
        "lim-n1:1": "kept within-limits",
        "lim-n2:1": "kept within-limits",
      });
    });

    it("a label tells each image's own time to live, longer or shorter than the rule's; one that cannot be understood keeps it", async () => {
      const living = (ttl: string) => ({ labels: { "ci.ttl": ttl } });
      await dated("lim-shorter:1", living("90m"));
      await dated("lim-longer:1", living("30d"));
      await dated("lim-nonsense:1", living("soon"));
      await dated("lim-negative:1", living("-1h"));
      await dated("lim-without:1");
      const rule = (olderThan: string | null) => family("lim", { olderThan, ttlLabel: "ci.ttl" });
      const dry = { args: ["run", "--dry-run"] };
      const told = {
        "lim-shorter:1": "planned expired",
        "lim-longer:1": "kept within-limits",
        "lim-nonsense:1": "kept unreadable",
        "lim-negative:1": "kept unreadable",
      };
      expect(reasons(await pass([rule(null)], dry))).toEqual({
        ...told,
        "lim-without:1": "kept within-limits",
      });
      expect(reasons(await pass([rule("24h")], dry))).toEqual({
        ...told,
        "lim-without:1": "kept within-limits",
      });
      const ran = await pass([rule("1h")]);
      expect(reasons(ran)).toEqual({
        ...told,
        "lim-shorter:1": "removed expired",
        "lim-without:1": "removed expired",
      });
      const nonsense = ran.events.find(({ names }) => names?.[0] === "lim-nonsense:1");
      expect(nonsense?.reason).toBe('its label ci.ttl is no time such as "24h"');
    });

    it("a keep label and the grace win over every limit, on both sides of the grace", async () => {
      await dated("lim-kept:1", { labels: { "ci-docker-prune.keep": "" } });
      const first = await dated("lim-past:1");
      await sleep(3000);
      await dated("lim-young:1");
      const rule = family("lim", { olderThan: "1s", keepCount: 1, maxTotalSize: "1B", grace: "1h" });
      const at = (await taggedAt(first)) + HOUR * 1000 + 1100;
      expect(reasons(await pass([rule], { env: startingAt(at) }))).toEqual({
        "lim-kept:1": "kept keep-label",
        "lim-past:1": "removed expired",
        "lim-young:1": "kept young",
      });
    });

    it("a rule that waits for pressure does so: below the watermark the engine is not even asked", async () => {
      await dated("lim-1:1");
      await dated("lim-2:1");
      const waiting = family("lim", { keepCount: 1, when: "pressure" });
      const quiet = await pass([waiting]);
      expect(only(quiet.events, "pass.finished")).toMatchObject({ outcome: "below-watermark", exitCode: 0 });
      expect(quiet.proxy.seen).toEqual([]);
      // Beside a rule that does not wait it is not gone by either.
      const beside = await pass([waiting, family("other", { keepCount: 1 })]);
      expect(fates(beside.events)).toEqual({});
      expect(only(beside.events, "pass.finished").rules).toMatchObject([{ name: "other", matched: 0 }]);
      const disk = { paths: [host.dataRoot], highWatermark: "1%" };
      const prune = { containers: false, images: false, buildCache: false };
      const pressed = await pass([waiting], { rest: { disk, prune } });
      expect(reasons(pressed)).toEqual({ "lim-1:1": "removed over-count", "lim-2:1": "kept within-limits" });
      expect(only(pressed.events, "pass.started").scope).toBe("prune-and-rules");
      expect(pressed.code).toBe(10);
    });

    it("globs: * ends at a slash, ** does not, a tag pattern names only those tags", async () => {
      const all = ["lim-a:1", "lim-a:sha-1", "lim-a/b:1", "acme/lim-a:1", "localhost:5000/lim-a:sha-2"];
      for (const ref of all) await dated(ref);
      const planned = async (glob: string) =>
        eventsOf(
          (
            await pass([family("lim", { olderThan: "1h" }, { repositories: [glob] })], {
              args: ["run", "--dry-run"],
            })
          ).events,
          "object.planned",
        )
          .flatMap(({ references }) => references)
          .sort();
      expect(await planned("lim-*")).toEqual(["lim-a:1", "lim-a:sha-1"]);
      expect(await planned("lim-?:sha-*")).toEqual(["lim-a:sha-1"]);
      expect(await planned("*/lim-a")).toEqual(["acme/lim-a:1", "localhost:5000/lim-a:sha-2"]);
      expect(await planned("lim-**")).toEqual(["lim-a/b:1", "lim-a:1", "lim-a:sha-1"]);
      expect(await planned("**lim-a:sha-*")).toEqual(["lim-a:sha-1", "localhost:5000/lim-a:sha-2"]);
    });
  });

  describe("an image that only a digest names", () => {
    it("goes by its id when a rule names its repository, and stays for a rule of labels or of tags", async () => {
      const registry = await Registry.start(host);
      try {
        const source = await host.loadImage({
          ref: "source:1",
          created: OLD,
          busybox: false,
          labels: { "ci.family": "digest" },
        });
        const published = await registry.publish(host, source, "team/app:1");
        await host.docker.getImage("source:1").remove();
        await pull(host, published.byDigest);
        const id = (await host.docker.getImage(published.byDigest).inspect()).Id;
        const stateDir = scratchDir();
        const repositories = ["127.0.0.1:5000/team/app"];
        const far = { args: ["run"], stateDir };

        const byLabel = family("label", { olderThan: "1h" }, { labels: ["ci.family=digest"] });
        const byTag = family("tag", { olderThan: "1h" }, { repositories: ["127.0.0.1:5000/team/app:*"] });
        const strange = await pass([byLabel, byTag], far);
        expect([strange.code, fates(strange.events)]).toEqual([0, {}]);
        expect(await host.hasImage(id)).toBe(true);

        // Where the engine does not say when it was pulled, the first pass has seen it just now.
        const rule = family("digest", { olderThan: "1h" }, { repositories });
        const first = await pass([rule], far);
        expect(fates(first.events)).toEqual({ [id]: containerd ? "removed expired" : "kept young" });
        const second = await pass([rule], { stateDir, env: ahead(4 * HOUR) });
        if (!containerd)
          expect(lineOf(second.events, id)).toMatchObject({ event: "object.removed", references: [] });
        expect([...first.proxy.destructive, ...second.proxy.destructive].map(({ line }) => line)).toEqual([
          `DELETE /images/${id}?noprune=true`,
        ]);
        expect(await host.hasImage(id)).toBe(false);
      } finally {
        await registry.stop();
      }
    });

    it("and has a tag as well goes by that tag, digest and all", async () => {
      const registry = await Registry.start(host);
      try {
        const source = await host.loadImage({ ref: "source:1", created: OLD, busybox: false });
        const published = await registry.publish(host, source, "team/app:1");
        await host.docker.getImage("source:1").remove();
        await pull(host, published.byDigest);
        await pull(host, published.ref);
        await tag(published.ref, published.ref);
        const { Id } = await host.docker.getImage(published.ref).inspect();
        const ran = await pass([
          family("app", { olderThan: "1h" }, { repositories: ["127.0.0.1:5000/team/*"] }),
        ]);
        expect([ran.code, fates(ran.events)]).toEqual([0, { [Id]: "removed expired" }]);
        expect(ran.proxy.destructive.map(({ line }) => line)).toEqual([
          `DELETE /images/${published.ref}?noprune=true`,
        ]);
        expect(await host.images()).toEqual([base]);
      } finally {
        await registry.stop();
      }
    });
  });

  describe("one removal among many", () => {
    const rule = family("many", { olderThan: "1h" });
    const refused = (status: number) =>
      ({ kind: "answer", status, body: { message: "from the test" } }) as const;
    const deleteOf = (ref: string) => new RegExp(`^DELETE /images/${ref}\\?`);

    it("that fails is reported, the others go, and the pass is incomplete: 75", async () => {
      const ids: string[] = [];
      for (const n of [1, 2, 3, 4]) ids.push(await dated(`many-${n}:1`));
      const [, failed = ""] = ids;
      const ran = await pass([rule], { faults: [{ match: deleteOf("many-2:1"), fault: refused(500) }] });
      expect(ran.code).toBe(75);
      expect(only(ran.events, "object.failed")).toMatchObject({ id: failed, status: 500, removed: "no" });
      expect(eventsOf(ran.events, "object.removed")).toHaveLength(3);
      expect(only(ran.events, "pass.finished")).toMatchObject({
        outcome: "incomplete",
        failed: 1,
        rules: [{ matched: 4, removed: 3, failed: 1 }],
      });
      expect(await host.images()).toEqual(expect.arrayContaining([base, failed]));
      expect(await host.images()).toHaveLength(2);
      expect((await pass([rule])).code).toBe(0);
      expect(await host.images()).toEqual([base]);
    });

    it("that is gone already, or in use after all (409), is no failure", async () => {
      const gone = await dated("many-1:1");
      const taken = await dated("many-2:1");
      const used = await dated("many-3:1");
      const last = await dated("many-4:1");
      let removed = () => {};
      const ran = await pass([rule], {
        faults: [
          // Its second look waits until somebody else has removed it.
          {
            match: new RegExp(`^GET /images/${gone}/json$`),
            nth: 2,
            fault: {
              kind: "hold",
              until: new Promise<void>((resolve) => {
                removed = resolve;
              }),
            },
          },
          // And this one is removed between the look and the request.
          { match: deleteOf("many-2:1"), fault: { ...refused(404), done: true } },
          { match: deleteOf("many-3:1"), fault: refused(409) },
        ],
        meanwhile: async (proxy) => {
          await proxy.when(new RegExp(`^GET /images/${gone}/json$`), 2);
          await host.docker.getImage(gone).remove();
          removed();
        },
      });
      expect(ran.code).toBe(0);
      expect(fates(ran.events)).toEqual({
        [gone]: "gone expired",
        [taken]: "gone expired",
        [used]: "kept in-use",
        [last]: "removed expired",
      });
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "pruned", gone: 2, failed: 0 });
    });

    it("of an image with two names that goes half-way tells the name that went", async () => {
      const id = await dated("many-1:1");
      await tag(id, "many-2:1");
      const ran = await pass([rule], {
        faults: [{ match: deleteOf("many-.:1"), nth: 2, fault: refused(500) }],
      });
      expect(ran.code).toBe(75);
      const lost = only(ran.events, "object.untagged");
      expect(lost.id).toBe(id);
      expect(await tagsOf(id)).toEqual(
        ["many-1:1", "many-2:1"].filter((ref) => !lost.references.includes(ref)),
      );
      expect(only(ran.events, "object.failed")).toMatchObject({ id, status: 500 });
      expect(only(ran.events, "pass.finished")).toMatchObject({ claimedBytes: 0, failed: 1 });
    });
  });

  describe("what changes between the plan and the deletion", () => {
    const rule = family("race", { olderThan: "2s", grace: "1s" });

    /** Something happens after the plan, when the pass comes to the image and looks at it once more. */
    async function passWith(
      id: string,
      happens: () => Promise<unknown>,
      env = ahead(2 * HOUR),
    ): Promise<Ran> {
      const look = new RegExp(`^GET /images/${id}/json$`);
      let go = () => {};
      const until = new Promise<void>((resolve) => {
        go = resolve;
      });
      return await pass([rule], {
        env,
        faults: [{ match: look, nth: 2, fault: { kind: "hold", until } }],
        meanwhile: async (proxy) => {
          await proxy.when(look, 2);
          await happens();
          go();
        },
      });
    }

    it("an image that was given one more name is young again, and stays", async () => {
      const id = await dated("race-1:1");
      await sleep(3100);
      // The containerd store does not note that an image is given the name it has (28.5).
      const ran = await passWith(id, () => tag(id, "race-2:1"), {});
      expect(fates(ran.events)).toEqual({ [id]: "kept young" });
      expect(ran.proxy.destructive).toEqual([]);
    });

    it("a name that was moved to another image is not taken from that one", async () => {
      const id = await dated("race-1:1");
      let next = "";
      const ran = await passWith(id, async () => {
        next = await dated("race-1:1");
      });
      expect(fates(ran.events)).toEqual({ [id]: "kept tagged" });
      expect((await host.docker.getImage("race-1:1").inspect()).Id).toBe(next);
      expect(ran.proxy.destructive).toEqual([]);
    });

    it("an image of one name that a container uses by now stays: the engine refuses", async () => {
      const id = await dated("race-1:1");
      const ran = await passWith(id, () => host.createContainer({ image: "race-1:1", name: "late" }));
      expect([ran.code, fates(ran.events)]).toEqual([0, { [id]: "kept in-use" }]);
      expect(await tagsOf(id)).toEqual(["race-1:1"]);
    });

    it.each([
      ["a container", async () => void (await host.createContainer({ image: "race-2:1", name: "late" }))],
      [
        "a service",
        async () => void (await host.createService({ name: "late", image: "race-1:1", replicas: 0 })),
      ],
    ])("an image of two names that %s uses by now stays whole", async (_, use) => {
      const id = await dated("race-1:1");
      await tag(id, "race-2:1");
      const ran = await passWith(id, use);
      expect(lineOf(ran.events, id)).toMatchObject({
        event: "object.kept",
        rule: "in-use",
        reason: expect.stringMatching(/^(?:container|service) late uses it$/),
      });
      expect(await tagsOf(id)).toEqual(["race-1:1", "race-2:1"]);
      expect(ran.proxy.destructive).toEqual([]);
    });
  });

  describe("gates", () => {
    const rule = family("gate", { olderThan: "1h" });
    const sleeping = ["/bin/busybox", "sleep", "3600"];
    const pressed = { paths: [], highWatermark: "1%" };

    it.each<readonly [string, string, () => Promise<object>]>([
      [
        "live-run",
        "a container of a run",
        async () => {
          await host.runContainer({ image: "base:1", name: "ci-run-1", cmd: sleeping });
          return { liveRuns: { containers: ["^ci-run-"] } };
        },
      ],
      [
        "live-run",
        "a service of a run",
        async () => {
          await host.createService({
            name: "ab12-1f2e3d_ci_commoninternet_net_web",
            image: "base:1",
            replicas: 0,
          });
          return {};
        },
      ],
      [
        "converging",
        "a service that converges",
        async () => {
          await host.createService({ name: "homeless", image: "base:1", constraints: ["node.role==none"] });
          return {};
        },
      ],
    ])("%s: %s keeps the whole family", async (gate, _, busy) => {
      const ids = [await dated("gate-1:1"), await dated("gate-2:1")];
      const rest = await busy();
      const ran = await pass([rule], { rest });
      expect(ran.code).toBe(0);
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate, rules: [] });
      expect(ran.proxy.destructive).toEqual([]);
      for (const id of ids) expect(await host.hasImage(id)).toBe(true);
    });

    it("a launcher that holds the lock keeps it, and the engine is not asked", async () => {
      const id = await dated("gate-1:1");
      const lockFile = join(scratchDir(), "lock");
      const launcher = spawn("flock", ["--shared", lockFile, "cat"], { stdio: ["pipe", "ignore", "ignore"] });
      const ended = new Promise((resolve) => launcher.once("exit", resolve));
      const held = () => spawnSync("flock", ["--nonblock", lockFile, "true"]).status !== 0;
      await vi.waitUntil(() => existsSync(lockFile) && held(), POLL);
      const deferred = await pass([rule], { rest: { lockFile } });
      expect(only(deferred.events, "pass.finished")).toMatchObject({ outcome: "deferred", gate: "lock" });
      expect(deferred.proxy.seen).toEqual([]);
      launcher.stdin.end();
      await ended;
      expect(fates((await pass([rule], { rest: { lockFile } })).events)).toEqual({ [id]: "removed expired" });
    });

    it("a first pass that learns where the engine keeps its data goes by the pressure there as well", async () => {
      const dangling = await host.loadImage({ created: OLD });
      const id = await dated("gate-1:1");
      const mark = (await host.freeBytes()) + MIB;
      const { bavail, bsize } = statfsSync(tmpdir());
      expect(bavail * bsize, "this test wants more room in the machine's temporary folder").toBeGreaterThan(
        mark,
      );
      const disk = { paths: [tmpdir()], highWatermark: `${mark}B free` };
      const ran = await pass([rule], { rest: { disk } });
      expect(fates(ran.events)).toEqual({ [id]: "removed expired", [dangling]: "removed expired" });
      expect(ran.code).toBe(0);
    });

    it("a deferral below the watermark counts as well: rules that never act would be silent; one by hand does not", async () => {
      await dated("gate-1:1");
      await host.runContainer({ image: "base:1", name: "ci-run-1", cmd: sleeping });
      const stateDir = scratchDir();
      const liveRuns = { containers: ["^ci-run-"] };
      const inARow = async (rest: object) =>
        only((await pass([rule], { stateDir, rest: { liveRuns, ...rest } })).events, "pass.finished")
          .deferralsInARow;
      const underPressure = { disk: { ...pressed, paths: [host.dataRoot] } };
      expect(await inARow({})).toBe(1);
      expect(await inARow(underPressure)).toBe(2);
      expect(await inARow({})).toBe(3);
      await pass([rule], { stateDir, rest: { liveRuns }, args: ["run", "--without-pressure"] });
      expect(await inARow({})).toBe(4);
      await host.docker.getContainer("ci-run-1").kill();
      expect(await inARow({})).toBe(0);
    });

    it("a run that starts in the middle ends the pass: what it has not come to stays, and is said to", async () => {
      const ids: string[] = [];
      for (const n of [1, 2, 3, 4]) ids.push(await dated(`gate-${n}:1`));
      let go = () => {};
      const until = new Promise<void>((resolve) => {
        go = resolve;
      });
      const ran = await pass([rule], {
        rest: { liveRuns: { containers: ["^ci-run-"] } },
        faults: [{ match: /^DELETE /, nth: 2, fault: { kind: "hold", until } }],
        meanwhile: async (proxy) => {
          await proxy.when(/^DELETE /, 2);
          await host.runContainer({ image: "base:1", name: "ci-run-1", cmd: sleeping });
          await sleep(2000);
          go();
        },
      });
      expect(ran.code).toBe(0);
      expect(Object.values(fates(ran.events)).sort()).toEqual([
        ...["kept not-reached", "kept not-reached"],
        ...["removed expired", "removed expired"],
      ]);
      expect(only(ran.events, "pass.ended-early")).toMatchObject({ left: 2 });
      expect(only(ran.events, "pass.finished")).toMatchObject({ outcome: "incomplete", gate: "live-run" });
    });
  });

  describe("the requests that leave", () => {
    it("are deletions of the very names that rules name, without force and without parents; nothing is stopped", async () => {
      const [one] = [await dated("wire-1:1"), await dated("wire-2:sha-1"), await dated("other:1")];
      await tag(one, "keeper:1");
      await host.loadImage({ created: OLD });
      await host.runContainer({ image: "base:1", wait: true });
      await host.runContainer({
        image: "base:1",
        labels: { "cascade.managed": "true" },
        cmd: ["/bin/busybox", "sleep", "3600"],
      });
      const ran = await pass([
        family(
          "wire",
          { olderThan: "1h", maxTotalSize: "1B", keepCount: 1 },
          { repositories: ["wire-*", "*/wire-*"] },
        ),
      ]);
      expect(ran.code).toBe(0);
      expect(ran.proxy.destructive.map(({ line }) => line).sort()).toEqual([
        "DELETE /images/wire-1:1?noprune=true",
        "DELETE /images/wire-2:sha-1?noprune=true",
      ]);
      for (const { url } of ran.proxy.seen) expect(url).not.toMatch(/force|\/stop|volumes|[?&]v=/);
      expect(ran.proxy.seen.filter(({ line }) => line.startsWith("GET /images/json?"))).not.toEqual([]);
    });
  });

  describe("before it happens", () => {
    it("plan and run --dry-run show what rules would take and why, by the rule's name, and take nothing", async () => {
      const old = await dated("show-1:1", { sizeMiB: 2 });
      const young = await dated("show-2:1", { labels: { "ci.ttl": "30d" } });
      const label = family("show-label", { olderThan: "1h" }, { labels: ["cascade.managed=true"] });
      await host.runContainer({
        image: "base:1",
        labels: { "cascade.managed": "true" },
        cmd: ["/bin/busybox", "sleep", "3600"],
      });
      const rules = [family("show", { olderThan: "1h", ttlLabel: "ci.ttl" }), label];
      const before = (await host.images()).sort();

      const dry = await pass(rules, { args: ["run", "--dry-run"] });
      expect(only(dry.events, "object.planned")).toMatchObject({
        id: old,
        policy: "retention/show",
        rule: "expired",
        references: ["show-1:1"],
      });
      expect(lineOf(dry.events, young)).toMatchObject({ event: "object.kept", policy: "retention/show" });
      expect(only(dry.events, "pass.finished")).toMatchObject({
        outcome: "dry-run",
        rules: [
          { name: "show", matched: 2, removed: 0 },
          { name: "show-label", matched: 0 },
        ],
      });

      const json = await pass(rules, { args: ["plan", "--json"] });
      const document = JSON.parse(json.stdout);
      expect(document.remove).toMatchObject([
        { id: old, policy: "retention/show", references: ["show-1:1"] },
      ]);
      expect(document.keep.find(({ id }: { id: string }) => id === young)).toMatchObject({
        policy: "retention/show",
        rule: "within-limits",
      });
      expect(document.rules).toMatchObject([{ name: "show" }, { name: "show-label" }, { name: "snapshots" }]);
      expect(document.warnings).toMatchObject([
        { cause: "rule-matches-nothing", policy: "retention/show-label" },
      ]);

      const plain = await pass(rules, { args: ["plan"] });
      expect(plain.stdout).toMatch(/^remove +image show-1:1 .*olderThan.*\(retention\/show\)$/m);
      expect(plain.stdout).toMatch(/^keep +image show-2:1 .*\(retention\/show\)$/m);
      expect(plain.stdout).toMatch(/^retention\/show +2 +1/m);
      expect(plain.stdout).toMatch(/no image carries a label of the rule "show-label"/);

      for (const ran of [dry, json, plain]) {
        expect(ran.code).toBe(0);
        expect(ran.proxy.destructive).toEqual([]);
      }
      expect((await host.images()).sort()).toEqual(before);
      // And then it does what they said.
      expect(eventsOf((await pass(rules)).events, "object.removed").map(({ id }) => id)).toEqual([old]);
    });
  });

  describe("the state folder", () => {
    it("may be lost between passes, and with it nothing that the engine dates", async () => {
      const stateDir = scratchDir();
      for (const n of [1, 2, 3]) await dated(`state-${n}:1`);
      const rule = family("state", { olderThan: "3h", keepCount: 2 });
      const dry = { args: ["run", "--dry-run"], env: ahead(4 * HOUR) };
      const early = await pass([rule], { stateDir });
      expect(Object.values(fates(early.events)).sort()).toEqual([
        ...["kept within-limits", "kept within-limits", "removed over-count"],
      ]);
      await host.restartEngine();
      await vi.waitUntil(() => host.docker.listServices().then(Boolean, () => false), POLL);
      const remembering = await pass([rule], { ...dry, stateDir });
      rmSync(stateDir, { recursive: true });
      const forgetting = await pass([rule], { ...dry, stateDir });
      expect(fates(forgetting.events)).toEqual(fates(remembering.events));
      expect(Object.values(fates(forgetting.events))).toEqual(["planned expired", "planned expired"]);
    });

    it(`is what dates an image that was loaded ${containerd ? "only where the engine does not: this one does" : "or pulled, which this engine does not date"}`, async () => {
      const stateDir = scratchDir();
      const id = await host.loadImage({ ref: "state-1:1", created: OLD });
      const rule = family("state", { olderThan: "1h" });
      const first = await pass([rule], { stateDir });
      expect(lineOf(first.events, id)).toMatchObject(
        containerd
          ? { event: "object.removed", ageBasis: "last-tagged" }
          : { event: "object.kept", rule: "young", ageBasis: "first-seen" },
      );
      if (containerd) return;
      // Two hours later: past its limit for the state that saw it, new for one that did not.
      expect(fates((await pass([rule], { env: ahead(4 * HOUR) })).events)).toEqual({ [id]: "kept young" });
      const second = await pass([rule], { stateDir, env: ahead(4 * HOUR) });
      expect(lineOf(second.events, id)).toMatchObject({ event: "object.removed", ageBasis: "first-seen" });
    });
  });
});
