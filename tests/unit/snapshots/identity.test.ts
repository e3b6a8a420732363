import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  carries,
  formatTtl,
  identityOf,
  parseTtl,
  problemOfName,
  referenceOf,
  repositoryOf,
  snapshotLabels,
  snapshotOf,
} from "../../../agent/snapshots/identity.ts";
import { anyCharacter, NOW } from "../support.ts";

const of = (project: string, workItem = "42") => ({ project, workItem });

/** As the engine takes a repository, and as the envelope lets one through (distribution/reference). */
const REPOSITORY = /^ci-snapshot\/[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*$/;

describe("the name of a snapshot", () => {
  it("is the same for the same work item, and readable", () => {
    expect(repositoryOf(of("Acme_Web", "PR 42"))).toMatch(/^ci-snapshot\/acme-web-pr-42-[0-9a-f]{16}$/);
    expect(repositoryOf(of("Acme_Web", "PR 42"))).toBe(repositoryOf(of("Acme_Web", "PR 42")));
    expect(referenceOf(of("a"))).toBe(`${repositoryOf(of("a"))}:latest`);
  });

  it.each([
    ["proj_1 and proj.1", of("proj_1"), of("proj.1")],
    ["small and capital letters", of("web"), of("Web")],
    ["a hyphen that could be on either side", of("a", "b-c"), of("a-b", "c")],
    ["project and work item swapped", of("a", "b"), of("b", "a")],
    ["what looks like the encoding itself", of('a","b', "c"), of("a", 'b","c')],
    ["a space at the end", of("a", "b "), of("a", "b")],
    ["two spellings of one letter", of("\u00e9"), of("e\u0301")],
    ["letters outside of ASCII", of("ü"), of("ö")],
    ["half of a surrogate pair", of("\ud800"), of("\ud801")],
    ["long names with the same start", of("x".repeat(500)), of("x".repeat(501))],
  ])("keeps apart %s", (_, one, other) => {
    expect(repositoryOf(one)).not.toBe(repositoryOf(other));
  });

  it("is one that every engine takes, and no two work items share one", () => {
    const text = fc.oneof(
      fc.string({ minLength: 1, maxLength: 300, unit: anyCharacter }),
      fc.string({
        minLength: 1,
        maxLength: 8,
        unit: fc.constantFrom("a", "A", "-", "_", ".", '"', ",", "\\"),
      }),
    );
    const identity = fc.record({ project: text, workItem: text });
    fc.assert(
      fc.property(identity, identity, (one, other) => {
        const name = repositoryOf(one);
        const same = one.project === other.project && one.workItem === other.workItem;
        return REPOSITORY.test(name) && name.length <= 128 && (name === repositoryOf(other)) === same;
      }),
      { numRuns: 500 },
    );
  });
});

describe("what names a project or a work item", () => {
  it.each(["42", " padded ", "ü\n\"'=,", "-x", "x".repeat(5000), "0"])("may be %j", (text) => {
    expect(problemOfName("--project", text)).toBeNull();
  });

  it.each([undefined, "", " ", "\t\n", "\u00a0"])("may not be %j", (text) => {
    expect(problemOfName("--project", text)).toBe("--project is missing or empty");
  });

  it("may not be bytes that are no text: two of them would come out as one", () => {
    const mangled = Buffer.from([0x61, 0xff]).toString("utf8");
    expect(problemOfName("--project", mangled)).toBe("--project is not valid UTF-8");
  });
});

describe("the labels of a snapshot", () => {
  const labels = snapshotLabels(of("p", "w"), NOW, "24h");

  it("say whose it is, since when, and for how long", () => {
    expect(labels).toEqual({
      "ci-docker-prune.snapshot": "1",
      "ci-docker-prune.snapshot.project": "p",
      "ci-docker-prune.snapshot.work-item": "w",
      "ci-docker-prune.snapshot.created": "2026-08-01T12:00:00.000Z",
      "ci-docker-prune.snapshot.ttl": "24h",
    });
  });

  it("give the identity back, whatever it holds", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: anyCharacter }),
        fc.string({ unit: anyCharacter }),
        (project, workItem) => {
          const identity = { project, workItem };
          expect(identityOf(snapshotLabels(identity, NOW, "1h"))).toEqual(identity);
          expect(carries(snapshotLabels(identity, NOW, "1h"), identity)).toBe(true);
        },
      ),
    );
  });

  it.each([
    ["no mark", { "ci-docker-prune.snapshot": undefined }],
    ["another mark", { "ci-docker-prune.snapshot": "0" }],
    ["no project", { "ci-docker-prune.snapshot.project": undefined }],
    ["no work item", { "ci-docker-prune.snapshot.work-item": undefined }],
  ])("name nobody with %s", (_, change) => {
    expect(identityOf({ ...labels, ...change } as never)).toBeNull();
  });

  it.each([
    ["another project", of("P", "w")],
    ["another work item", of("p", "w2")],
  ])("are not those of %s", (_, identity) => {
    expect(carries(labels, identity)).toBe(false);
  });
});

describe("an image is a snapshot", () => {
  const identity = of("p", "w");
  const labels = snapshotLabels(identity, NOW, "24h");
  const own = referenceOf(identity);

  it("by its labels and a name of its own repository, and those names are its own", () => {
    const older = `${repositoryOf(identity)}:older`;
    expect(snapshotOf({ labels, tags: [own, "mine:keep", older] })).toEqual({
      identity,
      references: [own, older],
    });
  });

  it.each([
    ["it has the labels from the snapshot it was built on", labels, ["ci/web:main"]],
    ["a later commit took the name", labels, []],
    ["it was built on one, and named like one of another work item", labels, [referenceOf(of("p", "w2"))]],
    ["it was named like one, and has no labels", {}, [own]],
    ["its repository only starts like that one", labels, [`${repositoryOf(identity)}0:latest`]],
  ])("but not where %s", (_, given, tags) => {
    expect(snapshotOf({ labels: given, tags })).toBeNull();
  });
});

describe("a time to live", () => {
  it("is from a second to a century", () => {
    expect(["0s", "500ms", "1s", "90m", "5214w", "5215w", "24"].map(parseTtl)).toEqual([
      ...[undefined, undefined, 1, 5400, 5214 * 604_800, undefined, undefined],
    ]);
  });

  it("of the settings is written so that it reads back the same", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 9 }), (seconds) => {
        expect(parseTtl(formatTtl(seconds))).toBe(seconds);
      }),
    );
    expect([86_400, 90, 5400, 1.5].map(formatTtl)).toEqual(["24h", "90s", "90m", "1.5s"]);
  });
});
