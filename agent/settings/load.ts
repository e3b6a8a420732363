import { readJson } from "../json.ts";
import { type Parsed, parseSettings } from "./parse.ts";
import { INSTALLED_SETTINGS, readSettings } from "./read.ts";

/** Reads and judges a settings file. That it cannot be read, or is no JSON, is a problem like any other. */
export function loadSettings(path: string | undefined, installed = INSTALLED_SETTINGS): Parsed {
  let text: string | null;
  try {
    ({ text } = readSettings(path, installed));
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: "", found: (error as Error).message, expected: "a readable file" }],
    };
  }
  if (text === null) return parseSettings({});
  const read = readJson(text);
  return read.ok ? parseSettings(read.value) : { ok: false, problems: read.faults };
}
