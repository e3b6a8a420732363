import { EngineError } from "../engine/errors.ts";
import type { ImageDetail } from "../engine/types.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { type Users, userOf } from "../plan/usage.ts";
import { carries, type Identity, repositoryOf } from "./identity.ts";
import { readUsers, unlessGone } from "./look.ts";
import type { SnapshotPorts } from "./ports.ts";
import { type Removal, removeName, removeNameless } from "./removal.ts";

export interface EvictReport {
  readonly identity: Identity;
  /** Names and ids that are gone. */
  readonly removed: readonly string[];
  /** What is still there, and why. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  readonly exitCode: ExitCode;
}

/** Removes the image of a work item, with every name it has in its own repository and what lies nameless below it. */
export async function evict(ports: SnapshotPorts, identity: Identity): Promise<EvictReport> {
  const { reader } = ports;
  const repository = repositoryOf(identity);
  const removed: string[] = [];
  const left: { name: string; reason: string }[] = [];
  let exitCode: ExitCode = Exit.ok;
  try {
    await reader.version();
    const listed = await reader.namedImages({ reference: [repository] });
    const users: Users = listed.length === 0 ? { containers: [], services: [] } : await readUsers(reader);
    for (const { id } of listed) {
      const image = await unlessGone(reader.image(id));
      if (image !== null) await evictImage(image, users);
    }
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    left.push({ name: repository, reason: `the engine could not be asked: ${error.message}` });
    exitCode = Exit.unavailable;
  }
  return { identity, removed, left, exitCode };

  async function evictImage(image: ImageDetail, users: Users): Promise<void> {
    const own = image.tags.filter((tag) => tag.startsWith(`${repository}:`));
    if (!carries(image.labels, identity)) {
      for (const name of own) left.push({ name, reason: "it is no snapshot: it lacks the labels of one" });
      return;
    }
    const user = userOf(image, users);
    if (user !== null) {
      for (const name of own) keep(name, { gone: false, reason: `${user} uses it`, away: false });
      return;
    }
    for (const name of own) {
      const removal = await removeName(ports, image.id, name);
      if (!removal.gone) return keep(name, removal);
      removed.push(name);
    }
    const still = await unlessGone(reader.image(image.id));
    if (still !== null && still.tags.length > 0) {
      left.push({ name: image.id, reason: `others named it: ${still.tags.join(", ")}` });
      return;
    }
    // Still there without a name: an image was built on it, which only the classic store respects.
    const cleared = await removeNameless(ports, still === null ? image.parentId : image.id, identity);
    removed.push(...cleared.removed);
    const rest = cleared.left;
    // The prune takes it, once nobody uses it.
    if (rest?.because === "in-use")
      left.push({ name: rest.id, reason: `it has lost its name, but is used: ${rest.reason}` });
    else if (rest?.because === "failed" || rest?.because === "away")
      keep(rest.id, { gone: false, reason: rest.reason, away: rest.because === "away" });
  }

  function keep(name: string, { reason, away }: Removal): void {
    left.push({ name, reason });
    exitCode = away ? Exit.unavailable : Exit.incomplete;
  }
}
