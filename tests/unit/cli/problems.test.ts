import { expect, it } from "vitest";
import { describeProblems } from "../../../agent/cli/context.ts";
import { parseSettings } from "../../../agent/settings/parse.ts";

it("no key, value or file name of the settings makes a line of its own, nor a priority for the journal", () => {
  const parsed = parseSettings({ "x\n<0>forged": 1, disk: { "\u001b[2J": "\n<0>" }, lockFile: "a\r\n<0>b" });
  if (parsed.ok) throw new Error("valid");
  const lines = describeProblems("a\n<0>b.json", parsed.problems).split("\n");
  expect(lines).toHaveLength(1 + parsed.problems.length);
  expect(lines[0]).toBe("a\\u000a<0>b.json: 3 problems");
  for (const line of lines) expect(line).not.toMatch(/^<|\p{Cc}/u);
  expect(lines.join(" ")).toContain("x\\u000a<0>forged: found 1, expected no such key");
});

it("of many problems fifty are told, and how many there are", () => {
  const problems = Array.from({ length: 20_000 }, (_, at) => ({ path: `p${at}`, found: "x", expected: "y" }));
  const lines = describeProblems("s.json", problems).split("\n");
  expect([lines.length, lines[0], lines[50], lines[51]]).toEqual([
    52,
    "s.json: 20000 problems",
    "  p49: found x, expected y",
    "  and 19950 more",
  ]);
});
