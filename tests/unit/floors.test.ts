import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** The floors of agent/, and the map of them in docs/development/design.md. Imports of types count as imports. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** Top floor first. An import leads to a lower floor, or stays in its own folder. */
const FLOORS: readonly (readonly string[])[] = [
  ["start"],
  ["main"],
  ["watch"],
  ["cli"],
  ["pass", "snapshots"],
  ["observe", "auth", "metrics"],
  ["act"],
  ["state"],
  ["log"],
  ["plan"],
  ["gates"],
  ["engine"],
  ["settings"],
  ["host", "load"],
  ["units", "json", "facts", "collections", "exit", "text", "colours", "version"],
];
/** Imports nothing of the others, and only the commands import it. */
const APART = "dockerfiles";

const files = readdirSync(join(ROOT, "agent"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .sort();

/** `"plan/age.ts"` -> the files of agent/ that it imports. */
const imports = new Map(
  files.map((path) => [
    path,
    [...read(`agent/${path}`).matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*"(\.[^"]+\.ts)"/g)].map(
      ([, to = ""]) => posix.join(posix.dirname(path), to),
    ),
  ]),
);

/** `"plan/age.ts"` -> `"plan"`, `"exit.ts"` -> `"exit"` */
const room = (path: string) => path.split("/")[0]?.replace(/\.ts$/, "") ?? "";
const floorOf = (name: string) => FLOORS.findIndex((floor) => floor.includes(name));

/** Every import that leads up, or across to another room of the same floor. */
function upward(): string[] {
  return [...imports].flatMap(([from, all]) =>
    all
      .filter((to) => {
        if (room(from) === room(to)) return false;
        if (room(to) === APART) return room(from) !== "cli";
        return room(from) === APART || floorOf(room(to)) <= floorOf(room(from));
      })
      .map((to) => `${from} > ${to}`),
  );
}

/** A way from each file that leads back to it, as the files on it; one a circle. */
function circles(): string[] {
  const done = new Set<string>();
  const found = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    const at = way.indexOf(path);
    if (at !== -1) found.add([...way.slice(at)].sort().join(" "));
    if (at !== -1 || done.has(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of files) visit(path, []);
  return [...found];
}

/** Not mended yet; a line that is mended must go from here. */
const STILL_UP: readonly string[] = [];
const STILL_CIRCLES: readonly string[] = [];

describe("the floors of agent/", () => {
  it("hold every folder and file", () => {
    expect([...new Set(files.map(room))].sort()).toEqual([...FLOORS.flat(), APART].sort());
  });

  it("are joined by imports that lead down", () => {
    expect(upward().sort()).toEqual([...STILL_UP].sort());
  });

  it("have no circle of files", () => {
    expect(circles().sort()).toEqual([...STILL_CIRCLES].sort());
  });
});

describe("the map in docs/development/design.md", () => {
  it("names every folder and file of agent/, and nothing else, from the top floor down", () => {
    const named = [...read("docs/development/design.md").matchAll(/^\| (`agent\/.*?) \|/gm)].flatMap(
      ([, cell = ""]) => [...cell.matchAll(/`agent\/([^`]+?)(?:\/|\.ts)`/g)].map(([, name = ""]) => name),
    );
    expect([...named].sort()).toEqual([...FLOORS.flat(), APART].sort());
    const floors = named.filter((name) => name !== APART).map(floorOf);
    expect(floors).toEqual([...floors].sort((a, b) => a - b));
  });
});
