import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EXIT_HELP } from "../../../agent/exit.ts";
import { PRESETS } from "../../../agent/gates/presets.ts";
import { parseSettings } from "../../../agent/settings/parse.ts";
import { keysOfAgent } from "../../support/settings-keys.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const manual = read("docs/configuration.md");

/** `{a: {b: 1}}` -> `["a.b"]`; lists are leaves. */
function leaves(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === "" ? key : `${path}.${key}`));
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

  it("shows every key the program knows, and no other; by default there are no rules", () => {
    const keys = keysOfAgent().filter((key) => !key.includes("[]"));
    expect(leaves(document).sort()).toEqual(keys.sort());
  });

  it("explains every key in a row of its own, those of a rule as well", () => {
    const rows = [...manual.matchAll(/^\| `([\w.[\]]+)` \|/gm)].map(([, key]) => key);
    expect(rows.sort()).toEqual(keysOfAgent().sort());
    expect(rows).toEqual(expect.arrayContaining(["retention[].match.labels", "orphans[].label"]));
  });

  it.each([
    ["docs/configuration.md", 2],
    ["docs/retention.md", 1],
  ])("shows no example that is not valid, nor does any page about rules: %s", (page, atLeast) => {
    const examples = [...read(page).matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
    expect(examples.length).toBeGreaterThanOrEqual(atLeast);
    for (const text of examples) expect(parseSettings(JSON.parse(text))).toMatchObject({ ok: true });
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
