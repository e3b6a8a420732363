import { groupBy } from "../collections.ts";
import type { ContainerSummary, Mount } from "../engine/types.ts";
import { containerName } from "../text.ts";

/**
 * Containers through which somebody finds volumes, by id, each with the reason to keep it. Removing a container leaves
 * its volumes, but `--volumes-from` and `docker buildx rm` find them through that container alone. Pure.
 */
export function volumeKeepers(containers: readonly ContainerSummary[]): ReadonlyMap<string, string> {
  const pairs = containers.flatMap((container) => container.mounts.map((mount) => ({ container, mount })));
  const byMount = groupBy(pairs, ({ mount }) => keyOf(mount));
  const holders = (mount: Mount) => (byMount.get(keyOf(mount)) ?? []).map(({ container }) => container);
  return new Map(
    containers.flatMap((container) => {
      const reason = isBuilder(container)
        ? "it is a buildx builder: only `docker buildx rm` removes it together with its volume"
        : container.state === "created"
          ? neverStarted(container, holders)
          : handedOn(container, holders);
      return reason === null ? [] : [[container.id, reason] as const];
    }),
  );
}

/** A builder of buildx's docker-container driver: `buildx_buildkit_ci0` with the volume `buildx_buildkit_ci0_state`. */
function isBuilder({ names, mounts }: ContainerSummary): boolean {
  return mounts.some(
    ({ type, source, destination }) =>
      type === "volume" &&
      destination === "/var/lib/buildkit" &&
      names.includes(source.replace(/_state$/, "")),
  );
}

type Holders = (mount: Mount) => readonly ContainerSummary[];

/** A data-only container is never started: it has volumes, or others have all of its mounts from it. */
function neverStarted({ id, mounts }: ContainerSummary, holders: Holders): string | null {
  if (mounts.some(({ type }) => type === "volume"))
    return "it was never started and holds volumes, which others may mount from it";
  const [first, ...rest] = mounts;
  if (first === undefined) return null;
  const user = holders(first).find(
    (other) => other.id !== id && rest.every((mount) => holders(mount).includes(other)),
  );
  return user === undefined
    ? null
    : `it was never started, and container ${containerName(user)} has its mounts`;
}

/** A volume without a name of its own is in two containers only where the younger took it from the older one. */
function handedOn({ id, createdAt, mounts }: ContainerSummary, holders: Holders): string | null {
  const user = mounts
    .filter(({ type, source }) => type === "volume" && isAnonymous(source))
    .flatMap(holders)
    .find((other) => other.id !== id && other.createdAt >= createdAt);
  return user === undefined ? null : `container ${containerName(user)} mounts a volume from it`;
}

/** The engine names a volume without a name of its own by 64 hexadecimal digits. */
export const isAnonymous = (volume: string): boolean => /^[0-9a-f]{64}$/.test(volume);
const keyOf = ({ type, source, destination }: Mount) => JSON.stringify([type, source, destination]);
