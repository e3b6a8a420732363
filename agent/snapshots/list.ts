import { Inspector, inParallel, unlessGone } from "../engine/tolerant.ts";
import { measure } from "../observe/ruled.ts";
import type { Member } from "../plan/family.ts";
import { sizeOfFamily } from "../plan/retention.ts";
import { userOf } from "../plan/usage.ts";
import { SNAPSHOT_NAMESPACE, snapshotRule } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import type { Bytes, Seconds } from "../units.ts";
import { createdOf, type Identity, snapshotOf } from "./identity.ts";
import { type LookPorts, readUsers } from "./look.ts";
import { freshness } from "./resolve.ts";

export interface Listed extends Identity {
  readonly names: readonly string[];
  readonly id: string;
  readonly sizeBytes: Bytes;
  /** What the disk gets back when it alone goes; `null`: not told. */
  readonly uniqueBytes: Bytes | null;
  /** As its label has it, RFC 3339. */
  readonly created: string | null;
  readonly ageSeconds: Seconds | null;
  /** `null`: its label cannot be understood. */
  readonly ttlSeconds: Seconds | null;
  /** Below 0: so long past it. */
  readonly ttlLeftSeconds: Seconds | null;
  readonly fresh: boolean;
  readonly inUseBy: string | null;
}

/** Every snapshot on this host, the youngest first. Throws EngineError. */
export async function listSnapshots({ reader, clock }: LookPorts, settings: Settings["snapshots"]) {
  await reader.version();
  const named = await reader.namedImages({ reference: [`${SNAPSHOT_NAMESPACE}/*`] });
  const inspected = await inParallel(named, async ({ id, sizeBytes }) => {
    const image = await unlessGone(reader.image(id));
    const snapshot = image === null ? null : snapshotOf(image);
    if (image === null || snapshot === null) return [];
    // The list's size: an inspection on the containerd store leaves out what is unpacked (28.5).
    const member: Member = { image: { ...image, sizeBytes }, references: snapshot.references };
    return [{ identity: snapshot.identity, member }];
  });
  const found = inspected.flat();
  if (found.length === 0) return [];
  const users = await readUsers(reader);
  const rule = snapshotRule(settings);
  const measured = await measure(new Inspector(reader), [
    { rule, members: found.map(({ member }) => member) },
  ]);
  const now = clock.now();
  return found
    .map(({ identity, member }): Listed => {
      const { image, references } = member;
      const { fresh, age, ttl } = freshness(image, settings.ttl, now);
      return {
        ...identity,
        names: references,
        id: image.id,
        sizeBytes: image.sizeBytes,
        uniqueBytes: sizeOfFamily({ rule, members: [member] }, measured, [member]),
        created: createdOf(image.labels) ?? null,
        ageSeconds: age.seconds,
        ttlSeconds: ttl,
        ttlLeftSeconds: ttl === null || age.seconds === null ? null : ttl - age.seconds,
        fresh,
        inUseBy: userOf(image, users),
      };
    })
    .sort((a, b) => (a.ageSeconds ?? 0) - (b.ageSeconds ?? 0));
}
