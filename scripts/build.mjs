// Bundles agent/ into dist/: a small front (run, below the watermark), the rest, which it loads when needed, and their
// bytecode (compile.mjs). docs/development/decisions/0003-files-of-the-bundle.md says why. The flags live in
// esbuild-flags.json, for the esbuild *command*, since nix/package.nix runs nixpkgs' own esbuild with the very same ones.
// Another folder than dist/ may be named.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const flags = JSON.parse(readFileSync(join(root, "scripts/esbuild-flags.json"), "utf8"));

const dist = resolve(process.argv[2] ?? join(root, "dist"));
mkdirSync(dist, { recursive: true });
const fresh = mkdtempSync(join(dist, ".new-"));
try {
  execFileSync(
    join(root, "node_modules/.bin/esbuild"),
    [...flags, `--define:__VERSION__=${JSON.stringify(version)}`, `--outdir=${fresh}`],
    { cwd: root, stdio: "inherit" },
  );
  execFileSync(process.execPath, ["--random-seed=1", join(root, "scripts/compile.mjs"), fresh], {
    stdio: "inherit",
  });
  // Renamed into place, so that a bundle that runs at this moment never reads half a file.
  for (const name of readdirSync(fresh)) {
    chmodSync(join(fresh, name), 0o755);
    renameSync(join(fresh, name), join(dist, name));
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
