import { readFileSync } from "node:fs";
import { type Parsed, parseSettings } from "./parse.ts";

/** Reads a settings file; no path means the defaults. A file that cannot be read or is not JSON is a problem too. */
export function loadSettings(path: string | undefined): Parsed {
  if (path === undefined) return parseSettings({});
  let raw: string;
  try {
    raw = readFileSync(path, "utf8");
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: "", found: (error as Error).message, expected: "a readable file" }],
    };
  }
  try {
    return parseSettings(JSON.parse(raw.replace(/^\uFEFF/, "")));
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: "", found: (error as Error).message, expected: "a JSON document" }],
    };
  }
}
