import { EngineError } from "../engine/errors.ts";
import { ALL_STATES, type EngineReader } from "../engine/reader.ts";
import { unlessGone } from "../engine/tolerant.ts";
import type { ImageDetail, Service, SwarmState } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Clock } from "../host/clock.ts";
import type { Users } from "../plan/usage.ts";
import { carries, type Identity, referenceOf } from "./identity.ts";

/** What looking at snapshots needs from outside. */
export interface LookPorts {
  readonly reader: EngineReader;
  readonly clock: Clock;
}

/** What making and removing them needs as well. */
export interface SnapshotPorts extends LookPorts {
  readonly writer: EngineWriter;
  /** Fires when the command is told to stop: what is under way is waited for a little, and nothing new is begun. */
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
