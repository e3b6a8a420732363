import { StopGuard } from "../act/guard.ts";
import { removeNameless } from "../act/nameless.ts";
import { type Outcome, remove, removeNames } from "../act/remove.ts";
import { EngineError } from "../engine/errors.ts";
import type { Labels } from "../engine/types.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { type Users, userOf } from "../plan/usage.ts";
import { carries, type Identity, repositoryOf } from "./identity.ts";
import { readUsers, unlessGone } from "./look.ts";
import type { SnapshotPorts } from "./ports.ts";

export interface EvictReport {
  readonly identity: Identity;
  /** Names and ids that are gone. */
  readonly removed: readonly string[];
  /** What is still there, and why. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** Of several outcomes the worst: 69 before 75 before 0. */
  readonly exitCode: ExitCode;
}

/** Removes the image of a work item, with every name it has in its own repository and what lies nameless below it. */
export async function evict(ports: SnapshotPorts, identity: Identity): Promise<EvictReport> {
  const eviction = new Eviction(ports, identity);
  try {
    await eviction.run();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    eviction.leave(repositoryOf(identity), `the engine could not be asked: ${error.message}`, true);
  }
  const { removed, left, exitCode } = eviction;
  return { identity, removed, left, exitCode };
}

class Eviction {
  readonly removed: string[] = [];
  readonly left: { name: string; reason: string }[] = [];
  exitCode: ExitCode = Exit.ok;
  readonly #ports: SnapshotPorts;
  readonly #identity: Identity;
  readonly #repository: string;

  constructor(ports: SnapshotPorts, identity: Identity) {
    this.#ports = ports;
    this.#identity = identity;
    this.#repository = repositoryOf(identity);
  }

  async run(): Promise<void> {
    const { reader } = this.#ports;
    await reader.version();
    const listed = await reader.namedImages({ reference: [this.#repository] });
    if (listed.length === 0) return;
    const users = await readUsers(reader);
    for (const { id, tags } of listed) await this.#evict(id, this.#own(tags), users);
  }

  /** @param away the engine did not answer */
  leave(name: string, reason: string, away: boolean): void {
    this.left.push({ name, reason });
    if (away || this.exitCode === Exit.ok) this.exitCode = away ? Exit.unavailable : Exit.incomplete;
  }

  #own(tags: readonly string[]): string[] {
    return tags.filter((tag) => tag.startsWith(`${this.#repository}:`));
  }

  async #evict(id: string, listed: readonly string[], users: Users): Promise<void> {
    const { reader, writer, stop } = this.#ports;
    let own = listed;
    let parentId = "";
    const taken: string[] = [];
    const outcome = await remove(
      {
        look: async () => {
          const image = await reader.image(id);
          own = this.#own(image.tags);
          parentId = image.parentId;
          if (!carries(image.labels, this.#identity)) return NO_SNAPSHOT;
          const user = userOf(image, users);
          return user === null ? null : { because: "in-use", reason: `${user} uses it` };
        },
        send: async () => {
          const deleted = await removeNames(writer, own, taken);
          return deleted.includes(id) ? undefined : "only-names";
        },
        find: async () => {
          const { tags } = await reader.image(id);
          if (!own.some((name) => tags.includes(name)))
            throw new EngineError("gone", "it has lost its names");
        },
      },
      new StopGuard(stop),
    );
    this.removed.push(...(outcome.fate === "removed" ? own : taken));
    if (outcome.fate === "removed" || outcome.fate === "untagged") await this.#clearBelow(id, parentId);
    else
      this.#told(
        outcome,
        own.filter((name) => !taken.includes(name)),
      );
  }

  #told(outcome: Exclude<Outcome, { fate: "removed" | "untagged" }>, names: readonly string[]): void {
    if (outcome.fate === "gone") {
      this.removed.push(...names);
      return;
    }
    for (const name of names) {
      if (outcome.fate === "failed") this.leave(name, outcome.error.message, outcome.error.endsThePass);
      else if (outcome.fate === "not-reached") this.leave(name, "told to stop", false);
      else if (outcome.kept === NO_SNAPSHOT) this.left.push({ name, reason: NO_SNAPSHOT.reason });
      else this.leave(name, outcome.kept.reason, false);
    }
  }

  /** What lies nameless below it; or it itself, where an image was built on it, which only the classic store respects. */
  async #clearBelow(id: string, parentId: string): Promise<void> {
    const still = await unlessGone(this.#ports.reader.image(id));
    if (still !== null && still.tags.length > 0) {
      this.left.push({ name: id, reason: `others named it: ${still.tags.join(", ")}` });
      return;
    }
    const from = still === null ? parentId : id;
    const guard = new StopGuard(this.#ports.stop);
    const ofItem = (labels: Labels) => carries(labels, this.#identity);
    const { removed, left } = await removeNameless(this.#ports, guard, from, ofItem);
    this.removed.push(...removed);
    // The prune takes it, once nobody uses it.
    if (left?.because === "in-use")
      this.left.push({ name: left.id, reason: `it has lost its name, but is used: ${left.reason}` });
    else if (left?.because === "failed" || left?.because === "away")
      this.leave(left.id, left.reason, left.because === "away");
  }
}

const NO_SNAPSHOT = {
  because: "not-selected",
  reason: "it is no snapshot: it lacks the labels of one",
} as const;
