import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Glob, namesEverything, namesTag, parseNameGlob } from "../../../agent/settings/globs.ts";

/** What a rule matches by. */
function match(...texts: readonly string[]) {
  const repositories = texts.map((text) => {
    const glob = parseNameGlob(text);
    if (glob === undefined) throw new Error(`no glob: ${text}`);
    return glob;
  });
  return { match: { repositories, labels: [] } };
}

/** Whether a glob names the image `"repository:tag"`, as `docker image ls` shows it. */
function names(text: string, image: string): boolean {
  const colon = image.lastIndexOf(":");
  return namesTag(match(text), image.slice(0, colon), image.slice(colon + 1));
}

describe("a glob for names of images", () => {
  it.each([
    ["ci/app", "ci/app:1"],
    ["ci/app:1", "ci/app:1"],
    ["cascade-snapshot-*", "cascade-snapshot-proj-42:latest"],
    ["cascade-snapshot-*", "cascade-snapshot-:latest"],
    ["ci-snapshot/*", "ci-snapshot/proj-1.7a3f:latest"],
    ["ghcr.io/acme/worker:sha-*", "ghcr.io/acme/worker:sha-0a1b2c3"],
    ["localhost:5000/ci/*", "localhost:5000/ci/app:7"],
    ["localhost:5000/ci/app:7", "localhost:5000/ci/app:7"],
    ["*:5000/ci/app", "registry.example.org:5000/ci/app:7"],
    ["*/ci/app", "localhost:5000/ci/app:7"],
    ["Mirror/ci/app", "Mirror/ci/app:7"],
    ["acme/**", "acme/a:1"],
    ["acme/**", "acme/a/b/c:1"],
    ["**/worker", "ghcr.io/acme/worker:1"],
    ["**/worker", "localhost:5000/acme/worker:1"],
    ["acme/wor***r", "acme/wor/ke/r:1"],
    ["acme/v?", "acme/v1:1"],
    ["acme/app:v?.?", "acme/app:v1.2"],
    ["acme/app:*", "acme/app:V1.2-rc_3"],
    ["acme/app:_*", "acme/app:_cache"],
    ["acme/a__b-c.d", "acme/a__b-c.d:1"],
  ])("%s names %s", (glob, image) => {
    expect(names(glob, image)).toBe(true);
  });

  it.each([
    ["a beginning alone", "ci/app", "ci/app-2:1"],
    ["an end alone", "app", "ci/app:1"],
    ["another tag", "ci/app:1", "ci/app:11"],
    ["another tag, by its end", "ci/app:1", "ci/app:11-1"],
    ["a name of the tag's form elsewhere", "sha-*", "acme/worker:sha-1"],
    ["across a slash, by *", "acme/*", "acme/a/b:1"],
    ["across a slash, by * in the middle", "ghcr.io/*/worker", "ghcr.io/a/b/worker:1"],
    ["a slash, by ?", "acme?worker", "acme/worker:1"],
    ["nothing, by ?", "acme/v?", "acme/v:1"],
    ["two characters, by ?", "acme/v?", "acme/v10:1"],
    ["any character, by a dot", "ghcr.io/acme/app", "ghcrxio/acme/app:1"],
    ["any character, by a dot of the tag", "acme/app:1.2", "acme/app:1x2"],
    ["another port", "localhost:5000/ci/*", "localhost:5001/ci/app:1"],
    ["no port", "localhost:5000/ci/*", "localhost/ci/app:1"],
    ["any port", "localhost/ci/*", "localhost:5000/ci/app:1"],
    ["the folder itself, by **", "acme/**", "acme:1"],
    ["a second line", "ci/app", "ci/app\nx:1"],
  ])("does not name %s: %s, %s", (_, glob, image) => {
    expect(names(glob, image)).toBe(false);
  });

  it.each([
    ["nothing", ""],
    ["a digest", `acme/app@sha256:${"0".repeat(64)}`],
    ["a tag and a digest", `acme/app:1@sha256:${"0".repeat(64)}`],
    ["the id of an image", "sha256:"],
    ["a slash in front", "/acme/app"],
    ["a slash at the end", "acme/"],
    ["a slash before the tag", "acme/:1"],
    ["two slashes", "acme//app"],
    ["no tag after its colon", "acme/app:"],
    ["two tags", "acme/app:1:2"],
    ["a port behind the host", "acme/app:5000/ci"],
    ["a port that is no number", "localhost:*/ci"],
    ["a tag that begins with a hyphen", "acme/app:-1"],
    ["capitals in a repository, which no engine takes", "Cascade-Snapshot-*"],
    ["capitals after the host", "ghcr.io/Acme/app"],
    ["a component that begins with a dot", "acme/.app"],
    ["a space", "acme/my app"],
    ["an address", "https://ghcr.io/acme/app"],
    ["brackets", "acme/[ab]"],
    ["a backslash", "acme\\app"],
    ["a line end", "acme/app\n"],
    ["other letters", "acme/äpp"],
  ])("is not one: %s", (_, text) => {
    expect(parseNameGlob(text)).toBeUndefined();
  });

  it("is one of several: one that fits is enough", () => {
    const rule = match("acme/app:v1", "acme/app:sha-*", "acme/worker");
    const named = ["acme/app:v1", "acme/app:sha-2", "acme/worker:v2"].map((name) => name.split(":"));
    for (const [repository = "", tag = ""] of named) expect(namesTag(rule, repository, tag)).toBe(true);
    expect(namesTag(rule, "acme/app", "v2")).toBe(false);
    expect(namesTag(rule, "acme/other", "v1")).toBe(false);
  });

  it("is not needed by a rule of labels alone, which names all that carry one", () => {
    expect(namesTag(match(), "acme/app", "v1")).toBe(true);
  });

  it("keeps what the operator wrote", () => {
    expect(parseNameGlob("ghcr.io/acme/worker:sha-*")).toEqual({
      repository: new Glob("ghcr.io/acme/worker"),
      tag: new Glob("sha-*"),
      text: "ghcr.io/acme/worker:sha-*",
    });
  });

  it("of many stars takes no longer than its length times the name's", () => {
    const startedAt = performance.now();
    expect(names(`ci/${"*a".repeat(30)}b:*`, `ci/${"a".repeat(2000)}:x`)).toBe(false);
    expect(names(`**/${"*-".repeat(30)}:v*`, `${"ci-".repeat(700)}x:x`)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});

describe("a glob that names whatever there is", () => {
  const everything = (text: string) => {
    const glob = parseNameGlob(text);
    return glob === undefined ? "no glob" : namesEverything(glob);
  };

  it.each(["*", "**", "***", "?*", "*/*", "**/*", "*.*", "*-*", "**:latest", "*:*", "**:l*", "*/*:??????"])(
    "%s is told",
    (text) => {
      expect(everything(text)).toBe(true);
    },
  );

  const OWN = [
    ...["a*", "*a*", "*/ci/*", "ci", "**/worker", "localhost:5000/**", "*:5000/**", "ci:*", "ci:latest"],
  ];
  it.each([...OWN, "*:sha-*", "**:build-*", "*/*:v1", "??????:*", `??????:${"?".repeat(32)}`])(
    "%s is a family of its own",
    (text) => {
      expect(everything(text)).toBe(false);
    },
  );
});

describe("whatever is written", () => {
  const CHARACTERS = "abcxyz019._-";
  const part = fc
    .string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 6 })
    .filter((text) => /^[a-z0-9]/.test(text));
  const repository = fc
    .tuple(
      fc.option(fc.constantFrom("localhost:5000", "ghcr.io", "Mirror"), { nil: undefined }),
      fc.array(part, { minLength: 1, maxLength: 3 }),
    )
    .map(([host, parts]) => [...(host === undefined ? [] : [host]), ...parts].join("/"));
  const image = fc.tuple(repository, part).map((pair) => pair.join(":"));

  it("without a wildcard it names exactly itself", () => {
    fc.assert(
      fc.property(image, image, (one, other) => {
        expect(names(one, one)).toBe(true);
        expect(names(one, other)).toBe(one === other);
      }),
    );
  });

  it("without a wildcard and a tag it names every tag of itself, and nothing else", () => {
    fc.assert(
      fc.property(repository, repository, part, (one, other, tag) => {
        expect(names(one, `${one}:${tag}`)).toBe(true);
        expect(names(one, `${other}:${tag}`)).toBe(one === other);
      }),
    );
  });

  it("one character for ?, and any number for *, name no less than before", () => {
    fc.assert(
      fc.property(image, fc.nat(), fc.constantFrom("?", "*", "**"), (one, at, wildcard) => {
        const places = [...one].flatMap((character, place) => (/[/:]/.test(character) ? [] : [place]));
        const place = places[at % places.length] ?? 0;
        const glob = `${one.slice(0, place)}${wildcard}${one.slice(place + 1)}`;
        // In a port there are digits only.
        fc.pre(!/:[0-9]*[?*][0-9?*]*\//.test(glob));
        expect(names(glob, one)).toBe(true);
      }),
    );
  });

  it("any text is a glob or none, never an exception", () => {
    const seen = { globs: 0, none: 0 };
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...CHARACTERS, "*", "?", "/", ":") }),
    );
    fc.assert(
      fc.property(text, (raw) => {
        const glob = parseNameGlob(raw);
        seen[glob === undefined ? "none" : "globs"]++;
        if (glob !== undefined) expect(typeof namesEverything(glob)).toBe("boolean");
      }),
      { numRuns: 300, seed: 20260801 },
    );
    expect(Math.min(seen.globs, seen.none)).toBeGreaterThan(100);
  });
});
