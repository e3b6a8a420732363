import { visible } from "../audit/text.ts";

/** Text that is HTML already. Only `html` makes it: whatever else comes into a page is escaped on its way in. */
export class Markup {
  readonly #text: string;
  private constructor(text: string) {
    this.#text = text;
  }

  static of(strings: readonly string[], values: readonly Content[]): Markup {
    return new Markup(strings.map((string, at) => string + markupOf(values[at])).join(""));
  }

  /** Text of this program's own, such as a style sheet. */
  static trusted(text: string): Markup {
    return new Markup(text);
  }

  toString(): string {
    return this.#text;
  }
}

/** `null`, `undefined` and `false` are nothing. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** html`<td>${name}</td>`: what is put in is escaped, and made safe to show (audit/text.ts). */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return Markup.of(strings, values);
}

function markupOf(value: Content): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) return value.toString();
  if (typeof value === "string") return escaped(value);
  return typeof value === "number" ? String(value) : value.map(markupOf).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and for attributes in either kind of quotes. */
function escaped(text: string): string {
  return visible(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? "");
}
