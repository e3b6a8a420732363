# The options of both modules, for docs/options.md (scripts/options-doc.mjs): [ { name; type; description; … } ].
{ lib }:
let
  inherit
    (lib.evalModules {
      class = "nixos";
      modules = [
        ../nix/module.nix
        ../nix/auth.nix
        {
          # Only what the modules declare: the rest of NixOS is not here.
          _module.check = false;
          _module.args.pkgs = import ../nix/tests/no-packages.nix { inherit lib; };
        }
      ];
    })
    options
    ;
in
map (option: removeAttrs option [ "declarations" ]) (
  builtins.filter (
    option: lib.hasPrefix "services.ci-docker-" option.name && option.visible && !option.internal
  ) (lib.optionAttrSetToDocList options)
)
