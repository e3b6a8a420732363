# For those without flakes: (import ./. { }).nixosModules.default, or (import ./. { inherit pkgs; }).ci-docker-prune.
{
  pkgs ? import <nixpkgs> { },
}:
rec {
  # Attribute sets, which every Nix takes for modules.
  nixosModules = {
    ci-docker-prune.imports = [ ./nix/module.nix ];
    ci-docker-auth.imports = [ ./nix/auth.nix ];
    default.imports = [
      ./nix/module.nix
      ./nix/auth.nix
    ];
  };

  overlays.default = final: _: {
    ci-docker-prune = final.callPackage ./nix/package.nix { };
  };

  ci-docker-prune = pkgs.callPackage ./nix/package.nix { };

  # The unit files for a host without NixOS, in the folders where a package would put them.
  units = pkgs.symlinkJoin {
    name = "ci-docker-prune-units";
    paths = pkgs.lib.mapAttrsToList (
      name:
      let
        folder = if pkgs.lib.hasSuffix ".conf" name then "tmpfiles.d" else "systemd/system";
      in
      pkgs.writeTextDir "lib/${folder}/${name}"
    ) (import ./nix/render-units.nix { });
  };

  default = ci-docker-prune;
}
