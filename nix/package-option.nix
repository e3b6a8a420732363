# The option `package` of both modules. An overlay's ci-docker-prune is the one that runs.
{ lib, pkgs }:
lib.mkOption {
  type = lib.types.package;
  default = pkgs.ci-docker-prune or (pkgs.callPackage ./package.nix { });
  defaultText = lib.literalMD "`pkgs.ci-docker-prune` where an overlay has it, else `nix/package.nix` built with the `pkgs` of the host";
  example = lib.literalExpression "inputs.ci-docker-prune.packages.\${pkgs.stdenv.hostPlatform.system}.default";
  description = "The agent.";
}
