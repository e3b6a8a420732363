import { EngineError } from "../engine/errors.ts";
import { type Inspected, Inspector, orNull } from "../engine/tolerant.ts";
import type { ContainerDetail, ImageDetail } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import type { PruneInForce } from "../plan/age.ts";
import { type ContainerFacts, judgeContainer } from "../plan/containers.ts";
import { type ImageFacts, judgeImage } from "../plan/images.ts";
import type { Judged } from "../plan/plan.ts";
import type { ActPorts, Judgement } from "./ports.ts";
import { type Kept, keptBy, LOOK_HOLDS, type Target, UNREADABLE } from "./remove.ts";

/**
 * The containers and dangling images that no rule names. The look right before its deletion is for most the first one:
 * until then they are candidates by what the list tells. What it finds is what the log says.
 */
export class Leftovers {
  /** Images on which another one was made. */
  parents: ReadonlySet<string>;
  readonly looked = new Map<string, ContainerDetail | ImageDetail>();
  readonly #inspector: Inspector;
  readonly #containers;
  readonly #images;
  readonly #used: Set<string>;
  readonly #verdicts = new Map<string, Judged>();

  constructor(
    private readonly ports: ActPorts,
    private readonly writer: EngineWriter,
    private readonly by: Judgement,
  ) {
    const { containers, images } = by.candidates;
    this.#inspector = by.inspector ?? new Inspector(ports.reader);
    this.#containers = new Map(containers.map((facts) => [facts.summary.id, facts]));
    this.#images = new Map(images.map((facts) => [facts.summary.id, facts]));
    this.parents = by.context.images.parents;
    this.#used = new Set(by.context.images.used);
  }

  /** What a container wrote is measured by the first look. Where walking it took long, another one is taken without. */
  container(object: Judged): Target {
    const { id } = object;
    const { clock } = this.ports;
    const facts = this.#containers.get(id);
    let size: Pick<ContainerDetail, "sizeBytes"> | null = facts?.byList ? null : (facts?.detail ?? null);
    let walkedLong = false;
    return {
      look: async () => {
        if (facts === undefined) return UNREADABLE;
        const { summary } = facts;
        const { volumeKeepers, images } = this.by.context;
        const askedAt = clock.elapsed();
        const measures = size === null;
        const detail = found(await this.#inspector.container(id, measures));
        walkedLong = measures && clock.elapsed() - askedAt > LOOK_HOLDS;
        size ??= detail;
        const seen = detail && { ...detail, sizeBytes: size?.sizeBytes ?? null };
        const now = { summary, detail: seen, firstSeen: images.firstSeen[id] };
        return this.#saw(id, now, judgeContainer(now, volumeKeepers, this.#prune(object), clock.now()));
      },
      isStale: () => walkedLong,
      send: async () => void (await this.writer.removeContainer(id)),
    };
  }

  image(object: Judged): Target {
    const { id } = object;
    const facts = this.#images.get(id);
    return {
      look: async () => {
        if (facts === undefined) return UNREADABLE;
        const now = { summary: facts.summary, detail: found(await this.#inspector.image(id)) };
        const context = { ...this.by.context.images, used: this.#used, parents: this.parents };
        return this.#saw(id, now, judgeImage(now, context, this.#prune(object), this.ports.clock.now()));
      },
      send: async () => void (await this.writer.removeImage(id)),
    };
  }

  /** By what the object was judged: of an emergency that is over nothing is looked at. */
  #prune({ inEmergency }: Judged): PruneInForce {
    const { prune } = this.by.settings;
    return inEmergency ? (this.ports.emergency() ?? prune) : prune;
  }

  #saw(id: string, { detail }: Pick<ContainerFacts | ImageFacts, "detail">, judged: Judged): Kept | null {
    if (detail !== null) this.looked.set(id, detail);
    this.#verdicts.set(id, judged);
    return keptBy(judged);
  }

  /** An object of the plan as the last look at it found it. */
  asSeen(object: Judged): Judged {
    return { ...object, ...this.#verdicts.get(object.id), action: object.action };
  }

  /** A container stays, and needs its image. */
  keeps({ id }: Judged): void {
    const image = this.#containers.get(id)?.summary.imageId;
    if (image !== undefined) this.#used.add(image);
  }
}

/** `null`: it could not be inspected. Throws EngineError where it is gone. */
function found<T extends object>(inspected: Inspected<T>): T | null {
  if (inspected === "gone") throw new EngineError("gone", "it is not there any more", 404);
  return orNull(inspected);
}
