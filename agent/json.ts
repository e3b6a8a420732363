/** Something in a JSON document by which it would not be taken as it was written. */
export interface JsonFault {
  /** `"disk.paths[1]"`; `""` is the document itself. */
  readonly path: string;
  /** What stands there; of what is no JSON at all, only where it ends to be: it may be a secret. */
  readonly found: string;
  readonly expected: string;
}

export type ReadJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly faults: readonly JsonFault[] };

/**
 * Text -> JSON, with or without a byte order mark. `JSON.parse` takes the last of two values of one key and rounds
 * numbers that a double cannot hold, both unseen: here each is a fault. Never throws.
 */
export function readJson(text: string): ReadJson {
  const json = text.replace(/^\uFEFF/, "");
  try {
    const value: unknown = JSON.parse(json);
    const faults = faultsOf(json);
    return faults.length === 0 ? { ok: true, value } : { ok: false, faults };
  } catch (error) {
    // From node 20 on the message quotes the document.
    const at = / position (\d+)/.exec((error as Error).message)?.[1];
    const found = `text that is not JSON${at === undefined ? "" : `, from character ${at} on`}`;
    return { ok: false, faults: [{ path: "", found, expected: "a JSON document" }] };
  }
}

/** An object or a list that is open where the text is read. */
interface Open {
  /** Of an object, the keys so far; `null`: a list. */
  readonly keys: Set<string> | null;
  /** The key or the index that is read. */
  at: string | number;
}

/**
 * A key with its colon, any other text, a number, what opens, closes or parts. Of valid JSON these are all that count.
 */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|[{}[\],]/g;

/** Far more than anybody writes; what walks through a document by recursion has stack enough for it. */
const MAX_DEPTH = 100;

function faultsOf(json: string): JsonFault[] {
  const open: Open[] = [];
  const faults: JsonFault[] = [];
  const path = () =>
    open
      .map(({ at }) => (typeof at === "number" ? `[${at}]` : `.${at}`))
      .join("")
      .replace(/^\./, "");
  for (const [token, text, colon, number] of json.matchAll(TOKEN)) {
    if (open.length > MAX_DEPTH)
      return [
        {
          path: "",
          found: "a deeper nested one",
          expected: `at most ${MAX_DEPTH} lists and objects in each other`,
        },
      ];
    const inner = open.at(-1);
    if (text !== undefined && colon !== undefined && inner?.keys) {
      const key = JSON.parse(text) as string;
      inner.at = key;
      if (inner.keys.has(key))
        faults.push({ path: path(), found: "a second value", expected: "one value for each key" });
      inner.keys.add(key);
    } else if (number !== undefined && !holds(number)) {
      faults.push({ path: path(), found: number, expected: "a number that a double can hold" });
    } else if (token === "{") open.push({ keys: new Set(), at: "" });
    else if (token === "[") open.push({ keys: null, at: 0 });
    else if (token === "}" || token === "]") open.pop();
    else if (token === "," && typeof inner?.at === "number") inner.at++;
  }
  return faults;
}

/** The double is this very number: it would be written with the same digits. */
function holds(number: string): boolean {
  const digits = (text: string) =>
    text
      .replace(/e.*$/i, "")
      .replace(/[-.]/g, "")
      .replace(/^0+|0+$/g, "");
  return digits(String(Number(number))) === digits(number);
}

/** What was read from outside: nobody changes it. Patterns and globs stay what they are. */
export type Frozen<T> = T extends { test(text: string): boolean }
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Frozen<T[Key]> }
      : T;
