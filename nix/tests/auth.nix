# What a configuration of services.ci-docker-auth comes to, as plain data; evaluate.nix does the same for the other.
{
  lib,
  modules ? [ ],
  pkgs ? import ./no-packages.nix { inherit lib; },
}:
let
  inherit
    (lib.evalModules {
      class = "nixos";
      modules = [
        ./interface.nix
        ../auth.nix
        # As the flake's default module has both.
        ../module.nix
        { _module.args = { inherit pkgs; }; }
      ]
      ++ modules;
    })
    config
    ;
  service = config.systemd.services.ci-docker-auth or null;
  cfg = config.services.ci-docker-auth;
in
{
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  service =
    if service == null then
      null
    else
      removeAttrs service [
        "path"
        "script"
      ];
  path = config.systemd.paths.ci-docker-auth or null;
  # What the agent reads: the same data that the module writes to the store.
  registries =
    (import ../auth-units.nix {
      command = [ ];
      registriesFile = "/r";
      wanted = cfg.registries;
      inherit (cfg) target;
    }).registries;
}
