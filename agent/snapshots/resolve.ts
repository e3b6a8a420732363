import { EngineError } from "../engine/errors.ts";
import { Exit, type ExitCode } from "../exit.ts";
import type { Seconds } from "../units.ts";
import { freshness } from "./freshness.ts";
import { type Identity, referenceOf } from "./identity.ts";
import { findSnapshot, type LookPorts } from "./look.ts";

export interface Resolved {
  /** What to run. */
  readonly image: string;
  readonly source: "snapshot" | "fallback";
  /** Why not the snapshot; for one that is fresh: how old it is. */
  readonly reason: string;
  readonly exitCode: ExitCode;
}

/**
 * As distribution/reference has it, an id, or both halves of it; nothing that a shell or an option parser would take
 * apart.
 */
export const IMAGE_NAME = /^[A-Za-z0-9[][A-Za-z0-9._/:@+[\]-]*$/;

/** The image to run for a work item. What the engine does not tell is no reason for a router to stand still. */
export async function resolveImage(
  { reader, clock }: LookPorts,
  identity: Identity,
  fallback: string,
  ttl: Seconds,
): Promise<Resolved> {
  const instead = (reason: string, exitCode: ExitCode): Resolved => ({
    image: fallback,
    source: "fallback",
    reason,
    exitCode,
  });
  try {
    await reader.version();
    const image = await findSnapshot(reader, identity);
    if (image === null) return instead("there is no snapshot of this work item", Exit.fallback);
    const { fresh, reason } = freshness(image, ttl, clock.now());
    if (!fresh) return instead(`the snapshot is not fresh: ${reason}`, Exit.fallback);
    return { image: referenceOf(identity), source: "snapshot", reason, exitCode: Exit.ok };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return instead(`the engine could not be asked: ${error.message}`, Exit.unavailable);
  }
}
