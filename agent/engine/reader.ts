import type { Door } from "./door.ts";
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
import * as wire from "./wire.ts";
import * as swarm from "./wire-swarm.ts";
import { toDiskUsage } from "./wire-usage.ts";

/**
 * The only ids that a deletion may ever name (envelope.ts); an object with another one is listed, unread, and stays.
 */
const CONTAINER_ID = /^[0-9a-f]{64}$/;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
const oddId = (id: string) => new EngineError("malformed", `not an id that could be asked for: ${id}`);

/** Once an id is gone, the engine looks for a container or network of that name. Throws EngineError, `gone`. */
function thisVery<T extends { readonly id: string }>(id: string, found: T): T {
  if (found.id === id) return found;
  throw new EngineError("gone", `${id} is only the name of ${found.id}`, 404);
}

/** Seconds. Nothing depends on a size, and the container that fills the disk takes longest to measure. */
const SIZE_DEADLINE = 5;

/** Containers that run or are about to. */
export const LIVE_STATES = ["created", "restarting", "running", "removing", "paused"] as const;
/** Containers that may be left behind. */
export const STOPPED_STATES = ["created", "exited", "dead"] as const;
export const ALL_STATES: readonly string[] = [...new Set([...LIVE_STATES, ...STOPPED_STATES])];

/** So much of an id is nobody else's. So many of these fit in 8 KiB, which is what proxies take as a request line. */
const ID_LENGTH = 16;
const IDS_A_REQUEST = 300;

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

type Query = Readonly<Record<string, string>>;
type NameFilters = Readonly<Partial<Record<"reference" | "label", readonly string[]>>>;

/** What can be asked of the engine. Every method throws EngineError. */
export type EngineReader = Pick<Reader, keyof Reader>;

export class Reader {
  #apiVersion = NEWEST_API;
  #tellsIdentity = false;

  constructor(private readonly client: Door) {}

  #get(path: string, query: Query = {}): Promise<unknown> {
    return this.client.call({ method: "GET", path, query });
  }

  #list(path: string, filters: object): Promise<unknown> {
    return this.#get(path, Object.keys(filters).length === 0 ? {} : { filters: JSON.stringify(filters) });
  }

  /** Asks once and fixes the API version of all later requests. */
  async version(): Promise<EngineVersion> {
    const { version, newestApi, oldestApi } = swarm.toVersion(
      await this.client.call({ method: "GET", path: "/version", apiVersion: null }),
    );
    const wanted = apiAtLeast(newestApi, NEWEST_API) ? NEWEST_API : newestApi;
    // An engine may refuse what is older than its own minimum, which its operator may have raised.
    this.#apiVersion = apiAtLeast(wanted, oldestApi) ? wanted : oldestApi;
    this.client.useApiVersion(this.#apiVersion);
    this.#tellsIdentity = apiAtLeast(newestApi, IDENTITY_API);
    return { version, apiVersion: this.#apiVersion, isNewer: !apiAtLeast(NEWEST_API, newestApi) };
  }

  async info(): Promise<EngineInfo> {
    return swarm.toInfo(await this.#get("/info"));
  }

  async services(): Promise<readonly Service[]> {
    return swarm.toServices(await this.#get("/services", { status: "true" }));
  }

  /** Tasks of these services; at these desired states, or at any when none is named. */
  async tasks(of: readonly { readonly id: string }[], ...desiredStates: string[]): Promise<readonly Task[]> {
    if (of.length === 0) return [];
    const states = desiredStates.length === 0 ? {} : { "desired-state": desiredStates };
    return swarm.toTasks(await this.#list("/tasks", { service: of.map(({ id }) => id), ...states }));
  }

  async containers(states: readonly string[]): Promise<readonly ContainerSummary[]> {
    return wire.toContainers(await this.#list("/containers/json", { status: states }));
  }

  /** Those of these ids that are there, and maybe others. Fast also among many: the engine finds them by their ids. */
  async containersOf(ids: readonly string[]): Promise<readonly ContainerSummary[]> {
    const found: ContainerSummary[] = [];
    for (let at = 0; at < ids.length; at += IDS_A_REQUEST) {
      const some = ids.slice(at, at + IDS_A_REQUEST).map((id) => id.slice(0, ID_LENGTH));
      found.push(
        ...wire.toContainers(await this.#list("/containers/json", { id: some, status: ALL_STATES })),
      );
    }
    return found;
  }

  /** Containers whose health check has not spoken yet. */
  async startingContainers(): Promise<readonly ContainerSummary[]> {
    return wire.toContainers(await this.#list("/containers/json", { health: ["starting"] }));
  }

  /** @param size also measure the writable layer, which walks it: may time out early, then ask without */
  async container(id: string, size: boolean): Promise<ContainerDetail> {
    if (!CONTAINER_ID.test(id)) throw oddId(id);
    const measured = size ? { query: { size: "true" }, deadline: SIZE_DEADLINE } : {};
    const path = `/containers/${id}/json`;
    return thisVery(id, wire.toContainer(await this.client.call({ method: "GET", path, ...measured })));
  }

  /** What the engine calls dangling; on classic stores that includes images with a digest and no tag. */
  async danglingImages(): Promise<readonly ImageSummary[]> {
    return wire.toImages(await this.#list("/images/json", { dangling: ["true"] }));
  }

  /** Slow on the containerd store (6 s for 1000): only where parents must be known. */
  async allImages(): Promise<readonly ImageSummary[]> {
    return wire.toImages(await this.#get("/images/json", { all: "true" }));
  }

  async image(id: string): Promise<ImageDetail> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    return wire.toImage(await this.#get(`/images/${id}/json`));
  }

  /** {@link ImageDetail.pulledFrom}; empty before API 1.53, which does not tell. */
  async pulledFrom(id: string): Promise<readonly string[]> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    if (!this.#tellsIdentity) return [];
    const path = `/images/${id}/json`;
    return wire.toPulledFrom(await this.client.call({ method: "GET", path, apiVersion: IDENTITY_API }));
  }

  /** Images that these filters name, not their parents; `tags` may hold only those that a reference named. */
  async namedImages(filters: NameFilters): Promise<readonly ImageSummary[]> {
    return wire.toImages(await this.#list("/images/json", filters));
  }

  /** The steps of an image, oldest first. */
  async history(id: string): Promise<readonly Step[]> {
    if (!IMAGE_ID.test(id)) throw oddId(id);
    return wire.toHistory(await this.#get(`/images/${id}/history`));
  }

  /** Networks of local scope that somebody made. */
  async networks(): Promise<readonly NetworkSummary[]> {
    return wire.toNetworks(await this.#list("/networks", { scope: ["local"], type: ["custom"] }));
  }

  async network(id: string): Promise<NetworkDetail> {
    if (!CONTAINER_ID.test(id)) throw oddId(id);
    return thisVery(id, wire.toNetwork(await this.#get(`/networks/${id}`)));
  }

  /**
   * @param atAnyCost engines before API 1.42 cannot list it without walking everything else
   * @returns `null` where that would be needed and was not asked for
   */
  async buildCache(atAnyCost: boolean): Promise<readonly CacheRecord[] | null> {
    const alone = apiAtLeast(this.#apiVersion, "1.42");
    if (!alone && !atAnyCost) return null;
    return wire.toBuildCache(await this.#get("/system/df", alone ? { type: "build-cache" } : {}));
  }

  /** As dear as all lists together: for reports only, never for a decision. */
  async diskUsage(): Promise<DiskUsage> {
    return toDiskUsage(await this.#get("/system/df"));
  }
}
