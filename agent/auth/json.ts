/** Why something cannot be used, as the end of a sentence; it never quotes what was read. */
export interface Problem {
  readonly ok: false;
  readonly reason: string;
}

/**
 * Text -> JSON object. The reason says where the text breaks, never how it reads there: from node 20 on the message of
 * JSON.parse quotes the document, and with it whatever secret stands at that place.
 */
export function parseObject(
  text: string,
): { readonly ok: true; readonly value: Record<string, unknown> } | Problem {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    const at = / position (\d+)/.exec((error as Error).message)?.[1];
    return { ok: false, reason: `it is not valid JSON${at === undefined ? "" : ` (at character ${at})`}` };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { ok: false, reason: "it is not a JSON object" };
  return { ok: true, value: value as Record<string, unknown> };
}
