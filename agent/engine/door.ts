import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { addAbortSignal } from "node:stream";
import { truncated } from "../text.ts";
import { assertAllowed, ForbiddenRequest, type Permissions } from "./envelope.ts";
import { EngineError, kindOfStatus } from "./errors.ts";

export interface EngineRequest {
  readonly method: "GET" | "DELETE" | "POST";
  /** Without version prefix: `"/containers/json"`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON, where the envelope allows one; never part of an error. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Masks secrets in what the engine says of this request. Gets the whole text, before it is shortened. */
  readonly redact?: (text: string) => string;
  /** Seconds until the answer must be complete; the door's own default when absent; `null`: it has no end. */
  readonly deadline?: number | null;
  /** Of the API, where it is not the one that all requests carry; `null`: none, to ask for the version. */
  readonly apiVersion?: string | null;
}

export interface ClientOptions {
  readonly socketPath: string;
  /** Seconds. */
  readonly timeout: number;
  readonly permissions: Permissions;
  /** Aborts what is in flight: we have waited long enough after being told to stop. */
  readonly giveUp?: AbortSignal;
}

export interface OutgoingRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
}

/** Gets the request before it is sent, to end it with. */
export type Began = (request: ClientRequest) => void;

/** Bytes of one answer: a list of 10,000 images takes some 10 MiB. What is longer would fill the memory. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** Made once: each request ends with its connection's close, most of them answered before, and a stack takes time. */
const CLOSED = new Error("the connection was closed");

/** For who only asks. */
export type EngineClient = Pick<Door, "call" | "requests">;

/**
 * The only door to the engine: each request is checked against the envelope where it is handed to node:http; each
 * answer is read here, to its end, or is an EngineError. By itself it only gets, as `watch` does, which must be small:
 * for all the rest dockerode words the requests (client.ts).
 */
export class Door {
  #requests = 0;
  #apiVersion: string | undefined;
  /** What ends each request that is under way, where we give up. A listener of its own for each would cost a tenth. */
  readonly #underWay = new Set<() => void>();

  constructor(private readonly options: ClientOptions) {
    options.giveUp?.addEventListener("abort", () => {
      for (const end of this.#underWay) end();
    });
  }

  get requests(): number {
    return this.#requests;
  }

  /** From here on, requests carry this API version (`"1.41"`). */
  useApiVersion(version: string): void {
    this.#apiVersion = version;
  }

  /** Sends one request; resolves to the parsed JSON body (`undefined` when empty). Throws EngineError. */
  call(request: EngineRequest): Promise<unknown> {
    return this.#read(request, async (response) => {
      const text = await readBody(response);
      try {
        return text === "" ? undefined : JSON.parse(text);
      } catch {
        const what = `${request.method} ${request.path}`;
        throw new EngineError("malformed", `${what}: the answer is not JSON`, response.statusCode);
      }
    });
  }

  /** Sends one request; resolves to the answer once it begins, which has no end. Throws EngineError. */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    const response = await this.#read({ ...request, deadline: null }, async (response) => response);
    const { giveUp } = this.options;
    return giveUp === undefined ? response : addAbortSignal(giveUp, response);
  }

  /** Sends one request, and has a good answer read. Throws EngineError. */
  async #read<T>(request: EngineRequest, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
    const { deadline: seconds = this.options.timeout, redact } = request;
    const { giveUp } = this.options;
    let late = false;
    let open: ClientRequest | IncomingMessage | undefined;
    const isOver = () => late || giveUp?.aborted === true;
    const endIfOver = () => {
      if (isOver()) open?.destroy(new Error("over"));
    };
    const beLate = () => {
      late = true;
      endIfOver();
    };
    const timer = seconds === null ? undefined : setTimeout(beLate, Math.ceil(seconds * 1000));
    this.#underWay.add(endIfOver);
    const what = `${request.method} ${request.path}`;
    try {
      const response = await this.open(request, (began) => {
        open = began;
        endIfOver();
      });
      open = response;
      const { statusCode: status = 0 } = response;
      const answer = status >= 200 && status <= 299 ? read(response) : refusal(what, response, redact);
      endIfOver();
      return await answer;
    } catch (error) {
      if (error instanceof EngineError || error instanceof ForbiddenRequest) throw error;
      if (giveUp?.aborted) throw new EngineError("stopped", `${what}: given up, told to stop`);
      if (late) throw new EngineError("timeout", `${what}: no complete answer within ${seconds} s`);
      const { code = "", syscall } = error as NodeJS.ErrnoException;
      if (syscall === "connect") throw new EngineError("unreachable", `${what}: ${(error as Error).message}`);
      throw new EngineError("cut-off", `${what}: the answer broke off (${code || (error as Error).message})`);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(endIfOver);
    }
  }

  /** The path of a request, with its version. */
  protected versioned({ path, apiVersion = this.#apiVersion }: EngineRequest): string {
    return apiVersion == null ? path : `/v${apiVersion}${path}`;
  }

  protected async open(request: EngineRequest, began: Began): Promise<IncomingMessage> {
    if (request.method !== "GET") throw new ForbiddenRequest(`refused before sending: ${request.method}`);
    const query = new URLSearchParams(request.query).toString();
    const path = `${this.versioned(request)}${query === "" ? "" : `?${query}`}`;
    return this.send({ method: request.method, path }, undefined, began);
  }

  /** To the engine's socket, whatever else the request says. */
  protected send({ method, path, headers = {} }: OutgoingRequest, body: unknown, began: Began) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      const { socketPath, permissions } = this.options;
      assertAllowed(method, path, permissions, body);
      this.#requests++;
      // Without a name for TLS node looks for one in the Host header, by a pattern of IPv6 that takes 9 ms to compile.
      const target = { method, path, headers, socketPath, servername: "" };
      const request = httpRequest(target, resolve)
        .on("error", reject)
        // No request of ours asks for another protocol. Unheard, node:http would close the connection without a word.
        .on("upgrade", (response, socket) => {
          socket.destroy();
          reject(new Error(`${response.statusCode} Upgrade`));
        })
        .on("close", () => reject(CLOSED));
      began(request);
      // Text or nothing: the envelope lets no other body through.
      request.end(body as string | undefined);
    });
  }
}

/** The whole body as text; rejects when the connection ends first. */
function readBody(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response
      .on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > LARGEST_ANSWER) response.destroy(new Error(`longer than ${LARGEST_ANSWER >> 20} MiB`));
      })
      .on("end", () => resolve(Buffer.concat(chunks).toString("utf8").trim()))
      .on("error", reject)
      .on("close", () => reject(CLOSED));
  });
}

async function refusal(
  what: string,
  response: IncomingMessage,
  redact: EngineRequest["redact"],
): Promise<never> {
  const text = await readBody(response);
  const status = response.statusCode ?? 0;
  if (status < 200) throw new EngineError("cut-off", `${what}: ${status}, which is no answer`, status);
  const said = `${what}: ${status} ${messageOf(text, redact)}`.trim();
  throw new EngineError(kindOfStatus(status), said, status);
}

/** The engine's own words, from `{"message": …}` or the text: redacted, then shortened. */
function messageOf(body: string, redact = (text: string) => text): string {
  let text = body;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed) text = String(parsed.message);
  } catch {
    // Not JSON: the text itself.
  }
  return truncated(redact(text), 300);
}
