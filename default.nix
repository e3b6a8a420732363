# For those without flakes: (import ./. { }).nixosModules.default, or (import ./. { inherit pkgs; }).ci-docker-prune.
{
  pkgs ? import <nixpkgs> { },
}:
{
  nixosModules = import ./nix/modules.nix;
  overlays.default = final: _: {
    ci-docker-prune = final.callPackage ./nix/package.nix { };
  };
  ci-docker-prune = pkgs.callPackage ./nix/package.nix { };
}
