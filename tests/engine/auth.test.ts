/** Registry credentials from a secret file to a pull, against a real engine and a real registry. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AgentResult, BUNDLE, only, runAgent, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { DockerRegistry, dockerRegistryAvailable, pullAs } from "../support/docker-registry.ts";
import { onEngine } from "../support/engine-under-test.ts";

const ALICE = { username: "alice", password: "dckr_pat_Q2xvc2U+bm93/=" };
const HUB = "https://index.docker.io/v1/";
/** For documentation only (RFC 5737), so that nobody answers but a registry of ours; engines want TLS of it. */
const ELSEWHERE = "192.0.2.10";

onEngine("registry credentials", dockerRegistryAvailable(), () => {
  let host: CiHost;
  let registry: DockerRegistry;
  let untrusted: DockerRegistry;
  let withoutTls: DockerRegistry;
  let ref: string;
  /** The folder of one test: secret, client's folder, state. */
  let dir: string;
  let target: string;
  /** What each command's /proc showed while it ran. */
  let shown: string;
  /** The same of all of them: one that ends before it is looked at shows nothing. */
  let shownOfAll = "";

  beforeAll(async () => {
    host = await CiHost.start({ name: "auth", swarm: false });
    registry = await DockerRegistry.start(host, { users: { alice: ALICE.password } });
    const users = { alice: ALICE.password };
    untrusted = await DockerRegistry.start(host, { users, tls: true, address: ELSEWHERE, port: 5001 });
    withoutTls = await DockerRegistry.start(host, { users, address: ELSEWHERE, port: 5002 });
    await host.loadImage({ ref: "app:1", sizeMiB: 0.5 });
    ref = await registry.push(host, "app:1", "app:1", ALICE);
  });
  afterAll(async () => {
    for (const one of [registry, untrusted, withoutTls]) await one?.stop();
    await host?.stop();
  });
  beforeEach(() => {
    dir = scratchDir();
    target = join(dir, "client", ".docker", "config.json");
    shown = "";
    writeFileSync(join(dir, "pat"), `${ALICE.password}\n`, { mode: 0o600 });
    return () => {
      shownOfAll += shown;
      rmSync(dir, { recursive: true, force: true });
    };
  });

  function agent(args: readonly string[], more: { settings?: object; env?: Record<string, string> } = {}) {
    return runAgent({
      args: [...args, "--state-dir", join(dir, "state")],
      ...more,
      whileRunning: ({ pid }) => {
        for (const name of ["cmdline", "environ"]) shown += readFileSync(`/proc/${pid}/${name}`, "utf8");
      },
    });
  }

  /** `auth apply` as the unit runs it. */
  function apply(registries: object, env: Record<string, string> = { CREDENTIALS_DIRECTORY: dir }) {
    const file = join(dir, "registries.json");
    writeFileSync(file, JSON.stringify({ target, registries }));
    return agent(["auth", "apply", "--registries", file], { env });
  }

  const applied = (server: string, passwordFile = "pat") =>
    apply({ [server]: { username: ALICE.username, passwordFile } });

  const check = (args: readonly string[] = [], socketPath = host.socketPath) =>
    agent(["auth", "check", "--target", target, ...args], { settings: { engine: { socketPath } } });

  const checked = ({ events }: AgentResult) => only(events, "auth.checked");

  describe("a pull", () => {
    beforeEach(async () => {
      for (const name of [ref, "app:1"]) {
        if (await host.hasImage(name)) await host.docker.getImage(name).remove();
      }
    });
    const pull = () => host.cli(["--config", join(target, ".."), "pull", ref]);

    it("without credentials is refused, and no blob is asked for", async () => {
      const { result, blobRequests } = await registry.during(pull);
      expect([result.code, blobRequests, await host.hasImage(ref)]).toEqual([1, 0, false]);
      await expect(pullAs(host, ref, { ...ALICE, password: "wrong" })).rejects.toThrow();
    });

    it("with what auth apply wrote succeeds, by Docker's own client", async () => {
      expect((await applied(registry.address)).code).toBe(0);
      const { result, blobRequests } = await registry.during(pull);
      expect([result.code, await host.hasImage(ref)]).toEqual([0, true]);
      expect(blobRequests).toBeGreaterThan(0);
    });

    it("is refused again once the credentials are wanted no more", async () => {
      await applied(registry.address);
      const result = await apply({});
      expect([result.code, only(result.events, "auth.applied").removed]).toEqual([0, [registry.address]]);
      expect((await pull()).code).toBe(1);
    });
  });

  describe("auth check tells apart", () => {
    it("credentials that work", async () => {
      await applied(registry.address);
      const result = await check();
      expect(result.code).toBe(0);
      expect(checked(result)).toMatchObject({
        level: "info",
        registry: registry.address,
        username: "alice",
        result: "accepted",
        rateLimit: null,
      });
    });

    it("a wrong password", async () => {
      writeFileSync(join(dir, "pat"), "dckr_pat_revoked");
      await applied(registry.address);
      const result = await check();
      expect(result.code).toBe(77);
      expect(checked(result)).toMatchObject({ level: "error", username: "alice", result: "wrong-password" });
    });

    it("a registry that cannot be reached: nobody listens, no route, no name", async () => {
      for (const server of ["127.0.0.1:5999", "198.51.100.1:5000", "registry.invalid"]) {
        await applied(server);
        const result = await check(["--registry", server]);
        expect([result.code, checked(result).result, server]).toEqual([69, "unreachable", server]);
      }
    });

    it("trouble with TLS: an untrusted certificate, no TLS at all", async () => {
      for (const { address } of [untrusted, withoutTls]) {
        await applied(address);
        const result = await check(["--registry", address]);
        expect([result.code, checked(result).result, address]).toEqual([69, "tls", address]);
      }
    });

    it("no credentials: no file, no entry, an entry that a helper holds", async () => {
      const none = async (...args: string[]) => {
        const result = await check(args);
        return [result.code, checked(result).result, checked(result).registry];
      };
      expect(await none()).toEqual([78, "no-credentials", "docker.io"]);
      await applied(registry.address);
      expect(await none("--registry", "other.example")).toEqual([78, "no-credentials", "other.example"]);
      writeFileSync(target, JSON.stringify({ auths: { "other.example": {} }, credsStore: "pass" }));
      expect(await none()).toEqual([78, "no-credentials", "other.example"]);
    });

    it("an engine that is not there", async () => {
      await applied(registry.address);
      const result = await check([], join(dir, "no.sock"));
      expect([result.code, checked(result).result]).toEqual([69, "engine-unavailable"]);
    });
  });

  it("status shows the last check", async () => {
    await applied(registry.address);
    await check();
    const settings = { engine: { socketPath: host.socketPath }, disk: { paths: [host.dataRoot] } };
    const stateDir = join(dir, "state");
    const plain = await runAgent({ args: ["status"], settings, stateDir });
    expect(plain.stdout).toMatch(
      /\nCredentials\n {2}ok {2}127\.0\.0\.1:5000 as alice: the credentials work, checked .* ago\n/,
    );
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify(settings));
    const args = ["status", "--json", "--settings", file, "--state-dir", stateDir];
    const json = spawnSync(process.execPath, [BUNDLE, ...args], { encoding: "utf8" });
    expect(JSON.parse(json.stdout).auth.checks).toMatchObject([
      { registry: registry.address, result: "accepted" },
    ]);
  });

  it("for Docker Hub the check also shows the pulls that are left, at the cost of none", async () => {
    // Hub itself is out of reach of a test: its engine side and its registry side are played on this machine.
    const asked: string[] = [];
    const bodies: string[] = [];
    const played = createServer((request, response) => {
      asked.push(`${request.method} ${request.url?.split("?")[0]}`);
      request.on("data", (chunk) => bodies.push(String(chunk)));
      request.on("end", () => {
        const headers = { "ratelimit-limit": "200;w=21600", "ratelimit-remaining": "193;w=21600" };
        response.writeHead(200, headers).end('{"Status":"Login Succeeded","token":"tok-secret-1"}');
      });
    });
    const socket = join(dir, "hub.sock");
    await new Promise<void>((resolve) => played.listen(socket, resolve));
    const forNetwork = createServer((request, response) => played.emit("request", request, response));
    await new Promise<void>((resolve) => forNetwork.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(forNetwork.address() as AddressInfo).port}`;
    try {
      await applied("docker.io");
      const endpoints = ["--token-endpoint", `${base}/token`, "--registry-endpoint", base];
      const result = await check(endpoints, socket);
      expect(asked).toEqual(["POST /auth", "GET /token", "HEAD /v2/ratelimitpreview/test/manifests/latest"]);
      expect(JSON.parse(bodies.join(""))).toEqual({ ...ALICE, serveraddress: HUB });
      expect([result.code, checked(result)]).toMatchObject([
        0,
        {
          registry: "docker.io",
          result: "accepted",
          rateLimit: { limit: 200, remaining: 193, windowSeconds: 21_600 },
        },
      ]);
      const plain = await check([...endpoints, "--plain"], socket);
      expect(plain.stdout).toContain("docker.io as alice: the credentials work; 193 of 200 pulls in 6h left");
      expect(plain.stdout + result.stdout).not.toContain("tok-secret-1");
    } finally {
      for (const server of [played, forNetwork]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    }
  });

  describe("the secret is found nowhere but in its own file and in the client's", () => {
    const SECRET = ALICE.password;
    const FORMS = [
      SECRET,
      Buffer.from(SECRET).toString("base64"),
      Buffer.from(`alice:${SECRET}`).toString("base64"),
      Buffer.from(`alicia:${SECRET}`).toString("base64"),
      encodeURIComponent(SECRET),
    ];
    const holds = (text: string) => FORMS.some((form) => text.includes(form));

    function filesUnder(folder: string): string[] {
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? filesUnder(path) : [path];
      });
    }

    /** Files with the secret in them, and whether others may read them. */
    const holders = () =>
      filesUnder(dir)
        .filter((path) => holds(readFileSync(path, "latin1")))
        .map((path) => [path.slice(dir.length + 1), statSync(path).mode & 0o077]);

    const IN_PLACE = [
      ["client/.docker/config.json", 0],
      ["pat", 0],
    ];

    const checkedAfter = (before: () => unknown, socketPath?: string) => async () => {
      await before();
      return check([], socketPath);
    };
    /** The client's file, with the secret in it and no end. */
    const broken = () => {
      mkdirSync(join(target, ".."), { recursive: true });
      writeFileSync(target, `{"auths": {"r": {"auth": ${SECRET}`, { mode: 0o600 });
    };
    const entry = (username: string, passwordFile = "pat") => ({ username, passwordFile });
    const two = () => ({ [registry.address]: entry("alice"), "b.example": entry("bob", "absent") });

    it.each<[string, number, unknown, () => Promise<AgentResult>]>([
      ["apply succeeds", 0, IN_PLACE, () => applied(registry.address)],
      [
        "apply finds nothing to do",
        0,
        IN_PLACE,
        () => applied(registry.address).then(() => applied(registry.address)),
      ],
      ["check succeeds", 0, IN_PLACE, checkedAfter(() => applied(registry.address))],
      [
        "the password is wrong",
        77,
        IN_PLACE,
        checkedAfter(() => apply({ [registry.address]: entry("alicia") })),
      ],
      ["the registry is unreachable", 69, IN_PLACE, checkedAfter(() => applied("127.0.0.1:5999"))],
      ["TLS is not trusted", 69, IN_PLACE, checkedAfter(() => applied(untrusted.address))],
      [
        "the engine is not there",
        69,
        IN_PLACE,
        checkedAfter(() => applied(registry.address), "/nowhere.sock"),
      ],
      [
        "the client's file is broken, with the secret in it",
        78,
        IN_PLACE,
        async () => {
          broken();
          return applied(registry.address);
        },
      ],
      ["the check meets such a file", 78, IN_PLACE, checkedAfter(broken)],
      ["another secret is missing", 78, [["pat", 0]], () => apply(two())],
      [
        "the secret file has a second line",
        78,
        [["pat", 0]],
        () => {
          writeFileSync(join(dir, "pat"), `${SECRET}\n${SECRET}\n`);
          return applied(registry.address);
        },
      ],
      [
        "the client's folder cannot be made",
        75,
        [["pat", 0]],
        () => {
          writeFileSync(join(dir, "client"), "");
          return applied(registry.address);
        },
      ],
    ])("after: %s", async (_, code, where, act) => {
      const result = await act();
      expect(result.code).toBe(code);
      expect(holds(result.stdout + result.stderr + shown)).toBe(false);
      expect(result.stdout).toContain('"event":"auth.');
      expect(holders()).toEqual(where);
    });

    it("and the greps above do find it where it is", () => {
      expect(shownOfAll).toContain("auth");
      expect(holds(`x${Buffer.from(`alice:${SECRET}`).toString("base64")}y`)).toBe(true);
      expect(holders()).toEqual([["pat", 0]]);
      const child = spawnSync("cat", ["/proc/self/environ"], { env: { A: SECRET }, encoding: "utf8" });
      expect(holds(child.stdout)).toBe(true);
    });
  });
});
