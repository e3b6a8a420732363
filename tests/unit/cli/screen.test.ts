import { stripVTControlCharacters } from "node:util";
import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { type Cell, table } from "../../../agent/cli/screen.ts";

const look = (width: number | null) => ({ colours: pc.createColors(true), width, unicode: true });

describe("a table", () => {
  it("of thousands of rows takes a moment, on a terminal and in a pipe", () => {
    const row = [
      "keep",
      "image registry.example.org/team/app (0123456789ab)",
      "3d",
      "younger than prune.until",
    ];
    const rows = Array.from({ length: 2000 }, () => row);
    const startedAt = performance.now();
    for (const width of [null, 120]) expect(table(null, rows, look(width))).toHaveLength(2000);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it.each([null, 200, 80, 50])(
    "reads the same where a letter has cliui set its rows: %s columns",
    (width) => {
      const { dim, red } = pc.createColors(true);
      const cells = (letter: string): Cell[][] => [
        ["  keep", "", { text: `app ${letter}`, style: red }, "one more  word"],
        [
          "",
          { text: "", style: dim },
          `${letter}`,
          { text: "why it stays, which takes a line or two", style: dim },
        ],
        [{ text: `    a n${letter}me`, style: dim }, "10 GiB", "x", ""],
      ];
      const set = (letter: string) =>
        stripVTControlCharacters(table(["A", "", letter, ""], cells(letter), look(width)).join("\n"));
      expect(set("e")).toBe(set("é").replaceAll("é", "e"));
    },
  );
});
