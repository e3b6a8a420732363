import { RE2JS } from "re2js";

/** A pattern of the settings, ready to be asked. */
export interface Pattern {
  /** As the operator wrote it. */
  readonly source: string;
  test(text: string): boolean;
}

/**
 * The only user of RE2, whose time grows with the length of the text and never doubles with it: V8's own engine may
 * backtrack for hours, and nothing ends it, not even SIGTERM. Not in the front, which asks no pattern. Throws
 * RE2JSSyntaxException for what only RE2 refuses, such as `a{1001}`; schema.ts has refused the rest.
 */
export function compilePattern(source: string): Pattern {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  return { source, test: (text) => compiled.test(text) };
}
