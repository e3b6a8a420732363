# The unit files for a host without NixOS, in the folders where a package would put them. docs/install-without-nixos.md
{ pkgs }:
let
  files = import ./render-units.nix { arguments = "{}"; };
  folder =
    name: if pkgs.lib.hasSuffix ".conf" name then "lib/tmpfiles.d" else "lib/systemd/system";
in
pkgs.symlinkJoin {
  name = "ci-docker-prune-units";
  paths = pkgs.lib.mapAttrsToList (name: pkgs.writeTextDir "${folder name}/${name}") files;
}
