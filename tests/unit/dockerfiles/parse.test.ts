import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkDockerfile } from "../../../agent/dockerfiles/check.ts";
import { parse } from "../../../agent/dockerfiles/parse.ts";
import { anyCharacter } from "../support.ts";

const read = (...lines: string[]) =>
  parse(lines.join("\n")).instructions.map(({ keyword, rest, line }) => `${line} ${keyword} ${rest}`);

describe("instructions", () => {
  it("stand on the line where they begin, with their lines joined", () => {
    expect(
      read(
        "# syntax=docker/dockerfile:1",
        "",
        "from scratch",
        "RUN a \\",
        "# comment",
        "",
        "  && b",
        "LABEL\ta=b ",
      ),
    ).toEqual(["3 FROM scratch", "4 RUN a   && b", "8 LABEL a=b"]);
  });

  it("are without their heredocs", () => {
    expect(read("RUN <<A cat <<-B", "LABEL a=b \\", "A", "\tB", "LABEL c=d")).toEqual([
      "1 RUN <<A cat <<-B",
      "5 LABEL c=d",
    ]);
  });
});

describe("a LABEL after something like a heredoc", () => {
  it.each([
    ["by its number", ["RUN cat 3<<EOF", "LABEL a=b", "EOF"], true],
    ["with a name of two words", ["RUN <<'E F'", "LABEL a=b", "E F"], true],
    ["in quotes", ['RUN echo "a <<EOF b"', "LABEL a=b"], false],
    ["after a quote that stays open", ["RUN echo it's <<EOF", "LABEL a=b"], false],
  ])("is its text where it is one: %s", (_, lines, text) => {
    const seen = parse(lines.join("\n")).instructions.map(({ keyword }) => keyword);
    expect(seen).toEqual(text ? ["RUN"] : ["RUN", "LABEL"]);
  });
});

describe("a file that cannot be read for certain is refused", () => {
  it.each([
    ["a NUL character", ["FROM scratch", "LABEL a=\0"], 1, /NUL/],
    ["a line over 64 KiB", ["FROM scratch", `RUN ${"x".repeat(65_536)}`], 2, /65535 bytes/],
    ["a heredoc without an end", ["FROM scratch", "RUN <<EOF", "LABEL a=b"], 2, /heredoc EOF does not end/],
  ])("%s", (_, lines, line, message) => {
    expect(() => read(...lines)).toThrow(
      expect.objectContaining({ name: "Refusal", line, message: expect.stringMatching(message) }),
    );
  });
});

describe("any text at all", () => {
  const TOKENS = [
    ...[
      "FROM ",
      "scratch",
      " AS s",
      "LABEL ",
      "ARG ",
      "ENV ",
      "ONBUILD ",
      "RUN ",
      "COPY ",
      "a",
      "b",
      "X",
      "=",
    ],
    ...['"', "'", "\\", "`", "$", "{", "}", ":-", ":", "#", "<<", "-", "EOF", " ", "\t", "\n", "\r\n"],
    ...["\r", "\\\n"],
    ...["# escape=`\n", "\ufeff", "\u00a0", "\u2028", "\ud800", "[", "]", ",", "\n", "\n"],
  ];
  const anyText = fc.array(fc.constantFrom(...TOKENS), { maxLength: 60 }).map((tokens) => tokens.join(""));
  const options = { buildArgs: new Map([["X", "x"]]), target: null };

  it("gets findings, and never an exception", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: anyCharacter })), (text) => {
        const findings = checkDockerfile(text, [{ name: "a", value: null }], options);
        expect(findings).toHaveLength(1);
        expect(findings[0]!.line).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  // Each is a shape in which a careless reader takes ten seconds and more, and this one some hundredths of one.
  it.each([
    ["comments and stages", "#\nFROM a\n".repeat(6_000)],
    [
      "stages on stages",
      Array.from({ length: 1_500 }, (_, i) => `FROM s${i} AS s${i + 1}\nENV A${i}=1\n`).join(""),
    ],
    [
      "a chain of ENV and LABEL",
      `FROM scratch\n${Array.from({ length: 4_000 }, (_, i) => `ENV A${i}=$A${i - 1}\n`).join("")}`,
    ],
    ["continued lines", `FROM scratch\nRUN ${"a \\\n".repeat(12_000)}`],
    ["heredocs", `FROM scratch\n${"RUN <<E\nE\n".repeat(5_000)}`],
    [
      "one instruction with many heredocs",
      `FROM scratch\nRUN ${"<<a ".repeat(15_000)}\n${"a\n".repeat(15_000)}`,
    ],
    ["quotes", `FROM scratch\nLABEL a=${"\"'".repeat(30_000)}`],
    ["escaped quotes", `FROM scratch\nRUN <<E ${'\\"'.repeat(30_000)}\nE`],
    [
      "blanks",
      `${" ".repeat(65_000)}x\n#a=${" ".repeat(65_000)}x\nFROM scratch\nLABEL a${" ".repeat(65_000)}b`,
    ],
    ["carriage returns", `FROM scratch\nLABEL a=${"\r".repeat(65_000)}b`],
    ["nested variables", `FROM scratch\nLABEL a=${"${a:-".repeat(13_000)}`],
    ["nested variables in quotes", `FROM scratch\nLABEL a=${'"${a:-'.repeat(9_000)}`],
    ["variables", `FROM scratch\nLABEL a=${"$a".repeat(32_000)}`],
  ])("is read in good time: %s", (_, text) => {
    const startedAt = performance.now();
    expect(checkDockerfile(text, [{ name: "a", value: "b" }], options)).toHaveLength(1);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
