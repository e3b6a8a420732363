# What a configuration comes to, as plain data. `pkgs` may be left out: then nothing can be built, but all evaluates.
#
#   nix-instantiate --eval --strict --json nix/tests/evaluate.nix \
#     --arg lib 'import <nixpkgs/lib>' --arg modules '[ { services.ci-docker-prune.enable = true; } ]'
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
        ../module.nix
        { _module.args = { inherit pkgs; }; }
      ]
      ++ modules;
    })
    config
    ;
  service = config.systemd.services.ci-docker-prune or null;
  settingsFile = config.environment.etc."ci-docker-prune/settings.json".source or null;
in
{
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  inherit (config) warnings;
  services = builtins.attrNames config.systemd.services;
  service =
    if service == null then
      null
    else
      removeAttrs service [
        "path"
        "script"
      ]
      // {
        path = map lib.getName service.path;
      };
  timer = config.systemd.timers.ci-docker-prune or null;
  tmpfiles = config.systemd.tmpfiles.settings;
  exporterFlags = config.services.prometheus.exporters.node.extraFlags;
  daemon = config.virtualisation.docker.daemon.settings;
  settings = if settingsFile == null then null else builtins.fromJSON settingsFile.document;
  # The commands that make the settings file.
  settingsBuild = if settingsFile == null then null else settingsFile.buildCommand;
  commands = map lib.getName config.environment.systemPackages;
  operatorCommand = map (package: package.text or "") config.environment.systemPackages;
}
