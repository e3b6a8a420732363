import { Refusal } from "./refusal.ts";
import { type Escape, expand, isSpace, splitWords, type Variable } from "./words.ts";

export interface Instruction {
  /** In upper case. */
  readonly keyword: string;
  /** What follows the keyword: lines joined as the builder joins them, without heredocs. */
  readonly rest: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

export interface Dockerfile {
  readonly instructions: readonly Instruction[];
  readonly escapeToken: Escape;
}

/** bufio.Scanner's limit in the builder. */
const MAX_LINE_BYTES = 65_535;

const TAKES_HEREDOCS = /^(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;

/** The instructions of a Dockerfile, as BuildKit reads them (frontend/dockerfile/parser/parser.go). @throws Refusal */
export function parse(text: string): Dockerfile {
  if (text.includes("\0")) throw new Refusal("not a text: it holds a NUL character", 1);
  const lines = text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map(trimReturns);
  const long = lines.findIndex((line) => Buffer.byteLength(line) > MAX_LINE_BYTES);
  if (long >= 0) throw new Refusal(`the builder takes lines of at most ${MAX_LINE_BYTES} bytes`, long + 1);
  const escapeToken = escapeOf(lines);
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; at++) {
    const first = trim(lines[at]!);
    // An escape alone continues into the line after it, which is as good as none.
    if (first === "" || first === escapeToken || isComment(first)) continue;
    const joined = join(lines, at, escapeToken);
    const [, keyword = "", rest = ""] = /^([^\t\v\f\r ]+)(.*)$/s.exec(trim(joined.text)) ?? [];
    instructions.push({ keyword: keyword.toUpperCase(), rest: trim(rest), line: at + 1 });
    at = skipHeredocs(lines, joined, at);
  }
  return { instructions, escapeToken };
}

interface Joined {
  readonly text: string;
  /** Its last line, from 0. */
  readonly end: number;
}

/** Comments and empty lines in between do not end an instruction. */
function join(lines: readonly string[], start: number, escapeToken: Escape): Joined {
  let text = "";
  let end = start;
  for (let at = start; at < lines.length; at++) {
    const line = lines[at]!;
    if (at > start && (isComment(line) || trim(line) === "")) continue;
    end = at;
    if (!continues(line, escapeToken)) return { text: text + line, end };
    text += withoutEscape(line, escapeToken);
  }
  return { text, end: lines.length - 1 };
}

/** The last line of an instruction together with its heredocs. @throws Refusal */
function skipHeredocs(lines: readonly string[], { text, end }: Joined, start: number): number {
  if (!text.includes("<<") || !TAKES_HEREDOCS.test(trim(text))) return end;
  let at = end;
  for (const { name, tabs } of heredocs(text)) {
    do {
      at++;
      if (at >= lines.length) throw new Refusal(`the heredoc ${name} does not end`, start + 1);
    } while ((tabs ? lines[at]!.replace(/^\t+/, "") : lines[at]) !== name);
  }
  return at;
}

/**
 * In the shell's way, whatever the escape of the file. Since dockerfile 1.16 blanks may stand before the name, but not
 * after a dash. Where a word cannot be made out, the builder sees no heredoc at all.
 */
function heredocs(text: string): { name: string; tabs: boolean }[] {
  try {
    expand(text, "\\", () => ANY);
  } catch {
    return [];
  }
  const joined = text.replace(/\\.|'[^']*'|"(?:[^"\\]|\\.)*"|<<([\t\r ]+)/gs, (part, blanks) =>
    blanks === undefined ? part : "<<\0",
  );
  return splitWords(joined, "\\").flatMap((word) => {
    const [, dash, quoted = ""] = /^\d*<<(-?)\0?([^<]*)$/.exec(word) ?? [];
    const name = unquoted(quoted);
    return name === "" ? [] : [{ name, tabs: dash === "-" }];
  });
}

const ANY: Variable = { kind: "set", value: { text: "", unknown: "any", unset: [] } };

/** `"a"\b` -> `ab`. */
function unquoted(text: string): string {
  let plain = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === "\\" && (quote === "" || (quote === '"' && '"$\\'.includes(text[at + 1] ?? " "))))
      plain += text[++at] ?? "";
    else plain += char;
  }
  return plain;
}

const DIRECTIVES = ["syntax", "escape", "check"];

/** Directives come first, before any other comment, and each once. @throws Refusal */
function escapeOf(lines: readonly string[]): Escape {
  const seen = new Map<string, string>();
  for (const [index, line] of lines.entries()) {
    const equals = line.indexOf("=");
    const name =
      isComment(line) && equals > 0 ? trim(trim(line.slice(0, equals)).slice(1)).toLowerCase() : "";
    const value = trim(line.slice(equals + 1));
    if (!DIRECTIVES.includes(name) || value === "") break;
    if (seen.has(name)) throw new Refusal(`only one ${name} directive can be used`, index + 1);
    seen.set(name, value);
    if (name === "escape" && value !== "\\" && value !== "`")
      throw new Refusal(`invalid escape ${value}: it is \\ or \``, index + 1);
  }
  return seen.get("escape") === "`" ? "`" : "\\";
}

const isComment = (line: string) => trim(line).startsWith("#");

/** An escape before the end of the line, unless it is escaped itself. */
const continues = (line: string, escapeToken: Escape) =>
  (escapeToken === "\\" ? /(?:^|[^\\])\\[ \t]*$/ : /(?:^|[^`])`[ \t]*$/).test(line);

const withoutEscape = (line: string, escapeToken: Escape) => line.slice(0, line.lastIndexOf(escapeToken));

function trimReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end--;
  return line.slice(0, end);
}

/** Of the blanks that the builder knows. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}
