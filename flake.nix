{
  description = "Prunes a Docker CI host under disk pressure, never during a run, and keeps its image cache warm";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      perSystem =
        make:
        builtins.listToAttrs (
          map
            (system: {
              name = system;
              value = make nixpkgs.legacyPackages.${system} self.packages.${system};
            })
            [
              "x86_64-linux"
              "aarch64-linux"
            ]
        );
    in
    {
      inherit (import ./default.nix { }) nixosModules overlays;

      packages = perSystem (
        pkgs: _: {
          inherit (import ./default.nix { inherit pkgs; }) ci-docker-prune default units;
        }
      );

      checks = perSystem (
        pkgs: packages:
        import ./nix/checks.nix {
          inherit pkgs;
          package = packages.ci-docker-prune;
        }
      );

      devShells = perSystem (
        pkgs: _: {
          default = pkgs.mkShell {
            packages = [
              pkgs.nodejs
              pkgs.util-linux
            ];
          };
        }
      );

      formatter = perSystem (pkgs: _: pkgs.nixfmt-tree);

      nixosConfigurations.example = nixpkgs.lib.nixosSystem {
        modules = [
          self.nixosModules.default
          ./nix/examples/ci-host.nix
        ];
      };
    };
}
