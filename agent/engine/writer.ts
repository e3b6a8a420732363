import type { Door } from "./door.ts";
import { EngineError } from "./errors.ts";
import type { CachePruned, Labels } from "./types.ts";
import { toCachePruned, toCommitted } from "./wire.ts";

/** Seconds: a client that goes away cancels a prune half-way and loses its report. TimeoutStartSec= bounds the pass. */
const BUILD_PRUNE_DEADLINE = 3600;

/** What can be done to the engine: nothing else deletes. Every method throws EngineError. */
export type EngineWriter = Pick<Writer, keyof Writer>;

export class Writer {
  /** @param deadline seconds; removing an image of many files takes minutes on a slow disk */
  constructor(
    private readonly client: Door,
    private readonly deadline: number,
  ) {}

  #delete(path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
    return this.client.call({ method: "DELETE", path, query, deadline: this.deadline });
  }

  /** Never with force, never with volumes: the engine refuses a running one (409). */
  async removeContainer(id: string): Promise<void> {
    await this.#delete(`/containers/${id}`);
  }

  /**
   * By id, never with force, and never its untagged parents: an image with a tag of its own or a user is refused (409).
   */
  async removeImage(id: string): Promise<void> {
    await this.#delete(`/images/${id}`, { noprune: "true" });
  }

  /**
   * One name of an image, never with force; the image goes with its last name, and never its untagged parents. A
   * container that uses it by its only name is refused (409).
   * @param reference exact: `"ghcr.io/acme/worker:sha-1"`; the envelope lets through only what a rule names
   */
  async removeTag(reference: string): Promise<void> {
    await this.#delete(`/images/${reference}`, { noprune: "true" });
  }

  async removeNetwork(id: string): Promise<void> {
    try {
      await this.#delete(`/networks/${id}`);
    } catch (error) {
      // 403: it has active endpoints, or is predefined.
      if (error instanceof EngineError && error.status === 403)
        throw new EngineError("in-use", error.message, error.status);
      throw error;
    }
  }

  /** SIGTERM, and SIGKILL after so many seconds. @returns `false`: it had stopped by itself */
  async stopContainer(id: string, timeoutSeconds: number): Promise<boolean> {
    try {
      await this.client.call({
        method: "POST",
        path: `/containers/${id}/stop`,
        query: { t: String(Math.ceil(timeoutSeconds)) },
        deadline: this.deadline + timeoutSeconds,
      });
      return true;
    } catch (error) {
      if (error instanceof EngineError && error.status === 304) return false;
      throw error;
    }
  }

  /** The container's filesystem as an image of this name; its labels come on top of the container's. The image's id. */
  async commit(id: string, repository: string, tag: string, labels: Labels): Promise<string> {
    const answer = await this.client.call({
      method: "POST",
      path: "/commit",
      query: { container: id, repo: repository, tag },
      body: { Labels: labels },
      deadline: this.deadline,
    });
    return toCommitted(answer).Id;
  }

  /** Records not used for that long, and not shared with an image. The engine has no request for a single one. */
  async pruneBuildCache(unusedForSeconds: number): Promise<CachePruned> {
    const filters = JSON.stringify({ until: [`${Math.ceil(unusedForSeconds)}s`] });
    return toCachePruned(
      await this.client.call({
        method: "POST",
        path: "/build/prune",
        query: { filters },
        deadline: BUILD_PRUNE_DEADLINE,
      }),
    );
  }
}
