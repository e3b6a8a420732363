# What a configuration comes to, as plain data. `pkgs` may be left out: then nothing can be built, but all evaluates.
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
        # As the flake's default module has both.
        ../module.nix
        ../auth.nix
        { _module.args = { inherit pkgs; }; }
      ]
      ++ modules;
    })
    config
    ;
  inherit (config) systemd;
  settingsFile = config.environment.etc."ci-docker-prune/settings.json".source or null;

  # Unit files as NixOS writes them, but for what it says itself: the environment, and when to restart.
  files =
    kind: section:
    lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.${kind}" (
        (import ../unit-parts.nix).render (
          {
            Unit = unit.unitConfig;
            ${section} = unit."${kind}Config";
          }
          // lib.optionalAttrs (unit.wantedBy != [ ]) { Install.WantedBy = unit.wantedBy; }
        )
      )
    );
in
{
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  inherit (config) warnings;
  units =
    files "service" "Service" (removeAttrs systemd.services [ "docker-prune" ])
    // files "timer" "Timer" systemd.timers
    // files "path" "Path" systemd.paths;
  # What else NixOS makes a service's file from.
  services = lib.mapAttrs (
    _: service:
    removeAttrs service [
      "after"
      "serviceConfig"
      "unitConfig"
    ]
    // {
      path = map lib.getName service.path;
    }
  ) systemd.services;
  tmpfiles = systemd.tmpfiles.settings;
  exporterFlags = config.services.prometheus.exporters.node.extraFlags;
  daemon = config.virtualisation.docker.daemon.settings;
  inherit (config.services.ci-docker-prune) lockFile;
  inherit (config.services.ci-docker-auth) registries;
  settings = if settingsFile == null then null else builtins.fromJSON settingsFile.document;
  # The commands that make the settings file.
  settingsBuild = if settingsFile == null then null else settingsFile.buildCommand;
  packages = map lib.getName config.environment.systemPackages;
}
