/**
 * Rules of `retention` on a real engine: what of a named family goes, what stays and why, what the disk gets back, and
 * which requests leave. Ages come from the engine; the agent's own clock is set ahead, so that nothing has to be waited
 * for. Every pass goes through a proxy that notes each request, and every one that could delete is judged.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
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
const [MIB, HOUR, DAY] = [2 ** 20, 3600, 86_400];
const POLL = { timeout: 30_000, interval: 50 };

interface Rule {
  readonly name: string;
  readonly match: { readonly repositories?: readonly string[]; readonly labels?: readonly string[] };
  readonly [key: string]: unknown;
}

interface PassOptions {
  readonly args?: readonly string[];
  readonly stateDir?: string;
  readonly faults?: readonly FaultRule[];
  /** Default: two hours ahead, past every grace. */
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

  /** Runs a pass behind a proxy, and judges every request that could delete. */
  async function pass(rules: readonly Rule[], options: PassOptions = {}): Promise<Ran> {
    const proxy = await FaultProxy.start(host.socketPath, options.faults);
    try {
      const running = runAgent({
        args: options.args ?? ["run"],
        settings: {
          engine: { socketPath: proxy.socketPath },
          disk: { paths: [host.dataRoot] },
          convergence: { settle: "0s" },
          // All that the prune could ever take is past its age: below the watermark it must stay all the same.
          prune: { until: "1s", buildCache: false },
          retention: rules,
        },
        env: options.env ?? ahead(2 * HOUR),
        ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      });
      await options.meanwhile?.(proxy);
      const result = await running;
      for (const { line } of proxy.destructive) {
        const [, reference = ""] = /^DELETE \/images\/(.+)\?noprune=true$/.exec(line) ?? [];
        const byId = /^sha256:[0-9a-f]{64}$/.test(reference);
        const named = reference !== "" && rules.some((rule) => names(rule, reference));
        expect(byId || named, line).toBe(true);
      }
      return { ...result, proxy };
    } finally {
      await proxy.close();
    }
  }

  /** Roughly: the globs of this file are a beginning and a star, or whole names. */
  const names = ({ match: { repositories = [""] } }: Rule, reference: string) =>
    repositories.some((glob) => reference.includes(glob.split("*").find((part) => part !== "") ?? ""));

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
  function free(): Promise<number> {
    spawnSync("sync", ["-f", host.dataRoot]);
    return host.freeBytes();
  }

  async function taggedAt(image: string): Promise<number> {
    const told: object = await host.docker.getImage(image).inspect();
    return Date.parse((told as { Metadata: { LastTagTime: string } }).Metadata.LastTagTime);
  }

  /** Of each object what became of it, as `"removed expired"`, by its id. */
  function fates(events: readonly AgentEvent[]): Record<string, string> {
    const objects = events.filter(({ event }) => /^object\./.test(event));
    return Object.fromEntries(objects.map(({ event, id, rule }) => [id, `${event.slice(7)} ${rule}`]));
  }

  const eventsOf = (all: readonly AgentEvent[], name: string) => all.filter(({ event }) => event === name);
  const lineOf = (events: readonly AgentEvent[], id: string): AgentEvent => {
    const found = events.filter((line) => line.event.startsWith("object.") && line.id === id);
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} lines of ${id}`);
    return found[0];
  };
  const tagsOf = async (image: string) => (await host.docker.getImage(image).inspect()).RepoTags.sort();

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
    const others = [base, await host.loadImage({ created: OLD }), await dated("worker:sha-1")];
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
    expect(only(first.events, "pass.finished")).toMatchObject({
      outcome: "pruned",
      removed: { container: 0, image: 6 },
      rules: [{ list: "retention", name: "old-snapshots", matched: 13, removed: 6, failed: 0 }],
    });
    expect(fates(first.events)).toEqual({
      ...Object.fromEntries(past.map((id) => [id, "removed expired"])),
      ...Object.fromEntries(within.map((id) => [id, "kept within-limits"])),
    });
    // Below the watermark nothing else is touched, and nothing else is gone.
    expect((await host.images()).sort()).toEqual([...others, ...within].sort());
    expect(first.proxy.destructive).toHaveLength(6);
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

      // What is left fits: nothing more goes.
      const next = await pass([family("snap", { maxTotalSize: `${budget}MiB` })]);
      expect(eventsOf(next.events, "object.removed")).toEqual([]);
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

  describe("an image that only a digest names", () => {
    it("goes by its id when a rule names its repository", async () => {
      const registry = await Registry.start(host);
      try {
        const source = await host.loadImage({
          ref: "source:1",
          created: OLD,
          busybox: false,
        });
        const published = await registry.publish(host, source, "team/app:1");
        await host.docker.getImage("source:1").remove();
        await pull(host, published.byDigest);
        const id = (await host.docker.getImage(published.byDigest).inspect()).Id;
        const stateDir = scratchDir();
        const repositories = ["127.0.0.1:5000/team/app"];
        const far = { args: ["run"], stateDir };

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

  describe("a name that moves on by a pull", () => {
    it("makes the older image no younger than the one just pulled", async () => {
      const registry = await Registry.start(host);
      try {
        const publish = async (version: number) => {
          const id = await host.loadImage({ ref: "source:1", busybox: false, seed: `version ${version}` });
          const { ref } = await registry.publish(host, id, "moves:latest");
          await host.docker.getImage("source:1").remove();
          return ref;
        };
        const ref = await publish(1);
        await pull(host, ref);
        const old = (await host.docker.getImage(ref).inspect()).Id;
        await tag(old, "127.0.0.1:5000/moves:v1");
        await sleep(1100);
        await publish(2);
        await pull(host, ref);
        const young = (await host.docker.getImage(ref).inspect()).Id;
        const limits = { keepCount: 1, grace: "1s" };
        const ran = await pass([family("moves", limits, { repositories: ["127.0.0.1:5000/moves"] })]);
        expect(fates(ran.events)[young]).toMatch(/^kept/);
        if (containerd) expect(fates(ran.events)[old]).toBe("removed over-count");
        expect(await host.hasImage(ref)).toBe(true);
      } finally {
        await registry.stop();
      }
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
  });
});
