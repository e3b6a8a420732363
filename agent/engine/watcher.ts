import { request as httpRequest, type IncomingMessage } from "node:http";
import { assertAllowed, BASE_PERMISSIONS, EVENT_FILTERS } from "./envelope.ts";
import { EngineError } from "./errors.ts";
import type { Labels } from "./types.ts";

/**
 * What `watch` asks of the engine, by node:http alone: a process that is there all the time must be small, and
 * dockerode would double it. Every request passes the envelope, which lets it read and nothing else.
 */

/** A container was started, or an image came or went. Times are milliseconds since the epoch. */
export type EngineEvent =
  | {
      readonly kind: "start";
      readonly at: number;
      readonly container: string;
      /** The image as the container's maker named it. */
      readonly imageName: string;
      readonly labels: Labels;
    }
  | { readonly kind: "image"; readonly at: number; readonly name: string; readonly pulled: boolean }
  | { readonly kind: "gone"; readonly at: number; readonly image: string };

export interface WatchedImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  /** When it got a name last, milliseconds; `NaN`: not told. */
  readonly taggedAt: number;
  /** Of its layers, oldest first. */
  readonly layers: readonly string[];
}

/** Seconds for an answer that is not the stream of events. */
const DEADLINE = 30;
/** Of the API, 1.51: what the other requests are tested with (reader.ts). */
const NEWEST_MINOR = 51;
const MOST_BYTES = 64 * 1024 * 1024;
/** An event is a line of some hundred bytes; labels are the longest part of it. */
const LONGEST_LINE = 1024 * 1024;

export class Watcher {
  #prefix = "";

  constructor(
    private readonly socketPath: string,
    private readonly giveUp: AbortSignal,
  ) {}

  /** Asks for the version once, and for who the engine is. Throws EngineError, as the others do. */
  async engineId(): Promise<string> {
    const { ApiVersion, MinAPIVersion } = Object(await this.#get("/version"));
    this.#prefix = `/v1.${Math.max(minorOf(MinAPIVersion), Math.min(minorOf(ApiVersion), NEWEST_MINOR))}`;
    return String(Object(await this.#get("/info")).ID ?? "");
  }

  /** Image id by container id, of all containers there are. */
  async imagesOfContainers(): Promise<ReadonlyMap<string, string>> {
    const list = await this.#get("/containers/json?all=true");
    return new Map(listOf(list).map(({ Id, ImageID }) => [String(Id), String(ImageID)]));
  }

  /** The id of the image with this name; `null`: there is none. */
  async imageNamed(name: string): Promise<string | null> {
    const filters = encodeURIComponent(JSON.stringify({ reference: [name] }));
    const [first] = listOf(await this.#ofOne(`/images/json?filters=${filters}`));
    return first === undefined ? null : String(first.Id);
  }

  /** `null`: it is gone, or the engine does not show it. */
  async image(id: string): Promise<WatchedImage | null> {
    const shown = await this.#ofOne(`/images/${id}/json`);
    if (shown === null) return null;
    const { RepoTags, RepoDigests, Size, RootFS, Metadata } = Object(shown);
    return {
      id,
      names: textsOf(RepoTags),
      digests: textsOf(RepoDigests),
      sizeBytes: typeof Size === "number" && Size > 0 ? Size : 0,
      taggedAt: Date.parse(Object(Metadata).LastTagTime),
      layers: textsOf(Object(RootFS).Layers),
    };
  }

  /** Sizes of the steps of an image that added files, oldest first. */
  async stepSizes(id: string): Promise<number[]> {
    const steps = listOf(await this.#ofOne(`/images/${id}/history`));
    return steps
      .map(({ Size }) => Number(Size) || 0)
      .filter((size) => size > 0)
      .reverse();
  }

  /**
   * Listens until the engine ends the stream. Throws EngineError when there is no stream, or it breaks.
   * @param since milliseconds; the engine repeats up to 256 events (of all kinds) from that millisecond on
   * @param open called once the engine listens to us
   */
  async listen(since: number, open: () => void, onEvent: (event: EngineEvent) => void): Promise<void> {
    const query = `filters=${encodeURIComponent(EVENT_FILTERS)}&since=${(Math.floor(since) / 1000).toFixed(3)}`;
    const response = await this.#send(`/events?${query}`, null);
    open();
    let rest = "";
    try {
      for await (const chunk of response.setEncoding("utf8")) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > LONGEST_LINE) throw new Error("a line that does not end");
        for (const line of lines) {
          const event = toEvent(line);
          if (event !== null) onEvent(event);
        }
      }
    } catch (error) {
      throw new EngineError("cut-off", `GET /events: the stream broke off (${(error as Error).message})`);
    }
  }

  /** About one object: `null` where the engine answers otherwise, so that the rest is written down all the same. */
  async #ofOne(path: string): Promise<unknown> {
    try {
      return await this.#get(path);
    } catch (error) {
      if (error instanceof EngineError && ["gone", "refused", "malformed"].includes(error.kind)) return null;
      throw error;
    }
  }

  async #get(path: string): Promise<unknown> {
    const response = await this.#send(path, DEADLINE);
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response) {
        bytes += (chunk as Buffer).length;
        if (bytes > MOST_BYTES) throw new Error("longer than an engine's answer");
        chunks.push(chunk as Buffer);
      }
    } catch (error) {
      throw new EngineError("cut-off", `GET ${path}: the answer broke off (${(error as Error).message})`);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString("utf8"));
    } catch {
      throw new EngineError("malformed", `GET ${path}: the answer is not JSON`);
    }
  }

  /** @param deadline seconds until the answer is complete; `null`: it has no end */
  #send(target: string, deadline: number | null): Promise<IncomingMessage> {
    const path = `${this.#prefix}${target}`;
    assertAllowed("GET", path, { ...BASE_PERMISSIONS, ageLimit: Number.MAX_SAFE_INTEGER });
    const late = deadline === null ? [] : [AbortSignal.timeout(deadline * 1000)];
    const signal = AbortSignal.any([this.giveUp, ...late]);
    return new Promise((resolve, reject) => {
      httpRequest({ method: "GET", path, socketPath: this.socketPath, signal }, (response) => {
        const status = response.statusCode ?? 0;
        if (status === 200) return resolve(response);
        response.resume();
        const kind = status === 404 ? "gone" : "refused";
        reject(new EngineError(kind, `GET ${target}: ${status}`, status));
      })
        .on("upgrade", (_, socket) => socket.destroy())
        .on("error", (error) => reject(new EngineError("unreachable", `GET ${target}: ${error.message}`)))
        .on("close", () => reject(new EngineError("cut-off", `GET ${target}: the connection was closed`)))
        .end();
    });
  }
}

const minorOf = (version: unknown) => Number(/^1\.(\d+)$/.exec(String(version))?.[1] ?? 0);

const listOf = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];

const textsOf = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter((one): one is string => typeof one === "string" && !one.startsWith("<none>"))
    : [];

/** One line of the stream; `null` for what is not asked for, or not understood. Source: GET /events, API 1.40. */
export function toEvent(line: string): EngineEvent | null {
  let event: Record<string, unknown>;
  try {
    event = Object(JSON.parse(line));
  } catch {
    return null;
  }
  const { Type, Action, Actor, time, timeNano } = event;
  const at = typeof timeNano === "number" ? timeNano / 1e6 : Number(time) * 1000;
  const { ID, Attributes } = Object(Actor);
  if (typeof ID !== "string" || !Number.isFinite(at)) return null;
  const attributes: Record<string, unknown> = Object(Attributes);
  if (Type === "container" && Action === "start") {
    const labels = Object.entries(attributes).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    return {
      kind: "start",
      at,
      container: ID,
      imageName: String(attributes.image ?? ""),
      labels: Object.assign(Object.create(null), Object.fromEntries(labels)),
    };
  }
  if (Type === "image" && Action === "delete") return { kind: "gone", at, image: ID };
  // An id, or what was pulled: "redis:7-alpine".
  if (Type === "image") return { kind: "image", at, name: ID, pulled: Action === "pull" };
  return null;
}
