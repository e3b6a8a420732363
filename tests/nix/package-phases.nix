# The shell phases of package.nix, to be run where no derivation can be built. `paths` says where things are instead:
# { node, nodeModules, tools }, folders whose `bin/` (or contents) the phases use.
{ lib, paths }:
let
  at = pname: outPath: {
    type = "derivation";
    inherit pname outPath;
    name = pname;
    meta.mainProgram = pname;
  };
  platform.canExecute = _: true;
  phases = import ../../nix/package.nix {
    # lib.fileset needs Nix 2.18; what it selects is tried by the file list alone.
    lib = lib // {
      fileset = {
        toSource = { fileset, ... }: fileset;
        unions = files: map (file: lib.removePrefix (toString ../.. + "/") (toString file)) files;
      };
    };
    stdenvNoCC = {
      buildPlatform = platform;
      hostPlatform = platform;
      mkDerivation =
        given:
        let
          final = if lib.isFunction given then given (result // { finalPackage = result; }) else given;
          result = final // {
            type = "derivation";
            name = final.pname;
            outPath = if final ? outputHash then paths.nodeModules else "/nonexistent/${final.pname}";
          };
        in
        result;
    };
    nodejs-slim = at "node" paths.node;
    util-linux = at "util-linux" paths.tools;
    coreutils = at "coreutils" paths.tools;
    cacert = at "cacert" "/nonexistent";
    esbuild = at "esbuild" "/nonexistent";
    installShellFiles = at "installShellFiles" "/nonexistent";
    makeBinaryWrapper = at "makeBinaryWrapper" "/nonexistent";
    nodejs = at "nodejs" "/nonexistent";
    testers.testVersion = _: { };
  };
  pick = package: {
    inherit (package) src buildPhase installPhase;
    installCheckPhase = package.installCheckPhase or "";
    outputHash = package.outputHash or null;
    mainProgram = package.meta.mainProgram or null;
    version = package.version;
  };
in
{
  package = pick phases;
  nodeModules = pick phases.passthru.nodeModules;
}
