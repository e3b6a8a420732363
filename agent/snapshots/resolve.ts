import { EngineError } from "../engine/errors.ts";
import type { ImageDetail } from "../engine/types.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { isPast, youngest } from "../plan/age.ts";
import { timeToLive } from "../plan/retention.ts";
import { SNAPSHOT_TTL_LABEL } from "../settings/rules.ts";
import { formatDuration, type Seconds } from "../units.ts";
import { type Identity, referenceOf } from "./identity.ts";
import { findSnapshot, type LookPorts } from "./look.ts";

interface Resolved {
  readonly image: string;
  readonly source: "snapshot" | "fallback";
  /** Why not the snapshot; for one that is fresh: how old it is. */
  readonly reason: string;
  readonly exitCode: ExitCode;
}

/** As distribution/reference has it, or an id, or both halves; nothing that a shell or an option parser takes apart. */
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

/**
 * Whether a snapshot may still be resumed from: by the engine's account of its age, like retention does, and by the
 * time to live of its own label. What cannot be told is not fresh. Pure.
 * @param ttlOfSettings for one without the label
 * @returns `ttl` is `null` where its label cannot be understood
 */
export function freshness(
  image: Pick<ImageDetail, "labels" | "createdAt" | "lastTaggedAt">,
  ttlOfSettings: Seconds,
  now: number,
) {
  const age = youngest({ created: image.createdAt, "last-tagged": image.lastTaggedAt }, now);
  const rule = { olderThan: ttlOfSettings, ttlLabel: SNAPSHOT_TTL_LABEL };
  const ttl = timeToLive(rule, image)?.limit ?? null;
  if (ttl === null) return { fresh: false, age, ttl, reason: `its label ${SNAPSHOT_TTL_LABEL} is no time` };
  if (age.seconds === null) return { fresh: false, age, ttl, reason: "nothing says how old it is" };
  const old = `${formatDuration(Math.max(0, age.seconds))} old, with ${formatDuration(ttl)} to live`;
  return { fresh: !isPast(age, ttl), age, ttl, reason: `it is ${old}` };
}
