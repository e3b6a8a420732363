import { EngineError } from "../engine/errors.ts";
import { ALL_STATES, STOPPED_STATES } from "../engine/reader.ts";
import { orUnknown, unlessGone } from "../engine/tolerant.ts";
import type { ImageDetail, Service } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { Fact } from "../facts.ts";
import { claimed, event, objectEvent, objectFields } from "../log/events.ts";
import { contextOf } from "../plan/cache.ts";
import type { Family } from "../plan/family.ts";
import { keptNetwork } from "../plan/networks.ts";
import { judgeOrphan } from "../plan/orphans.ts";
import type { Judged } from "../plan/plan.ts";
import { judgeMember } from "../plan/retention.ts";
import type { Users } from "../plan/usage.ts";
import { CACHE_RULE, ruleId } from "../settings/rule-names.ts";
import type { GatesGuard } from "./guard.ts";
import { Leftovers } from "./leftovers.ts";
import type { ActPorts, Judgement } from "./ports.ts";
import {
  type Kept,
  keptBy,
  removeContainer,
  removeNames,
  STILL_THERE,
  type Target,
  UNREADABLE,
} from "./remove.ts";

/** How each object of a plan is looked at once more, by the rules of the plan, and removed. */
export class Targets {
  readonly #writer: EngineWriter;
  readonly leftovers: Leftovers;
  readonly #orphans;
  readonly #families: ReadonlyMap<string, Family>;
  readonly #members = new Map<string, ImageDetail>();
  readonly #services: OnceARound<Users["services"]>;
  readonly #allContainers: OnceARound<Users["containers"]>;

  constructor(
    private readonly ports: ActPorts,
    private readonly guard: GatesGuard,
    private readonly by: Judgement,
  ) {
    const { ruled } = by.candidates;
    this.#writer = guard.writer();
    this.leftovers = new Leftovers(ports, this.#writer, by);
    this.#orphans = new Map(ruled.orphans.map((facts) => [facts.summary.id, facts]));
    this.#families = new Map(ruled.families.map((family) => [ruleId(family.rule), family]));
    for (const { members } of ruled.families)
      for (const { image } of members) this.#members.set(image.id, image);
    this.#services = new OnceARound(() => this.#readServices());
    this.#allContainers = new OnceARound(() => ports.reader.containers(ALL_STATES));
  }

  of(object: Judged): Target {
    const target = this.#of(object);
    if (object.inEmergency === undefined) return target;
    return { ...target, look: async () => (this.ports.emergency() === null ? OVER : target.look()) };
  }

  #of(object: Judged): Target {
    const { kind, rule } = object;
    if (kind === "network") return this.#network(object);
    if (kind === "container")
      return rule === undefined ? this.leftovers.container(object) : this.#orphan(object);
    return rule === undefined ? this.leftovers.image(object) : this.#member(object);
  }

  /** Reads anew on which images another one was made. Throws EngineError. */
  async readParents(): Promise<void> {
    const images = await this.ports.reader.allImages();
    this.leftovers.parents = new Set(images.map(({ parentId }) => parentId).filter((id) => id !== ""));
  }

  /** Which of these, all of one kind, are still there, by one list. Returns their ids, and maybe others. */
  stillThere(objects: readonly Judged[]): Promise<Fact<ReadonlySet<string>>> {
    const { reader } = this.ports;
    const kind = objects[0]?.kind;
    return orUnknown("what is still there", async () => {
      const there =
        kind === "network"
          ? await reader.networks()
          : kind === "container"
            ? await reader.containersOf(objects.map(({ id }) => id))
            : await reader.danglingImages();
      return new Set(there.map(({ id }) => id));
    });
  }

  /** The image as it was listed, where a rule of the settings names it. */
  memberOf({ id }: Judged): ImageDetail | undefined {
    return this.#members.get(id);
  }

  #network({ id }: Judged): Target {
    const { reader, clock } = this.ports;
    return {
      look: async () => {
        const network = await reader.network(id);
        const { prune } = this.by.settings;
        const containers = await reader.containers(ALL_STATES);
        return keptNetwork(network, containers, prune, clock.now());
      },
      send: async () => void (await this.#writer.removeNetwork(id)),
    };
  }

  /** A running one is stopped first: the engine would refuse to remove it, and nothing here is forced. */
  #orphan(object: Judged): Target {
    const { reader, clock, journal } = this.ports;
    const { id } = object;
    const facts = this.#orphans.get(id);
    let state = "";
    return {
      look: async () => {
        if (facts === undefined) return UNREADABLE;
        const detail = await reader.container(id, false);
        state = detail.state;
        return keptBy(judgeOrphan({ ...facts, detail }, this.by.settings.prune.keepLabels, clock.now()));
      },
      send: async () => {
        const stopTimeout = facts?.rule.stopTimeout ?? 0;
        if (STOPPED_STATES.some((stopped) => stopped === state)) {
          await removeContainer({ ...this.ports, writer: this.#writer }, id, false);
          return undefined;
        }
        const stopped = await this.#writer.stopContainer(id, stopTimeout);
        if (stopped)
          journal.emit(event("container.stopped", { ...objectFields(object), timeoutSeconds: stopTimeout }));
        // A stop and this are one removal, which is not left half-way.
        await removeContainer(this.ports, id, stopped);
        return undefined;
      },
    };
  }

  /** It is the names that go; the image goes with the last of them. */
  #member(object: Judged): Target {
    const { reader, clock, journal } = this.ports;
    const { id, rule: named = "", references = [] } = object;
    const rule = this.#families.get(named)?.rule;
    const rank = this.by.context.ranks.get(named)?.get(id);
    let round = 0;
    return {
      look: async () => {
        if (rule === undefined || rank === undefined) return UNREADABLE;
        round = this.guard.round;
        const seen = await reader.image(id);
        // Labels that only the list told (an inspection may be without a config) count on.
        const image = { ...seen, labels: { ...this.#members.get(id)?.labels, ...seen.labels } };
        const still = references.filter((reference) => image.tags.includes(reference));
        if (still.length < references.length || (references.length === 0 && image.tags.length > 0))
          return { because: "tagged", reason: "its names changed since it was planned" };
        const { retention, history } = this.by.context;
        const byLedger = history !== undefined && rule.name === CACHE_RULE;
        const memory = byLedger ? contextOf(retention, history) : retention;
        const context = { ...memory, users: await this.#usersOf(image) };
        return keptBy(judgeMember(rule, { image, references, rank }, context, clock.now()));
      },
      // Its users are read anew for each round of the gates.
      isStale: () => round !== this.guard.round,
      send: async () => {
        const taken: string[] = [];
        try {
          if (references.length === 0) await this.#writer.removeImage(id);
          else await removeNames(this.#writer, references, taken);
        } catch (error) {
          if (taken.length > 0) journal.emit(objectEvent("untagged", { ...object, references: taken }));
          throw error;
        }
        // A 200 says that a name went, not that the image did, and an engine may say what it has not done.
        const left = await orUnknown("the image", () => unlessGone(reader.image(id)));
        if (left.known && left.value?.tags.some((tag) => taken.includes(tag))) throw STILL_THERE;
        const there = left.known ? left.value !== null : claimed(object) === 0 && references.length > 0;
        return there ? "only-names" : undefined;
      },
    };
  }

  /**
   * Who uses an image, as read since the gates were asked last. Of one with two names the engine takes one away
   * although a container uses it (all versions); of one whose last name goes it refuses that, and the list of
   * containers, which takes seconds with 1000 of them on the containerd store, is spared. Throws EngineError.
   */
  async #usersOf({ tags }: ImageDetail): Promise<Users> {
    return {
      services: await this.#services.in(this.guard.round),
      containers:
        tags.length > 1
          ? await this.#allContainers.in(this.guard.round)
          : this.by.context.retention.users.containers,
    };
  }

  /** Those of now: this engine may have joined a swarm in mid-pass. */
  async #readServices(): Promise<readonly Service[]> {
    try {
      return await this.ports.reader.services();
    } catch (error) {
      const { manager } = this.by.candidates.ruled;
      if (error instanceof EngineError && error.kind === "unavailable" && !manager) return [];
      throw error;
    }
  }
}

/** Something that is read anew when the gates have been asked, once for all who want it. */
class OnceARound<T> {
  #last: { readonly round: number; readonly value: Promise<T> } | null = null;

  constructor(private readonly read: () => Promise<T>) {}

  in(round: number): Promise<T> {
    if (this.#last?.round !== round) this.#last = { round, value: this.read() };
    return this.#last.value;
  }
}

const OVER: Kept = {
  because: "not-needed",
  reason: "the disk fell below prune.emergency.at before its turn came",
};
