/** `snapshots commit`, `resolve`, `evict` and `list` as a CI router calls them, on a real engine. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type AgentEvent, type AgentResult, BUNDLE, idsOf, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { containerd, onEngine } from "../support/engine-under-test.ts";
import { FaultProxy, type FaultRule } from "../support/fault-proxy.ts";

/** Bytes that a job leaves behind. */
const WORK = 2_000_000;
/** Answers when nobody waits for it any more. */
const NEVER = { kind: "hold", until: new Promise<void>(() => {}) } as const;
const SLEEP = ["/bin/busybox", "sleep", "3600"];

onEngine("snapshots", () => {
  let host: CiHost;
  let base: string;
  const stateDir = scratchDir();
  const lockFile = join(stateDir, "lock");
  let jobs = 0;

  beforeAll(async () => {
    host = await CiHost.start({ name: "snapshots", diskMiB: 768 });
    base = await host.loadImage({ ref: "base:1" });
  });
  afterAll(async () => {
    await host?.stop();
  });
  afterEach(() => host.clear([base]));

  interface Call {
    readonly snapshots?: object;
    readonly retention?: readonly object[];
    readonly socketPath?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly whileRunning?: Parameters<typeof runAgent>[0]["whileRunning"];
  }

  function call(args: readonly string[], given: Call = {}): Promise<AgentResult> {
    const { snapshots = {}, retention = [], socketPath = host.socketPath, whileRunning } = given;
    return runAgent({
      args: ["snapshots", ...args],
      settings: { engine: { socketPath }, lockFile, snapshots, retention },
      stateDir,
      ...(whileRunning === undefined ? {} : { whileRunning }),
    });
  }

  const of = (item: string, project = "web") => ["--project", project, "--work-item", item];
  const commit = (container: string, item: string, more: readonly string[] = [], given?: Call) =>
    call(["commit", container, ...of(item), ...more], given);
  const resolve = (item: string, given?: Call) =>
    call(["resolve", ...of(item), "--fallback", "base:1"], given);
  const evict = (item: string, given?: Call) => call(["evict", ...of(item)], given);

  const list = async (given?: Call): Promise<AgentEvent[]> =>
    JSON.parse((await call(["list", "--json"], given)).stdout).snapshots;
  const items = async () => (await list()).map(({ workItem }) => workItem).sort();

  /** A job that does some work and ends; its name. */
  async function job(code = 0, image = "base:1", bytes = WORK): Promise<string> {
    const name = `job-${++jobs}`;
    const work = `head -c ${bytes} /dev/urandom >/work-${name}; exit ${code}`;
    await host.runContainer({ image, name, cmd: ["/bin/sh", "-c", work], wait: true });
    return name;
  }

  /** A job, committed and removed; the image's id. */
  async function snapshot(item: string, more: readonly string[] = [], given?: Call): Promise<string> {
    const result = await commit(await job(), item, ["--remove-container", "--json", ...more], given);
    expect([result.code, result.stderr]).toEqual([0, ""]);
    return JSON.parse(result.stdout).snapshot.id;
  }

  const dangling = async () =>
    (await host.docker.listImages({ filters: { dangling: ["true"] } })).map(({ Id }) => Id);

  async function withFault<T>(
    match: RegExp,
    fault: FaultRule["fault"],
    use: (proxy: FaultProxy) => Promise<T>,
  ) {
    const proxy = await FaultProxy.start(host.socketPath, [{ match, fault }]);
    try {
      return await use(proxy);
    } finally {
      await proxy.close();
    }
  }

  describe("a work item from its first run to its merge", () => {
    it("runs the base, then resumes from what it left, and leaves nothing behind", async () => {
      const before = (await host.images()).sort();
      const first = await resolve("42");
      expect([first.code, first.stdout]).toEqual([11, "base:1\n"]);
      expect(first.stderr).toBe("ci-docker-prune: the fallback: there is no snapshot of this work item\n");

      const one = await commit(await job(), "42", ["--remove-container"]);
      expect(one.code).toBe(0);
      expect(one.stderr).toBe("");
      const [name = ""] = /ci-snapshot\/web-42-[0-9a-f]{16}:latest/.exec(one.stdout) ?? [];
      expect(one.stdout).toMatch(/^Committed job-\d+ as ci-snapshot\/\S+ \(sha256:[0-9a-f]{64}\)\n/);
      // 2 MB are 1.9 MiB; the base is a busybox and 1 MiB.
      expect(one.stdout).toMatch(
        /\n {2}[\d.]+ MiB, 1\.9 MiB of it new; fresh for 24h\nRemoved container job-\d+\n$/,
      );
      expect((await host.docker.listContainers({ all: true })).length).toBe(0);

      const second = await resolve("42");
      expect([second.code, second.stdout, second.stderr]).toEqual([0, `${name}\n`, ""]);
      const two = await commit(await job(0, name), "42", ["--remove-container", "--ttl", "7d"]);
      expect([two.code, two.stderr]).toEqual([0, ""]);
      // The second run goes on where the first ended.
      const { layers, labels } = await inspect(name);
      expect(layers).toBe((await inspect("base:1")).layers + 2);
      expect(labels).toMatchObject({
        "ci-docker-prune.snapshot": "1",
        "ci-docker-prune.snapshot.project": "web",
        "ci-docker-prune.snapshot.work-item": "42",
        "ci-docker-prune.snapshot.ttl": "7d",
      });
      expect(await dangling()).toEqual([]);

      const merged = await evict("42");
      expect([merged.code, merged.stderr]).toEqual([0, ""]);
      expect(merged.stdout).toContain(`Removed ${name}\n`);
      expect((await host.images()).sort()).toEqual(before);
      expect((await resolve("42")).code).toBe(11);
      const again = await evict("42");
      expect([again.code, again.stdout]).toEqual([0, "There is no snapshot of this work item\n"]);
    });

    async function inspect(image: string) {
      const found = await host.docker.getImage(image).inspect();
      return { layers: found.RootFS.Layers?.length ?? 0, labels: found.Config.Labels };
    }

    it("measures what a commit adds and what the engine counts", async () => {
      const result = await commit(await job(), "42", ["--json"]);
      const document = JSON.parse(result.stdout);
      const { snapshot: made } = document;
      expect(document).toMatchObject({ outcome: "committed", containerRemoved: null, exitCode: 0 });
      expect(made).toMatchObject({ project: "web", workItem: "42", ttl: "24h" });
      expect(document.limits).toMatchObject({ applied: true, removed: 0, failed: 0, events: [] });
      const onDisk = (await host.docker.listImages()).find(({ Id }) => Id === made.id)?.Size;
      expect(made.sizeBytes).toBe(onDisk);
      expect(made.newBytes).toBeGreaterThanOrEqual(WORK);
      expect(made.newBytes).toBeLessThan(WORK * 1.05);
      // That store counts a layer twice, packed and unpacked.
      const inspected = (await host.docker.getImage(made.id).inspect()).Size;
      if (containerd) expect(made.sizeBytes).toBeGreaterThan(inspected);
    });
  });

  describe("work that did not end well never makes or refreshes a snapshot", () => {
    const NOT_ENDED: readonly (readonly [string, () => Promise<string>, string])[] = [
      ["was killed by a time-out", killed, "it ended with exit code 137"],
      ["was never started", () => start(false), "it was never started"],
      ["still runs", () => start(true), "it is running, and has not ended by itself"],
      ["is paused", paused, "it is paused, and has not ended by itself"],
    ];

    async function start(run: boolean): Promise<string> {
      const name = `job-${++jobs}`;
      const spec = { image: "base:1", name, cmd: SLEEP };
      await (run ? host.runContainer(spec) : host.createContainer(spec));
      return name;
    }
    async function killed(): Promise<string> {
      const name = await start(true);
      await host.docker.getContainer(name).kill();
      await host.docker.getContainer(name).wait();
      return name;
    }
    async function paused(): Promise<string> {
      const name = await start(true);
      await host.docker.getContainer(name).pause();
      return name;
    }

    it.each(NOT_ENDED)("one that %s", async (_, make, reason) => {
      const container = await make();
      const result = await commit(container, "42");
      expect([result.code, result.stdout]).toEqual([65, ""]);
      expect(result.stderr).toBe(`ci-docker-prune: ${container}: not committed: ${reason}\n`);
      expect(await list()).toEqual([]);
    });
  });

  describe("--remove-container leaves no container behind, whatever happens", () => {
    it.each([
      ["the work item id is missing: the branch that once was never reached", ["--project", "web"], 64],
      ["the work item id comes out empty", ["--project", "web", "--work-item", ""], 64],
      ["an unset variable swallows nothing", ["--project", "web", "--work-item"], 64],
      ["the work item id is white space", ["--project", "web", "--work-item", " \t"], 64],
      ["the project is missing", ["--work-item", "42"], 64],
      ["an option is misspelt", ["--projekt", "web", "--work-item", "42"], 64],
      ["the time to live is none", [...of("42"), "--ttl", "soon"], 64],
      ["the time to live is missing", [...of("42"), "--ttl"], 64],
    ])("%s", async (_, options, code) => {
      const container = await job();
      const result = await call(["commit", container, ...options, "--remove-container"]);
      expect(result.code).toBe(code);
      expect(result.stdout).toBe(`Removed container ${container}\n`);
      expect(result.stderr).toContain(`${container}: not committed: `);
      expect(await host.hasContainer(container)).toBe(false);
      expect(await list()).toEqual([]);
    });

    it("the answer breaks off after the engine committed: then that is found out", async () => {
      const earlier = await snapshot("42");
      await withFault(/^POST \/commit/, { kind: "cut-in-body" }, async ({ socketPath }) => {
        const container = await job();
        const result = await commit(container, "42", ["--remove-container"], { socketPath });
        expect([result.code, result.stderr]).toEqual([0, ""]);
        expect(await host.hasContainer(container)).toBe(false);
        expect((await list()).map(({ id }) => id)).not.toContain(earlier);
        expect(await host.hasImage(earlier)).toBe(false);
      });
    });

    it("a signal comes while the engine commits, and its answer does not: it goes all the same", async () => {
      await withFault(/^POST \/commit/, NEVER, async (proxy) => {
        const container = await job();
        const result = await commit(container, "42", ["--remove-container"], {
          socketPath: proxy.socketPath,
          whileRunning: (child) => void proxy.when(/^POST \/commit/).then(() => child.kill("SIGTERM")),
        });
        expect(result.code).toBe(75);
        expect(result.stderr).toContain("told to stop while the engine was committing it");
        expect(await host.hasContainer(container)).toBe(false);
        expect(result.seconds).toBeLessThan(15);
      });
    });

    it("a signal comes while the engine commits, and its answer right after: that counts", async () => {
      const earlier = await snapshot("42");
      let answer = () => {};
      const until = new Promise<void>((resolve) => {
        answer = resolve;
      });
      await withFault(/^POST \/commit/, { kind: "hold", until }, async (proxy) => {
        const container = await job();
        const result = await commit(container, "42", ["--remove-container"], {
          socketPath: proxy.socketPath,
          whileRunning: (child) =>
            void proxy.when(/^POST \/commit/).then(async () => {
              child.kill("SIGTERM");
              await sleep(500);
              answer();
            }),
        });
        expect(result.code).toBe(75);
        expect(result.stdout).toContain(`Committed ${container} as `);
        expect(result.stdout).toContain(`Removed container ${container}\n`);
        expect(result.stderr).toContain("the limits were not applied: told to stop");
        expect(await host.hasContainer(container)).toBe(false);
        // Nothing new was begun: the prune takes it.
        expect(await dangling()).toEqual([earlier]);
      });
    });

    it("a signal comes while the engine answers nothing: within ten seconds nobody waits any more", async () => {
      await withFault(/./, NEVER, async (proxy) => {
        const container = await job();
        const result = await commit(container, "42", ["--remove-container"], {
          socketPath: proxy.socketPath,
          whileRunning: (child) => void proxy.when(/./).then(() => child.kill("SIGTERM")),
        });
        expect(result.code).toBe(69);
        expect(result.stderr).toContain(`${container} was to be removed and is still there`);
        // The start of the process counts as well.
        expect(result.seconds).toBeLessThan(15);
      });
    });

    it("but for what nobody can tell: no engine, no settings, two words", async () => {
      const container = await job();
      const away = await commit(container, "42", ["--remove-container"], { socketPath: "/nowhere.sock" });
      expect(away.code).toBe(69);
      expect(away.stderr).toContain(`${container} was to be removed and is still there`);
      const wrong = await commit(container, "42", ["--remove-container"], { snapshots: { ttl: "soon" } });
      expect(wrong.code).toBe(78);
      expect(wrong.stderr).toContain(`${container} was to be removed and is still there`);
      const other = await job();
      const two = await commit(container, "42", [other, "--remove-container"]);
      expect(two.code).toBe(64);
      expect(two.stderr).toContain("Nothing was done");
      for (const name of [container, other]) expect(await host.hasContainer(name)).toBe(true);
    });
  });

  describe("the router in docs/snapshots.md", () => {
    const doc = readFileSync(new URL("../../docs/snapshots.md", import.meta.url), "utf8");
    const script = /```sh\n(#!\/bin\/sh\n[\s\S]*?)```/.exec(doc)?.[1] ?? "";
    const dir = scratchDir();

    /** The script as it stands there, with our command in its PATH. */
    function router(COMMAND: string) {
      const settings = join(dir, "settings.json");
      writeFileSync(settings, JSON.stringify({ engine: { socketPath: host.socketPath }, lockFile }));
      writeFileSync(join(dir, "router.sh"), script);
      const ours = `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} "$@" --settings ${settings}\n`;
      writeFileSync(join(dir, "ci-docker-prune"), ours, { mode: 0o755 });
      const env = {
        ...{ PATH: `${dir}:${process.env.PATH}`, DOCKER_HOST: `unix://${host.socketPath}` },
        ...{ PROJECT: "web", ITEM: "42", BASE: "base:1", LOCK: lockFile, COMMAND },
      };
      const { status, stdout, stderr } = spawnSync("sh", [join(dir, "router.sh")], { env, encoding: "utf8" });
      return { status, stdout, stderr };
    }

    it("resumes, keeps what ended well, throws away what did not, and leaves no container", async () => {
      const first = router("echo one >>/steps");
      // Engine 28 warns of the missing network here.
      expect(first.stderr).toContain("the fallback: there is no snapshot of this work item\n");
      expect(first.status).toBe(0);
      expect(first.stdout).toContain("Committed ci-job-");

      const second = router("cat /steps; echo two >>/steps");
      expect(second.status).toBe(0);
      expect(second.stderr).not.toContain("ci-docker-prune");
      expect(second.stdout).toMatch(/\none\nCommitted /);

      const failed = router("echo three >>/steps; exit 7");
      expect(failed.status).toBe(7);
      expect(failed.stderr).toContain("it ended with exit code 7");

      expect(router("cat /steps").stdout).toMatch(/\none\ntwo\nCommitted /);
      expect(await host.docker.listContainers({ all: true })).toEqual([]);
      expect(await dangling()).toEqual([]);
      expect(await items()).toEqual(["42"]);
    });
  });

  describe("a second commit to the same name", () => {
    it("of resumed runs leaves nothing once it is evicted: five in a row", async () => {
      const before = (await host.images()).sort();
      await snapshot("42");
      for (let run = 0; run < 4; run++) {
        const image = (await resolve("42")).stdout.trim();
        const result = await commit(await job(0, image, 100_000), "42", ["--remove-container"]);
        expect([result.code, result.stderr]).toEqual([0, ""]);
        expect(await dangling()).toEqual([]);
      }
      // All five are in it, and go with it: the bytes of the earlier ones are its own.
      const [one] = await list();
      expect(one?.uniqueBytes).toBeGreaterThanOrEqual(WORK + 4 * 100_000);
      const result = await evict("42");
      expect([result.code, result.stderr]).toEqual([0, ""]);
      expect((await host.images()).sort()).toEqual(before);
    });

    it("killed before the predecessor went: the prune takes that later", async () => {
      const first = await snapshot("42");
      const killed = await withFault(/^DELETE \/images\//, NEVER, async (proxy) =>
        commit(await job(), "42", ["--remove-container"], {
          socketPath: proxy.socketPath,
          whileRunning: (child) => void proxy.when(/^DELETE \/images\//).then(() => child.kill("SIGKILL")),
        }),
      );
      expect(killed.code).toBeNull();
      expect(await dangling()).toEqual([first]);
      const [now] = await list();
      await sleep(2300);
      const pass = await runAgent({
        args: ["run", "--without-pressure"],
        settings: {
          engine: { socketPath: host.socketPath },
          disk: { paths: [host.dataRoot] },
          convergence: { settle: "0s" },
          prune: { until: "1s" },
        },
        stateDir,
      });
      expect(idsOf(pass.events, "object.removed", "image")).toEqual([first]);
      expect((await list()).map(({ id }) => id)).toEqual([now?.id]);
    });
  });

  describe("evict", () => {
    it("leaves what a service that is scaled to 0 uses, says so, and ends with 75", async () => {
      const id = await snapshot("42");
      const [name = ""] = (await list())[0]?.names ?? [];
      // A second name: the engine alone would take one of the two away.
      await host.docker.getImage(id).tag({ repo: name.slice(0, name.lastIndexOf(":")), tag: "older" });
      await host.createService({ name: "web", image: name, replicas: 0 });
      const result = await evict("42");
      expect(result.code).toBe(75);
      expect(result.stderr).toContain(`${name} is still there: service web uses it`);
      expect((await host.docker.getImage(id).inspect()).RepoTags).toHaveLength(2);
      expect((await list())[0]?.inUseBy).toContain("service web");
    });
  });

  describe("an image that was built on a snapshot carries its labels, and is none", () => {
    it.each([[false], [true]])("with BuildKit: %s", async (buildkit) => {
      await snapshot("42");
      const [one] = await list();
      const name = one?.names[0] ?? "";
      await host.buildImage({
        tag: "app:1",
        dockerfile: `FROM ${name}\nCOPY a /a\n`,
        files: { a: "a" },
        buildkit,
      });
      const { Id, Config } = await host.docker.getImage("app:1").inspect();
      expect(Config.Labels).toMatchObject({ "ci-docker-prune.snapshot.work-item": "42" });
      expect((await list()).map(({ id }) => id)).toEqual([one?.id]);

      // Not as a predecessor, either.
      await commit(await job(), "42", ["--remove-container"]);
      const result = await evict("42");
      expect(result.code).toBe(0);
      expect(await list()).toEqual([]);
      expect((await host.docker.getImage("app:1").inspect()).Id).toBe(Id);
      await host.runContainer({ image: "app:1", name: "app", wait: true });
      expect((await host.docker.getContainer("app").inspect()).State.ExitCode).toBe(0);
    });

    it("and a snapshot of another work item that was resumed from it lives on without it", async () => {
      const id = await snapshot("42");
      const result = await commit(await job(0, id), "43", ["--remove-container", "--json"]);
      const other = JSON.parse(result.stdout).snapshot.id;
      expect((await host.docker.getImage(other).inspect()).Config.Labels).toMatchObject({
        "ci-docker-prune.snapshot.work-item": "43",
      });
      expect((await evict("42")).code).toBe(0);
      expect(await items()).toEqual(["43"]);
      await host.runContainer({ image: other, name: "resumed", wait: true });
      expect((await host.docker.getContainer("resumed").inspect()).State.ExitCode).toBe(0);
    });
  });

  describe("the engine is the only registry", () => {
    it("a restart of the engine between commit and resolve, list and eviction loses nothing", async () => {
      const id = await snapshot("42");
      const listed = await list();
      await host.restartEngine();
      expect((await list()).map(({ id, names }) => [id, names])).toEqual([[id, listed[0]?.names]]);
      expect((await resolve("42")).stdout).toBe(`${listed[0]?.names[0]}\n`);
      await host.killEngine();
      await host.startEngine();
      const result = await evict("42");
      expect([result.code, result.stderr]).toEqual([0, ""]);
      expect(await host.hasImage(id)).toBe(false);
    });

    it("without it, or without settings, resolve prints the fallback with a code of its own, and evict and list fail", async () => {
      const socketPath = join(scratchDir(), "docker.sock");
      const resolved = await resolve("42", { socketPath });
      expect([resolved.code, resolved.stdout]).toEqual([69, "base:1\n"]);
      expect(resolved.stderr).toContain("the engine could not be asked");
      expect((await evict("42", { socketPath })).code).toBe(69);
      const listed = await call(["list"], { socketPath });
      expect([listed.code, listed.stdout]).toEqual([69, ""]);
      const unset = await resolve("42", { snapshots: { ttl: "soon" } });
      expect([unset.code, unset.stdout]).toEqual([78, "base:1\n"]);
    });
  });

  describe("names are data", () => {
    const HOSTILE = ["a=b,c\nbreak \u001b[31mred \"quoted\" 'both' ü☃ $(id)", "p".repeat(3000)];

    it.each(HOSTILE.map((name) => [JSON.stringify(name).slice(0, 40), name] as const))(
      "%s",
      async (_, name) => {
        const from = ["--project", name, "--work-item", `${name}/1`];
        const made = await call(["commit", await job(), ...from, "--remove-container"]);
        expect([made.code, made.stderr]).toEqual([0, ""]);
        const [one, ...more] = await list();
        expect([one?.project, one?.workItem, more]).toEqual([name, `${name}/1`, []]);
        const screen = await call(["list"]);
        expect(screen.stdout.trimEnd().split("\n")).toHaveLength(2);
        expect(screen.stdout).not.toContain("\u001b");
        const resolved = await call(["resolve", ...from, "--fallback", "base:1"]);
        expect([resolved.code, resolved.stdout]).toEqual([0, `${one?.names[0]}\n`]);
        expect((await call(["evict", "--project", name, "--work-item", "1"])).stdout).toContain(
          "There is no snapshot",
        );
        expect((await call(["evict", ...from])).code).toBe(0);
        expect(await list()).toEqual([]);
      },
    );

    it.each([
      ["a fallback like an option", ["resolve", ...of("42"), "--fallback=-rf"]],
      ["a fallback of two words", ["resolve", ...of("42"), "--fallback=a b"]],
      ["a fallback of two lines", ["resolve", ...of("42"), "--fallback=a\nb"]],
      ["a fallback of nothing", ["resolve", ...of("42"), "--fallback="]],
      ["a command for a fallback", ["resolve", ...of("42"), "--fallback=$(id)"]],
      ["an empty work item", ["evict", ...of("")]],
      ["a blank work item", ["resolve", ...of("  "), "--fallback=base:1"]],
      ["no work item", ["evict", "--project", "web"]],
    ])("is refused: %s", async (_, args) => {
      const result = await call(args);
      expect([result.code, result.stdout]).toEqual([64, ""]);
    });
  });

  describe("limits are applied at each commit", () => {
    /** The grace is no longer than the time to live. With the default of both, nothing made here goes. */
    const LIMITS = { ttl: "1s", keepCount: null, maxTotalSize: null };
    const PAST_GRACE = 2200;

    it("a time to live that once was ignored: what is past it goes", async () => {
      const expired = await snapshot("41", ["--ttl", "1s"]);
      const kept = await snapshot("42");
      await sleep(PAST_GRACE);
      expect((await resolve("41")).code).toBe(11);
      const [listed] = (await list()).filter(({ id }) => id === expired);
      expect(listed).toMatchObject({ fresh: false });
      expect(listed?.ttlLeftSeconds).toBeLessThan(0);
      expect((await call(["list"])).stdout).toMatch(/web +41 .* expired/);

      const result = await commit(await job(), "43", ["--remove-container"], { snapshots: LIMITS });
      expect(result.code).toBe(0);
      expect(result.stdout).toMatch(/removed image ci-snapshot\/web-41-.* past its time to live of 1s/);
      expect(await host.hasImage(expired)).toBe(false);
      expect(await host.hasImage(kept)).toBe(true);
      expect(await items()).toEqual(["42", "43"]);
    });

    it("a size of what packs well: the containerd store inspects it as next to nothing", async () => {
      const bytes = 20_000_000;
      async function zeros(): Promise<string> {
        const name = `job-${++jobs}`;
        const cmd = ["/bin/sh", "-c", `head -c ${bytes} /dev/zero >/work-${name}`];
        await host.runContainer({ image: "base:1", name, cmd, wait: true });
        return name;
      }
      for (const item of ["1", "2"]) await commit(await zeros(), item, ["--remove-container"]);
      // The containerd store holds each twice, packed and unpacked.
      const [{ uniqueBytes } = { uniqueBytes: 0 }] = await list();
      expect(uniqueBytes).toBeGreaterThanOrEqual(bytes);
      expect(uniqueBytes).toBeLessThan(bytes * (containerd ? 2.2 : 1.05));
      const snapshots = { ...LIMITS, maxTotalSize: `${Math.round(uniqueBytes * 2.5)}B` };
      await sleep(PAST_GRACE);
      await commit(await zeros(), "3", ["--remove-container", "--ttl", "1h"], { snapshots });
      expect(await items()).toEqual(["2", "3"]);
    });

    it("and a pass by the same rule leaves none of them either", async () => {
      const before = (await host.images()).sort();
      let last = await snapshot("41", ["--ttl", "1s"]);
      for (let run = 0; run < 3; run++) {
        const { stdout } = await commit(await job(0, last), "41", [
          "--remove-container",
          "--json",
          "--ttl",
          "1s",
        ]);
        last = JSON.parse(stdout).snapshot.id;
      }
      await sleep(PAST_GRACE);
      const pass = await runAgent({
        args: ["run"],
        settings: {
          engine: { socketPath: host.socketPath },
          lockFile,
          snapshots: { ttl: "1s", when: "always" },
        },
      });
      expect(pass.code).toBe(0);
      expect((await host.images()).sort()).toEqual(before);
      const gone = pass.events.filter(({ event }) => event === "object.removed");
      expect(gone).toHaveLength(containerd ? 1 : 4);
    });

    it("nor while a launcher holds the lock: that is said, and the next commit does it", async () => {
      await snapshot("41", ["--ttl", "1s"]);
      await sleep(PAST_GRACE);
      const launcher = spawn(
        "flock",
        ["--no-fork", "--shared", lockFile, "sh", "-c", "echo held; exec sleep 60"],
        {
          stdio: ["ignore", "pipe", "ignore"],
        },
      );
      await new Promise((held) => launcher.stdout.once("data", held));
      const result = await commit(await job(), "42", ["--remove-container"], { snapshots: LIMITS });
      expect(result.code).toBe(0);
      expect(result.stderr).toBe(
        `ci-docker-prune: the limits were not applied: a pass or a launcher holds ${lockFile}\n`,
      );
      expect(await items()).toEqual(["41", "42"]);
      const gone = new Promise((exit) => launcher.once("exit", exit));
      launcher.kill();
      await gone;
      await snapshot("43", ["--ttl", "1h"], { snapshots: LIMITS });
      expect(await items()).not.toContain("41");
    });
  });

  if (containerd) {
  }
});
