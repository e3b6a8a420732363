import type { ImageDetail, Labels } from "../engine/types.ts";
import { type Age, isPast, youngest } from "../plan/age.ts";
import { SNAPSHOT_TTL_LABEL } from "../settings/rules.ts";
import { formatDuration, parseDuration, type Seconds } from "../units.ts";

export interface Freshness {
  readonly fresh: boolean;
  readonly age: Age;
  /** `null`: its label cannot be understood. */
  readonly ttl: Seconds | null;
  /** As a sentence. */
  readonly reason: string;
}

/**
 * Whether a snapshot may still be resumed from: by the engine's account of its age, like retention does, and by the
 * time to live of its own label. What cannot be told is not fresh. Pure.
 * @param ttlOfSettings for one without the label
 * @param now milliseconds
 */
export function freshness(
  { labels, createdAt, lastTaggedAt }: Pick<ImageDetail, "labels" | "createdAt" | "lastTaggedAt">,
  ttlOfSettings: Seconds,
  now: number,
): Freshness {
  const age = youngest({ created: createdAt, "last-tagged": lastTaggedAt }, now);
  const ttl = timeToLive(labels, ttlOfSettings);
  if (ttl === null) return { fresh: false, age, ttl, reason: `its label ${SNAPSHOT_TTL_LABEL} is no time` };
  if (age.seconds === null) return { fresh: false, age, ttl, reason: "nothing says how old it is" };
  const old = `${formatDuration(Math.max(0, age.seconds))} old, with ${formatDuration(ttl)} to live`;
  return { fresh: !isPast(age, ttl), age, ttl, reason: `it is ${old}` };
}

function timeToLive(labels: Labels, ttlOfSettings: Seconds): Seconds | null {
  if (!Object.hasOwn(labels, SNAPSHOT_TTL_LABEL)) return ttlOfSettings;
  return parseDuration(labels[SNAPSHOT_TTL_LABEL] ?? "") ?? null;
}
