import { RE2JS } from "re2js";

/** A pattern of the settings, ready to be asked. */
export interface Pattern {
  /** As the operator wrote it. */
  readonly source: string;
  test(text: string): boolean;
}

/**
 * Compiled when it is asked first: most passes meet no container that any of them could fit.
 *
 * The only user of RE2, whose time grows with the length of the text and never doubles with it: V8's own engine may
 * backtrack for hours, and nothing ends it, not even SIGTERM. Not in the front, which asks no pattern.
 */
export function pattern(source: string): Pattern {
  let compiled: RE2JS | null = null;
  return {
    source,
    test: (text) => {
      compiled ??= compilePattern(source);
      return compiled.test(text);
    },
  };
}

/** Throws RE2JSSyntaxException for what only RE2 refuses, such as `a{1001}`; schema.ts has refused the rest. */
export const compilePattern = (source: string): RE2JS => RE2JS.compile(RE2JS.translateRegExp(source));
