/** The last tier on a real engine: images of a real registry, a small disk, and a ledger of a host's past days. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type AgentEvent, BUNDLE, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { ahead } from "../support/clock.ts";
import { DockerRegistry, digestOf, dockerRegistryAvailable, pullAs } from "../support/docker-registry.ts";
import { containerd, engine, onEngine } from "../support/engine-under-test.ts";

const OLD = "2026-01-01T00:00:00Z";
const DAY = 86_400_000;
const SLEEP = ["/bin/busybox", "sleep", "3600"];
/** Percent of the disk that one of the images takes at most: the containerd store keeps it packed as well. */
const ONE = containerd ? 8 : 4;
/** The containerd store dates a pull, and nothing goes that came a moment ago. */
const LATER = ahead(2 * 3600);

onEngine("the last tier", dockerRegistryAvailable(), () => {
  let host: CiHost;
  let registry: DockerRegistry;
  let refs: string[];
  /** Image id by reference, of those that are here. */
  let ids: Map<string, string>;
  let state: string;

  beforeAll(async () => {
    host = await CiHost.start({ name: "cache", diskMiB: 512 });
    registry = await DockerRegistry.start(host);
    refs = [];
    for (const [at, name] of ["a", "b", "c", "d", "e"].entries()) {
      await host.loadImage({ ref: `${name}:1`, created: OLD, sizeMiB: 16, seed: `cache-${at}`, cmd: SLEEP });
      refs.push(await registry.push(host, `${name}:1`, `${name}:1`));
    }
  });
  afterAll(async () => {
    await registry?.stop();
    await host?.stop();
  });
  beforeEach(async () => {
    state = join(scratchDir(), "state");
    mkdirSync(state);
    await host.clear();
    ids = new Map();
  });
  afterEach(async () => {
    await host.removeContainers();
    await host.unfill();
  });

  async function pullAll(): Promise<void> {
    for (const ref of refs) {
      await pullAs(host, ref);
      ids.set(ref, (await host.docker.getImage(ref).inspect()).Id);
    }
  }
  const idOf = (ref: string) => ids.get(ref) ?? "";
  /** One of the five, from 0. */
  const ref = (at: number) => refs[at] ?? "";

  /** A past of 20 days: the first image was used once, the last one every day, those between in between. */
  async function remember(pulled = true): Promise<void> {
    const { ID: engineId } = await host.docker.info();
    const now = Date.now();
    const lines: object[] = [{ engine: engineId, at: now - 20 * DAY }];
    for (const [at, [name, id]] of [...ids].entries()) {
      const image = { image: id, at: now - 20 * DAY, names: [name], digests: [], bytes: 1e7, layers: [] };
      lines.push(pulled ? { ...image, pulled: name } : image);
      const days = [
        [19],
        [18, 14],
        [12, 8, 4],
        [10, 6, 3, 2],
        Array.from({ length: 19 }, (_, day) => day + 0.2),
      ];
      for (const day of days[at] ?? [9])
        lines.push({ use: id, at: Math.round(now - day * DAY), group: null });
    }
    writeFileSync(join(state, "uses.jsonl"), `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
  }

  const settings = (cache: object = {}, rest: object = {}) => ({
    engine: { socketPath: host.socketPath },
    disk: { paths: [host.dataRoot], highWatermark: "80%" },
    convergence: { settle: "0s" },
    prune: { networksAbove: null },
    cache: { evict: "under-pressure", until: "70%", ...cache },
    ...rest,
  });
  const run = (cache: object = {}, args: readonly string[] = []) =>
    runAgent({ args: ["run", ...args], settings: settings(cache), stateDir: state, env: LATER });
  const ofTier = (events: readonly AgentEvent[], name: string) =>
    events.filter(({ event, policy }) => event === name && policy === "cache/evict");
  const namesOf = (events: readonly AgentEvent[], name: string) =>
    ofTier(events, name).map(({ names }) => names[0] as string);
  const left = async () => (await Promise.all(refs.map((one) => host.hasImage(one)))).map(Number).join("");

  async function planned(cache: object = {}): Promise<string[]> {
    const file = join(scratchDir(), "settings.json");
    writeFileSync(file, JSON.stringify(settings(cache)));
    const args = ["plan", "--json", "--settings", file, "--state-dir", state];
    const env = { PATH: process.env.PATH ?? "", ...LATER };
    // It exits with 10 where what goes may not be enough.
    const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE, ...args], { env }).catch(
      (error) => error,
    );
    return JSON.parse(stdout).evict.map(({ names }: { names: string[] }) => names[0]);
  }

  it("evicts in the order of the plan, by exact names, until its mark", async () => {
    await pullAll();
    await remember();
    await host.fillDisk(81);
    const order = await planned();
    expect([order.length, order.at(-1)]).toEqual([5, ref(4)]);
    const dry = await run({}, ["--dry-run"]);
    expect(await left()).toBe("11111");
    expect(dry.code).toBe(0);

    const { events, code } = await run();
    const gone = namesOf(events, "object.removed");
    expect(code).toBe(0);
    expect(gone).toEqual(order.slice(0, gone.length));
    expect(namesOf(events, "object.kept")).toEqual(order.slice(gone.length));
    // No more than was needed: with one less the mark would not have been reached.
    const used = await host.diskPercent();
    expect(used).toBeLessThan(70);
    expect(used + ONE).toBeGreaterThanOrEqual(70);
    expect(gone.length).toBeGreaterThan(1);
    expect(gone.length).toBeLessThan(5);
    for (const name of gone) expect(await host.hasImage(idOf(name))).toBe(false);
    const reasons = ofTier(events, "object.removed").map(({ reason }) => reason);
    for (const reason of reasons) expect(reason).toMatch(/^used (once|twice|\d+ times).*, idle \d+d.*; /);
  });

  it("takes an image that only a digest names by its id", async () => {
    const digest = await digestOf(host, ref(0), {});
    const byDigest = `${ref(0).replace(/:1$/, "")}@${digest}`;
    await pullAs(host, byDigest);
    const id = (await host.docker.getImage(byDigest).inspect()).Id;
    ids.set(byDigest, id);
    await remember();
    await host.fillDisk(81);
    const { events } = await run();
    expect(ofTier(events, "object.removed").map((line) => line.id)).toEqual([id]);
    expect(await host.hasImage(id)).toBe(false);
  });

  it("leaves what containers in any state and services at any scale use, and what they would roll back to", async () => {
    await pullAll();
    await remember();
    await host.createContainer({ image: ref(0) });
    await host.runContainer({ image: ref(1), cmd: ["/bin/busybox", "true"], wait: true });
    const service = await host.createService({ name: "ci", image: ref(2), replicas: 0 });
    const inspect = () => host.docker.getService(service).inspect();
    const { Spec } = await inspect();
    const { TaskTemplate } = Spec;
    const next = { ...TaskTemplate, ContainerSpec: { ...TaskTemplate.ContainerSpec, Image: ref(3) } };
    // Swarm goes on writing to a service that was just made.
    await vi.waitFor(
      async () => {
        const version = (await inspect()).Version.Index;
        await host.docker.getService(service).update({ ...Spec, version, TaskTemplate: next });
      },
      { timeout: 10_000 },
    );
    await host.fillDisk(81);
    const { events } = await run();
    expect(await left()).toBe("11110");
    expect(ofTier(events, "object.kept").map(({ rule }) => rule)).toEqual(Array(4).fill("in-use"));
  });

  it.runIf(containerd)(
    "on the containerd store goes by what the engine tells, else nothing goes",
    async () => {
      await pullAll();
      await remember(false);
      await host.fillDisk(81);
      const { events } = await run();
      const tells = !engine.startsWith("28");
      expect(namesOf(events, "object.removed").length > 0).toBe(tells);
      if (!tells)
        expect(ofTier(events, "object.kept").map(({ rule }) => rule)).toEqual(Array(5).fill("local"));
    },
  );
});
