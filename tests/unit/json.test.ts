import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJson } from "../../agent/json.ts";
import { anyCharacter } from "./support.ts";

const faults = (text: string) => {
  const read = readJson(text);
  return read.ok ? [] : read.faults.map(({ path, found }) => `${path}: ${found}`);
};

describe("a JSON document", () => {
  it.each<readonly [string, string, readonly string[]]>([
    ["a key twice", '{"a":1,"a":2}', ["a: a second value"]],
    ["a key twice, once with an escape", '{"a":1,"\\u0061":2}', ["a: a second value"]],
    ["a key three times", '{"a":1,"a":2,"a":3}', ["a: a second value", "a: a second value"]],
    ["a key twice, deep within", '{"a":[{},{"b":{"c":1,"c" : {}}}]}', ["a[1].b.c: a second value"]],
    ["the name of the prototype twice", '{"__proto__":1,"__proto__":2}', ["__proto__: a second value"]],
    ["a number of too many digits", '{"a":[1,9007199254740993]}', ["a[1]: 9007199254740993"]],
    ["a number that is none", '{"a":1e999}', ["a: 1e999"]],
    ["a number that becomes zero", '{"a":1e-999}', ["a: 1e-999"]],
    ["a part that is lost", '{"a":0.1234567890123456789}', ["a: 0.1234567890123456789"]],
    ["both", '{"a":1e999,"a":1}', ["a: 1e999", "a: a second value"]],
    ["a list of numbers", "[[1],1e999]", ["[1]: 1e999"]],
  ])("with %s is refused, by its place", (_, text, expected) => {
    expect(faults(text)).toEqual(expected);
  });

  it.each([
    ["one key in two objects", '{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}'],
    ["keys that differ in case", '{"a":1,"A":2}'],
    ["texts that look like keys", '{"a":"\\"a\\":1","b":"a","c":["a","a","{\\"a\\":1,"]}'],
    [
      "numbers as they are",
      '{"a":[0,-0,1.50,1e2,0.1,9007199254740991,1.7976931348623157e308,5e-324,100000000000000000000]}',
    ],
  ])("is read: %s", (_, text) => {
    expect(readJson(`\uFEFF${text}`)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  it.each([
    ["lists", "[", "0", "]"],
    ["objects", '{"a":', "0", "}"],
  ])("may nest a hundred %s, and no more: the program would run out of stack", (_, start, inner, end) => {
    const nested = (depth: number) => readJson(start.repeat(depth) + inner + end.repeat(depth));
    expect(nested(100)).toMatchObject({ ok: true });
    for (const depth of [101, 100_000])
      expect(nested(depth)).toMatchObject({
        ok: false,
        faults: [{ path: "", found: "a deeper nested one" }],
      });
  });

  it("is read as JSON.parse does, where it has neither fault", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: anyCharacter }),
        fc.constantFrom(undefined, 2),
        (value, space) => {
          const text = JSON.stringify(value, null, space);
          expect(readJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
        },
      ),
    );
  });

  it.each(["", "ghp_0123456789", '{"a":"ghp_0123456789" x', "[".repeat(200_000), '{"a":1} {}'])(
    "that is none is not quoted: it may be a secret",
    (text) => {
      const read = readJson(text);
      expect(read).toMatchObject({ ok: false, faults: [{ path: "", expected: "a JSON document" }] });
      expect(JSON.stringify(read)).not.toContain("ghp_");
    },
  );
});
