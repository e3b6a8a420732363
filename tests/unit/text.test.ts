import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { visible, visibleDeep } from "../../agent/text.ts";

describe("a name cannot", () => {
  it.each([
    ["end a line", "a\nb", "a\\u000ab"],
    ["go back to the start of a line", "a\rb", "a\\u000db"],
    ["colour a terminal", "\u001b[31mred\u001b[0m", "\\u001b[31mred\\u001b[0m"],
    ["set a terminal's title", "\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
    ["send an escape of one byte (C1)", "\u009b31m", "\\u009b31m"],
    ["end a line for a terminal that knows NEL", "a\u0085b", "a\\u0085b"],
    ["end a text for C", "a\0b", "a\\u0000b"],
    ["rub out", "a\u007fb\bc", "a\\u007fb\\u0008c"],
    ["indent", "a\tb", "a\\u0009b"],
    ["separate lines or paragraphs", "a\u2028b\u2029c", "a\\u2028b\\u2029c"],
    ["turn the text around", "a\u202eb\u202c", "a\\u202eb\\u202c"],
    ["isolate what is turned around", "\u2066a\u2069", "\\u2066a\\u2069"],
    ["mark a direction", "\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
    ["hide in no width", "a\u200bb\u2060c\ufeffd", "a\\u200bb\\u2060c\\ufeffd"],
    ["hold half a letter", "\ud83d", "\\ud83d"],
    ["hold the other half", "a\ude00b", "a\\ude00b"],
    ["hold halves in the wrong order", "\ude00\ud83d", "\\ude00\\ud83d"],
    ["hide half a letter beside a whole one", "\ud83d\ud83d\ude00\ude00", "\\ud83d\ud83d\ude00\\ude00"],
  ])("%s", (_, text, shown) => {
    expect([visible(text), ...visibleDeep([text])]).toEqual([shown, shown]);
  });

  it.each(["", "ab12-1f2e3d_ci_commoninternet_net_app", "Ünïcödé ✓ 漢字", "😀 \u{1f468}", "a b", "\\n"])(
    "and an honest one is left as it is: %s",
    (text) => {
      expect(visible(text)).toBe(text);
    },
  );

  it("whatever it is made of: nothing active comes out, and nothing is changed twice", () => {
    const nasty = fc.string({
      unit: fc.oneof(
        fc.integer({ min: 0, max: 0xa0 }).map((code) => String.fromCharCode(code)),
        fc.integer({ min: 0x2000, max: 0x2070 }).map((code) => String.fromCharCode(code)),
        fc.integer({ min: 0xd7f0, max: 0xe010 }).map((code) => String.fromCharCode(code)),
        fc.constantFrom("\u061c", "\ufeff", "a"),
      ),
    });
    fc.assert(
      fc.property(nasty, (text) => {
        const shown = visible(text);
        const active = /\p{Cc}|\p{Bidi_Control}|[\u2028\u2029\u200b\ufeff]/u.test(shown);
        encodeURIComponent(shown); // throws on an unpaired surrogate
        expect(visibleDeep([{ [text]: text }])).toEqual([{ [shown]: shown }]);
        return !active && visible(shown) === shown;
      }),
      { numRuns: 500 },
    );
  });
});

describe("inside a value", () => {
  it("every text is made visible, keys as well, and nothing else is touched", () => {
    expect(
      visibleDeep({ "a\n": ["x\u001b", 1, null, true, undefined, { b: "\u0000" }], c: 1.5, d: { e: [] } }),
    ).toEqual({ "a\\u000a": ["x\\u001b", 1, null, true, undefined, { b: "\\u0000" }], c: 1.5, d: { e: [] } });
  });

  it("any JSON comes out as JSON without a control character", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const walk = (inner: unknown): string[] =>
          typeof inner === "string"
            ? [inner]
            : typeof inner === "object" && inner !== null
              ? Object.entries(inner).flatMap(([key, item]) => [key, ...walk(item)])
              : [];
        expect(walk(visibleDeep(value)).join("")).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});
