import { EngineError } from "../engine/errors.ts";
import { ALL_STATES, type EngineReader } from "../engine/reader.ts";
import { unlessGone } from "../engine/tolerant.ts";
import type { ContainerDetail, ContainerSummary, ImageDetail, Service, SwarmState } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Clock } from "../host/clock.ts";
import type { Users } from "../plan/usage.ts";
import { containerName } from "../text.ts";
import { carries, type Identity, referenceOf } from "./identity.ts";

export interface LookPorts {
  readonly reader: EngineReader;
  readonly clock: Clock;
}

export interface SnapshotPorts extends LookPorts {
  readonly writer: EngineWriter;
  /** Aborted when the command is told to stop: nothing new is begun, and what is under way gets a few seconds. */
  readonly stop: AbortSignal;
}

/** The snapshot that a work item has now, found by its name and told by its labels. Throws EngineError. */
export async function findSnapshot(reader: EngineReader, identity: Identity): Promise<ImageDetail | null> {
  const reference = referenceOf(identity);
  for (const { id } of await reader.namedImages({ reference: [reference] })) {
    const image = await unlessGone(reader.image(id));
    if (image?.tags.includes(reference) && carries(image.labels, identity)) return image;
  }
  return null;
}

/**
 * The services that may need a snapshot; none on a worker: what it runs for its services is a container there, and a
 * snapshot is on no other node. Throws EngineError: what a swarm does not tell is not "none".
 */
export async function readServices(reader: EngineReader, swarm: SwarmState): Promise<readonly Service[]> {
  if (swarm.role === "unclear")
    throw new EngineError("unavailable", `the services that may need it are not known: ${swarm.why}`);
  return swarm.role === "manager" ? await reader.services() : [];
}

/** Who may need an image: every container and every service. Throws EngineError. */
export async function readUsers(reader: EngineReader): Promise<Users> {
  const { swarm } = await reader.info();
  return {
    containers: await reader.containers(ALL_STATES),
    services: await readServices(reader, swarm),
  };
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

type Picked =
  | { readonly found: "one"; readonly container: Named }
  | { readonly found: "none" }
  | { readonly found: "several"; readonly names: readonly string[] };

/** What `docker ps` shows of an id. A shorter one comes from a slip, and what it names may be removed. */
const SHORTEST_ID = 12;

/** By whole id, else by exact name, else by the start of an id that only one has. Pure. */
export function pickContainer(text: string, containers: readonly ContainerSummary[]): Picked {
  const named = (one: ContainerSummary): Named => ({ id: one.id, name: containerName(one) });
  const exact = containers.find(({ id, names }) => id === text || names.includes(text.replace(/^\//, "")));
  if (exact !== undefined) return { found: "one", container: named(exact) };
  const isId = text.length >= SHORTEST_ID && /^[0-9a-f]+$/.test(text);
  const [first, ...more] = isId ? containers.filter(({ id }) => id.startsWith(text)) : [];
  if (first === undefined) return { found: "none" };
  if (more.length === 0) return { found: "one", container: named(first) };
  return { found: "several", names: [first, ...more].map((container) => named(container).name) };
}

/** Why this container's work is not to be kept; `null`: it ended well. Pure. */
export function refusal({ state, exitCode, oomKilled }: ContainerDetail): string | null {
  if (state === "created") return "it was never started";
  if (state !== "exited") return `it is ${state}, and has not ended by itself`;
  if (oomKilled) return "the kernel killed a process in it for lack of memory";
  if (exitCode === null) return "the engine does not say how it ended";
  return exitCode === 0 ? null : `it ended with exit code ${exitCode}`;
}
