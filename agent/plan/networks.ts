import type { ContainerSummary, NetworkDetail, NetworkSummary } from "../engine/types.ts";
import type { Settings } from "../settings/settings.ts";
import { containerName } from "../text.ts";
import { type Age, isPast, youngest } from "./age.ts";
import { type Judged, type Kept, keptByLabels, verdictsOn } from "./plan.ts";

/** Networks that the engine makes for itself. */
const PREDEFINED = ["bridge", "host", "none", "default", "docker_gwbridge", "ingress", "podman"];

/** Made by somebody for this host alone: no swarm knows it, and no service can use it. */
function isOrdinary({ name, scope, driver, ingress, configOnly }: NetworkSummary): boolean {
  return scope === "local" && driver !== "overlay" && !ingress && !configOnly && !PREDEFINED.includes(name);
}

/** A container on the network, in whatever state: one that is stopped could not be started without it. */
function networkUser(
  { id, name }: NetworkSummary,
  containers: readonly Pick<ContainerSummary, "id" | "names" | "networks">[],
): string | null {
  const user = containers.find(({ networks }) => networks.includes(name) || networks.includes(id));
  return user === undefined ? null : `container ${containerName(user)}`;
}

/** Why it stays after all, by what an inspection tells now; `null`: it goes. */
export function keptNetwork(
  network: NetworkDetail,
  containers: readonly ContainerSummary[],
  prune: Settings["prune"],
  now: number,
): Kept | null {
  const user = networkUser(network, containers);
  if (user !== null) return { because: "in-use", reason: `${user} is on it` };
  if (network.endpoints > 0) return { because: "in-use", reason: "it has endpoints" };
  if (!isOrdinary(network)) return { because: "in-use", reason: "it is the engine's own, or a swarm's" };
  return keptByRules(network, ageOf(network, now), prune);
}

const ageOf = ({ createdAt }: NetworkSummary, now: number): Age => youngest({ created: createdAt }, now);

function keptByRules({ labels }: NetworkSummary, age: Age, prune: Settings["prune"]): Kept | null {
  const byLabel = keptByLabels(labels, prune);
  if (byLabel !== null) return byLabel;
  if (age.seconds === null)
    return { because: "undatable", reason: "the engine does not say when it was made" };
  return isPast(age, prune.until) ? null : { because: "young", reason: "younger than prune.until" };
}

/**
 * The unused networks of local scope, oldest first: beyond `prune.networksAbove` those go that are older than
 * `prune.until`, until no more are left than that. (An engine runs out of address pools after about 30 networks.) None
 * is judged where there are no more. Pure.
 */
export function judgeNetworks(
  networks: readonly NetworkSummary[],
  containers: readonly ContainerSummary[],
  prune: Settings["prune"],
  now: number,
): Judged[] {
  const above = prune.networksAbove;
  if (above === null) return [];
  const inUse = new Set(containers.flatMap(({ networks: names }) => names));
  const unused = networks
    .filter((network) => isOrdinary(network) && !inUse.has(network.name) && !inUse.has(network.id))
    .sort((a, b) => (a.createdAt ?? now) - (b.createdAt ?? now) || (a.id < b.id ? -1 : 1));
  let left = unused.length;
  if (left <= above) return [];
  return unused.map((network) => {
    const age = ageOf(network, now);
    const { keep, remove } = verdictsOn(
      { kind: "network", id: network.id, names: [network.name], sizeBytes: null },
      age,
    );
    const kept = keptByRules(network, age, prune);
    if (kept !== null) return keep(kept.because, kept.reason);
    if (left <= above) return keep("within-limits", `among the ${above} of prune.networksAbove`);
    left--;
    return remove(
      "expired",
      `unused, older than prune.until, and more than the ${above} of prune.networksAbove are`,
    );
  });
}
