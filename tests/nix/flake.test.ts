import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evaluate, nixMissing, nixWithFlakes, ROOT, run, scratch, title } from "../support/nix.ts";

const nixFiles = [
  "flake.nix",
  "default.nix",
  ...readdirSync(join(ROOT, "nix"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".nix"))
    .map((path) => join("nix", path)),
];

describe.skipIf(nixMissing !== null)(title("every .nix file", nixMissing), () => {
  it.each(nixFiles)("parses: %s", (file) => {
    const { code, stderr } = run("nix-instantiate", ["--store", "dummy://", "--parse", file]);
    expect(code, stderr).toBe(0);
  });
});

describe.skipIf(nixMissing !== null)(title("the flake", nixMissing), () => {
  const dir = scratch("flake");
  // Only what the flake reads: `path:` copies all there is.
  const source = join(dir, "source");
  for (const name of [
    "flake.nix",
    "flake.lock",
    "default.nix",
    "nix",
    "package.json",
    "scripts/esbuild-flags.json",
  ]) {
    cpSync(join(ROOT, name), join(source, name), { recursive: true });
  }

  it("agrees with its lock", () => {
    const { code, stdout, stderr } = nixWithFlakes(
      ["flake", "metadata", "--no-update-lock-file", `path:${source}`],
      dir,
    );
    expect(code, stderr).toBe(0);
    const { rev } = JSON.parse(readFileSync(join(ROOT, "flake.lock"), "utf8")).nodes.nixpkgs.locked;
    expect(stdout).toContain(`github:NixOS/nixpkgs/${rev}`);
  });

  const nixpkgs = join(dir, "nixpkgs");
  mkdirSync(nixpkgs);
  cpSync(join(ROOT, "tests/nix/names-flake.nix"), join(nixpkgs, "flake.nix"));
  const flake = (...words: string[]) =>
    nixWithFlakes(
      [
        "flake",
        ...words,
        "--no-write-lock-file",
        "--override-input",
        "nixpkgs",
        `path:${nixpkgs}`,
        `path:${source}`,
      ],
      dir,
    );

  it("has outputs of the kinds that `nix flake check` wants, of an old Nix too", () => {
    const { code, stderr } = flake("check", "--no-build");
    expect(code, stderr).toBe(0);
  });

  it("offers what the documentation names, for both systems", () => {
    // Without this flag newer versions leave the other system out; older ones do not know it.
    let shownBy = flake("show", "--json", "--all-systems");
    if (shownBy.stderr.includes("unrecognised flag")) shownBy = flake("show", "--json");
    const { code, stdout, stderr } = shownBy;
    expect(code, stderr).toBe(0);
    const shown = JSON.parse(stdout);
    const vmTests = evaluate("builtins.attrNames (import ./nix/tests/vm.nix)") as string[];
    expect(vmTests).toHaveLength(4);
    for (const system of ["x86_64-linux", "aarch64-linux"]) {
      expect(Object.keys(shown.packages[system])).toEqual(["ci-docker-prune", "default", "units"]);
      expect(Object.keys(shown.checks[system])).toEqual([
        ...["format", "module", "package", "package-version", "units"],
        ...vmTests,
      ]);
      expect(shown.devShells[system].default.type).toBe("derivation");
      expect(shown.formatter[system].name).toBe("nixfmt-tree");
    }
    expect(shown.nixosModules).toEqual({
      "ci-docker-prune": { type: "nixos-module" },
      "ci-docker-auth": { type: "nixos-module" },
      default: { type: "nixos-module" },
    });
    expect(shown.overlays.default.type).toBe("nixpkgs-overlay");
    expect(shown.nixosConfigurations.example.type).toBe("nixos-configuration");
  });
});
