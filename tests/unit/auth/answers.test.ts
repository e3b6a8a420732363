import { describe, expect, it } from "vitest";
import { type Checked, exitCodeOf, resultOf } from "../../../agent/auth/check.ts";
import { redactor } from "../../../agent/auth/redact.ts";
import { parseRegistries } from "../../../agent/auth/registries.ts";
import { HUB, registryName, serverKey } from "../../../agent/auth/servers.ts";

describe("what an engine's refusal means", () => {
  it.each([
    // Said by 20.10.24, 26.1.5 and 28.5.2 to registries of tests/engine/auth.test.ts.
    [
      500,
      "login attempt to http://127.0.0.1:5000/v2/ failed with status: 401 Unauthorized",
      "wrong-password",
    ],
    [
      500,
      'Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused',
      "unreachable",
    ],
    [500, 'Get "https://192.0.2.10:5001/v2/": x509: certificate signed by unknown authority', "tls"],
    [
      500,
      'Get "https://192.0.2.10:5001/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      "tls",
    ],
    [500, 'Get "https://192.0.2.10:5002/v2/": http: server gave HTTP response to HTTPS client', "tls"],
    [
      500,
      'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 192.0.2.53:53: dial udp 192.0.2.53:53: connect: network is unreachable',
      "unreachable",
    ],
    // As others report them: a registry with tokens, GitHub's, a slow one, one that closes.
    [
      401,
      'Get "https://registry-1.docker.io/v2/": unauthorized: incorrect username or password',
      "wrong-password",
    ],
    [500, 'Get "https://ghcr.io/v2/": denied: denied', "wrong-password"],
    [500, 'Get "https://r.example/v2/": net/http: TLS handshake timeout', "unreachable"],
    [
      500,
      'Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
      "unreachable",
    ],
    [500, 'Get "https://r.example/v2/": EOF', "unreachable"],
    [500, 'Get "https://r.example/v2/": remote error: tls: handshake failure', "tls"],
    [
      500,
      "login attempt to https://r.example/v2/ failed with status: 503 Service Unavailable",
      "registry-error",
    ],
    [500, "something that nobody has seen yet", "registry-error"],
  ])("%i %s", (status, words, result) => {
    expect(resultOf(status, words)).toBe(result);
  });

  const checked = (...results: Checked["result"][]) =>
    exitCodeOf(results.map((result) => ({ result }) as Checked));
  it("and the exit code is that of the worst", () => {
    expect([checked("accepted"), checked("accepted", "accepted")]).toEqual([0, 0]);
    expect([checked("accepted", "unreachable"), checked("tls"), checked("registry-error")]).toEqual([
      69, 69, 69,
    ]);
    expect(checked("engine-unavailable")).toBe(69);
    expect(checked("unreachable", "wrong-password", "accepted")).toBe(77);
    expect([checked("wrong-password", "no-credentials"), checked()]).toEqual([78, 78]);
  });
});

describe("the names of registries", () => {
  it.each(["docker.io", "index.docker.io", "registry-1.docker.io", HUB])("%s is Docker Hub", (name) => {
    expect([serverKey(name), registryName(HUB)]).toEqual([HUB, "docker.io"]);
  });
  it.each(["ghcr.io", "localhost", "localhost:5000", "192.0.2.1:443", "a-b.example.org"])(
    "%s stays",
    (name) => {
      expect([serverKey(name), registryName(name)]).toEqual([name, name]);
    },
  );
  it.each([
    ...["", "https://ghcr.io", "ghcr.io/", "ghcr.io/me", "user@ghcr.io", "a b", "-a", "GHCR.io", "a..b"],
    ...["a:b"],
  ])("%j is none", (name) => {
    expect(serverKey(name)).toBeUndefined();
  });
});

describe("the list of registries", () => {
  const problems = (document: unknown) => {
    const parsed = parseRegistries(document);
    return parsed.ok ? [] : parsed.problems.map(({ path }) => path);
  };
  const entry = { username: "u", passwordFile: "pat" };

  it("is taken with aliases of Docker Hub, and paths absolute or by a credential's name", () => {
    const parsed = parseRegistries({
      target: "/root/.docker/config.json",
      registries: { "docker.io": entry, "r.example:5000": { ...entry, passwordFile: "/run/secrets/pat" } },
    });
    expect(parsed.ok && [...parsed.value.registries.keys()]).toEqual([HUB, "r.example:5000"]);
  });

  it.each([
    [{}, ["registries"]],
    [{ registries: { "https://ghcr.io": entry } }, ["registries.https://ghcr.io"]],
    [{ registries: { "docker.io": entry, "index.docker.io": entry } }, ["registries.index.docker.io"]],
    [{ registries: { "a.io": { ...entry, username: "a:b" } } }, ["registries.a.io.username"]],
    [{ registries: { "a.io": { ...entry, username: "" } } }, ["registries.a.io.username"]],
    [
      { registries: { "a.io": { ...entry, passwordFile: "../etc/shadow" } } },
      ["registries.a.io.passwordFile"],
    ],
    [{ registries: { "a.io": { ...entry, passwordFile: ".." } } }, ["registries.a.io.passwordFile"]],
    [{ registries: { "a.io": { username: "u" } } }, ["registries.a.io.passwordFile"]],
    [{ registries: {}, target: "config.json" }, ["target"]],
    [{ registries: {}, targets: "/x" }, ["targets"]],
    [{ registries: [] }, ["registries"]],
  ])("%j is refused", (document, paths) => {
    expect(problems(document)).toEqual(paths);
  });

  it("is refused with a password in it, which is not repeated", () => {
    const parsed = parseRegistries({ registries: { "a.io": { ...entry, password: "hunter2" } } });
    expect(parsed).toMatchObject({ ok: false, problems: [{ path: "registries.a.io.password" }] });
    expect(JSON.stringify(parsed)).not.toContain("hunter2");
  });
});

describe("a text after the secrets are out", () => {
  const login = { username: "alice", password: 'p"ä s+/?=' };
  const b64 = (text: string) => Buffer.from(text).toString("base64");

  it.each([
    login.password,
    b64(login.password),
    b64(`alice:${login.password}`),
    b64(`alice:${login.password}`).replace(/=+$/, ""),
    encodeURIComponent(login.password),
    JSON.stringify(login.password),
    // Go: url.QueryEscape, %q and %+q, json.Marshal, base64.URLEncoding.
    "p%22%C3%A4+s%2B%2F%3F%3D",
    'p\\"ä s+/?=',
    'p\\"\\u00e4 s+/?=',
    b64(login.password).replaceAll("+", "-").replaceAll("/", "_"),
  ])("has no %s", (form) => {
    const text = redactor([login])(`a ${form} b ${form}`);
    expect(text).not.toContain(form);
    expect(text).toMatch(/^a "?\[secret\]\W*b "?\[secret\]\W*$/);
  });

  it.each([
    ["<&>", "\\u003c\\u0026\\u003e"],
    ["it's(1)*", "it%27s%281%29%2A"],
  ])("has %j as Go writes it neither", (password, form) => {
    expect(redactor([{ username: "a", password }])(`x ${form} y`)).toBe("x [secret] y");
  });

  it("has no beginning of a secret where somebody else cut it off", () => {
    const redact = redactor([{ username: "ci", password: "dckr_pat_0123456789" }]);
    for (let length = 8; length < 19; length++) {
      const piece = "dckr_pat_0123456789".slice(0, length);
      expect([redact(`said ${piece}`), redact(`said ${piece}...`)]).toEqual([
        "said [secret]",
        "said [secret]...",
      ]);
    }
    expect(redact("said dckr")).toBe("said dckr");
  });

  it("keeps the rest, and has no further secret such as a token either", () => {
    expect(redactor([login], ["tok"])("alice: tok. at 127.0.0.1")).toBe("alice: [secret]. at 127.0.0.1");
    expect(redactor([])("alice")).toBe("alice");
  });
});
