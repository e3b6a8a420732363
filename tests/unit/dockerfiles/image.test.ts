import { describe, expect, it } from "vitest";
import { imageOf } from "../../../agent/dockerfiles/image.ts";
import { parse } from "../../../agent/dockerfiles/parse.ts";
import { Refusal } from "../../../agent/dockerfiles/refusal.ts";
import { DOCKERFILES, type DockerfileCase } from "../../support/dockerfiles.ts";

function build({ text, buildArgs = {}, target }: DockerfileCase) {
  return imageOf(parse(text), { buildArgs: new Map(Object.entries(buildArgs)), target: target ?? null });
}

describe("the labels that a Dockerfile gives its image", () => {
  it.each(DOCKERFILES.filter(({ labels }) => labels !== null))("$name", (row) => {
    const { labels, unnamed, base } = build(row);
    expect({ unnamed, base }).toEqual({ unnamed: null, base: null });
    expect([...labels.keys()].sort()).toEqual(Object.keys(row.labels!).sort());
    for (const [name, { value }] of labels) {
      if (row.untold?.includes(name)) expect(value.unknown, name).toMatch(/\S/);
      else
        expect({ [name]: value.text, unknown: value.unknown }).toEqual({
          [name]: row.labels![name],
          unknown: null,
        });
    }
  });

  it.each(DOCKERFILES.filter(({ labels }) => labels === null))(
    "are none, and the file is refused: $name",
    (row) => {
      expect(() => build(row)).toThrow(Refusal);
    },
  );
});

describe("values that double with each line", () => {
  const doubling = (keyword: string) =>
    Array.from({ length: 40 }, (_, n) => `${keyword} V${n + 1}=$V${n}$V${n}`);
  const labelOf = (...lines: string[]) => {
    const text = [...lines, "LABEL a=$V40", ""].join("\n");
    return build({ name: "", text, labels: {} }).labels.get("a")!.value;
  };

  it.each([
    ["ENV", ["FROM scratch", "ENV V0=0123456789", ...doubling("ENV")]],
    ["ARG", ["FROM scratch", "ARG V0=0123456789", ...doubling("ARG")]],
    ["ARG before FROM", ["ARG V0=0123456789", ...doubling("ARG"), "FROM scratch", "ARG V40"]],
  ])("cannot be told, for %s", (_, lines) => {
    expect(labelOf(...lines)).toEqual({ text: "", unknown: "it would be longer than 1 MiB", unset: [] });
  });

  it("name a variable that nobody sets once", () => {
    expect(labelOf("FROM scratch", ...doubling("ENV"))).toEqual({ text: "", unknown: null, unset: ["V0"] });
  });

  it("are told up to 1 MiB", () => {
    const lines = Array.from({ length: 16 }, (_, n) => `ENV V${n + 1}=$V${n}$V${n}`);
    const whole = labelOf("FROM scratch", "ENV V0=0123456789abcdef", ...lines, "ENV V40=$V16");
    expect([whole.text.length, whole.unknown]).toEqual([1024 * 1024, null]);
  });

  const long = ["FROM scratch", `ENV V0=${"x".repeat(32 * 1024)}`, ...doubling("ENV").slice(0, 4)];
  const numbers = Array.from({ length: 2000 }, (_, n) => n);
  it("make 64 MiB of text at most, on many lines", () => {
    const lines = [...long, ...numbers.map((n) => `ENV A${n}=x$V4`)];
    expect(() => labelOf(...lines)).toThrow(/the variables make more than 64 MiB of text/);
  });

  it("make 64 MiB of text at most, many times on one line", () => {
    const text = [...long, `LABEL a=${'"x$V4"'.repeat(2000)}`, "LABEL b=c", ""].join("\n");
    const { unnamed, labels } = build({ name: "", text, labels: {} });
    expect(unnamed?.value.unknown).toBe("the variables make more than 64 MiB of text");
    expect([...labels].map(([name]) => name)).toEqual(["a"]);
  });

  it("name ten variables that nobody sets, of however many", () => {
    const lines = numbers.slice(0, 500).map((n) => `ENV A${n + 1}=$U${n}$A${n}`);
    const { unset } = labelOf("FROM scratch", "ENV A0=x", ...lines, "ENV V40=$A500");
    expect(unset).toHaveLength(10);
  });
});
