# What a configuration comes to, as plain data. `pkgs` may be left out: then nothing can be built, but all evaluates.
#
#   nix-instantiate --eval --strict --json nix/tests/evaluate.nix \
#     --arg lib 'import <nixpkgs/lib>' --arg modules '[ { services.ci-docker-prune.enable = true; } ]' -A units
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
  inherit (import ../unit-parts.nix) render;
  inherit (config.systemd) services;
  settingsFile = config.environment.etc."ci-docker-prune/settings.json".source or null;

  # Unit files as NixOS writes them, but for what it says itself: the environment, and when to restart.
  files =
    kind: section:
    lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.${kind}" (
        render (
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
  units = files "service" "Service" (
    removeAttrs services [ "docker-prune" ]
  )
  // files "timer" "Timer" config.systemd.timers
  // files "path" "Path" config.systemd.paths;
  # What NixOS adds of its own depends on these.
  services = lib.mapAttrs (
    _: service:
    {
      inherit (service)
        startAt
        restartIfChanged
        enableDefaultPath
        environment
        wantedBy
        ;
      path = map lib.getName service.path;
    }
  ) services;
  tmpfiles = config.systemd.tmpfiles.settings;
  exporterFlags = config.services.prometheus.exporters.node.extraFlags;
  daemon = config.virtualisation.docker.daemon.settings;
  inherit (config.services.ci-docker-prune) lockFile;
  settings = if settingsFile == null then null else builtins.fromJSON settingsFile.document;
  # The commands that make the settings file.
  settingsBuild = if settingsFile == null then null else settingsFile.buildCommand;
  packages = map lib.getName config.environment.systemPackages;
  # What `auth apply` reads: the same data that the module writes to the store.
  registries =
    let
      cfg = config.services.ci-docker-auth;
    in
    (import ../auth-units.nix {
      command = [ "/x" ];
      registriesFile = "/r";
      wanted = cfg.registries;
      inherit (cfg) target;
    }).registries;
}
