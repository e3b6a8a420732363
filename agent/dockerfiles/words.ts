import { Refusal } from "./refusal.ts";

/**
 * How BuildKit splits an instruction into words and puts variables in (frontend/dockerfile/parser/line_parsers.go and
 * shell/lex.go of v0.2x; held against built images by tests/engine/dockerfiles.test.ts).
 */

export type Escape = "\\" | "`";

/** Go's unicode.IsSpace, which is what the builder asks. */
const SPACE = /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/;
export const isSpace = (char: string | undefined): boolean => char !== undefined && SPACE.test(char);

/** `a="b c" d` -> `['a="b c"', "d"]`: quotes and escapes are kept. */
export function splitWords(text: string, escapeToken: Escape): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote === "" && isSpace(char)) {
      if (word !== "") words.push(word);
      word = "";
    } else if (char === escapeToken && quote !== "'") {
      // The last character of all escapes nothing, and is dropped.
      if (at + 1 < text.length) word += char + text[++at];
    } else {
      word += char;
      if (quote === "" && (char === "'" || char === '"')) quote = char;
      else if (char === quote) quote = "";
    }
  }
  return word === "" ? words : [...words, word];
}

/** The words of `LABEL` or `ENV`: `a=b c=d`, or the old form `a b c d` for one. @throws Refusal */
export function splitPairs(keyword: string, rest: string, escapeToken: Escape): [string, string][] {
  const words = splitWords(rest, escapeToken);
  if (words.length === 0) throw new Refusal(`${keyword} needs at least one argument`);
  if (!words[0]!.includes("=")) {
    const [, name, value] = /^([^\t\v\f\r ]+)[\t\v\f\r ]+(.+)$/su.exec(rest) ?? [];
    if (name === undefined || value === undefined) throw new Refusal(`${keyword} needs two arguments`);
    return [[name, value]];
  }
  return words.map((word) => {
    const [name, value] = splitAssignment(word);
    if (value === undefined) throw new Refusal(`no "=" in ${word}: ${keyword} takes name=value`);
    if (name === "") throw new Refusal(`${keyword} names can not be blank`);
    return [name, value];
  });
}

/** `a=b=c` -> `["a", "b=c"]`; `a` -> `["a", undefined]`. */
export function splitAssignment(word: string): [name: string, value: string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

/** What is known of a text that an image build makes. */
export interface Value {
  /** Only to be shown where `unknown` is not null. */
  readonly text: string;
  /** Why the text cannot be told from the file; null where it can. */
  readonly unknown: string | null;
  /** Variables that were put in and that nobody sets: they are empty, which is seldom meant. */
  readonly unset: readonly string[];
}

export const known = (text: string): Value => ({ text, unknown: null, unset: [] });

export const unknownText = (reason: string): Value => ({ text: "", unknown: reason, unset: [] });

/** What a name stands for. `unset`: an operator such as `:-` takes its default, and a plain use is `plain`. */
export type Variable =
  | { readonly kind: "set"; readonly value: Value }
  | { readonly kind: "unset"; readonly plain: Value };

/** @param shown the name, and what else is worth saying of it */
export const nobodySets = (shown: string): Variable => ({
  kind: "unset",
  plain: { text: "", unknown: null, unset: [shown] },
});

/** Far more than anybody writes, and far less than the stack holds. */
const MAX_DEPTH = 100;

/**
 * Of a text that variables make, in UTF-16 units, and of all of one file: lines that each hold the one before twice, or
 * that each hold a long one, would fill the memory.
 */
const MAX_LENGTH = 1024 * 1024;
const MAX_TOTAL = 64 * MAX_LENGTH;
/** So many variables that nobody sets are named. */
const MAX_UNSET = 10;

/** How much text the variables of one file may still make. */
export interface Budget {
  left: number;
}

export const newBudget = (): Budget => ({ left: MAX_TOTAL });

/** Puts variables in, and takes quotes and escapes away. @throws Refusal */
export function expand(
  word: string,
  escapeToken: Escape,
  lookup: (name: string) => Variable,
  budget = newBudget(),
): Value {
  return new Expansion(word, escapeToken, lookup, budget).until(null);
}

class Expansion {
  readonly #chars: readonly string[];
  readonly #escapeToken: Escape;
  readonly #lookup: (name: string) => Variable;
  readonly #budget: Budget;
  #at = 0;
  #depth = 0;

  constructor(word: string, escapeToken: Escape, lookup: (name: string) => Variable, budget: Budget) {
    this.#budget = budget;
    this.#chars = Array.from(word);
    this.#escapeToken = escapeToken;
    this.#lookup = lookup;
  }

  get #next(): string | undefined {
    return this.#chars[this.#at];
  }

  /** Up to `stop` (which is taken), or to the end. */
  until(stop: "}" | '"' | null): Value {
    const quoted = stop === '"';
    const parts: Value[] = [];
    for (let char = this.#next; char !== undefined; char = this.#next) {
      if (char === "$") {
        parts.push(this.#dollar());
        continue;
      }
      this.#at++;
      if (char === stop) return join(parts, this.#budget);
      const escapable = !quoted || ['"', "$", this.#escapeToken].includes(this.#next ?? "");
      if (char === this.#escapeToken && escapable) parts.push(known(this.#chars[this.#at++] ?? ""));
      else if (quoted) parts.push(known(char));
      else if (char === "'") parts.push(known(this.#single()));
      else if (char === '"') parts.push(this.until('"'));
      else parts.push(known(char));
    }
    if (stop !== null)
      throw new Refusal(quoted ? 'a " without its other half' : 'a variable without its "}"');
    return join(parts, this.#budget);
  }

  #single(): string {
    const end = this.#chars.indexOf("'", this.#at);
    if (end < 0) throw new Refusal("a ' without its other half");
    const text = this.#chars.slice(this.#at, end).join("");
    this.#at = end + 1;
    return text;
  }

  #dollar(): Value {
    this.#at++;
    if (this.#next !== "{") {
      const name = this.#name();
      return name === "" ? known("$") : plain(this.#lookup(name));
    }
    this.#at++;
    const name = this.#name();
    if (name === "") throw new Refusal("a variable without a name");
    const variable = this.#lookup(name);
    let operator = this.#chars[this.#at++];
    if (operator === "}") return plain(variable);
    const colon = operator === ":";
    if (colon) operator = this.#chars[this.#at++];
    if (operator === undefined) throw new Refusal('a variable without its "}"');
    const word = this.#nested();
    if (!colon && "#%/".includes(operator)) {
      return { text: "", unknown: `\${${name}${operator}…} is not worked out here`, unset: [] };
    }
    if (!"-+?".includes(operator)) throw new Refusal(`unsupported modifier in \${${name}${operator}…}`);
    return choose(name, variable, { operator, colon }, word);
  }

  #nested(): Value {
    if (this.#depth === MAX_DEPTH) throw new Refusal("variables nested too deep");
    this.#depth++;
    const word = this.until("}");
    this.#depth--;
    return word;
  }

  /** A name, a number, or one of the shell's own; "" where none begins. */
  #name(): string {
    const first = this.#next ?? "";
    if ("@*#?-$!".includes(first)) {
      if (first !== "") this.#at++;
      return first;
    }
    const part = /^\p{Nd}$/u.test(first) ? /^\p{Nd}$/u : /^[\p{L}\p{Nd}_]$/u;
    const start = this.#at;
    while (part.test(this.#next ?? "")) this.#at++;
    return this.#chars.slice(start, this.#at).join("");
  }
}

const plain = (variable: Variable): Value => (variable.kind === "set" ? variable.value : variable.plain);

/** `${name-word}`, `${name:-word}`, and the same with `+` and `?`. */
function choose(
  name: string,
  variable: Variable,
  { operator, colon }: { readonly operator: string; readonly colon: boolean },
  word: Value,
): Value {
  if (variable.kind === "set" && variable.value.unknown !== null) return variable.value;
  const has = variable.kind === "set" && !(colon && variable.value.text === "");
  if (operator === "+") return has ? word : known("");
  if (has) return plain(variable);
  if (operator === "-") return word;
  throw new Refusal(`${name}: ${word.text || `is not allowed to be ${colon ? "empty" : "unset"}`}`);
}

function join(parts: readonly Value[], budget: Budget): Value {
  const unset = [...new Set(parts.flatMap((part) => part.unset))].slice(0, MAX_UNSET);
  const length = parts.reduce((sum, { text }) => sum + text.length, 0);
  if (length > MAX_LENGTH) return { text: "", unknown: "it would be longer than 1 MiB", unset };
  budget.left -= length;
  if (budget.left < 0) return { text: "", unknown: "the variables make more than 64 MiB of text", unset };
  return {
    text: parts.map(({ text }) => text).join(""),
    unknown: parts.find(({ unknown }) => unknown !== null)?.unknown ?? null,
    unset,
  };
}
