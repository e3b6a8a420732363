// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { describe, expect, it } from "vitest";
import { checkDockerfile, parseWanted } from "../../../agent/dockerfiles/check.ts";

function check(
  lines: readonly string[],
  labels: readonly string[],
  buildArgs: Record<string, string> = {},
  target?: string,
) {
  const options = { buildArgs: new Map(Object.entries(buildArgs)), target: target ?? null };
  const text = lines.map((line) => `${line}\n`).join("");
  const wanted = labels.map((label) => parseWanted(label)!);
  return checkDockerfile(text, wanted, options).map(
    ({ ok, line, message }) => `${ok ? "ok" : "no"} ${line} ${message}`,
  );
}

describe("what is asked for", () => {
  it.each([
    ["a=b", { name: "a", value: "b" }],
    ["a=b=c", { name: "a", value: "b=c" }],
    ["a=", { name: "a", value: "" }],
    ["a", { name: "a", value: null }],
    ["=a", null],
    ["", null],
  ])("%j", (text, wanted) => {
    expect(parseWanted(text)).toEqual(wanted);
  });
});

describe("a finding", () => {
  it("for what is right names the LABEL that did it", () => {
    expect(check(["FROM scratch AS final", "LABEL a=b \\", " c=d", "LABEL a=e"], ["a=e", "c"])).toEqual([
      "ok 4 stage final carries a=e",
      "ok 2 stage final carries c",
    ]);
  });

  it("for a label that is not there names the final FROM", () => {
    expect(check(["FROM scratch", "LABEL a=b", "", "FROM scratch", "LABEL c=d"], ["a=b"])).toEqual([
      "no 4 the final stage carries no label a",
    ]);
  });

  it("for another value names the LABEL", () => {
    expect(check(["FROM scratch", "LABEL a=b", "LABEL a=c"], ["a=b"])).toEqual([
      'no 3 label a is "c", not "b"',
    ]);
  });

  it("for an inherited label names the LABEL of the other stage", () => {
    const lines = ["FROM scratch AS base", "LABEL a=b", "FROM base AS final"];
    expect(check(lines, ["a=b", "a=c"])).toEqual([
      "ok 2 stage final carries a=b",
      'no 2 label a is "b", not "c"',
    ]);
  });

  it("is there for every label, and case counts", () => {
    expect(check(["FROM scratch", "LABEL A=b c=D"], ["a=b", "c=d", "A"])).toEqual([
      "no 1 the final stage carries no label a",
      'no 2 label c is "D", not "d"',
      "ok 2 the final stage carries A",
    ]);
  });

  it("says that the base image is not read", () => {
    expect(check(["FROM debian:13", "RUN true"], ["a"])).toEqual([
      "no 1 the final stage carries no label a; labels of the base image debian:13 are not read",
    ]);
  });

  it("says that ONBUILD does not count", () => {
    expect(check(["FROM scratch", 'ONBUILD LABEL "a"=b'], ["a=b"])).toEqual([
      "no 1 the final stage carries no label a; ONBUILD sets it for images built from this one only",
    ]);
  });

  it("a number is no stage: FROM 0 is an image of that name", () => {
    expect(check(["FROM scratch", "LABEL a=b", "FROM 0"], ["a=b"])).toEqual([
      "no 3 the final stage carries no label a; labels of the base image 0 are not read",
    ]);
  });

  it("FROM finds a stage in any case, as the classic builder does", () => {
    expect(check(["FROM scratch AS base", "LABEL a=b", "FROM BASE"], ["a=b"])).toEqual([
      "ok 2 the final stage carries a=b",
    ]);
  });

  it("FROM finds no stage that comes later, nor itself", () => {
    const later = ["FROM later AS first", "FROM scratch AS later", "LABEL a=b"];
    expect(check(later, ["a=b"], {}, "first")).toEqual([
      "no 1 stage first carries no label a; labels of the base image later are not read",
    ]);
    expect(check(["FROM itself AS itself", "LABEL c=d"], ["a"])).toEqual([
      "no 1 stage itself carries no label a; labels of the base image itself are not read",
    ]);
  });
});

describe("what cannot be told", () => {
  const told = (reason: string) => [`no 3 the value of label a cannot be told: ${reason}`];

  it("an ARG without a default fails, until --build-arg is given", () => {
    const lines = ["FROM debian", "ARG X", "LABEL a=$X"];
    expect(check(lines, ["a=b"])).toEqual(told("ARG X has no default; give --build-arg X=…"));
    expect(check(lines, ["a="])).toEqual(told("ARG X has no default; give --build-arg X=…"));
    expect(check(lines, ["a=b"], { X: "b" })).toEqual(["ok 3 the final stage carries a=b"]);
    expect(check(lines, ["a=b"], { X: "c" })).toEqual(['no 3 label a is "c", not "b"']);
  });

  it("any value is enough where any is asked for", () => {
    expect(check(["FROM debian", "ARG X", "LABEL a=$X"], ["a"])).toEqual(["ok 3 the final stage carries a"]);
  });

  it("a default in the value is taken where the ARG has none", () => {
    const lines = ["FROM debian", "ARG X", "LABEL a=${X:-b} c=${X:+d}"];
    expect(check(lines, ["a=b", "c="])).toEqual([
      "ok 3 the final stage carries a=b",
      "ok 3 the final stage carries c=",
    ]);
    expect(check(lines, ["a=b", "c=d"], { X: "x" })).toEqual([
      'no 3 label a is "x", not "b"',
      "ok 3 the final stage carries c=d",
    ]);
  });

  it("goes through ARG and ENV", () => {
    expect(
      check(["FROM debian", "ARG X", 'ENV Y="$X" Z=z', "ARG W=$Y", "LABEL a=$W-1 b=$Z"], ["a=1", "b=z"]),
    ).toEqual([
      "no 5 the value of label a cannot be told: ARG X has no default; give --build-arg X=…",
      "ok 5 the final stage carries b=z",
    ]);
  });

  it("what the builder sets", () => {
    expect(check(["FROM debian", "ARG TARGETARCH", "LABEL a=$TARGETARCH"], ["a=amd64"])).toEqual(
      told("the builder sets TARGETARCH; give --build-arg TARGETARCH=…"),
    );
  });

  it("a variable that only the base image may set", () => {
    expect(check(["FROM debian", "", "LABEL a=$X"], ["a="])).toEqual(
      told("X is not declared in this stage and may come from the base image debian, which is not read"),
    );
    expect(check(["FROM debian", "", "LABEL a=${X:-b}"], ["a=b"])).toEqual(
      told("X is not declared in this stage and may come from the base image debian, which is not read"),
    );
  });

  it("no base image sets what is the shell's own", () => {
    expect(check(["FROM debian", "LABEL a=$1x$@"], ["a=x"])).toEqual(["ok 2 the final stage carries a=x"]);
  });

  it("on scratch nobody sets it: it is empty", () => {
    expect(check(["FROM scratch", "LABEL a=$X$X$Y"], ["a=b"])).toEqual([
      'no 2 label a is "", not "b" (nothing in this stage sets X, Y)',
    ]);
    expect(check(["FROM scratch", "LABEL a=$X"], ["a="])).toEqual(["ok 2 the final stage carries a="]);
  });

  it("an ARG before FROM that is not repeated", () => {
    expect(check(["ARG X=b", "FROM debian", "LABEL a=$X"], ["a=b"])).toEqual(
      told(
        "X is not declared in this stage (it needs an ARG in this stage) and may come from the base image debian, which is not read",
      ),
    );
    expect(check(["ARG X=b", "FROM scratch", "LABEL a=$X"], ["a=b"])).toEqual([
      'no 3 label a is "", not "b" (nothing in this stage sets X (it needs an ARG in this stage))',
    ]);
  });

  it("which image the stage begins with", () => {
    const lines = ["ARG B", "FROM scratch AS base", "LABEL a=b", "FROM $B", "LABEL c=d"];
    expect(check(lines, ["a=b", "c=d"])).toEqual([
      "no 4 the final stage carries no label a; what FROM $B brings cannot be told: ARG B has no default; give --build-arg B=…",
      "ok 5 the final stage carries c=d",
    ]);
    expect(check(lines, ["a=b"], { B: "base" })).toEqual(["ok 3 the final stage carries a=b"]);
  });

  it("the name of a label, which may override what stands before it", () => {
    const unknown = "the name of a label cannot be told: ARG K has no default; give --build-arg K=…";
    const lines = ["FROM scratch", "ARG K", "LABEL a=1", "LABEL $K=2", "LABEL b=3"];
    expect(check(lines, ["a=1", "b=3", "c"])).toEqual([
      `no 4 ${unknown}`,
      "ok 5 the final stage carries b=3",
      `no 4 ${unknown}`,
    ]);
    expect(check(lines, ["a=1"], { K: "a" })).toEqual(['no 4 label a is "2", not "1"']);
    // Run after the LABEL below it, although it stands above.
    const late = ["FROM scratch AS s", "ARG K", "ONBUILD LABEL $K=2", "LABEL a=1", "FROM s"];
    expect(check(late, ["a=1"])).toEqual([`no 3 ${unknown}`]);
  });

  it("the name of an ENV", () => {
    expect(check(["FROM scratch", "ARG K", "ENV $K=1", "LABEL a=b"], ["a=b"])).toEqual([
      "no 3 the name of an ENV cannot be told: ARG K has no default; give --build-arg K=…",
    ]);
  });
});

describe("a file that the builder would refuse", () => {
  it.each([
    ["without FROM", ["# nothing", "ARG A=b"], "no 2 it has no FROM"],
    ["with nothing in it", [], "no 1 it has no FROM"],
    [
      "with a LABEL before FROM",
      ["ARG A=b", "LABEL a=b", "FROM scratch"],
      "no 2 LABEL before the first FROM",
    ],
    [
      "with an unknown instruction",
      ["FROM scratch", "LABEL a=b", "LABLE c=d"],
      "no 3 unknown instruction LABLE",
    ],
    ["with half a quote", ["FROM scratch", "", "LABEL a='b"], "no 3 a ' without its other half"],
    ["without the target", ["FROM scratch AS a", "LABEL a=b"], "no 1 it has no stage named x", "x"],
  ] as const)("%s: one line, whatever was asked for", (_, lines, finding, target?: string) => {
    expect(check(lines, ["a=b", "c"], {}, target)).toEqual([finding]);
  });

  it("a stage that is not built may hold what cannot be told", () => {
    const lines = [
      "FROM scratch AS other",
      "ARG N",
      'LABEL a="${N:?must be set}"',
      "FROM scratch",
      "LABEL a=b",
    ];
    expect(check(lines, ["a=b"])).toEqual(["ok 5 the final stage carries a=b"]);
    expect(check(lines, ["a=b"], {}, "other")).toEqual(["no 3 N: must be set"]);
  });
});
