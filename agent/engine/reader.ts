import type { DockerodeClient } from "./client.ts";
import { EngineError } from "./errors.ts";
import type {
  CacheRecord,
  ContainerDetail,
  ContainerSummary,
  DiskUsage,
  EngineInfo,
  EngineVersion,
  ImageDetail,
  ImageSummary,
  NetworkDetail,
  NetworkSummary,
  Service,
  Step,
  Task,
} from "./types.ts";
import {
  toBuildCache,
  toContainer,
  toContainers,
  toHistory,
  toImage,
  toImages,
  toNetwork,
  toNetworks,
  toPulledFrom,
} from "./wire.ts";
import { toInfo, toServices, toTasks, toVersion } from "./wire-swarm.ts";
import { toDiskUsage } from "./wire-usage.ts";

/** What can be asked of the engine. Every method throws EngineError. */
export interface EngineReader {
  /** Asks once and fixes the API version of all later requests. */
  version(): Promise<EngineVersion>;
  info(): Promise<EngineInfo>;
  services(): Promise<Service[]>;
  /** Tasks of these services; at these desired states, or at any when none is named. */
  tasks(serviceIds: readonly string[], desiredStates: readonly string[]): Promise<Task[]>;
  /** Containers in one of these states. */
  containers(states: readonly string[]): Promise<ContainerSummary[]>;
  /** Containers whose health check has not spoken yet. */
  startingContainers(): Promise<ContainerSummary[]>;
  /** @param size also measure the writable layer, which walks it: may time out early, then ask without */
  container(id: string, size: boolean): Promise<ContainerDetail>;
  /** What the engine calls dangling; on classic stores that includes images with a digest and no tag. */
  danglingImages(): Promise<ImageSummary[]>;
  /** Slow on the containerd store (6 s for 1000): only where parents must be known. */
  allImages(): Promise<ImageSummary[]>;
  image(id: string): Promise<ImageDetail>;
  /** {@link ImageDetail.pulledFrom}; empty before API 1.53, which does not tell. */
  pulledFrom(id: string): Promise<string[]>;
  /** Images that these filters name, not their parents; `tags` may hold only those that a reference named. */
  namedImages(filters: {
    readonly reference?: readonly string[];
    readonly label?: readonly string[];
  }): Promise<ImageSummary[]>;
  /** The steps of an image, oldest first. */
  history(id: string): Promise<Step[]>;
  /** Networks of local scope that somebody made. */
  networks(): Promise<NetworkSummary[]>;
  network(id: string): Promise<NetworkDetail>;
  /**
   * @param atAnyCost engines before API 1.42 cannot list it without walking everything else
   * @returns `null` where that would be needed and was not asked for
   */
  buildCache(atAnyCost: boolean): Promise<CacheRecord[] | null>;
  /** As dear as all lists together: for reports only, never for a decision. */
  diskUsage(): Promise<DiskUsage>;
}

/**
 * The only ids that a deletion may ever name (envelope.ts); an object with another one is listed, unread, and stays.
 */
const CONTAINER_ID = /^[0-9a-f]{64}$/;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
const oddId = (id: string) => new EngineError("malformed", `not an id that could be asked for: ${id}`);

/** Seconds. Nothing depends on a size, and the container that fills the disk takes longest to measure. */
const SIZE_DEADLINE = 5;

/** Containers that run or are about to. */
export const LIVE_STATES = ["created", "restarting", "running", "removing", "paused"] as const;
/** Containers that may be left behind. */
export const STOPPED_STATES = ["created", "exited", "dead"] as const;
/** Every container there is. */
export const ALL_STATES: readonly string[] = [...new Set([...LIVE_STATES, ...STOPPED_STATES])];

/** The newest API version this program was tested with (engine 28.5). */
const NEWEST_API = "1.51";
/** From this one on, an image tells where it was pulled from. */
const IDENTITY_API = "1.53";

/** Compares "1.9" and "1.41" as numbers, part by part. */
export function apiAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major !== wantedMajor ? major > wantedMajor : minor >= wantedMinor;
}

export class Reader implements EngineReader {
  readonly #client: DockerodeClient;
  #apiVersion = NEWEST_API;
  #tellsIdentity = false;

  constructor(client: DockerodeClient) {
    this.#client = client;
  }

  #get(path: string, query?: Readonly<Record<string, string>>): Promise<unknown> {
    return this.#client.call({ method: "GET", path, ...(query === undefined ? {} : { query }) });
  }

  async version(): Promise<EngineVersion> {
    const { version, newestApi, oldestApi } = toVersion(
      await this.#client.call({ method: "GET", path: "/version", apiVersion: null }),
    );
    const wanted = apiAtLeast(newestApi, NEWEST_API) ? NEWEST_API : newestApi;
    // An engine may refuse what is older than its own minimum, which its operator may have raised.
    this.#apiVersion = apiAtLeast(wanted, oldestApi) ? wanted : oldestApi;
    this.#client.useApiVersion(this.#apiVersion);
    this.#tellsIdentity = apiAtLeast(newestApi, IDENTITY_API);
    return { version, apiVersion: this.#apiVersion };
  }

  async info(): Promise<EngineInfo> {
    return toInfo(await this.#get("/info"));
  }

  async services(): Promise<Service[]> {
    return toServices(await this.#get("/services", { status: "true" }));
  }

  async tasks(serviceIds: readonly string[], desiredStates: readonly string[]): Promise<Task[]> {
    if (serviceIds.length === 0) return [];
    const filters = JSON.stringify({
      service: serviceIds,
      ...(desiredStates.length === 0 ? {} : { "desired-state": desiredStates }),
    });
    return toTasks(await this.#get("/tasks", { filters }));
  }

  async containers(states: readonly string[]): Promise<ContainerSummary[]> {
    return toContainers(await this.#get("/containers/json", { filters: JSON.stringify({ status: states }) }));
  }

  async startingContainers(): Promise<ContainerSummary[]> {
    return toContainers(
      await this.#get("/containers/json", { filters: JSON.stringify({ health: ["starting"] }) }),
    );
  }

  async container(id: string, size: boolean): Promise<ContainerDetail> {
    if (!CONTAINER_ID.test(id)) throw oddId(id);
    const path = `/containers/${id}/json`;
    if (!size) return toContainer(await this.#get(path));
    return toContainer(
      await this.#client.call({ method: "GET", path, query: { size: "true" }, deadline: SIZE_DEADLINE }),
    );
  }

  async danglingImages(): Promise<ImageSummary[]> {
    return toImages(await this.#get("/images/json", { filters: JSON.stringify({ dangling: ["true"] }) }));
  }

  async allImages(): Promise<ImageSummary[]> {
    return toImages(await this.#get("/images/json", { all: "true" }));
  }

  async image(id: string): Promise<ImageDetail> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    return toImage(await this.#get(`/images/${id}/json`));
  }

  async pulledFrom(id: string): Promise<string[]> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    if (!this.#tellsIdentity) return [];
    const path = `/images/${id}/json`;
    return toPulledFrom(await this.#client.call({ method: "GET", path, apiVersion: IDENTITY_API }));
  }

  async namedImages(filters: Readonly<Record<string, readonly string[]>>): Promise<ImageSummary[]> {
    const query: Readonly<Record<string, string>> =
      Object.keys(filters).length === 0 ? {} : { filters: JSON.stringify(filters) };
    return toImages(await this.#get("/images/json", query));
  }

  async history(id: string): Promise<Step[]> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    return toHistory(await this.#get(`/images/${id}/history`));
  }

  async networks(): Promise<NetworkSummary[]> {
    const filters = JSON.stringify({ scope: ["local"], type: ["custom"] });
    return toNetworks(await this.#get("/networks", { filters }));
  }

  async network(id: string): Promise<NetworkDetail> {
    if (!CONTAINER_ID.test(id)) throw oddId(id);
    return toNetwork(await this.#get(`/networks/${id}`));
  }

  async buildCache(atAnyCost: boolean): Promise<CacheRecord[] | null> {
    if (!apiAtLeast(this.#apiVersion, "1.42")) {
      return atAnyCost ? toBuildCache(await this.#get("/system/df")) : null;
    }
    return toBuildCache(await this.#get("/system/df", { type: "build-cache" }));
  }

  async diskUsage(): Promise<DiskUsage> {
    return toDiskUsage(await this.#get("/system/df"));
  }
}
