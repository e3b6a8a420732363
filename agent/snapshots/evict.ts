import { StopGuard } from "../act/guard.ts";
import { removeNameless } from "../act/nameless.ts";
import { type Kept, type Outcome, remove, removeNames, STILL_THERE } from "../act/remove.ts";
import { EngineError } from "../engine/errors.ts";
import { unlessGone } from "../engine/tolerant.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { type Users, userOf } from "../plan/usage.ts";
import { carries, type Identity, repositoryOf } from "./identity.ts";
import { readUsers, type SnapshotPorts } from "./look.ts";

export interface EvictReport {
  readonly identity: Identity;
  /** Names and ids that are gone. */
  readonly removed: readonly string[];
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** Of several outcomes the worst: 69 before 75 before 0. */
  readonly exitCode: ExitCode;
}

const NO_SNAPSHOT: Kept = {
  because: "not-selected",
  reason: "it is no snapshot: it lacks the labels of one",
};

/** Removes the image of a work item, with every name it has in its own repository and what lies nameless below it. */
export async function evict(ports: SnapshotPorts, identity: Identity): Promise<EvictReport> {
  const { reader, writer, stop } = ports;
  const repository = repositoryOf(identity);
  const removed: string[] = [];
  const left: { name: string; reason: string }[] = [];
  let exitCode: ExitCode = Exit.ok;
  try {
    await reader.version();
    const listed = await reader.namedImages({ reference: [repository] });
    const users: Users = listed.length === 0 ? { containers: [], services: [] } : await readUsers(reader);
    for (const { id, tags } of listed) await evictImage(id, tags, users);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    leave(repository, `the engine could not be asked: ${error.message}`, true);
  }
  return { identity, removed, left, exitCode };

  async function evictImage(id: string, tags: readonly string[], users: Users): Promise<void> {
    let own = tags.filter((tag) => tag.startsWith(`${repository}:`));
    let parentId = "";
    const taken: string[] = [];
    const target = {
      look: async () => {
        const image = await reader.image(id);
        own = image.tags.filter((tag) => tag.startsWith(`${repository}:`));
        parentId = image.parentId;
        if (!carries(image.labels, identity)) return NO_SNAPSHOT;
        const user = userOf(image, users);
        return user === null ? null : ({ because: "in-use", reason: `${user} uses it` } as const);
      },
      // Whether the image went with them is asked below: the containerd store says `Deleted` also of one that it keeps.
      send: async () => void (await removeNames(writer, own, taken)),
      find: async () => {
        const image = await reader.image(id);
        if (!own.some((name) => image.tags.includes(name)))
          throw new EngineError("gone", "its names are gone");
      },
    };
    const outcome = await remove(target, new StopGuard(stop));
    const wentWhole = outcome.fate === "removed" || outcome.fate === "gone";
    removed.push(...(wentWhole ? own : taken));
    if (outcome.fate === "removed") await clearBelow(id, parentId);
    else for (const name of own.filter((one) => !removed.includes(one))) leaveFor(name, outcome);
  }

  /**
   * What lies nameless below it; or it itself, where an image was built on it, which only the classic store respects.
   */
  async function clearBelow(id: string, parentId: string): Promise<void> {
    const still = await unlessGone(reader.image(id));
    if (still !== null && still.tags.length > 0) {
      const others = still.tags.filter((tag) => !removed.includes(tag));
      if (others.length > 0) left.push({ name: id, reason: `others named it: ${others.join(", ")}` });
      for (const name of still.tags.filter((tag) => removed.includes(tag))) {
        removed.splice(removed.indexOf(name), 1);
        leave(name, STILL_THERE.message, false);
      }
      return;
    }
    const cleared = await removeNameless(
      ports,
      new StopGuard(stop),
      still === null ? parentId : id,
      (labels) => carries(labels, identity),
    );
    removed.push(...cleared.removed);
    const rest = cleared.left;
    // The prune takes it, once nobody uses it.
    if (rest?.because === "in-use")
      left.push({ name: rest.id, reason: `it has lost its name, but is used: ${rest.reason}` });
    else if (rest?.because === "failed" || rest?.because === "away")
      leave(rest.id, rest.reason, rest.because === "away");
  }

  function leaveFor(name: string, outcome: Outcome): void {
    if (outcome.fate === "failed") leave(name, outcome.error.message, outcome.error.endsThePass);
    else if (outcome.fate === "not-reached") leave(name, "told to stop", false);
    else if (outcome.fate === "kept" && outcome.kept !== NO_SNAPSHOT) leave(name, outcome.kept.reason, false);
    else left.push({ name, reason: NO_SNAPSHOT.reason });
  }

  /** @param away the engine did not answer */
  function leave(name: string, reason: string, away: boolean): void {
    left.push({ name, reason });
    if (away || exitCode === Exit.ok) exitCode = away ? Exit.unavailable : Exit.incomplete;
  }
}
