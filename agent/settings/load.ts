import { readFileSync } from "node:fs";
import { readJson } from "../json.ts";
import { type Parsed, parseSettings } from "./parse.ts";

/** Reads a settings file; no path means the defaults. What cannot be read, or is no JSON, is a problem too. */
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
  const read = readJson(raw);
  return read.ok ? parseSettings(read.value) : { ok: false, problems: read.faults };
}
