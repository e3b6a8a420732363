import pMap from "p-map";
import { type Fact, known, unknown } from "../facts.ts";
import { EngineError, type EngineErrorKind } from "./errors.ts";
import type { EngineReader } from "./reader.ts";
import type { ContainerDetail, ImageDetail, Step } from "./types.ts";

/** There is no engine to ask, or nobody who waits for its answer: the next question is pointless. */
const NO_ENGINE: readonly EngineErrorKind[] = ["unreachable", "cut-off", "stopped"];

/** Requests of one kind under way at once: 4 is where 20.10 on two cores stops getting faster. */
export const CONCURRENCY = 4;

/** Does this with each, several at once; the results in order. */
export const inParallel = <T, Result>(
  items: readonly T[],
  work: (item: T) => Promise<Result>,
  concurrency = CONCURRENCY,
): Promise<Result[]> => pMap(items, work, { concurrency });

/** Runs a question. Engine errors make it unknown; only bugs throw, and errors of these kinds. */
export async function orUnknown<T>(
  what: string,
  question: () => Promise<T>,
  thrown: readonly EngineErrorKind[] = [],
): Promise<Fact<T>> {
  try {
    return known(await question());
  } catch (error) {
    if (error instanceof EngineError && !thrown.includes(error.kind)) return unknown(what, error.message);
    throw error;
  }
}

/** What may not be there any more when its turn comes; `null`: it is gone. Throws EngineError for anything but that. */
export async function unlessGone<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof EngineError && error.kind === "gone") return null;
    throw error;
  }
}

/** The same of one list among several: throws EngineError where there is no engine at all. */
export const orUnread = <T>(what: string, question: () => Promise<T>): Promise<Fact<T>> =>
  orUnknown(what, question, NO_ENGINE);

/** `gone`: it went since it was listed. `unread`: the engine does not show it. */
export type Inspected<T> = T | "gone" | "unread";

/** Milliseconds. The moment of the boot is a difference of two clocks. */
const BOOT_SLACK = 60_000;

/** So many objects may cost a whole deadline each; the others of that look are not asked for any more. */
const SILENT_LIMIT = 3;

/**
 * Inspects single objects. One that the engine refuses to show, or for which it does not answer in time, is unread and
 * the others go on: whether the engine as a whole answers is told by its lists. Throws EngineError where there is no
 * engine (no connection, told to stop).
 */
export class Inspector {
  readonly reader: EngineReader;
  #silent = 0;
  #answered = 0;
  #unread = 0;
  #why = "";

  readonly #bootedAt: number;

  /** @param bootedAt milliseconds: when the host was booted; no container has run since before that */
  constructor(reader: EngineReader, bootedAt: number | null = null) {
    this.reader = reader;
    this.#bootedAt = bootedAt ?? Number.NEGATIVE_INFINITY;
  }

  /** @param size also the size of its writable layer, where that can be had in time */
  container(id: string, size: boolean): Promise<Inspected<ContainerDetail>> {
    return this.#inspect(async () => {
      if (!size) return this.#dated(await this.reader.container(id, false));
      try {
        return this.#dated(await this.reader.container(id, true));
      } catch (error) {
        // Measuring walks the layer, and may take long or fail; the size is for the log alone.
        if (!(error instanceof EngineError) || ["unreachable", "stopped", "gone"].includes(error.kind))
          throw error;
        return this.#dated(await this.reader.container(id, false));
      }
    });
  }

  image(id: string): Promise<Inspected<ImageDetail>> {
    return this.#inspect(() => this.reader.image(id));
  }

  pulledFrom(id: string): Promise<Inspected<readonly string[]>> {
    return this.#inspect(() => this.reader.pulledFrom(id));
  }

  history(id: string): Promise<Inspected<readonly Step[]>> {
    return this.#inspect(() => this.reader.history(id));
  }

  /**
   * What could not be inspected so far, and whether nothing could; `null`: all was, or there was nothing to inspect.
   */
  get unread(): { readonly count: number; readonly all: boolean; readonly reason: string } | null {
    if (this.#unread === 0) return null;
    return { count: this.#unread, all: this.#answered === 0, reason: this.#why };
  }

  /** A running one that started before the host did was started by a clock that was set since: nobody knows when. */
  #dated(container: ContainerDetail): ContainerDetail {
    const { state, startedAt } = container;
    const impossible = startedAt !== null && startedAt < this.#bootedAt - BOOT_SLACK;
    return impossible && ["running", "paused"].includes(state)
      ? { ...container, startedAt: null }
      : container;
  }

  async #inspect<T>(question: () => Promise<T>): Promise<Inspected<T>> {
    if (this.#silent >= SILENT_LIMIT)
      return this.#noteUnread(`${SILENT_LIMIT} objects before it had no answer`);
    try {
      const answer = await question();
      this.#answered++;
      return answer;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.kind === "gone") {
        this.#answered++;
        return "gone";
      }
      if (NO_ENGINE.includes(error.kind)) throw error;
      if (error.kind === "timeout") this.#silent++;
      return this.#noteUnread(error.message);
    }
  }

  #noteUnread(why: string): "unread" {
    this.#unread++;
    this.#why ||= why;
    return "unread";
  }
}

export const orNull = <T extends object>(answer: Inspected<T>): T | null =>
  answer === "gone" || answer === "unread" ? null : answer;
