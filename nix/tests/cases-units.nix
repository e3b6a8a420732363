# The units, against those that render-units.nix writes from the same arguments, and what NixOS adds.
{
  lib,
  evaluate,
  on,
  host,
  is,
  ...
}:
let
  off = evaluate [ ];
  plain = evaluate [ on ];
  store = name: "/nix/store/00000000000000000000000000000000-${name}";
  # What the renderer makes for this host; its PATH is the one thing that NixOS sets by itself.
  rendered =
    arguments:
    removeAttrs (import ../render-units.nix {
      arguments = builtins.toJSON (
        {
          command = [ "${store "ci-docker-prune"}/bin/ci-docker-prune" ];
          settingsFile = store "ci-docker-prune-settings.json";
          path = [ ];
        }
        // arguments
      );
    }) [ "ci-docker-prune.conf" ];

  said = {
    dates = [
      "06:00"
      "18:00"
    ];
    randomizedDelaySec = "45min";
    persistent = false;
    timeout = "30min";
    onFailure = [ "notify@%n.service" ];
  };
  every = host {
    services.ci-docker-prune = said // {
      lockFile = "/run/ci/100% mine.lock";
      settings.metrics.textfile = "/srv/it's 5%/ci.prom";
    };
    systemd.sockets.docker.socketConfig.SocketGroup = "engine";
  };
  engineGroup = {
    mode = "0660";
    user = "root";
    group = "engine";
  };
in
[
  (is "off: nothing is declared"
    [ off.units off.tmpfiles off.packages off.failed off.warnings ]
    [ { } { } [ ] [ ] [ ] ]
  )
  (is "plain: units to the letter as rendered" plain.units (rendered { }))
  (is "every option: units to the letter as rendered" every.units (
    rendered (
      said
      // {
        lockFile = "/run/ci/100% mine.lock";
        metricsFile = "/srv/it's 5%/ci.prom";
        socketGroup = "engine";
      }
    )
  ))
  (is "plain: what NixOS makes of it: no start by a switch, no stop by one, and PATH" plain.services.ci-docker-prune {
    wantedBy = [ ];
    startAt = [ ];
    restartIfChanged = false;
    enableDefaultPath = false;
    environment = { };
    path = [
      "util-linux"
      "coreutils"
    ];
  })
  (is "plain: beside NixOS' own docker-prune, which is there in any case" (builtins.attrNames plain.services) [
    "ci-docker-prune"
    "docker-prune"
  ])
  (is "plain: the command is the package, for the agent finds the settings of the service" plain.packages [
    "ci-docker-prune"
  ])
  (is "every option: files are made for the engine's group, their names escaped" every.tmpfiles {
    "10-ci-docker-prune" = {
      "/run/ci/100%% mine.lock".f = engineGroup;
      "/srv/it\\'s 5%%".d = {
        mode = ":0775";
        user = ":root";
        group = ":engine";
      };
    };
  })
  (is "dates: none makes no timer" (builtins.attrNames (host { services.ci-docker-prune.dates = [ ]; }).units) [
    "ci-docker-prune.service"
  ])
  (is "units: what a host adds is joined to ours"
    (map
      (unit: lib.hasInfix "\nAfter=${unit}\n"
        (host { systemd.services.ci-docker-prune.after = [ "a.service" ]; }).units."ci-docker-prune.service"
      )
      [ "a.service" "docker.service" ]
    )
    [ true true ]
  )
  (is "imported twice, from here and from a copy elsewhere: once" (evaluate [
    (import ../module.nix)
    ../module.nix
    on
  ]).units plain.units)
  (is "an overlay's package is the one that runs" (import ./evaluate.nix {
    inherit lib;
    pkgs = import ./no-packages.nix { inherit lib; } // {
      ci-docker-prune = {
        type = "derivation";
        name = "overlaid";
      };
    };
    modules = [ on ];
  }).packages [ "overlaid" ])
  (is "credentials alone bring the command along" (evaluate [ { services.ci-docker-auth.enable = true; } ]).packages [
    "ci-docker-prune"
  ])
]
