import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GATE_NAMES } from "../../../agent/gates/verdict.ts";

describe("docs/development/design.md", () => {
  it("has a row for every gate, in the order in which they are asked", () => {
    const text = readFileSync(new URL("../../../docs/development/design.md", import.meta.url), "utf8");
    const [, table = ""] = /\n\| gate \|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(text) ?? [];
    expect([...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, gate]) => gate)).toEqual(GATE_NAMES);
  });
});
