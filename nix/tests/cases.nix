# What configurations come to: [ { name; got; want; } ]. Read by `nix flake check` and by tests/nix/module.test.ts.
# What is refused outright (wrong types) ends the evaluation, so it is tried there, one by one.
{
  lib,
  pkgs ? import ./no-packages.nix { inherit lib; },
}:
let
  evaluate =
    modules:
    import ./evaluate.nix {
      inherit lib pkgs;
      modules = modules ++ [ { virtualisation.docker.enable = lib.mkDefault true; } ];
    };
  prune = options: { services.ci-docker-prune = { enable = true; } // options; };

  off = evaluate [ ];
  plain = evaluate [ (prune { }) ];
  twice = evaluate [
    # A copy of the module at another path, as when it comes from the flake and from a checkout.
    (import ../module.nix)
    ../module.nix
    (prune { })
  ];
  with' = options: evaluate [ (prune options) ];
  settings = document: (with' { settings = document; }).settings;
  warnings = document: (with' { settings = document; }).warnings;
  failed = modules: (evaluate ([ (prune { }) ] ++ modules)).failed;

  every = with' {
    dates = [
      "06:00"
      "18:00"
    ];
    randomizedDelaySec = "45min";
    persistent = false;
    timeout = "30min";
    onFailure = [ "notify@%n.service" ];
    lockFile = "/run/ci/prune.lock";
    settings = {
      engine = {
        socketPath = "/run/ci.sock";
        timeout = "2m";
        deleteTimeout = "30m";
      };
      disk = {
        paths = [ "/srv" ];
        highWatermark = "20GiB free";
        lowWatermark = "40GiB free";
        inodes = false;
      };
      liveRuns = {
        services = [ ];
        containers = [ "^job-" ];
        labels = [ "ci.job=yes" ];
        presets = [ "drone" ];
      };
      convergence = {
        settle = "500ms";
        ignoreStuckAfter = "6h";
        onWorker = "local-tasks";
      };
      prune = {
        until = "1h30m";
        containers = false;
        images = false;
        buildCache = false;
        labels = [ "a" ];
        keepLabels = [ ];
      };
      deferrals = {
        warnAfterPasses = 3;
        warnAfter = "1d";
      };
      retention = [ ];
      orphans = [ ];
    };
  };

  # First words of each message.
  heads = map (message: builtins.head (lib.splitString " " message));
in
lib.mapAttrsToList (name: case: case // { inherit name; }) {
  "off: nothing is declared" = {
    got = {
      inherit (off)
        failed
        services
        timer
        tmpfiles
        commands
        ;
    };
    want = {
      failed = [ ];
      services = [ "docker-prune" ];
      timer = null;
      tmpfiles = { };
      commands = [ ];
    };
  };

  "plain: no complaint, and one unit more than NixOS has" = {
    got = {
      inherit (plain) failed warnings services;
    };
    want = {
      failed = [ ];
      warnings = [ ];
      services = [
        "ci-docker-prune"
        "docker-prune"
      ];
    };
  };

  "plain: the service is never started by a switch, nor stopped by one" = {
    got = {
      inherit (plain.service)
        wantedBy
        startAt
        restartIfChanged
        unitConfig
        ;
      inherit (plain.service.serviceConfig) Type;
    };
    want = {
      wantedBy = [ ];
      startAt = [ ];
      restartIfChanged = false;
      unitConfig.X-StopOnRemoval = false;
      Type = "oneshot";
    };
  };

  "plain: the engine comes first, but is not started for a pass" = {
    got = {
      inherit (plain.service)
        after
        requires
        wants
        bindsTo
        ;
    };
    want = {
      after = [ "docker.service" ];
      requires = [ ];
      wants = [ ];
      bindsTo = [ ];
    };
  };

  "plain: PATH holds flock and df, and nothing else" = {
    got = {
      inherit (plain.service) path enableDefaultPath environment;
    };
    want = {
      path = [
        "util-linux"
        "coreutils"
      ];
      enableDefaultPath = false;
      environment = { };
    };
  };

  "plain: a daily timer that catches up" = {
    got = {
      inherit (plain.timer) wantedBy timerConfig;
    };
    want = {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = [ "daily" ];
        RandomizedDelaySec = "0";
        Persistent = true;
      };
    };
  };

  "plain: the lock is there from boot on, for root and the docker group" = {
    got = plain.tmpfiles;
    want."10-ci-docker-prune"."/run/lock/ci-docker-prune.lock".f = {
      mode = "0660";
      user = "root";
      group = "docker";
    };
  };

  "plain: the agent checks the settings while the system is built" = {
    got = lib.hasInfix "/bin/ci-docker-prune validate services.ci-docker-prune.settings\n" plain.settingsBuild;
    want = true;
  };

  "plain: the command at a prompt reads the settings of the service" = {
    got = map (lib.hasInfix "--settings /etc/ci-docker-prune/settings.json ") plain.operatorCommand;
    want = [ true ];
  };

  "plain: the engine's configuration is left alone" = {
    got = plain.daemon;
    want = { };
  };

  "imported twice: once" = {
    got = twice;
    want = plain;
  };

  "every option: service and timer" = {
    got = {
      inherit (every.service) onFailure;
      inherit (every.service.serviceConfig) TimeoutStartSec ReadWritePaths;
      inherit (every.timer) timerConfig;
      locks = builtins.attrNames every.tmpfiles."10-ci-docker-prune";
      inherit (every) failed warnings;
    };
    want = {
      onFailure = [ "notify@%n.service" ];
      TimeoutStartSec = "30min";
      ReadWritePaths = [ "-/run/ci/prune.lock" ];
      timerConfig = {
        OnCalendar = [
          "06:00"
          "18:00"
        ];
        RandomizedDelaySec = "45min";
        Persistent = false;
      };
      locks = [ "/run/ci/prune.lock" ];
      failed = [ ];
      warnings = [ ];
    };
  };

  "every option: the settings document" = {
    got = every.settings;
    want = {
      engine = {
        socketPath = "/run/ci.sock";
        timeout = "2m";
        deleteTimeout = "30m";
      };
      disk = {
        paths = [ "/srv" ];
        highWatermark = "20GiB free";
        lowWatermark = "40GiB free";
        inodes = false;
      };
      liveRuns = {
        services = [ ];
        containers = [ "^job-" ];
        labels = [ "ci.job=yes" ];
        presets = [ "drone" ];
      };
      convergence = {
        settle = "500ms";
        ignoreStuckAfter = "6h";
        onWorker = "local-tasks";
      };
      prune = {
        until = "1h30m";
        containers = false;
        images = false;
        buildCache = false;
        labels = [ "a" ];
        keepLabels = [ ];
      };
      deferrals = {
        warnAfterPasses = 3;
        warnAfter = "1d";
      };
      retention = [ ];
      orphans = [ ];
      lockFile = "/run/ci/prune.lock";
      metrics = { };
    };
  };

  "dates: none makes no timer, and the service stays" = {
    got =
      let
        none = with' { dates = [ ]; };
      in
      {
        inherit (none) timer;
        service = none.service.serviceConfig.Type;
      };
    want = {
      timer = null;
      service = "oneshot";
    };
  };

  "lockFile: null leaves nothing to be made or written" = {
    got =
      let
        none = with' { lockFile = null; };
      in
      {
        inherit (none) tmpfiles;
        inherit (none.service.serviceConfig) ReadWritePaths;
        told = none.settings ? lockFile;
      };
    want = {
      tmpfiles = { };
      ReadWritePaths = [ ];
      told = false;
    };
  };

  "settings.lockFile: the unit follows" = {
    got =
      (with' { settings.lockFile = "/run/other.lock"; }).service.serviceConfig.ReadWritePaths;
    want = [ "-/run/other.lock" ];
  };

  "disk.paths: what is there, unless the data root is named" = {
    got = (settings { }).disk ? paths;
    want = false;
  };

  "disk.paths: follow Docker's data-root" = {
    got =
      (evaluate [
        (prune { })
        { virtualisation.docker.daemon.settings.data-root = "/srv/docker"; }
      ]).settings.disk.paths;
    want = [
      "/"
      "/srv/docker"
    ];
  };

  "disk.paths: what is written wins over data-root" = {
    got =
      (evaluate [
        (prune { settings.disk.paths = [ "/data" ]; })
        { virtualisation.docker.daemon.settings.data-root = "/srv/docker"; }
      ]).settings.disk.paths;
    want = [ "/data" ];
  };

  "settings: a key that the module does not know reaches the agent, who refuses it" = {
    got = (settings { disk.pahts = [ "/" ]; }).disk.pahts;
    want = [ "/" ];
  };

  "assertion: Docker is not enabled" = {
    got = failed [ { virtualisation.docker.enable = false; } ];
    want = [
      ''
        services.ci-docker-prune.enable is set, but Docker is not enabled on this host.
        Write `virtualisation.docker.enable = true;`, or take services.ci-docker-prune out.
      ''
    ];
  };

  "assertion: autoPrune is still on" = {
    got = map (lib.hasInfix "Write `virtualisation.docker.autoPrune.enable = false;`, or delete the line.") (
      failed [ { virtualisation.docker.autoPrune.enable = true; } ]
    );
    want = [ true ];
  };

  "assertion: the history has its place" = {
    got = heads (with' { settings.stateDir = "/srv/state"; }).failed;
    want = [ "services.ci-docker-prune.settings.stateDir" ];
  };

  "assertion: none where the module is off" = {
    got =
      (evaluate [
        {
          virtualisation.docker.enable = false;
          virtualisation.docker.autoPrune.enable = true;
        }
      ]).failed;
    want = [ ];
  };

  "warning: a watermark over 95 %" = {
    got = heads (warnings { disk.highWatermark = "95.5%"; });
    want = [ "services.ci-docker-prune.settings.disk.highWatermark" ];
  };

  "warning: not at 95 %, nor for bytes" = {
    got = map (highWatermark: warnings { disk = { inherit highWatermark; }; }) [
      "95%"
      "95.0 %"
      "1GiB free"
    ];
    want = [
      [ ]
      [ ]
      [ ]
    ];
  };

  "warning: until under 1h" = {
    got = map (until: heads (warnings { prune = { inherit until; }; })) [
      "59m"
      "59m59.9s"
      "900ms"
      "0h59m"
    ];
    want = builtins.genList (_: [ "services.ci-docker-prune.settings.prune.until" ]) 4;
  };

  "warning: not for 1h and more" = {
    got = map (until: warnings { prune = { inherit until; }; }) [
      "1h"
      "60m"
      "3600s"
      "1d"
      "1w"
      "08m3600s"
    ];
    want = builtins.genList (_: [ ]) 6;
  };

  "warning: no live-run rule at all" = {
    got = heads (warnings { liveRuns.services = [ ]; });
    want = [ "services.ci-docker-prune.settings.liveRuns" ];
  };

  "warning: not where one rule is left" = {
    got = map (rule: warnings { liveRuns = { services = [ ]; } // rule; }) [
      { containers = [ "a" ]; }
      { labels = [ "a" ]; }
      { presets = [ "drone" ]; }
    ];
    want = builtins.genList (_: [ ]) 3;
  };

  "buildCacheLimits: the limit and nothing that was not said" = {
    got = (with' { buildCacheLimits.enable = true; }).daemon;
    want.builder.gc = {
      enabled = true;
      defaultMaxUsedSpace = "20GB";
    };
  };

  "buildCacheLimits: all three" = {
    got =
      (with' {
        buildCacheLimits = {
          enable = true;
          maxUsedSpace = "100GB";
          reservedSpace = "5GB";
          minFreeSpace = "20%";
        };
      }).daemon;
    want.builder.gc = {
      enabled = true;
      defaultMaxUsedSpace = "100GB";
      defaultReservedSpace = "5GB";
      defaultMinFreeSpace = "20%";
    };
  };

  "buildCacheLimits: an old engine knows one word, which is the limit there" = {
    got =
      (evaluate [
        (prune { buildCacheLimits.enable = true; })
        { virtualisation.docker.package.version = "27.5.1"; }
      ]).daemon;
    want.builder.gc = {
      enabled = true;
      defaultKeepStorage = "20GB";
    };
  };

  "buildCacheLimits: beside what the host says of its engine" = {
    got =
      (evaluate [
        (prune { buildCacheLimits.enable = true; })
        { virtualisation.docker.daemon.settings.log-driver = "journald"; }
      ]).daemon.log-driver;
    want = "journald";
  };
}
