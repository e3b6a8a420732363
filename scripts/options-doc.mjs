// Writes docs/options.md from nix/module.nix. Needs nixpkgs' lib: NIXPKGS_LIB names a folder with `lib/` in it, as in
// the repository nix-community/nixpkgs.lib. A test fails when the page is stale.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const lib = process.env.NIXPKGS_LIB;
if (!lib) throw new Error("set NIXPKGS_LIB to a folder with nixpkgs' lib in it");
const page = execFileSync(
  "nix-instantiate",
  [
    ...["--store", "dummy://", "--eval", "--strict", "--json"],
    ...["-E", `import ./nix/options-doc.nix { lib = import ${lib}/lib; }`],
  ],
  { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
);
writeFileSync(`${root}docs/options.md`, JSON.parse(page));
