import { readJson } from "../json.ts";

/** Why something cannot be used, as the end of a sentence; it never quotes what was read. */
export interface Problem {
  readonly ok: false;
  readonly reason: string;
}

/**
 * Text -> JSON object. The reason says where the text breaks, never how it reads there: a secret may stand at that
 * place. A key that is there twice, or a number that would be rounded, is a problem: what is written back would differ.
 */
export function parseObject(
  text: string,
): { readonly ok: true; readonly value: Record<string, unknown> } | Problem {
  const read = readJson(text);
  if (!read.ok) {
    const [{ path, found, expected } = { path: "", found: "", expected: "" }] = read.faults;
    const at = / character (\d+)/.exec(found)?.[1];
    return {
      ok: false,
      reason:
        path === ""
          ? `it is not valid JSON${at === undefined ? "" : ` (at character ${at})`}`
          : `at ${path}, expected ${expected}`,
    };
  }
  const { value } = read;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { ok: false, reason: "it is not a JSON object" };
  return { ok: true, value: value as Record<string, unknown> };
}
