/**
 * A small HTTP proxy on a unix socket in front of a real engine. It passes requests on, breaks the ones it is told to
 * break, and remembers every one it saw, so that a test can say what was sent and, above all, what was not.
 */
import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What becomes of a request. Those "in body" reach the engine first, and break its answer. */
export type Fault =
  /** The request is taken, and nothing is ever said. */
  | { readonly kind: "hang" }
  /** Headers and half of the engine's answer, then nothing more. */
  | { readonly kind: "hang-in-body" }
  /** One more byte of white space every 50 ms, for ever. */
  | { readonly kind: "drip" }
  /** The connection is closed without an answer. */
  | { readonly kind: "cut" }
  /** Headers and half of the engine's answer, then the connection is closed. */
  | { readonly kind: "cut-in-body"; readonly chunked?: boolean }
  /** These bytes instead of HTTP. */
  | { readonly kind: "raw"; readonly bytes: string }
  /** This answer instead of the engine's; a `body` that is no text is sent as JSON. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      /** The engine does what it was asked first. */
      readonly done?: true;
    }
  /** The first half of the engine's answer, as if it were the whole. */
  | { readonly kind: "half" }
  /** The engine's answer, changed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests change answers of many shapes
  | { readonly kind: "rewrite"; readonly change: (body: any) => unknown }
  /** Passed on as it is once the promise is there, unless the client has gone by then. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> }
  /** Passed on as it is; for a rule that is only a delay. */
  | { readonly kind: "pass" };

export interface FaultRule {
  /** Against {@link Seen.line}. */
  readonly match: RegExp;
  /** Not before a request that matches this one has been seen. */
  readonly after?: RegExp;
  /** Only the nth request that matches (since `after`), from 1; absent: each. */
  readonly nth?: number;
  readonly delayMs?: number;
  readonly fault: Fault;
}

/** One request, as it came. */
export interface Seen {
  readonly method: string;
  /** As sent: version prefix, escapes and all. */
  readonly url: string;
  /** `"GET /containers/json?filters={…}"`: without the version prefix, query decoded. */
  readonly line: string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class FaultProxy {
  readonly socketPath: string;
  /** Every request, in the order of arrival. */
  readonly seen: Seen[] = [];
  readonly #dir: string;
  readonly #upstream: string;
  readonly #rules: readonly FaultRule[];
  readonly #server: Server;
  #waiting: { readonly match: RegExp; readonly nth: number; readonly resolve: (seen: Seen) => void }[] = [];

  private constructor(upstream: string, rules: readonly FaultRule[]) {
    this.#dir = mkdtempSync(join(tmpdir(), "cdp-proxy-"));
    this.socketPath = join(this.#dir, "docker.sock");
    this.#upstream = upstream;
    this.#rules = rules;
    this.#server = createServer((incoming, outgoing) => {
      this.#take(incoming, outgoing).catch(() => incoming.socket.destroy());
    });
    // dockerd leaves an idle connection open for as long as the client does.
    this.#server.keepAliveTimeout = 0;
  }

  /** @param upstream the real engine's socket; it need not be there: then every connection is cut */
  static async start(upstream: string, rules: readonly FaultRule[] = []): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream, rules);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(proxy.socketPath, resolve);
    });
    return proxy;
  }

  /** Whatever could change the engine: anything but reading. */
  get destructive(): Seen[] {
    return this.seen.filter(({ method }) => method !== "GET" && method !== "HEAD");
  }

  /** Resolves when the nth request that matches has come (at once when it already has). */
  when(match: RegExp, nth = 1): Promise<Seen> {
    const already = this.#matching(match)[nth - 1];
    if (already !== undefined) return Promise.resolve(already);
    return new Promise((resolve) => this.#waiting.push({ match, nth, resolve }));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #matching(match: RegExp): Seen[] {
    return this.seen.filter(({ line }) => match.test(line));
  }

  async #take(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "", url = "" } = incoming;
    const [path = "", query] = url.replace(/^\/v\d+\.\d+(?=\/)/, "").split("?");
    const line = `${method} ${path}${query === undefined ? "" : `?${decodeURIComponent(query)}`}`;
    const seen = { method, url, line };
    this.seen.push(seen);
    const rule = this.#rules.find(({ match, after, nth }) => {
      const start = after === undefined ? 0 : this.seen.findIndex((earlier) => after.test(earlier.line));
      if (start === -1 || !match.test(line)) return false;
      return nth === undefined || this.seen.slice(start).filter((one) => match.test(one.line)).length === nth;
    });
    const due = this.#waiting.filter(({ match, nth }) => this.#matching(match).length >= nth);
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve(seen);
    if (rule?.delayMs !== undefined) await sleep(rule.delayMs);
    await this.#treat(rule?.fault ?? { kind: "pass" }, incoming, outgoing);
  }

  async #treat(fault: Fault, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    switch (fault.kind) {
      case "hang":
        return;
      case "cut":
        incoming.socket.destroy();
        return;
      case "raw":
        incoming.socket.end(fault.bytes);
        return;
      case "answer": {
        if (fault.done === true) await this.#forward(incoming);
        const text = typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body);
        outgoing.writeHead(fault.status, { "Content-Type": "application/json", ...fault.headers });
        outgoing.end(text);
        return;
      }
      case "drip": {
        outgoing.writeHead(200, { "Content-Type": "application/json" });
        const timer = setInterval(() => outgoing.write(" "), 50);
        outgoing.once("close", () => clearInterval(timer));
        return;
      }
      case "hold":
        await fault.until;
        break;
    }
    // The client has gone: what it asked for must not happen after all.
    if (incoming.socket.destroyed) return;
    const answer = await this.#forward(incoming);
    const half = answer.body.subarray(0, Math.floor(answer.body.length / 2));
    // Announces more than comes, also where the engine's answer is empty (204).
    const broken = fault.kind === "cut-in-body" && fault.chunked ? {} : { "Content-Length": "100000" };
    switch (fault.kind) {
      case "hang-in-body":
        outgoing.writeHead(200, broken).flushHeaders();
        outgoing.write(half);
        return;
      case "cut-in-body":
        outgoing.writeHead(200, broken).flushHeaders();
        outgoing.write(half);
        setTimeout(() => incoming.socket.destroy(), 20); // or the bytes might not leave
        return;
      case "half":
        outgoing.writeHead(answer.status).end(half);
        return;
      case "rewrite":
        outgoing
          .writeHead(answer.status, { "Content-Type": "application/json" })
          .end(JSON.stringify(fault.change(JSON.parse(answer.body.toString()))));
        return;
      default:
        outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    }
  }

  #forward(incoming: IncomingMessage): Promise<Answer> {
    const { method, url, headers } = incoming;
    return new Promise((resolve, reject) => {
      const upstream = request(
        { socketPath: this.#upstream, method, path: url, headers: { ...headers, connection: "close" } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.once("error", reject);
          response.once("end", () => {
            const { connection: _, "transfer-encoding": __, ...kept } = response.headers;
            resolve({ status: response.statusCode ?? 0, headers: kept, body: Buffer.concat(chunks) });
          });
        },
      );
      upstream.once("error", reject);
      incoming.pipe(upstream);
    });
  }
}
