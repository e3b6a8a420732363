import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import Docker from "dockerode";
import { truncated } from "../text.ts";
import { assertAllowed, ForbiddenRequest, type Permissions } from "./envelope.ts";
import { EngineError, kindOfStatus } from "./errors.ts";

/**
 * The only importer of dockerode, and the only door to the engine. Each request is checked against the envelope
 * where docker-modem hands it to node:http; each answer is read here, to its end, or is an EngineError.
 *
 * Why the answers are read here (docker-modem 5.0, measured): a socket that dies in mid-body leaves the modem's own
 * promise unsettled for ever, and a body that is not JSON comes back as a Buffer instead of an error.
 */
export type EngineClient = Pick<DockerodeClient, "call" | "requests">;

export interface EngineRequest {
  readonly method: "GET" | "DELETE" | "POST";
  /** Without version prefix: `"/containers/json"`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON, where the envelope allows one; never part of an error. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Masks secrets in what the engine says of this request. Gets the whole text, before it is shortened. */
  readonly redact?: (text: string) => string;
  /** Seconds until the answer must be complete; the client's own default when absent. */
  readonly deadline?: number;
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

interface OutgoingRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly socketPath?: string;
  readonly hostname?: string;
}

/** Gets the request before it is sent, to end it with. */
type Began = (request: ClientRequest) => void;

type BuildRequest = (
  options: OutgoingRequest,
  context: { readonly began: Began },
  data: unknown,
  callback: (error: unknown, response?: IncomingMessage) => void,
) => void;

/** Bytes of one answer: a list of 10,000 images takes some 10 MiB. What is longer would fill the memory. */
const LARGEST_ANSWER = 64 * 1024 * 1024;

/** docker-modem reads these even when socketPath is given: DOCKER_HOST=tcp://… would win over it. */
const ENGINE_VARIABLES = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_PATH_PREFIX"];

export class DockerodeClient {
  #requests = 0;
  readonly #modem: Docker["modem"];
  readonly #options: ClientOptions;
  #apiVersion: string | undefined;

  constructor(options: ClientOptions) {
    for (const name of ENGINE_VARIABLES) delete process.env[name];
    this.#options = options;
    const modem = new Docker({ socketPath: options.socketPath }).modem as Docker["modem"];
    // Private in the types, but the last step before node:http, which every request of the modem takes. Ours stands in
    // for it: the modem's own follows redirects, to any host and scheme, and leaves their answers unread.
    (modem as unknown as { buildRequest: BuildRequest }).buildRequest = (
      outgoing,
      { began },
      data,
      callback,
    ) => {
      try {
        assertAllowed(outgoing.method, outgoing.path, options.permissions, data);
        if (outgoing.socketPath !== options.socketPath || outgoing.hostname !== undefined)
          throw new ForbiddenRequest("refused before sending: not to the engine's socket");
      } catch (error) {
        // Called back, not thrown: the modem is inside a promise of its own here.
        callback(error);
        return;
      }
      this.#requests++;
      const { method, path, headers = {}, socketPath } = outgoing;
      // Without a name for TLS node looks for one in the Host header, with a pattern of IPv6 that takes 9 ms to compile.
      const target = { method, path, headers, socketPath, servername: "" };
      const request = httpRequest(target, (response) => callback(null, response))
        .on("error", callback)
        // No request of ours asks for another protocol. Unheard, node:http would close the connection without an error.
        .on("upgrade", (response, socket) => {
          socket.destroy();
          callback(new Error(`${response.statusCode} Upgrade`));
        })
        .on("close", () => callback(new Error("the connection was closed")));
      began(request);
      // Text or nothing: the envelope lets no other body through.
      request.end(data as string | undefined);
    };
    this.#modem = modem;
  }

  get requests(): number {
    return this.#requests;
  }

  /** From here on, requests carry this API version (`"1.41"`). */
  useApiVersion(version: string): void {
    this.#apiVersion = version;
  }

  /** Sends one request; resolves to the parsed JSON body (`undefined` when empty). Throws EngineError. */
  async call(request: EngineRequest): Promise<unknown> {
    const seconds = request.deadline ?? this.#options.timeout;
    const { giveUp } = this.#options;
    let late = false;
    // One AbortSignal a request would be a tenth of what the request costs us.
    let open: ClientRequest | IncomingMessage | undefined;
    const isOver = () => late || giveUp?.aborted === true;
    const endIfOver = () => {
      if (isOver()) open?.destroy(new Error("over"));
    };
    const timer = setTimeout(
      () => {
        late = true;
        endIfOver();
      },
      Math.ceil(seconds * 1000),
    );
    giveUp?.addEventListener("abort", endIfOver, { once: true });
    const what = `${request.method} ${request.path}`;
    try {
      const response = await this.#dial(request, (began) => {
        open = began;
        endIfOver();
      });
      open = response;
      const body = readBody(response);
      endIfOver();
      const text = await body;
      const status = response.statusCode ?? 0;
      if (status < 200) throw new EngineError("cut-off", `${what}: ${status}, which is no answer`, status);
      if (status > 299) {
        throw new EngineError(
          kindOfStatus(status),
          `${what}: ${status} ${messageOf(text, request.redact)}`.trim(),
          status,
        );
      }
      if (text === "") return undefined;
      try {
        return JSON.parse(text);
      } catch {
        throw new EngineError("malformed", `${what}: the answer is not JSON`, status);
      }
    } catch (error) {
      if (error instanceof EngineError || error instanceof ForbiddenRequest) throw error;
      if (giveUp?.aborted) throw new EngineError("stopped", `${what}: given up, told to stop`);
      if (late) throw new EngineError("timeout", `${what}: no complete answer within ${seconds} s`);
      const { code = "", syscall } = error as NodeJS.ErrnoException;
      if (syscall === "connect") throw new EngineError("unreachable", `${what}: ${(error as Error).message}`);
      throw new EngineError("cut-off", `${what}: the answer broke off (${code || (error as Error).message})`);
    } finally {
      clearTimeout(timer);
      giveUp?.removeEventListener("abort", endIfOver);
    }
  }

  #dial(request: EngineRequest, began: Began): Promise<IncomingMessage> {
    const { apiVersion = this.#apiVersion } = request;
    const prefix = apiVersion == null ? "" : `/v${apiVersion}`;
    const query = request.query ?? {};
    const bare = Object.keys(query).length === 0;
    const options =
      bare && request.body === undefined
        ? {}
        : { options: { _query: query, _body: request.body ?? {} } as object };
    return new Promise((resolve, reject) => {
      this.#modem.dial(
        {
          // Without the trailing "?" the modem drops the query; with it and no options it cuts the last character.
          path: `${prefix}${request.path}${bare ? "" : "?"}`,
          method: request.method,
          ...options,
          isStream: true,
          statusCodes: {},
          // Ours: the modem hands all of this to buildRequest.
          ...{ began },
        },
        (error, response) => {
          if (response === undefined) reject(error);
          else resolve(response as IncomingMessage);
        },
      );
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
      .on("close", () => reject(new Error("the connection was closed")));
  });
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
