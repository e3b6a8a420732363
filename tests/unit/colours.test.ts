import { expect, it } from "vitest";
import { wantsColours } from "../../agent/colours.ts";

it.each<readonly [string, Record<string, string>, boolean, boolean]>([
  ["a terminal", { TERM: "xterm" }, true, true],
  ["a terminal that knows none", { TERM: "dumb" }, true, false],
  ["a terminal whose owner wants none", { NO_COLOR: "1" }, true, false],
  ["a pipe", {}, false, false],
  ["a pipe in a CI job: a program reads it", { CI: "true" }, false, false],
  ["a pipe, asked for", { FORCE_COLOR: "1" }, false, true],
  ["asked for and not wanted", { FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
  ["set and empty says nothing", { NO_COLOR: "", FORCE_COLOR: "" }, true, true],
])("%s", (_, env, isTerminal, expected) => {
  expect(wantsColours(env, isTerminal)).toBe(expected);
});
