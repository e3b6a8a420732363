import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Merge, mergeConfig, type Owned, storedLogins, Unusable } from "../../../agent/auth/config.ts";
import type { Login } from "../../../agent/auth/redact.ts";
import { HUB } from "../../../agent/auth/servers.ts";

const b64 = (text: string) => Buffer.from(text).toString("base64");
const ALICE: Login = { username: "alice", password: "pat-1" };
const AUTH = b64("alice:pat-1");

function merge(existing: string | null, wanted: Record<string, Login>, before: Owned = {}): Merge {
  return mergeConfig(existing, new Map(Object.entries(wanted)), before);
}

const documentOf = ({ text }: Merge) => JSON.parse(text ?? "null");
const file = (document: unknown) => JSON.stringify(document);
const OWN: Owned = { [HUB]: { username: "alice" } };

describe("a new entry", () => {
  it("makes a file where there is none, under the key that the client looks up", () => {
    const merged = merge(null, { [HUB]: ALICE });
    expect(merged.text).toBe(
      `{\n\t"auths": {\n\t\t"https://index.docker.io/v1/": {\n\t\t\t"auth": "${AUTH}"\n\t\t}\n\t}\n}\n`,
    );
    expect(merged).toMatchObject({ added: ["docker.io"], changed: [], removed: [], owned: OWN });
  });

  it("takes an empty file for an empty document, as the client does", () => {
    expect(merge("  \n", { [HUB]: ALICE }).added).toEqual(["docker.io"]);
  });

  it("keeps everything else as it stands, and in its order", () => {
    const existing = {
      HttpHeaders: { "X-Meta": "a" },
      auths: { "b.example": { auth: b64("bob:x"), email: "b@example" }, "a.example": { identitytoken: "t" } },
      credsStore: "pass",
      credHelpers: { "ecr.example": "ecr-login" },
      future: [1, { deep: null }],
    };
    const next = documentOf(merge(file(existing), { [HUB]: ALICE }));
    expect(next).toEqual({ ...existing, auths: { ...existing.auths, [HUB]: { auth: AUTH } } });
    expect(Object.keys(next)).toEqual(Object.keys(existing));
    expect(Object.keys(next.auths)).toEqual(["b.example", "a.example", HUB]);
  });

  it("replaces what stood there, also a token that would be used instead", () => {
    for (const old of [{ auth: b64("bob:y") }, { auth: AUTH, identitytoken: "t" }, {}, null, "x"]) {
      const merged = merge(file({ auths: { [HUB]: old } }), { [HUB]: ALICE });
      expect([merged.changed, documentOf(merged).auths[HUB]]).toEqual([["docker.io"], { auth: AUTH }]);
    }
  });
});

describe("nothing to do", () => {
  it("is told by null, whatever the file looks like", () => {
    const merged = merge(`{"auths":{"${HUB}":{"auth":"${AUTH}"}} }`, { [HUB]: ALICE }, OWN);
    expect(merged).toMatchObject({ text: null, added: [], changed: [], removed: [], owned: OWN });
  });

  it("where no file is and none is wanted", () => {
    expect(merge(null, {}).text).toBeNull();
  });

  it("does not make an entry ours that somebody else wrote just so", () => {
    const existing = file({ auths: { [HUB]: { auth: AUTH } } });
    const { owned } = merge(existing, { [HUB]: ALICE });
    expect(owned).toEqual({});
    expect(merge(existing, {}, owned).text).toBeNull();
  });
});

describe("an entry that is wanted no more", () => {
  const existing = file({ auths: { [HUB]: { auth: AUTH }, "b.example": { auth: b64("bob:x") } } });

  it("goes when we wrote it, and nothing else goes", () => {
    const merged = merge(existing, {}, OWN);
    expect(documentOf(merged)).toEqual({ auths: { "b.example": { auth: b64("bob:x") } } });
    expect(merged).toMatchObject({ removed: ["docker.io"], left: [], owned: {} });
  });

  it("goes also after its password was rotated by somebody: it is still our user's", () => {
    const rotated = file({ auths: { [HUB]: { auth: b64("alice:pat-2") } } });
    expect(merge(rotated, {}, OWN).removed).toEqual(["docker.io"]);
  });

  it("stays when we did not write it", () => {
    expect(merge(existing, {}, {})).toMatchObject({ text: null, removed: [], left: [] });
  });

  it.each([
    ["another user", { auth: b64("bob:pat-1") }],
    ["a token", { auth: AUTH, identitytoken: "t" }],
    ["nothing readable", { auth: "%" }],
  ])("stays when it holds %s now, and is then forgotten", (_, entry) => {
    const merged = merge(file({ auths: { [HUB]: entry } }), {}, OWN);
    expect(merged).toMatchObject({ text: null, removed: [], left: ["docker.io"], owned: {} });
  });

  it("is forgotten when it is gone already", () => {
    expect(merge("{}", {}, OWN)).toMatchObject({ text: null, removed: [], left: [], owned: {} });
  });
});

describe("a file that cannot be understood", () => {
  it.each(["{", '{"auths":', "[]", "null", "7", '{"auths":[]}', '{"auths":"x"}', "{} {}"])("%s", (text) => {
    expect(() => merge(text, { [HUB]: ALICE })).toThrow(Unusable);
  });

  it("is described without a word of what stands in it", () => {
    const broken = () => merge(`{"auths": {"a": {"auth": hunter2-hunter2}}}`, {});
    expect(broken).toThrow(/^it is text that is not JSON(?!.*hunter2)/);
  });
});

describe("what shadows an entry", () => {
  const shadows = (document: object, key = HUB) => merge(file(document), { [key]: ALICE }).shadows;

  it.each([
    [{ credsStore: "pass" }, [{ registry: "docker.io", by: "credsStore", helper: "pass" }]],
    [
      { credHelpers: { [HUB]: "pass" } },
      [{ registry: "docker.io", by: `credHelpers["${HUB}"]`, helper: "pass" }],
    ],
    // Never asked: the client looks for the very key.
    [{ credHelpers: { "docker.io": "pass" } }, []],
    [
      { credHelpers: { "index.docker.io": "pass" } },
      [{ registry: "docker.io", by: 'credHelpers["index.docker.io"]', helper: "pass" }],
    ],
    [{ credHelpers: { "ghcr.io": "gh" } }, []],
    // The client takes an empty name for: this one from the file, whatever credsStore says.
    [{ credsStore: "pass", credHelpers: { [HUB]: "" } }, []],
    [{ credsStore: "" }, []],
    [{ credsStore: 7, credHelpers: [] }, []],
  ])("%j", (document, expected) => {
    expect(shadows(document)).toEqual(expected);
  });
});

describe("reading back", () => {
  it("gives the logins, by the key the client finds them under", () => {
    const text = file({
      auths: {
        "docker.io": { auth: b64("old:x") },
        [HUB]: { auth: AUTH },
        "b.example:5000": { auth: b64("bob:a:b\0\0") },
        "c.example": { identitytoken: "t" },
        "d.example": {},
      },
    });
    expect(Object.fromEntries(storedLogins(text).logins)).toEqual({
      [HUB]: ALICE,
      "b.example:5000": { username: "bob", password: "a:b" },
      "c.example": null,
      "d.example": null,
    });
  });

  it("leaves out what no pull looks for, and finds what one does under an address", () => {
    const of = (auths: object, more = {}) => storedLogins(file({ auths, ...more }));
    for (const name of [
      "docker.io",
      "index.docker.io",
      "registry-1.docker.io",
      "https://index.docker.io/v2/",
    ]) {
      const { logins, unread } = of({ [name]: { auth: AUTH } });
      expect([[...logins.keys()], unread]).toEqual([[], [name]]);
    }
    // The client's web login keeps its tokens there.
    expect(of({ [`${HUB}access-token`]: { auth: AUTH } })).toMatchObject({ logins: new Map(), unread: [] });
    for (const name of ["https://ghcr.io", "http://ghcr.io/v2/", "ghcr.io/x"])
      expect([...of({ [name]: { auth: AUTH } }).logins]).toEqual([["ghcr.io", ALICE]]);
    const both = of({ "https://ghcr.io": { auth: b64("old:x") }, "ghcr.io": { auth: AUTH } });
    expect([...both.logins]).toEqual([["ghcr.io", ALICE]]);
    // A helper is asked also for a registry that has no entry.
    expect(of({}, { credsStore: "pass" }).shadows).toEqual([
      { registry: "docker.io", by: "credsStore", helper: "pass" },
    ]);
    expect(of({}, { credHelpers: { "b.example": "x" } }).shadows).toMatchObject([{ registry: "b.example" }]);
  });

  it("takes a login that stands there as it is, where the client does", () => {
    const of = (entry: object) =>
      storedLogins(file({ auths: { "b.example": entry } })).logins.get("b.example");
    expect(of({ username: "alice", password: "pat-1" })).toEqual(ALICE);
    expect(of({ username: "x", password: "y", auth: AUTH })).toEqual(ALICE);
    expect(of({ username: "alice", password: "pat-1", identitytoken: "t" })).toBeNull();
    expect(of({ username: "alice" })).toBeNull();
    expect(of({ auth: `${AUTH.slice(0, 4)}\n${AUTH.slice(4)}` })).toEqual(ALICE);
  });

  it.each([
    ["without its padding", b64("alice:pat-123").replace(/=+$/, "")],
    ["in the alphabet of addresses", Buffer.from("alice:\xff\xff~~", "latin1").toString("base64url")],
    ["of a text without a colon", b64("alice")],
    ["that is none", "alice:pat-1"],
  ])("gives up on the file, as the client does, where one entry has an auth %s", (_, auth) => {
    const text = file({ auths: { "a.example": { auth: AUTH }, "b.example": { auth } } });
    expect(() => storedLogins(text)).toThrow(
      /^the client does not read it: the "auth" of "b.example" is no login/,
    );
  });

  it("gives up on a file with a byte order mark, as the client does", () => {
    expect(() => storedLogins(`\uFEFF${file({})}`)).toThrow(/BOM/);
  });

  it("finds nothing in nothing", () => {
    expect(storedLogins(null)).toEqual({ logins: new Map(), unread: [], shadows: [] });
  });
});

describe("whatever the file and the wishes are", () => {
  const names = fc.constantFrom(HUB, "a.example", "b.example:5000", "__proto__", "constructor");
  const users = fc.constantFrom("alice", "bob");
  const login = fc.record({ username: users, password: fc.string({ minLength: 1 }) });
  const entry = fc.oneof(
    login.map(({ username, password }) => ({ auth: b64(`${username}:${password}`) })),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const byName = <T>(value: fc.Arbitrary<T>) =>
    fc.uniqueArray(fc.tuple(names, value), { selector: ([name]) => name }).map((pairs) => {
      const object = {} as Record<string, T>;
      for (const [name, item] of pairs)
        Object.defineProperty(object, name, {
          value: item,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      return object;
    });
  const others = fc.dictionary(
    fc.string().filter((key) => !["auths", "__proto__"].includes(key)),
    fc.jsonValue(),
  );

  it("only entries that are wanted, or ours and no longer wanted, differ; a second run finds nothing to do", () => {
    let removals = 0;
    fc.assert(
      fc.property(others, byName(entry), byName(login), byName(users), (rest, auths, wanted, mine) => {
        const existing = file({ ...rest, auths });
        const before = Object.fromEntries(
          Object.entries(mine).map(([key, username]) => [key, { username }] as const),
        );
        const first = merge(existing, wanted, before);
        const next = JSON.parse(first.text ?? existing);
        const { auths: nextAuths, ...nextRest } = next;
        const { auths: _, ...oldRest } = JSON.parse(existing);
        expect(nextRest).toEqual(oldRest);
        for (const key of new Set([...Object.keys(auths), ...Object.keys(nextAuths)])) {
          if (Object.hasOwn(wanted, key)) {
            expect(nextAuths[key].auth).toBe(b64(`${wanted[key]?.username}:${wanted[key]?.password}`));
          } else if (!Object.hasOwn(nextAuths, key)) {
            removals++;
            expect(Object.hasOwn(mine, key)).toBe(true);
          } else expect(nextAuths[key]).toEqual(JSON.parse(existing).auths[key]);
        }
        const again = merge(first.text ?? existing, wanted, first.owned);
        expect(again).toMatchObject({ text: null, removed: [], owned: first.owned });
      }),
      { numRuns: 100, seed: 20261121 },
    );
    expect(removals).toBeGreaterThan(8);
  });
});
