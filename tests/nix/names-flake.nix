# Stands in for the flake nixpkgs, so that this flake's outputs can be listed without it: every package is a name.
{
  outputs =
    _:
    let
      drv = name: {
        type = "derivation";
        inherit name;
      };
      packages =
        builtins.listToAttrs (
          map
            (name: {
              inherit name;
              value = drv name;
            })
            [
              "nixfmt-tree"
              "nodejs"
              "util-linux"
            ]
        )
        // {
          callPackage =
            _: _:
            drv "ci-docker-prune"
            // {
              tests.version = drv "version";
            };
          mkShell = _: drv "shell";
          runCommand =
            name: _: _:
            drv name;
          symlinkJoin = { name, ... }: drv name;
          testers.runNixOSTest = test: drv "vm-test-${test.name}";
        };
    in
    {
      lib.nixosSystem = _: { config.system.build.toplevel = drv "nixos"; };
      legacyPackages = {
        x86_64-linux = packages;
        aarch64-linux = packages;
      };
    };
}
