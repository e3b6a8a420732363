import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseSettings } from "../../../agent/settings/parse.ts";

const read = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

/** Every piece of settings that a row of docs/migrating.md names: `"prune": {"until": "24h"}`, `"unusedFor": "168h"`. */
const pieces = [...read("migrating.md").matchAll(/`("[a-zA-Z]+"(?::[^`]+)?)`/g)].map(
  ([, piece = ""]) => piece,
);

/** Keys of one rule, and the rule that holds them. */
const IN_A_RULE: Readonly<Record<string, (rule: object) => object>> = {
  ...Object.fromEntries(
    ["unusedFor", "maxTotalSize", "grace", "keepNewest", "keepCount"].map((key) => [
      key,
      (rule: object) => ({
        retention: [{ name: "a", match: { repositories: ["ci/*"] }, olderThan: "1d", ...rule }],
      }),
    ]),
  ),
  runningLongerThan: (rule) => ({ orphans: [{ name: "a", label: "ci", ...rule }] }),
};
/** A value for keys that a row names without one. */
const VALUES: Readonly<Record<string, unknown>> = { grace: "2m", keepNewest: 2, unusedFor: "30d" };

describe("docs/migrating.md", () => {
  it.each(pieces)("names settings that are valid: %s", (piece) => {
    const [, key = ""] = /^"([a-zA-Z]+)"/.exec(piece) ?? [];
    // The systemd unit's, not the agent's.
    if (key === "dates") return;
    const written = piece.includes(":")
      ? JSON.parse(`{${piece.replace("[...]", '["a"]')}}`)
      : { [key]: VALUES[key] };
    const settings = IN_A_RULE[key]?.(written) ?? written;
    expect(parseSettings(settings)).toMatchObject({ ok: true });
  });

  it("has some", () => {
    expect(pieces.length).toBeGreaterThan(20);
  });
});

describe("the label guard's one-liner in docs/retention.md", () => {
  it("finds Dockerfiles by whatever name, and nothing else", () => {
    const [, take = ""] = /grep -ziE '([^']+)'/.exec(read("retention.md")) ?? [];
    const [, leave = ""] = /grep -zv '([^']+)'/.exec(read("retention.md")) ?? [];
    const names = [
      "Dockerfile",
      "a/b/Dockerfile.dev",
      "x.dockerfile",
      "Dockerfile_x",
      "Containerfile",
      "dockerfile",
    ];
    const others = ["Dockerfile.dockerignore", "docs/dockerfiles.md", "mydockerfile", "Dockerfiles/x"];
    const found = execFileSync("sh", ["-c", 'grep -ziE "$0" | grep -zv "$1"', take, leave], {
      input: [...names, ...others].join("\0"),
      encoding: "utf8",
    });
    expect(found.split("\0").filter((name) => name !== "")).toEqual(names);
  });
});
