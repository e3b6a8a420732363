import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadWhole } from "../../../agent/settings/load-whole.ts";
import { parseSettings } from "../../../agent/settings/parse.ts";
import { compilePattern } from "../../../agent/settings/patterns.ts";
import { testFolder } from "../folder.ts";

const isTaken = (pattern: string) => parseSettings({ liveRuns: { containers: [pattern] } }).ok;

/** General categories of Unicode, as both engines name them. */
const CATEGORIES =
  "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co Cn";

describe("a pattern of the settings", () => {
  it.each<readonly [string, string]>([
    ["looks ahead", "ci(?=-job)"],
    ["looks ahead for what must not be", "^(?!web)"],
    ["looks behind", "(?<=ci-)job"],
    ["looks behind for what must not be", "(?<!web-)job"],
    ["refers back", "(a|b)\\1"],
    ["refers back by a name", "(?<n>a)\\k<n>"],
    ["refers back behind an escaped backslash", "(a)\\\\\\1"],
    ["has a backspace in a set", "[a\\b]"],
    ["names a script", "\\p{Script=Greek}"],
    ["names a script in a set", "[\\p{Script=Greek}]"],
  ])("is refused when it %s", (_, pattern) => {
    expect(parseSettings({ liveRuns: { services: ["^a", pattern] } })).toMatchObject({
      ok: false,
      problems: [{ path: "liveRuns.services[1]", expected: expect.stringContaining("linear time") }],
    });
  });

  it.each(["a\\\\1", "[(?=]", "[\\\\b]", "(?<n>a)", "\\bci\\b", "[^\\]b]", "(?:a|b)", "\\(?=a", "\\u{41}"])(
    "is taken, though it looks like one of these: %s",
    (pattern) => {
      expect(isTaken(pattern)).toBe(true);
      compilePattern(pattern);
    },
  );

  it.each(CATEGORIES.split(" "))("may name the category %s", (category) => {
    expect(isTaken(`\\p{${category}}`)).toBe(true);
    expect(compilePattern(`\\p{${category}}`).test("aB1 -")).toBe(
      new RegExp(`\\p{${category}}`, "u").test("aB1 -"),
    );
  });

  it("that is taken compiles, and says of any name what JavaScript says of it", () => {
    const atom = fc.constantFrom(
      ...["a", "b", "-", "_", "0", "\\d", "\\w", "\\.", ".", "[a-f0-9]", "[^-/]", "[\\w-]", "\\b"],
      ...["\\\\", "\\/"],
      ...["\\p{L}", "[\\p{Nd}]", "\\x61", "\\u0062", "\\1", "(?=a)", "(?<!b)", "[\\b]", "[", "(", ")"],
      ...["\\cA", "[^]"],
    );
    const times = fc.constantFrom("", "", "*", "+", "?", "*?", "{2}", "{0,3}", "{2,}");
    const part = fc.tuple(atom, times).map((both) => both.join(""));
    const parts = fc.array(part, { minLength: 1, maxLength: 4 }).map((all) => all.join(""));
    const pattern = fc
      .tuple(
        fc.constantFrom("", "^"),
        parts,
        fc.constantFrom("(", "(?:", "(?<n>"),
        parts,
        times,
        fc.constantFrom("", "$"),
      )
      .map(([start, one, open, two, many, end]) => `${start}${one}${open}${two}|a)${many}${end}`);
    const name = fc.string({ unit: fc.constantFrom(..."ab0-_./\\\n"), maxLength: 12 });
    let taken = 0;
    fc.assert(
      fc.property(pattern, fc.array(name, { minLength: 1, maxLength: 5 }), (source, names) => {
        if (!isTaken(source)) return;
        taken++;
        const compiled = compilePattern(source);
        for (const one of names) expect(compiled.test(one)).toBe(new RegExp(source, "u").test(one));
      }),
      { numRuns: 300, seed: 20260801 },
    );
    expect(taken).toBeGreaterThan(60);
  });

  it("takes time that grows with the name and never doubles with it", () => {
    const startedAt = performance.now();
    expect(compilePattern("^(a+)+$").test(`${"a".repeat(50_000)}!`)).toBe(false);
    expect(compilePattern("(x+x+)+y").test("x".repeat(50_000))).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it("that only RE2 finds too large is a problem of the whole program", () => {
    const dir = testFolder();
    const file = join(dir, "s.json");
    writeFileSync(file, JSON.stringify({ liveRuns: { containers: ["a", "a{1001}"] } }));
    expect(loadWhole(file)).toMatchObject({
      ok: false,
      problems: [{ path: "liveRuns.containers[1]", found: '"a{1001}"' }],
    });
    writeFileSync(file, JSON.stringify({ liveRuns: { containers: ["a{1000}"] } }));
    expect(loadWhole(file).ok).toBe(true);
  });
});
