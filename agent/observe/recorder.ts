import { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { ImageDetail, Step } from "../engine/types.ts";
import type { EngineEvent } from "../engine/watcher.ts";
import { PACKED } from "../plan/ledger.ts";
import { appendLedger, type ImageFacts, type LedgerLine } from "../state/ledger.ts";

export type RecorderEngine = Pick<EngineReader, "containersOf" | "namedImages" | "image" | "history">;

/** Labels that group containers into what was started together: a compose project, a stack. They identify nothing. */
const GROUP_LABELS = ["com.docker.compose.project", "com.docker.stack.namespace"];
/** Containers that were counted, remembered so that one that restarts for ever counts once. */
const MOST_SEEN = 20_000;

/** Turns what the engine tells into lines of the ledger. Engine errors pass through; what was not written is kept. */
export class Recorder {
  readonly #seen = new Set<string>();
  /** Images that this process has described: what it told of their names. */
  readonly #described = new Map<string, string>();
  #waiting: EngineEvent[] = [];

  /** @param groupLabels further keys of labels that group containers */
  constructor(
    private readonly engine: RecorderEngine,
    private readonly dir: string,
    private readonly groupLabels: readonly string[],
  ) {}

  hear(event: EngineEvent): void {
    if (event.kind === "start") {
      if (this.#seen.has(event.container)) return;
      if (this.#seen.size >= MOST_SEEN) this.#seen.clear();
      this.#seen.add(event.container);
    }
    this.#waiting.push(event);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Writes what was heard.
   * @returns whether an image came that was not there before
   */
  async write(now: number): Promise<boolean> {
    const events = this.#waiting;
    if (events.length === 0) return false;
    this.#waiting = [];
    try {
      const lines = await this.#linesOf(events);
      appendLedger(this.dir, lines, now);
      return lines.some((line) => "image" in line);
    } catch (error) {
      this.#waiting = [...events, ...this.#waiting];
      throw error;
    }
  }

  /** A line that is no event: who the engine is, or a gap. */
  note(line: LedgerLine): void {
    appendLedger(this.dir, [{ ...line, by: "watch" }], line.at);
  }

  async #linesOf(events: readonly EngineEvent[]): Promise<LedgerLine[]> {
    const started = events.flatMap((event) => (event.kind === "start" ? [event.container] : []));
    const found = await ifShown(this.engine.containersOf(started));
    const containers = new Map(found?.map(({ id, imageId }) => [id, imageId]));
    const byName = new Map<string, string | null>();
    const named = async (name: string) => {
      if (!byName.has(name)) byName.set(name, isId(name) ? name : await this.#imageNamed(name));
      return byName.get(name) ?? null;
    };
    const lines: LedgerLine[] = [];
    for (const event of events) {
      if (event.kind === "gone") {
        // Where it comes again, that is to be told again.
        this.#described.delete(event.image);
        continue;
      }
      const id =
        event.kind === "start"
          ? (containers.get(event.container) ?? (await named(event.imageName)))
          : await named(event.name);
      // Gone before anybody could ask: it cannot be evicted any more either.
      if (id === null || !isId(id)) continue;
      const facts = await this.#describe(id, event);
      if (facts !== null) lines.push({ image: id, at: event.at, ...facts, by: "watch" });
      if (event.kind === "start")
        lines.push({ use: id, at: event.at, group: this.#groupOf(event), by: "watch" });
    }
    return lines;
  }

  async #imageNamed(name: string): Promise<string | null> {
    const found = await ifShown(this.engine.namedImages({ reference: [name] }));
    return found?.[0]?.id ?? null;
  }

  /** `null` where its line was written already, or it is gone. */
  async #describe(id: string, event: EngineEvent): Promise<(ImageFacts & { pulled?: string }) | null> {
    if (this.#described.has(id) && event.kind === "start") return null;
    const image = await ifShown(this.engine.image(id));
    if (image === null) return null;
    const pulled = event.kind === "image" && event.pulled && wasPulled(image, event.at) ? event.name : null;
    const told = [...image.tags, ...image.digests, pulled].join(" ");
    if (this.#described.get(id) === told) return null;
    this.#described.set(id, told);
    const facts = describeImage(image, (await ifShown(this.engine.history(id))) ?? []);
    return pulled === null ? facts : { ...facts, pulled };
  }

  #groupOf({ labels }: Extract<EngineEvent, { kind: "start" }>): string | null {
    const key = [...GROUP_LABELS, ...this.groupLabels].find((label) => labels[label] !== undefined);
    return key === undefined ? null : `${key}=${labels[key]}`;
  }
}

/**
 * Whether this image is what the pull brought, and not one that was built or loaded by the same name since. The
 * containerd store dates names, which is also where a digest does not tell: it has one for every image.
 */
const wasPulled = ({ lastTaggedAt }: ImageDetail, at: number) => lastTaggedAt !== null && lastTaggedAt <= at;

/** About one object: `null` where the engine answers otherwise, so that the rest is written down all the same. */
async function ifShown<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof EngineError && !error.endsThePass) return null;
    throw error;
  }
}

const isId = (name: string) => /^sha256:[0-9a-f]{64}$/.test(name);

/**
 * Facts of an image for the ledger. Pure.
 * @param steps oldest first: of those that added files there are as many as layers, or nothing is known
 */
export function describeImage(image: ImageDetail, steps: readonly Pick<Step, "sizeBytes">[]) {
  const packed = (bytes: number) => Math.round(bytes / PACKED);
  const sizes = steps.map(({ sizeBytes }) => sizeBytes).filter((bytes) => bytes > 0);
  const sum = sizes.reduce((total, size) => total + size, 0);
  const told = sizes.length === image.layers.length;
  return {
    names: image.tags,
    digests: image.digests,
    bytes: sum > 0 ? packed(sum) : image.sizeBytes > 0 ? packed(image.sizeBytes) : null,
    layers: told ? image.layers.map((digest, at) => [digest, packed(sizes[at] ?? 0)] as const) : [],
  };
}
