import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EXIT_HELP } from "../../../agent/exit.ts";
import { PRESETS } from "../../../agent/gates/presets.ts";
import { parseSettings } from "../../../agent/settings/parse.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const manual = read("docs/configuration.md");

/** `{a: {b: 1}}` -> `["a.b"]`; lists are leaves. */
function leaves(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === "" ? key : `${path}.${key}`));
}

/** The keys that the program itself names, level by level, when it meets one it does not know. */
function keysOfProgram(): string[] {
  const known = (document: unknown, path: string): string[] => {
    const parsed = parseSettings(document);
    if (parsed.ok) throw new Error(`nothing refused at ${path}`);
    const problem = parsed.problems.find(({ path: at }) => at === path);
    return problem?.expected.split("here are: ")[1]?.split(", ") ?? [];
  };
  return known({ "?": 1 }, "?").flatMap((key) => {
    const section = parseSettings({ [key]: { "?": 1 } });
    const isSection = !section.ok && section.problems.some(({ path }) => path === `${key}.?`);
    return isSection ? known({ [key]: { "?": 1 } }, `${key}.?`).map((inner) => `${key}.${inner}`) : [key];
  });
}

describe("docs/configuration.md", () => {
  const document = JSON.parse(/```json\n([\s\S]*?)```/.exec(manual)?.[1] ?? "") as unknown;

  it("shows a whole document that is valid and equals the defaults", () => {
    const shown = parseSettings(document);
    const defaults = parseSettings({});
    if (!shown.ok || !defaults.ok) throw new Error("not valid");
    expect({ ...shown.settings, disk: { ...shown.settings.disk, pathsNamed: false } }).toEqual(
      defaults.settings,
    );
  });

  it("shows every key the program knows, and no other", () => {
    expect(leaves(document).sort()).toEqual(keysOfProgram().sort());
  });

  it("explains every key in a row of its own", () => {
    const rows = [...manual.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, key]) => key);
    expect(rows.sort()).toEqual(keysOfProgram().sort());
  });

  it("names every preset", () => {
    for (const name of Object.keys(PRESETS)) expect(manual).toContain(`\`${name}\``);
  });
});

describe("README.md", () => {
  it("lists the exit codes that --help lists", () => {
    const codes = [...read("README.md").matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(EXIT_HELP.map(([code]) => code));
  });
});
