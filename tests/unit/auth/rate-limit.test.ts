import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mayCarrySecrets, parseAllowance, readRateLimit } from "../../../agent/auth/rate-limit.ts";

const LOGIN = { username: "alice", password: "pat-123" };
const BASIC = `Basic ${Buffer.from("alice:pat-123").toString("base64")}`;

let server: Server;
let base: string;
let seen: string[];
let answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void>;

/** A server that speaks Docker Hub's protocol: a token for a login, then headers for a token. */
beforeEach(async () => {
  seen = [];
  answers = {
    "/token": (request, response) => {
      const good = request.headers.authorization === BASIC;
      response.writeHead(good ? 200 : 401, { "content-type": "application/json" });
      response.end(good ? '{"token":"tok-1"}' : '{"details":"incorrect username or password"}');
    },
    "/v2/ratelimitpreview/test/manifests/latest": (request, response) => {
      const good = request.headers.authorization === "Bearer tok-1";
      response.writeHead(good ? 200 : 401, {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "76;w=21600",
        "docker-ratelimit-source": "192.0.2.1",
      });
      response.end();
    },
  };
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const answer = answers[new URL(request.url ?? "", "http://x").pathname];
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const look = (login = LOGIN, deadline = 5) =>
  readRateLimit(login, { token: `${base}/token`, registry: `${base}/` }, deadline);
const manifest = (status: number, headers: Record<string, string>) => {
  answers["/v2/ratelimitpreview/test/manifests/latest"] = (_, response) =>
    response.writeHead(status, headers).end();
};

describe("the pull allowance", () => {
  it("is read with one token and one HEAD, which costs no pull", async () => {
    expect(await look()).toEqual({
      known: true,
      value: { limit: 100, remaining: 76, windowSeconds: 21_600, source: "192.0.2.1" },
    });
    expect(seen).toEqual([
      "GET /token?service=registry.docker.io&scope=repository%3Aratelimitpreview%2Ftest%3Apull",
      "HEAD /v2/ratelimitpreview/test/manifests/latest",
    ]);
  });

  it("is read also when it is used up, which Hub answers with 429", async () => {
    manifest(429, { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" });
    expect(await look()).toMatchObject({ known: true, value: { remaining: 0, source: null } });
  });

  it.each<[string, () => void, RegExp]>([
    ["no limit is named", () => manifest(200, {}), /names no limit/],
    [
      "it is not a number",
      () => manifest(200, { "ratelimit-limit": "many", "ratelimit-remaining": "1" }),
      /names no/,
    ],
    ["the registry has a fault", () => manifest(503, {}), /the registry answered 503/],
    ["a token is not given", () => (answers["/token"] = (_, r) => r.end("{}")), /no token/],
    ["the token endpoint speaks no JSON", () => (answers["/token"] = (_, r) => r.end("<html>")), /no token/],
    [
      "the token endpoint leads elsewhere",
      () => (answers["/token"] = (_, r) => r.writeHead(302, { location: "/elsewhere" }).end()),
      /redirect/,
    ],
  ])("is unknown, with the reason, where %s", async (_, arrange, why) => {
    arrange();
    expect(await look()).toMatchObject({ known: false, reason: expect.stringMatching(why) });
    expect(seen.some((line) => line.includes("elsewhere"))).toBe(false);
  });

  it("is unknown with a wrong password", async () => {
    expect(await look({ ...LOGIN, password: "x" })).toMatchObject({
      known: false,
      reason: "the token endpoint answered 401",
    });
  });

  it("is unknown after the deadline, also when the answer began", async () => {
    answers["/token"] = (_, response) => void response.write('{"tok');
    expect(await look(LOGIN, 0.2)).toMatchObject({ known: false, reason: "no answer within 0.2 s" });
  });

  it.each<[string, OutgoingHttpHeaders, Buffer]>([
    ["as it comes", {}, Buffer.alloc(64 * 1024, " ")],
    ["unpacked", { "content-encoding": "gzip" }, gzipSync(Buffer.alloc(4 * 1024 * 1024, " "))],
  ])("is unknown after 1 MiB of an answer that never ends, %s", async (_, headers, chunk) => {
    let sent = 0;
    answers["/token"] = (_request, response) => {
      response.writeHead(200, headers);
      const more = () => {
        while (!response.destroyed && ++sent < 1000 && response.write(chunk));
      };
      response.on("drain", more);
      more();
    };
    expect(await look()).toMatchObject({ known: false, reason: "the answer is longer than 1.0 MiB" });
    expect(sent).toBeLessThan(1000);
  });

  it("is unknown where nobody listens", async () => {
    await new Promise((resolve) => server.close(resolve));
    expect(await look()).toMatchObject({ known: false, reason: "ECONNREFUSED" });
    await new Promise<void>((resolve) => server.listen(0, resolve));
  });
});

describe("its header", () => {
  it.each([
    ["100;w=21600", { pulls: 100, windowSeconds: 21_600 }],
    [" 0 ; w=3600 ", { pulls: 0, windowSeconds: 3600 }],
    ["5000", { pulls: 5000, windowSeconds: null }],
    ["", undefined],
    ["-1;w=1", undefined],
    ["100;w=", undefined],
    ["100, 200", undefined],
  ])("%j", (header, expected) => {
    expect(parseAllowance(header)).toEqual(expected);
  });
});

describe("an endpoint that may be sent a secret", () => {
  it.each([
    "https://auth.docker.io/token",
    "http://127.0.0.1:1/token",
    "http://localhost/",
    "http://[::1]:9/",
  ])("%s", (endpoint) => {
    expect(mayCarrySecrets(endpoint)).toBe(true);
  });
  it.each([
    "http://auth.docker.io/token",
    "http://127.0.0.1.example/",
    "ftp://127.0.0.1/",
    "nothing",
    "https://a:b@c/",
  ])("not %s", (endpoint) => {
    expect(mayCarrySecrets(endpoint)).toBe(false);
  });
});
