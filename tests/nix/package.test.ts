import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  bothMissing,
  evaluate,
  LIB,
  libMissing,
  type Missing,
  nixMissing,
  type Ran,
  ROOT,
  run,
  scratch,
  title,
} from "../support/nix.ts";

const npmMissing: Missing =
  run("npm", ["view", "picocolors", "version", "--fetch-retries=0"]).code === 0
    ? null
    : "npm reaches no registry";

const hashMissing = bothMissing(nixMissing, npmMissing);

describe.skipIf(hashMissing !== null)(title("nix/node-modules.json", hashMissing), () => {
  it("has the hash of the dependencies in package-lock.json (npm run nix:hash)", () => {
    const { code, stdout, stderr } = run(process.execPath, ["scripts/nix-hash.mjs", "--check"]);
    expect(code, stdout + stderr).toBe(0);
  });
});

const phasesMissing = bothMissing(libMissing, npmMissing);

interface Phases {
  readonly src: readonly string[];
  readonly buildPhase: string;
  readonly installPhase: string;
  readonly installCheckPhase: string;
  readonly version: string;
}

/** Its phases are run as they stand, in a folder that holds the sources it names and nothing else. */
describe.skipIf(phasesMissing !== null)(title("nix/package.nix", phasesMissing), () => {
  const dir = scratch("package");
  const bin = join(dir, "bin");
  const out = join(dir, "out");
  const nodeModules = join(dir, "node-modules");
  let phases: { package: Phases; nodeModules: Phases };

  function runPhases(name: string, { src }: Phases, script: string, to: string): Ran {
    const work = join(dir, name);
    for (const path of src) cpSync(join(ROOT, path), join(work, path), { recursive: true });
    return run("bash", ["-euo", "pipefail", "-c", `runHook() { :; }\n${script}`], {
      cwd: work,
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, out: to, TMPDIR: dir },
    });
  }

  beforeAll(() => {
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, "node"));
    symlinkSync(join(ROOT, "node_modules/.bin/esbuild"), join(bin, "esbuild"));
    // What makeBinaryWrapper would put there, as a script.
    writeFileSync(
      join(bin, "makeWrapper"),
      `#!/bin/bash
mkdir -p "$(dirname "$2")"
[ "$3" = --add-flags ] && [ "$5 $6 $7" = "--prefix PATH :" ] || exit 1
printf '#!/bin/sh\\nPATH=%s:$PATH exec %s %s "$@"\\n' "$8" "$1" "$4" > "$2"
chmod +x "$2"
`,
    );
    chmodSync(join(bin, "makeWrapper"), 0o755);
    writeFileSync(
      join(bin, "installShellCompletion"),
      '#!/bin/sh\nmkdir -p "$out/share" && cp "$1" "$out/share"\n',
    );
    chmodSync(join(bin, "installShellCompletion"), 0o755);
    const paths = `{ node = "${dir}"; tools = "/usr"; nodeModules = "${nodeModules}"; }`;
    phases = evaluate(
      `import ./tests/nix/package-phases.nix { lib = ${LIB}; paths = ${paths}; }`,
    ) as typeof phases;
  });

  // npm before 11.6 leaves empty folders. The other test of this file is by this machine's own.
  it("fetches dependencies by npm alone, an older one too, to the committed hash", () => {
    const older = join(dir, "npm");
    const installed = run("npm", ["install", "--prefix", older, "--no-audit", "--no-fund", "npm@10"]);
    expect(installed.code, installed.stderr).toBe(0);
    const { buildPhase, installPhase } = phases.nodeModules;
    // Not the HOME of the build: this machine's npm may know its registry from there.
    const script = `PATH=${older}/node_modules/.bin:$PATH\n${buildPhase.replace("HOME=$TMPDIR ", "")}${installPhase}`;
    const { code, stderr } = runPhases("fetch", phases.nodeModules, script, nodeModules);
    expect(code, stderr).toBe(0);
    const { hash } = JSON.parse(readFileSync(join(ROOT, "nix/node-modules.json"), "utf8"));
    const nix = ["--extra-experimental-features", "nix-command", "hash", "path", nodeModules];
    expect(run("nix", nix).stdout.trim()).toBe(hash);
  });

  it("bundles to the byte what npm run build bundles", () => {
    const { buildPhase, installPhase } = phases.package;
    const { code, stderr } = runPhases("build", phases.package, buildPhase + installPhase, out);
    expect(code, stderr).toBe(0);
    const fresh = join(dir, "fresh");
    expect(run(process.execPath, ["scripts/build.mjs", fresh]).code).toBe(0);
    for (const name of readdirSync(fresh)) {
      const built = readFileSync(join(out, "lib/ci-docker-prune", name), "utf8");
      expect(built === readFileSync(join(fresh, name), "utf8"), name).toBe(true);
    }
  });

  it("installs completions that bash takes", () => {
    expect(readdirSync(join(out, "share"))).toEqual(["ci-docker-prune.bash", "ci-docker-prune.zsh"]);
    const complete = `source ${out}/share/ci-docker-prune.bash && complete -p ci-docker-prune`;
    expect(run("bash", ["-c", complete]).stdout).toMatch(/-F \S+ ci-docker-prune$/m);
    expect(readFileSync(join(out, "share/ci-docker-prune.zsh"), "utf8")).toMatch(/^#compdef ci-docker-prune/);
  });

  it("passes its own check, with nothing but the wrapper", () => {
    const { code, stderr } = runPhases("check", phases.package, phases.package.installCheckPhase, out);
    expect(code, stderr).toBe(0);
  });
});
