import { loadSettings } from "./load.ts";
import type { Parsed, Problem } from "./parse.ts";
import { compilePattern } from "./patterns.ts";
import type { Settings } from "./settings.ts";

/** Reads a settings file as the front does (load.ts), and has its patterns compiled as well. */
export function loadWhole(path: string | undefined): Parsed {
  const loaded = loadSettings(path);
  const problems = loaded.ok ? unfitPatterns(loaded.settings) : [];
  return problems.length === 0 ? loaded : { ok: false, problems };
}

function unfitPatterns({ liveRuns }: Settings): Problem[] {
  return (["services", "containers"] as const).flatMap((key) =>
    liveRuns[key].flatMap((source, index) => {
      try {
        compilePattern(source);
        return [];
      } catch (error) {
        const expected = `a pattern that RE2 takes (${(error as Error).message})`;
        return [{ path: `liveRuns.${key}[${index}]`, found: JSON.stringify(source), expected }];
      }
    }),
  );
}
