import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";

/**
 * The rules of the house, kept by reading the sources. What is a value import is esbuild's word, under this project's
 * own compiler options: `import type` leaves nothing behind, `import { type X }` does (the module is loaded).
 */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Source {
  /** `"agent/plan/age.ts"` */
  readonly path: string;
  readonly text: string;
}

interface Parsed extends Source {
  /** Modules that are loaded when this one is: `"agent/units.ts"`, `"node:fs"`, `"pino"`. */
  readonly values: readonly string[];
  /** The same, and those of which only types are taken. */
  readonly all: readonly string[];
  /** As JavaScript: no comments, no types. */
  readonly code: string;
}

const TSCONFIG = { compilerOptions: { verbatimModuleSyntax: true, target: "ES2023" } } as const;

async function parse(source: Source): Promise<Parsed> {
  const { code } = await transform(source.text, {
    loader: "ts",
    tsconfigRaw: TSCONFIG,
    legalComments: "none",
  });
  const named = (text: string) =>
    [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*"([^"]+)"/g)].map(([, name = ""]) =>
      name.startsWith(".") ? posix.join(posix.dirname(source.path), name) : name,
    );
  return { ...source, values: named(code), all: named(source.text), code };
}

/** A rule gives back what breaks it, as sentences. */
type Rule = (files: readonly Parsed[]) => string[];

const PURE_FOLDERS = ["agent/gates/", "agent/plan/"];
const PURE_HELPERS = [
  "agent/units.ts",
  "agent/facts.ts",
  "agent/collections.ts",
  "agent/text.ts",
  "agent/gates/observation.ts",
  "agent/settings/labels.ts",
  "agent/settings/patterns.ts",
  "agent/settings/globs.ts",
  "agent/settings/rule-names.ts",
];

const decidingIsPure: Rule = (files) =>
  files.flatMap(({ path, values }) => {
    const own = PURE_FOLDERS.find((folder) => path.startsWith(folder));
    if (own === undefined) return [];
    return values
      .filter((value) => !value.startsWith(own) && !PURE_HELPERS.includes(value))
      .map((value) => `${path} loads ${value}`);
  });

const onlyContextMakesAWriter: Rule = (files) =>
  files
    .filter(
      ({ path, values }) => values.includes("agent/engine/writer.ts") && path !== "agent/cli/context.ts",
    )
    .map(({ path }) => `${path} loads the writer`);

/** The pass deletes through act; snapshot commands, which a router asks for by name, through their one set of ports. */
const onlyActAndPassNameTheWriter: Rule = (files) =>
  files
    .filter(({ all }) => all.includes("agent/engine/writer.ts"))
    .filter(
      ({ path }) =>
        !path.startsWith("agent/act/") &&
        ![
          "agent/pass/context.ts",
          "agent/pass/pass.ts",
          "agent/cli/context.ts",
          "agent/snapshots/look.ts",
        ].includes(path),
    )
    .map(({ path }) => `${path} names the writer`);

const oneHome =
  (library: string, home: string): Rule =>
  (files) =>
    files
      .filter(({ path, all }) => path !== home && all.some((name) => name.split("/")[0] === library))
      .map(({ path }) => `${path} imports ${library}`);

/** A file of its own in the bundle, which is loaded where metrics are wanted (agent/metrics/textfile.ts). */
const metricsAreApart: Rule = (files) =>
  files
    .filter(({ values }) => values.includes("agent/metrics/metrics.ts"))
    .map(({ path }) => `${path} loads the metrics`);

const theLabelGuardIsPure: Rule = (files) =>
  files
    .filter(({ path }) => path.startsWith("agent/dockerfiles/"))
    .flatMap(({ path, values }) =>
      values
        .filter((value) => !value.startsWith("agent/dockerfiles/"))
        .map((value) => `${path} loads ${value}`),
    );

const timeHasOneHome: Rule = (files) =>
  files
    .filter(({ path }) => path !== "agent/host/clock.ts")
    .filter(({ code }) => /\bDate\s*\.\s*now\b|\bnew Date(?!\s*\(\s*[^\s)])|(?<!new )\bDate\(/.test(code))
    .map(({ path }) => `${path} reads the clock`);

const networkHasOneHome: Rule = (files) =>
  files
    .filter(({ path }) => path !== "agent/auth/rate-limit.ts")
    .filter(
      ({ code, all }) =>
        /\bfetch\s*\(/.test(code) ||
        all.some((name) => /^(?:node:)?(?:https|http2|net|tls|dgram)$/.test(name)),
    )
    .map(({ path }) => `${path} goes to the network`);

/** But for the front, which ends on a crash that nobody caught. */
const nobodyExits: Rule = (files) =>
  files
    .filter(({ path }) => path !== "agent/main.ts")
    .filter(
      ({ code, all }) =>
        /\bprocess\s*\.\s*(exit|abort|reallyExit)\b/.test(code) ||
        all.includes("node:process") ||
        all.includes("process"),
    )
    .map(({ path }) => `${path} ends the process`);

/** What may be taken from node:fs, by file; elsewhere nothing, and neither reading nor writing by a file's name. */
const FROM_FS: Readonly<Record<string, readonly string[] | "all">> = {
  "agent/host/files.ts": "all",
  "agent/host/paths.ts": "all",
  "agent/host/exclusive.ts": ["closeSync", "constants", "openSync"],
  "agent/host/lock.ts": ["closeSync", "constants", "fstatSync", "openSync", "statSync"],
  "agent/host/disk.ts": ["realpathSync", "stat", "statfs", "statfsSync", "statSync"],
  "agent/host/places.ts": ["fstatSync", "statSync"],
  "agent/host/usage.ts": ["readdir", "readlink", "stat"],
  "agent/start.ts": ["readFileSync"],
  // To standard output, by its descriptor.
  "agent/main.ts": ["writeSync"],
};

const filesHaveOneHome: Rule = (files) =>
  files.flatMap(({ path, text, values }) => {
    const may = FROM_FS[path] ?? [];
    if (may === "all" || !values.some((value) => /^(?:node:)?fs(?:\/|$)/.test(value))) return [];
    const named = [...text.matchAll(/import \{([^}]*)\} from "node:fs(?:\/promises)?"/g)].flatMap(
      ([, names = ""]) => names.split(",").map((name) => name.trim().replace(/ as .*/, "")),
    );
    const taken = named.filter((name) => name !== "" && !name.startsWith("type "));
    const foreign = taken.filter((name) => !may.includes(name));
    // By another form of import everything is taken.
    return taken.length === 0
      ? [`${path} takes all of node:fs`]
      : foreign.map((name) => `${path} takes ${name}`);
  });

const HEAVY = ["valibot", "yargs", "re2js", "dockerode", "systeminformation", "cliui"];

/** Every module and package that is loaded with `entry`, at once or later, whatever asks for it. */
function reach(files: readonly Parsed[], entry: string): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const seen = new Set<string>();
  const todo = [entry];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    todo.push(...(byPath.get(next)?.values ?? []));
  }
  return seen;
}

const theFrontIsLight: Rule = (files) =>
  [...reach(files, "agent/main.ts")]
    .filter((name) => HEAVY.includes(name.split("/")[0] ?? ""))
    .map((name) => `the front loads ${name}`);

const RULES: Readonly<Record<string, Rule>> = {
  "gates and plan load nothing but themselves and pure helpers": decidingIsPure,
  "only the composition loads the writer": onlyContextMakesAWriter,
  "only act, the pass, the snapshots' ports and the composition name the writer's type":
    onlyActAndPassNameTheWriter,
  "dockerode is imported by the client alone": oneHome("dockerode", "agent/engine/client.ts"),
  "pino is imported by the journal alone": oneHome("pino", "agent/log/journal.ts"),
  "d3-time is imported by the calendar alone": oneHome("d3-time", "agent/cli/ticks.ts"),
  "systeminformation is imported by mounts alone": oneHome("systeminformation", "agent/host/mounts.ts"),
  "re2js is imported by the patterns of the settings alone": oneHome("re2js", "agent/settings/patterns.ts"),
  "prom-client is imported by the metrics alone": oneHome("prom-client", "agent/metrics/metrics.ts"),
  "the metrics are in no other file of the bundle": metricsAreApart,
  "the label guard loads nothing but itself": theLabelGuardIsPure,
  "the time of day is read by the clock alone": timeHasOneHome,
  "the network is reached by the look at the pull allowance alone": networkHasOneHome,
  "files are read and written by host/files.ts alone": filesHaveOneHome,
  "nobody ends the process but the front": nobodyExits,
  "the front bundle stays without the command line, the engine and the tables": theFrontIsLight,
};

let agent: Parsed[] = [];

beforeAll(async () => {
  const paths = readdirSync(join(ROOT, "agent"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => posix.join("agent", path));
  agent = await Promise.all(
    paths.map((path) => parse({ path, text: readFileSync(join(ROOT, path), "utf8") })),
  );
});

describe("the house", () => {
  it.each(Object.entries(RULES))("keeps this rule: %s", (_, rule) => {
    expect(rule(agent)).toEqual([]);
  });

  it("was read whole: every relative import leads to a file that is there", () => {
    const paths = agent.map(({ path }) => path);
    const lost = agent.flatMap(({ path, all }) =>
      all
        .filter((name) => name.startsWith("agent/") && name.endsWith(".ts") && !paths.includes(name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(lost).toEqual([]);
    expect(paths).toEqual(expect.arrayContaining(["agent/main.ts", "agent/plan/decide.ts"]));
  });

  it("was understood: the homes do import what lives there, and the front does reach the state", () => {
    const valuesOf = (path: string) => agent.find((file) => file.path === path)?.values;
    expect(valuesOf("agent/engine/client.ts")).toContain("dockerode");
    expect(valuesOf("agent/log/journal.ts")).toContain("pino");
    expect(valuesOf("agent/host/mounts.ts")).toContain("systeminformation");
    expect(valuesOf("agent/metrics/metrics.ts")).toContain("prom-client");
    // Nor do they bring the settings' schema along: that is in the front already.
    expect([...reach(agent, "agent/metrics/metrics.ts")]).not.toContain("valibot");
    expect(valuesOf("agent/cli/ticks.ts")).toContain("d3-time");
    expect(valuesOf("agent/cli/context.ts")).toContain("agent/engine/writer.ts");
    expect(valuesOf("agent/plan/images.ts")).toContain("agent/plan/age.ts");
    expect([...reach(agent, "agent/main.ts")]).toEqual(
      expect.arrayContaining(["agent/state/state.ts", "agent/log/line.ts"]),
    );
    expect([...reach(agent, "agent/cli/index.ts")]).toEqual(expect.arrayContaining(HEAVY));
  });
});

describe("the rules themselves see what breaks them", () => {
  const BAD: readonly (readonly [string, Rule, Source])[] = [
    [
      "a plan that loads the reader",
      decidingIsPure,
      bad("plan", 'import { Reader } from "../engine/reader.ts"; new Reader();'),
    ],
    [
      "a plan that loads a node module",
      decidingIsPure,
      bad("plan", 'import { statfsSync } from "node:fs"; statfsSync("/");'),
    ],
    [
      "a gate that loads a library",
      decidingIsPure,
      bad("gates", 'import * as v from "valibot"; v.string();'),
    ],
    [
      "a gate that takes a type in an import that still loads",
      decidingIsPure,
      bad("gates", 'import { type Plan } from "../plan/plan.ts"; export type P = Plan;'),
    ],
    [
      "a gate that loads lazily",
      decidingIsPure,
      bad("gates", 'export const later = () => import("../engine/reader.ts");'),
    ],
    [
      "a plan that passes another module on",
      decidingIsPure,
      bad("plan", 'export { Reader } from "../engine/reader.ts";'),
    ],
    [
      "a stage that makes a writer",
      onlyContextMakesAWriter,
      bad("act", 'import { Writer } from "../engine/writer.ts"; new Writer(0 as never);'),
    ],
    [
      "a gate that names the writer",
      onlyActAndPassNameTheWriter,
      bad("gates", 'import type { EngineWriter } from "../engine/writer.ts"; export type W = EngineWriter;'),
    ],
    [
      "a snapshot command that takes the writer past its ports",
      onlyActAndPassNameTheWriter,
      bad(
        "snapshots",
        'import type { EngineWriter } from "../engine/writer.ts"; export type W = EngineWriter;',
      ),
    ],
    [
      "a second importer of dockerode",
      oneHome("dockerode", "agent/engine/client.ts"),
      bad("engine", 'import Docker from "dockerode"; new Docker();'),
    ],
    [
      "a type taken from dockerode",
      oneHome("dockerode", "agent/engine/client.ts"),
      bad("engine", 'import type Docker from "dockerode"; export type D = Docker;'),
    ],
    [
      "dockerode by its inner path",
      oneHome("dockerode", "agent/engine/client.ts"),
      bad("engine", 'import Docker from "dockerode/lib/docker.js"; new Docker();'),
    ],
    [
      "a second importer of pino",
      oneHome("pino", "agent/log/journal.ts"),
      bad("log", 'const pino = require("pino"); pino();'),
    ],
    [
      "a second importer of prom-client",
      oneHome("prom-client", "agent/metrics/metrics.ts"),
      bad("metrics", 'import { Gauge } from "prom-client"; new Gauge({ name: "a", help: "b" });'),
    ],
    [
      "a stage that loads the metrics",
      metricsAreApart,
      bad("metrics", 'export const later = () => import("./metrics.ts");'),
    ],
    [
      "a label guard that reads files",
      theLabelGuardIsPure,
      bad("dockerfiles", 'import { readFileSync } from "node:fs"; readFileSync("Dockerfile");'),
    ],
    ["a look at Date.now", timeHasOneHome, bad("plan", "export const at = Date.now();")],
    ["Date.now handed on", timeHasOneHome, bad("plan", "export const clock = { now: Date.now };")],
    ["a new Date of now", timeHasOneHome, bad("plan", "export const at = new Date();")],
    ["a new Date without brackets", timeHasOneHome, bad("plan", "export const at = new Date;")],
    ["a fetch", networkHasOneHome, bad("act", 'export const a = () => fetch("https://example.org");')],
    ["a socket", networkHasOneHome, bad("engine", 'import { connect } from "node:net"; connect(1);')],
    [
      "a file that is written by its name",
      filesHaveOneHome,
      bad("state", 'import { writeFileSync } from "node:fs"; writeFileSync("a", "b");'),
    ],
    [
      "a file that is read by its name",
      filesHaveOneHome,
      bad("host", 'import { type Stats, readFileSync } from "node:fs"; readFileSync("a");'),
    ],
    ["all of node:fs", filesHaveOneHome, bad("host", 'import fs from "node:fs"; fs.chmodSync("a", 0);')],
    [
      "the promises of node:fs",
      filesHaveOneHome,
      bad("auth", 'import { rename } from "node:fs/promises"; rename("a", "b");'),
    ],
    ["node:fs by require", filesHaveOneHome, bad("log", 'require("fs").rmSync("a");')],
    ["an exit", nobodyExits, bad("host", "export const end = () => process.exit(0);")],
    ["an abort", nobodyExits, bad("host", "export const end = () => process.abort();")],
    ["an exit by its bare name", nobodyExits, bad("host", 'import { exit } from "node:process"; exit(0);')],
  ];

  function bad(folder: string, text: string): Source {
    return { path: `agent/${folder}/fake.ts`, text };
  }

  it.each(BAD)("%s", async (_, rule, source) => {
    expect(rule([await parse(source)])).toHaveLength(1);
  });

  it("a front that reaches yargs through two others", async () => {
    const files = await Promise.all(
      [
        { path: "agent/main.ts", text: 'import { a } from "./a.ts"; a();' },
        { path: "agent/a.ts", text: 'import { b } from "./b.ts"; export const a = b;' },
        { path: "agent/b.ts", text: 'import yargs from "yargs/yargs"; export const b = () => yargs();' },
      ].map(parse),
    );
    expect(theFrontIsLight(files)).toEqual(["the front loads yargs/yargs"]);
  });

  it("and leave good files alone", async () => {
    const good = await parse(
      bad(
        "plan",
        `import type { Reader } from "../engine/reader.ts";
         import { formatBytes } from "../units.ts";
         // Not Date.now(), and never process.exit().
         export const text = (reader: Reader, ms: number) => [reader, formatBytes(1), new Date(ms)];`,
      ),
    );
    expect(Object.values(RULES).flatMap((rule) => rule([good]))).toEqual([]);
  });
});

describe("what is committed", () => {
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  })
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(ROOT, path)));

  it("locks packages by integrity, and names no registry", () => {
    const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
    expect(lock).not.toContain('"resolved": "http');
    expect(lock).toContain('"integrity": "sha512-');
  });

  it("names no path of the machine it was written on", () => {
    // Put together here, so that this file does not name them either.
    const here = [["", "work", ""].join("/"), ["", "tmp", "bash_jobs"].join("/")];
    const found = files.filter((path) => {
      const text = readFileSync(join(ROOT, path), "latin1");
      return here.some((name) => text.includes(name));
    });
    expect(files).toContain("package.json");
    expect(found).toEqual([]);
  });

  it.each([
    [300, /^(?:agent|nix|tests\/support)\//],
    [600, /^tests\/.*\.test\.ts$/],
    [100, /^agent\/pass\/pass\.ts$/],
  ])("is read in one go: at most %i lines in each file of %s", (most, of) => {
    const named = files.filter((path) => of.test(path));
    expect(named).not.toEqual([]);
    const lines = (path: string) => readFileSync(join(ROOT, path), "utf8").split("\n").length - 1;
    expect(named.filter((path) => lines(path) > most)).toEqual([]);
  });
});
