import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";

/**
 * Goldens of one test, in one text: `## name`, then lines. `UPDATE_GOLDENS=1 npx vitest --project unit tests/golden`
 * writes what came out; read the difference before you commit it.
 */
export function goldenSections(file: string, names: readonly string[]) {
  const path = join(import.meta.dirname, file);
  const updates = process.env.UPDATE_GOLDENS === "1";
  const told = new Map<string, string>();
  const kept = updates ? new Map<string, string>() : readSections(path);
  if (!updates) expect([...kept.keys()], `sections of ${file}`).toEqual([...names]);
  afterAll(() => {
    if (updates) writeFileSync(path, names.map((name) => `## ${name}\n${told.get(name) ?? ""}\n`).join("\n"));
  });
  return {
    check: (name: string, lines: readonly string[]) => {
      const text = lines.join("\n");
      told.set(name, text);
      if (!updates) expect(text).toBe(kept.get(name));
    },
    /** Every line of it. */
    lines: () => [...kept.values()].flatMap((text) => text.split("\n")),
  };
}

function readSections(path: string): Map<string, string> {
  const sections = readFileSync(path, "utf8").split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end + 1).trimEnd()];
    }),
  );
}
