# Stands in for nixpkgs' packages where only its lib is at hand: derivations with a name and a path, not to be built.
{
  lib,
  # false: as where one platform builds for another.
  canExecute ? true,
  # true: with the package of an overlay.
  overlaid ? false,
}:
let
  named = pname: {
    type = "derivation";
    inherit pname;
    name = pname;
    version = "0";
    outPath = "/nix/store/00000000000000000000000000000000-${pname}";
    meta.mainProgram = pname;
  };
in
{
  formats.json = _: { type = lib.types.json or (lib.types.attrsOf lib.types.anything); };
  stdenv = {
    buildPlatform.canExecute = _: canExecute;
    hostPlatform.system = "x86_64-linux";
  };
  buildPackages.nodejs-slim = named "node";
  util-linux = named "util-linux";
  coreutils = named "coreutils";
  callPackage = _: _: named "ci-docker-prune";
  runCommand =
    name: environment: buildCommand:
    named name // environment // { inherit buildCommand; };
  writeText = name: text: named name // { inherit text; };
}
// lib.optionalAttrs overlaid { ci-docker-prune = named "overlaid"; }
