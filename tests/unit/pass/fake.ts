import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { CacheRecord } from "../../../agent/engine/types.ts";
import type { EngineWriter } from "../../../agent/engine/writer.ts";
import { known, unknown } from "../../../agent/facts.ts";
import type { Clock } from "../../../agent/host/clock.ts";
import { HOST_NOT_READ } from "../../../agent/host/usage.ts";
import type { AuditEvent } from "../../../agent/log/events.ts";
import type { HostPorts } from "../../../agent/pass/host.ts";
import { readLedger } from "../../../agent/state/ledger.ts";
import type { PassRecord, State } from "../../../agent/state/state.ts";
import { GiB, NOW } from "../support.ts";
import { fails, type Hook, readDisk, type World } from "./world.ts";

/** The engine and the host of a world. Everything that happens to them is noted. */
export class Fake {
  readonly world: World;
  /** Requests, writes, events and what happens to the lock, in the order of their happening. */
  readonly log: string[] = [];
  /** What reached the engine and may change it, refused or not: `"remove c1"`, `"prune cache 86400"`. */
  readonly writes: string[] = [];
  readonly events: AuditEvent[] = [];
  readonly saved: State[] = [];
  readonly recorded: PassRecord[] = [];
  readonly stop = new AbortController();
  now = NOW;
  elapsed = 0;
  requests = 0;
  /** What the envelope was told last. */
  ageLimit: "usual" | "emergency" = "usual";
  locksTaken = 0;
  locksReleased = 0;
  readonly #hook: Hook;
  readonly #count = new Map<string, number>();

  constructor(world: World, hook: Hook = () => {}) {
    this.world = world;
    this.#hook = hook;
  }

  /** Both clocks go on. @param ms milliseconds */
  pass(ms: number): void {
    this.now += ms;
    this.elapsed += ms;
  }

  get clock(): Clock {
    return {
      now: () => this.now,
      elapsed: () => this.elapsed,
      sleep: async (seconds) => this.pass(seconds * 1000),
    };
  }

  readonly journal = {
    emit: (event: AuditEvent) => {
      this.events.push(event);
      const { names } = event.fields as { names?: readonly string[] };
      const { id } = event.fields as { id?: string };
      this.log.push(`log ${event.event}${id === undefined ? "" : ` ${names?.[0] ?? nameOf(id)}`}`);
    },
  };

  /** Fields of all events of this name. */
  said(event: AuditEvent["event"]): readonly Readonly<Record<string, unknown>>[] {
    return this.events.filter((one) => one.event === event).map(({ fields }) => ({ ...fields }));
  }

  get finished(): Readonly<Record<string, unknown>> {
    return this.said("pass.finished").at(-1) ?? {};
  }

  #ask(request: string): void {
    this.requests++;
    this.pass(1);
    this.log.push(request);
    const nth = (this.#count.get(request) ?? 0) + 1;
    this.#count.set(request, nth);
    this.#hook(request, nth, this.world, this);
  }

  /** Of `"remove c1"` and the like: the hook may still fail it. */
  #send(request: string): void {
    this.writes.push(request);
    this.#ask(request);
  }

  get reader(): EngineReader {
    const { world } = this;
    const ask = (request: string) => this.#ask(request);
    const find = <T extends { readonly id: string }>(list: readonly T[], id: string): T =>
      list.find((one) => one.id === id) ?? fails("gone");
    return {
      version: async () => {
        ask("version");
        return { version: "28.5.2", apiVersion: "1.51" };
      },
      info: async () => {
        ask("info");
        return world.info;
      },
      services: async () => {
        ask("services");
        return world.services;
      },
      tasks: async (services, ...states) => {
        if (services.length === 0) return [];
        ask("tasks");
        return world.tasks.filter(
          (task) =>
            services.some(({ id }) => id === task.serviceId) &&
            (states.length === 0 || states.includes(task.desiredState)),
        );
      },
      containers: async (states) => {
        ask(states.includes("exited") ? (states.includes("running") ? "containers" : "stopped") : "live");
        return world.containers.filter(({ state }) => states.includes(state));
      },
      containersOf: async (ids) => {
        ask("confirm");
        return world.containers.filter(({ id }) => ids.includes(id));
      },
      startingContainers: async () => {
        ask("starting");
        return [];
      },
      container: async (id) => {
        ask(`inspect ${nameOf(id)}`);
        return find(world.containers, id);
      },
      danglingImages: async () => {
        ask("dangling");
        // Of those without a name, the ones that nothing was made on.
        return world.images.filter(
          ({ id, tags }) => tags.length === 0 && world.images.every(({ parentId }) => parentId !== id),
        );
      },
      allImages: async () => {
        ask("all images");
        return world.images;
      },
      image: async (id) => {
        ask(`inspect ${nameOf(id)}`);
        return find(world.images, id);
      },
      pulledFrom: async (id) => [...(find(world.images, id).pulledFrom ?? [])],
      namedImages: async () => {
        ask("named images");
        return world.images.filter(({ tags }) => tags.length > 0);
      },
      networks: async () => {
        ask("networks");
        return world.networks;
      },
      network: async (id) => {
        ask(`inspect ${nameOf(id)}`);
        return find(world.networks, id);
      },
      history: async (id) => {
        ask(`history ${nameOf(id)}`);
        return [];
      },
      buildCache: async () => {
        ask("list cache");
        return world.cache;
      },
      diskUsage: async () => {
        ask("disk usage");
        return { layersBytes: 0, images: [], containers: [], volumes: [], buildCache: [] };
      },
    };
  }

  get writer(): EngineWriter {
    const { world } = this;
    return {
      removeContainer: async (id) => {
        this.#send(`remove ${nameOf(id)}`);
        const at = world.containers.findIndex((one) => one.id === id);
        if (at < 0) fails("gone");
        if (["running", "paused"].includes(world.containers[at]?.state ?? "")) fails("in-use");
        world.containers.splice(at, 1);
      },
      removeImage: async (id) => {
        this.#send(`remove ${nameOf(id)}`);
        const at = world.images.findIndex((one) => one.id === id);
        if (at < 0) fails("gone");
        world.images.splice(at, 1);
      },
      removeNetwork: async (id) => {
        this.#send(`remove ${nameOf(id)}`);
        const at = world.networks.findIndex((one) => one.id === id);
        if (at < 0) fails("gone");
        if ((world.networks[at]?.endpoints ?? 0) > 0) fails("in-use");
        world.networks.splice(at, 1);
      },
      removeTag: async (reference) => {
        this.#send(`untag ${reference}`);
        const at = world.images.findIndex(({ tags }) => tags.includes(reference));
        const found = world.images[at] ?? fails("gone");
        const tags = found.tags.filter((tag) => tag !== reference);
        if (tags.length === 0) {
          world.images.splice(at, 1);
        } else world.images[at] = { ...found, tags };
      },
      stopContainer: async (id) => {
        this.#send(`stop ${nameOf(id)}`);
        const at = world.containers.findIndex((one) => one.id === id);
        const found = world.containers[at] ?? fails("gone");
        world.containers[at] = { ...found, state: "exited", finishedAt: this.now };
        return true;
      },
      commit: async () => {
        throw new Error("a pass never commits");
      },
      pruneBuildCache: async (unusedForSeconds) => {
        this.#send(`prune cache ${unusedForSeconds}`);
        const old = ({ lastUsedAt }: CacheRecord) => this.now - (lastUsedAt ?? 0) > unusedForSeconds * 1000;
        const ids = world.cache.filter(old).map(({ id }) => id);
        world.cache = world.cache.filter((one) => !old(one));
        return { ids, claimedBytes: ids.length * GiB };
      },
    };
  }

  get host(): HostPorts {
    const { world } = this;
    return {
      readFilesystems: async (paths, required) => {
        this.log.push("look at the disk");
        return readDisk(world, paths, required);
      },
      nameMounts: async () => new Map(),
      configuredDataRoot: () => world.dataRoot,
      containerdRoot: () => "/var/lib/containerd",
      facts: {
        uptime: () => known(world.uptime + this.elapsed / 1000),
        bootId: () => known(world.bootId),
      },
      readHostUsage: async () => HOST_NOT_READ,
      lockFile: "/run/lock/ci",
      takeLock: async () => {
        if (world.lock === "held") return known(null);
        if (world.lock !== "free") return unknown("lock /run/lock/ci", world.lock.broken);
        this.locksTaken++;
        this.log.push("lock");
        return known({
          held: () =>
            typeof world.lock === "string" ? known(true) : unknown("lock /run/lock/ci", world.lock.broken),
          release: async () => {
            this.locksReleased++;
            this.log.push("unlock");
          },
        });
      },
      lockIsHeld: async () =>
        world.lock === "free" || world.lock === "held"
          ? known(world.lock === "held")
          : unknown("lock /run/lock/ci", world.lock.broken),
      loadLedger: (engine, now) =>
        readLedger([...world.ledger.map((line) => JSON.stringify(line)), ""], engine, now),
      appendLedger: (lines) => {
        if (world.stateUnwritable !== null) throw new Error(world.stateUnwritable);
        world.ledger.push(...lines);
      },
      loadState: () => ({ state: world.state, damage: world.damage, earlier: [] }),
      updateState: (pass, change) => {
        if (world.stateUnwritable !== null) throw new Error(world.stateUnwritable);
        if (world.damage !== null) throw new Error(world.damage.reason);
        const state = change(world.state);
        this.saved.push(state);
        this.recorded.push(pass);
        this.log.push("save the state");
        world.state = state;
        return state;
      },
      setAside: () => {
        this.log.push("set the state aside");
        return "/state/aside";
      },
    };
  }
}

/** What `hexId` and `imageId` made an id of: `"c1"`. */
function nameOf(id: string): string {
  const hex = id.replace("sha256:", "");
  return Buffer.from(hex, "hex").toString().replaceAll("\0", "");
}
