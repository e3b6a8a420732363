import { linkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DockerodeClient } from "../../../agent/engine/client.ts";
import { Door, type EngineRequest } from "../../../agent/engine/door.ts";
import { BASE_PERMISSIONS, ForbiddenRequest } from "../../../agent/engine/envelope.ts";
import { EngineError } from "../../../agent/engine/errors.ts";
import { testFolder } from "../folder.ts";

const ID = "0123456789abcdef".repeat(4);
const IMAGE = `sha256:${ID}`;
const INFO = { method: "GET", path: "/info" } as const;

let dir: string;
let socketPath: string;
let server: Server;
/** `"GET /info"` for each request that reached the socket. */
let seen: string[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  dir = testFolder();
  socketPath = join(dir, "engine.sock");
  seen = [];
  answer = (_, response) => response.end("{}");
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const connect = (changes: { timeout?: number; giveUp?: AbortSignal; socketPath?: string } = {}) =>
  new DockerodeClient({
    socketPath,
    timeout: 5,
    permissions: { ...BASE_PERMISSIONS, ageLimit: 86_400 },
    ...changes,
  });

/** What a call that must fail failed with. */
async function failure(call: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([call]);
  expect(result.status).toBe("rejected");
  return (result as PromiseRejectedResult).reason;
}

async function engineError(call: Promise<unknown>): Promise<EngineError> {
  const error = await failure(call);
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

describe("the one door to the engine", () => {
  const FORBIDDEN: readonly EngineRequest[] = [
    { method: "DELETE", path: `/containers/${ID}`, query: { force: "true" } },
    { method: "DELETE", path: `/images/${IMAGE}` },
    { method: "DELETE", path: "/volumes/data" },
    { method: "POST", path: "/build/prune", query: { filters: '{"until":["1s"]}' } },
    { method: "GET", path: "http://127.0.0.1:1/info" },
    { method: "GET", path: "/../volumes" },
  ];

  it.each(FORBIDDEN)("does not open for $method $path $query, and not a byte is sent", async (request) => {
    let connections = 0;
    server.on("connection", () => connections++);
    const client = connect();
    expect(await failure(client.call(request))).toBeInstanceOf(ForbiddenRequest);
    expect([seen, connections, client.requests]).toEqual([[], 0, 0]);
  });

  it("does not open either once a version is fixed that would lead elsewhere", async () => {
    const client = connect();
    client.useApiVersion("1.41/../volumes?x=");
    expect(await failure(client.call(INFO))).toBeInstanceOf(ForbiddenRequest);
    expect(seen).toEqual([]);
  });

  it("opens for what is allowed, and sends exactly that", async () => {
    const client = connect();
    await client.call({ method: "GET", path: "/version", apiVersion: null });
    client.useApiVersion("1.41");
    await client.call(INFO);
    await client.call({ method: "GET", path: "/services", query: { status: "true" } });
    await client.call({ method: "DELETE", path: `/containers/${ID}` });
    await client.call({ method: "DELETE", path: `/images/${IMAGE}`, query: { noprune: "true" } });
    await client.call({ method: "POST", path: "/build/prune", query: { filters: '{"until":["86400s"]}' } });
    expect(seen).toEqual([
      "GET /version",
      "GET /v1.41/info",
      "GET /v1.41/services?status=true",
      `DELETE /v1.41/containers/${ID}`,
      `DELETE /v1.41/images/${IMAGE}?noprune=true`,
      `POST /v1.41/build/prune?filters=${encodeURIComponent('{"until":["86400s"]}')}`,
    ]);
    expect(client.requests).toBe(6);
  });

  it("sends the one body that is allowed, as JSON, and names it in no error", async () => {
    const bodies: string[] = [];
    answer = (request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        bodies.push(`${request.headers["content-type"]} ${body}`);
        response.writeHead(500).end('{"message":"dial tcp"}');
      });
    };
    const login = { username: "u", password: "hunter2", serveraddress: "r.example" };
    const client = connect();
    const refused = await engineError(client.call({ method: "POST", path: "/auth", body: login }));
    expect([refused.status, refused.message]).toEqual([500, "POST /auth: 500 dial tcp"]);
    expect([seen, bodies]).toEqual([["POST /auth"], [`application/json ${JSON.stringify(login)}`]]);

    for (const request of [
      { method: "POST", path: "/auth", body: { ...login, more: "x" } },
      { method: "POST", path: "/build/prune", query: { filters: '{"until":["86400s"]}' }, body: login },
      { method: "POST", path: "/auth", query: { x: "1" }, body: login },
      { method: "POST", path: "/auth" },
    ] as const) {
      const error = await failure(client.call(request));
      expect(error).toBeInstanceOf(ForbiddenRequest);
      expect(String(error)).not.toContain("hunter2");
    }
    expect(seen).toHaveLength(1);
  });

  it("sends no body with the prune", async () => {
    const bodies: string[] = [];
    answer = (request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        bodies.push(body);
        response.end("{}");
      });
    };
    await connect().call({
      method: "POST",
      path: "/build/prune",
      query: { filters: '{"until":["86400s"]}' },
    });
    expect(bodies).toEqual([""]);
  });

  it.each(["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_PATH_PREFIX"])(
    "goes to the socket whatever %s says",
    async (name) => {
      const before = process.env[name];
      process.env[name] = name === "DOCKER_HOST" ? "tcp://127.0.0.1:1" : "/nowhere";
      try {
        answer = (_, response) => response.end('{"here":true}');
        expect(await connect().call(INFO)).toEqual({ here: true });
        expect(seen).toEqual(["GET /info"]);
      } finally {
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      }
    },
  );

  it("by itself only gets", async () => {
    const options = { socketPath, timeout: 5, permissions: { ...BASE_PERMISSIONS, ageLimit: 86_400 } };
    const door = new Door(options);
    const allowed = { method: "DELETE", path: `/containers/${ID}` } as const;
    expect(await failure(door.call(allowed))).toBeInstanceOf(ForbiddenRequest);
    expect(await door.call(INFO)).toBeDefined();
    expect(seen).toEqual(["GET /info"]);
  });

  it.each([302, 307])("follows no redirect (%i), neither to another host nor here", async (status) => {
    const elsewhere: string[] = [];
    const other = createServer((request, response) => {
      elsewhere.push(`${request.method} ${request.url}`);
      response.end("{}");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      answer = (_, response) =>
        response.writeHead(status, { location: `http://127.0.0.1:${port}/info` }).end();
      await engineError(connect({ timeout: 2 }).call(INFO));
      // What was to be followed would be on its way by now.
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect([seen, elsewhere]).toEqual([["GET /info"], []]);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it("follows no redirect of a deletion to another object on the same socket", async () => {
    answer = (_, response) => response.writeHead(302, { location: "/volumes/data" }).end();
    await engineError(connect().call({ method: "DELETE", path: `/containers/${ID}` }));
    expect(seen).toEqual([`DELETE /containers/${ID}`]);
  });
});

describe("an answer", () => {
  it("comes back as what its JSON says", async () => {
    answer = (_, response) => response.end('{"a":[1,null,"ü"]}\n');
    expect(await connect().call(INFO)).toEqual({ a: [1, null, "ü"] });
  });

  it("of a letter that is split between two packets is put together", async () => {
    const bytes = Buffer.from('{"a":"ü"}');
    answer = (_, response) => {
      response.write(bytes.subarray(0, 7));
      setTimeout(() => response.end(bytes.subarray(7)), 20);
    };
    expect(await connect().call(INFO)).toEqual({ a: "ü" });
  });

  it.each([204, 200, 304])("without a body and with status %i never reads as a fact", async (status) => {
    answer = (_, response) => response.writeHead(status).end();
    const [result] = await Promise.allSettled([connect().call(INFO)]);
    expect((result as { value?: unknown }).value).toBeUndefined();
  });

  it.each([
    [404, "gone", false],
    [409, "in-use", false],
    [503, "unavailable", false],
    [500, "refused", false],
    [400, "refused", false],
    [403, "refused", false],
    [418, "refused", false],
  ] as const)("%i is told apart by its status: %s", async (status, kind, ends) => {
    answer = (_, response) => response.writeHead(status).end('{"message":"not found, not in use, no swarm"}');
    const error = await engineError(connect().call(INFO));
    expect([error.kind, error.status, error.endsThePass]).toEqual([kind, status, ends]);
    expect(error.message).toBe(`GET /info: ${status} not found, not in use, no swarm`);
  });

  it("keeps a long complaint short", async () => {
    answer = (_, response) => response.writeHead(500).end("x".repeat(10_000));
    const error = await engineError(connect().call(INFO));
    expect(error.message.length).toBeLessThan(400);
  });

  it("is redacted as a whole before it is shortened: no part of a secret is left at the end", async () => {
    const secret = "hunter2-hunter2-hunter2";
    answer = (_, response) => response.writeHead(500).end(`${"x".repeat(285)}${secret} and more`);
    const redact = (text: string) => text.replaceAll(secret, "***");
    const error = await engineError(connect().call({ ...INFO, redact }));
    expect(error.message).toContain("xxx*");
    expect(error.message).not.toContain("hunter2");
  });

  it.each(["101 Switching Protocols", "101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade"])(
    "%j is cut off: nobody asked for another protocol",
    async (head) => {
      answer = (request) => request.socket.write(`HTTP/1.1 ${head}\r\n\r\n`);
      const error = await engineError(connect({ timeout: 1 }).call(INFO));
      expect(error.endsThePass).toBe(true);
    },
  );

  it("that never ends is cut off at 64 MiB, however fast it comes", async () => {
    const chunk = Buffer.alloc(1 << 20, " ");
    let sent = 0;
    answer = (_, response) => {
      const pump = () => {
        while (!response.destroyed && response.write(chunk)) sent++;
        if (!response.destroyed) response.once("drain", pump);
      };
      pump();
    };
    const error = await engineError(connect({ timeout: 30 }).call(INFO));
    expect([error.kind, error.message]).toEqual([
      "cut-off",
      "GET /info: the answer broke off (longer than 64 MiB)",
    ]);
    expect(sent).toBeLessThan(80);
  });

  it.each(["<html>busy</html>", "{", '{"a":1}{"b":2}'])(
    "that is not JSON (%s) is malformed",
    async (body) => {
      answer = (_, response) => response.end(body);
      const error = await engineError(connect().call(INFO));
      expect([error.kind, error.status]).toEqual(["malformed", 200]);
    },
  );

  it("cut off in the middle of a body of known length is cut off, even where what came is JSON", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("[]", () => response.destroy());
    };
    expect((await engineError(connect().call(INFO))).kind).toBe("cut-off");
  });

  it("cut off in the middle of a chunked body is cut off, even where what came is JSON", async () => {
    answer = (_, response) => {
      response.write("[]", () => setTimeout(() => response.destroy(), 20));
    };
    expect((await engineError(connect().call(INFO))).kind).toBe("cut-off");
  });

  it("that never begins because the connection closes is cut off", async () => {
    answer = (request) => request.socket.destroy();
    const error = await engineError(connect().call(INFO));
    // The engine as a whole is in doubt.
    expect([error.kind, error.endsThePass]).toEqual(["cut-off", true]);
  });

  it("that is not HTTP at all is no answer", async () => {
    const other = join(dir, "other.sock");
    const garbage: NetServer = createNetServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n").resume());
    await new Promise<void>((resolve) => garbage.listen(other, resolve));
    try {
      const error = await engineError(connect({ socketPath: other }).call(INFO));
      expect(error.kind).toBe("cut-off");
    } finally {
      await new Promise((resolve) => garbage.close(resolve));
    }
  });
});

describe("an engine that hangs", () => {
  const HANGS: readonly (readonly [string, typeof answer])[] = [
    ["before the headers", () => {}],
    ["after the headers", (_, response) => response.flushHeaders()],
    ["in mid-body", (_, response) => response.write('{"a":')],
    [
      "by dripping on for ever",
      (_, response) => {
        const drip = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(drip));
      },
    ],
  ];

  it.each(HANGS)("%s is given up at the deadline", async (_, how) => {
    answer = how;
    const startedAt = performance.now();
    const error = await engineError(connect({ timeout: 0.1 }).call(INFO));
    const took = performance.now() - startedAt;
    expect([error.kind, error.message]).toEqual(["timeout", "GET /info: no complete answer within 0.1 s"]);
    expect(took).toBeGreaterThan(80);
    expect(took).toBeLessThan(2000);
  });

  it.each(HANGS.slice(1, 3))("%s is left at once when the pass is told to stop", async (_, how) => {
    answer = how;
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(), 30);
    const startedAt = performance.now();
    const error = await engineError(connect({ timeout: 30, giveUp: giveUp.signal }).call(INFO));
    expect(error.kind).toBe("stopped");
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it("is left by all requests that are under way, and by none that is asked after", async () => {
    answer = () => {};
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(), 30);
    const client = connect({ timeout: 30, giveUp: giveUp.signal });
    const startedAt = performance.now();
    const errors = await Promise.all([1, 2, 3].map(() => engineError(client.call(INFO))));
    errors.push(await engineError(client.call(INFO)));
    expect(errors.map(({ kind }) => kind)).toEqual(Array(4).fill("stopped"));
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it("is given as long as one call asks for, beyond the deadline of the others", async () => {
    answer = (_, response) => setTimeout(() => response.end("{}"), 150);
    expect(await connect({ timeout: 0.05 }).call({ ...INFO, deadline: 5 })).toEqual({});
  });

  it("does not keep the next call from being answered", async () => {
    const client = connect({ timeout: 0.1 });
    answer = () => {};
    await engineError(client.call(INFO));
    answer = (_, response) => response.end('{"back":true}');
    expect(await client.call(INFO)).toEqual({ back: true });
  });
});

describe("an engine that is not there", () => {
  it("is unreachable where the socket is absent", async () => {
    const error = await engineError(connect({ socketPath: join(dir, "absent.sock") }).call(INFO));
    expect([error.kind, error.endsThePass]).toEqual(["unreachable", true]);
    expect(error.message).toContain("ENOENT");
  });

  it("is unreachable where the socket is only a file", async () => {
    const error = await engineError(connect({ socketPath: dir }).call(INFO));
    expect(error.kind).toBe("unreachable");
  });

  it("is unreachable where nobody listens at the socket any more", async () => {
    const other = join(dir, "left.sock");
    // Its server takes the name away that it listened at, and no other.
    linkSync(socketPath, other);
    await new Promise((resolve) => server.close(resolve));
    const error = await engineError(connect({ socketPath: other }).call(INFO));
    expect(error.kind).toBe("unreachable");
    expect(error.message).toContain("ECONNREFUSED");
  });

  it("was told to stop before the call: nothing is waited for", async () => {
    const giveUp = new AbortController();
    giveUp.abort();
    const error = await engineError(connect({ giveUp: giveUp.signal }).call(INFO));
    expect(error.kind).toBe("stopped");
  });
});
