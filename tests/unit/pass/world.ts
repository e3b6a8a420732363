import { EngineError, type EngineErrorKind } from "../../../agent/engine/errors.ts";
import type {
  CacheRecord,
  ContainerDetail,
  ContainerSummary,
  EngineInfo,
  ImageDetail,
  NetworkDetail,
  Service,
  Task,
} from "../../../agent/engine/types.ts";
import { type Fact, known, unknown } from "../../../agent/facts.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import type { LedgerLine } from "../../../agent/state/ledger.ts";
import { EMPTY_STATE, type LoadedState, type State } from "../../../agent/state/state.ts";
import { ago, container, containerDetail, DAY, filesystem, GiB, hexId, image, imageId } from "../support.ts";
import type { Fake } from "./fake.ts";

/** A container as the engine lists it and as it shows it. */
export type FakeContainer = ContainerSummary & ContainerDetail;

/** An engine and a host in memory. Requests are noted in order; a hook may change the world or fail one of them. */
export interface World {
  containers: FakeContainer[];
  images: ImageDetail[];
  services: Service[];
  tasks: Task[];
  cache: CacheRecord[];
  networks: NetworkDetail[];
  info: EngineInfo;
  /** Used percent of each watched path; a text is why it cannot be read, `null`: the path is not there. */
  disk: Record<string, number | string | null>;
  /** Seconds since the host was booted. */
  uptime: number;
  bootId: string;
  /** `data-root` of Docker's configuration. */
  dataRoot: string | null;
  lock: "free" | "held" | { readonly broken: string };
  state: State;
  /** Why the state cannot be read, where it cannot. */
  damage: LoadedState["damage"];
  /** The ledger of uses. */
  ledger: LedgerLine[];
  /** Why the state cannot be written, where it cannot. */
  stateUnwritable: string | null;
}

/** Called before the engine sees a request such as `"inspect i1"` or `"remove c1"`, its nth of this text, from 1. */
export type Hook = (request: string, nth: number, world: World, fake: Fake) => void;

const STATUS: Partial<Record<EngineErrorKind, number>> = {
  gone: 404,
  "in-use": 409,
  unavailable: 503,
  refused: 500,
};
export const fails = (kind: EngineErrorKind): never => {
  throw new EngineError(kind, `the engine: ${kind}`, STATUS[kind]);
};

/** A container of this name that exited two days ago. */
export const exited = (name: string, changes: Partial<FakeContainer> = {}): FakeContainer => ({
  ...container({ state: "exited", createdAt: ago(3 * DAY), imageId: imageId(`of-${name}`) }),
  ...containerDetail(),
  createdAt: ago(3 * DAY),
  id: hexId(name),
  names: [name],
  ...changes,
});

/** A container of this name that runs. */
export const running = (name: string, changes: Partial<FakeContainer> = {}): FakeContainer =>
  exited(name, { state: "running", finishedAt: null, exitCode: null, ...changes });

/** A dangling image of this name, three days old. */
export const dangling = (name: string, changes: Partial<ImageDetail> = {}): ImageDetail =>
  image({ id: imageId(name), sizeBytes: GiB, ...changes });

export const cacheRecord = (changes: Partial<CacheRecord> = {}): CacheRecord => ({
  id: "b1",
  type: "regular",
  description: "RUN make",
  sizeBytes: GiB,
  lastUsedAt: ago(3 * DAY),
  inUse: false,
  shared: false,
  parents: [],
  ...changes,
});

export const ROOT = "/var/lib/docker";

/** Under pressure, gates open: two old containers, two dangling images, one record of build cache. */
export function world(changes: Partial<World> = {}): World {
  return {
    containers: [exited("c1"), exited("c2")],
    images: [dangling("i1"), dangling("i2")],
    services: [],
    tasks: [],
    cache: [cacheRecord()],
    networks: [],
    info: { rootDir: ROOT, imageStore: "classic", swarm: { role: "manager" } },
    disk: { "/": 90, [ROOT]: 90 },
    uptime: 90 * DAY,
    bootId: "b1",
    dataRoot: null,
    lock: "free",
    state: { ...EMPTY_STATE, engineRoot: ROOT, engineAskedAt: ago(60) },
    damage: null,
    ledger: [],
    stateUnwritable: null,
    ...changes,
  };
}

/** As host/disk.ts does: one fact a path, absent ones left out unless they are required. */
export function readDisk(
  { disk }: World,
  paths: readonly string[],
  required: (path: string) => boolean,
): Fact<Filesystem>[] {
  const facts: Fact<Filesystem>[] = [];
  const devices = new Map<number, number>();
  for (const path of new Set(paths)) {
    const used = disk[path] ?? null;
    if (used === null && !required(path)) continue;
    if (typeof used !== "number") {
      facts.push(unknown(`disk usage of ${path}`, used ?? "ENOENT"));
      continue;
    }
    // Paths that are equally full lie on one filesystem.
    const at = devices.get(used);
    const seen = at === undefined ? undefined : facts[at];
    if (at !== undefined && seen?.known) {
      facts[at] = known({ ...seen.value, paths: [...seen.value.paths, path] });
      continue;
    }
    devices.set(used, facts.length);
    const changes = { usedPercent: used, usedBytes: used * GiB, availableBytes: (100 - used) * GiB };
    facts.push(known(filesystem({ paths: [path], device: path, ...changes })));
  }
  return facts;
}
