/**
 * Names come from the engine and are data: whatever could end a line, move a cursor, colour a terminal or reorder
 * text is written out as its escape, so that no name can forge a log line. Covers C0, DEL, C1, line and paragraph
 * separators, bidirectional controls, zero-width characters and unpaired surrogates.
 */
const ACTIVE = [
  "[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]",
  "[\\ud800-\\udbff](?![\\udc00-\\udfff])",
  "(?<![\\ud800-\\udbff])[\\udc00-\\udfff]",
].join("|");
const EACH_ACTIVE = new RegExp(ACTIVE, "g");
/** In JSON, which writes some of them as an escape of its own. */
const ACTIVE_IN_JSON = new RegExp(`\\\\[^"]|${ACTIVE}`);

/** `"a\u001b[31mb"` -> `"a\\u001b[31mb"`. */
export function visible(text: string): string {
  return text.replace(EACH_ACTIVE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for every text inside a value of JSON, keys included. */
export function visibleDeep<T>(value: T): T {
  // Nearly always it is, which one look tells faster than a copy.
  const isVisible = !ACTIVE_IN_JSON.test(JSON.stringify(value) ?? "");
  return isVisible ? value : (withVisible(value) as T);
}

function withVisible(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map(withVisible);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [visible(key), withVisible(inner)]),
    );
  }
  return value;
}

/** At most so many characters; what was cut ends in `…`. */
export function truncated(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** What people call a container: its name, else the start of its id. */
export const containerName = ({
  names,
  id,
}: {
  readonly names: readonly string[];
  readonly id: string;
}): string => names[0] ?? shortId(id);

/** `"sha256:0123456789abcdef…"` -> `"0123456789ab"` */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
