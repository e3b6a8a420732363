# What the options of both modules have in common.
{ lib, pkgs }:
rec {
  # An option of four parts.
  option =
    type: default: example: description:
    lib.mkOption {
      inherit
        type
        default
        example
        description
        ;
    };

  text =
    description: pattern:
    lib.types.strMatching pattern
    // {
      inherit description;
    };
  unitName = text ''unit such as "deploy.service"'' "[^[:space:]]+[.][a-z]+";

  # A path literal would name a copy in the store, where everybody can read it.
  runtimePath = lib.types.externalPath // {
    description = "absolute path outside the Nix store, written as a string";
  };

  # An overlay's is the one that runs.
  package = lib.mkOption {
    type = lib.types.package;
    default = pkgs.ci-docker-prune or (pkgs.callPackage ./package.nix { });
    defaultText = lib.literalMD "`pkgs.ci-docker-prune` of an overlay, else `nix/package.nix` built with the host's nixpkgs";
    example = lib.literalExpression "inputs.ci-docker-prune.packages.\${system}.default";
    description = "The agent.";
  };
}
