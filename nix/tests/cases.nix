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
  retentionFailed = rule: (with' { settings.retention = [ rule ]; }).failed;

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
      retention = [ everyRetention ];
      orphans = [ everyOrphan ];
      snapshots = {
        ttl = "12h";
        keepCount = 20;
        maxTotalSize = "50GB";
        when = "always";
      };
    };
  };

  everyRetention = {
    name = "worker-tags";
    match = {
      repositories = [
        "ghcr.io/acme/worker:sha-*"
        "localhost:5000/ci/**"
      ];
      labels = [ "ci.managed=true" ];
    };
    olderThan = "3d";
    keepNewest = 2;
    keepCount = 5;
    maxTotalSize = "1.5 GiB";
    perGroup = "ci.project";
    ttlLabel = "ci.ttl";
    grace = "2h";
    when = "pressure";
  };
  everyOrphan = {
    name = "workers";
    label = "cascade.managed=true";
    runningLongerThan = "6h";
    stoppedLongerThan = "1h";
    stopTimeout = "0s";
    when = "pressure";
  };
  # The least that a rule is.
  retentionRule = {
    name = "tags";
    match.labels = [ "ci" ];
    keepCount = 1;
  };
  orphanRule = {
    name = "workers";
    label = "ci";
    runningLongerThan = "6h";
  };

  metrics.metrics.textfile = "/var/lib/node-exporter/ci.prom";
  measured = evaluate [
    (prune { settings = metrics; })
    { services.prometheus.exporters.node.enable = true; }
  ];

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
      retention = [ everyRetention ];
      orphans = [ everyOrphan ];
      snapshots = {
        ttl = "12h";
        keepCount = 20;
        maxTotalSize = "50GB";
        when = "always";
      };
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

  "metrics.textfile: its folder is made, may be written, and the exporter knows of it" = {
    got = {
      inherit (measured)
        tmpfiles
        exporterFlags
        failed
        warnings
        ;
      inherit (measured.service.serviceConfig) ReadWritePaths;
      inherit (measured.settings) metrics;
    };
    want = {
      tmpfiles."10-ci-docker-prune" = {
        "/run/lock/ci-docker-prune.lock".f = {
          mode = "0660";
          user = "root";
          group = "docker";
        };
        "/var/lib/node-exporter".d = {
          mode = ":0775";
          user = ":root";
          group = ":docker";
        };
      };
      exporterFlags = [ "--collector.textfile.directory=/var/lib/node-exporter" ];
      ReadWritePaths = [
        "-/run/lock/ci-docker-prune.lock"
        "-/var/lib/node-exporter"
      ];
      metrics.textfile = "/var/lib/node-exporter/ci.prom";
      failed = [ ];
      warnings = [ ];
    };
  };

  "metrics.textfile: an exporter that is off, or that is not ours to configure, gets no flag" = {
    got = map (modules: (evaluate ([ (prune { settings = metrics; }) ] ++ modules)).exporterFlags) [
      [ ]
      [
        { services.prometheus.exporters.node.enable = true; }
        { services.ci-docker-prune.configureNodeExporter = false; }
      ]
    ];
    want = [
      [ ]
      [ ]
    ];
  };

  "metrics.textfile: none, no flag" = {
    got =
      (evaluate [
        (prune { })
        { services.prometheus.exporters.node.enable = true; }
      ]).exporterFlags;
    want = [ ];
  };

  "metrics.textfile: a folder of any name is one word of the exporter's command line" = {
    got =
      (evaluate [
        (prune { settings.metrics.textfile = "/srv/5% of $it/ci.prom"; })
        { services.prometheus.exporters.node.enable = true; }
      ]).exporterFlags;
    want = [ "\"--collector.textfile.directory=/srv/5%% of $$it\"" ];
  };

  "assertion: the exporter has a folder already" = {
    got = heads (
      (evaluate [
        (prune { settings = metrics; })
        {
          services.prometheus.exporters.node = {
            enable = true;
            extraFlags = [ "--collector.textfile.directory=/var/lib/other" ];
          };
        }
      ]).failed
    );
    want = [ "services.prometheus.exporters.node.extraFlags" ];
  };

  "assertion: not where that folder is the one, and the flag is left to the host" = {
    got =
      (evaluate [
        (prune {
          settings = metrics;
          configureNodeExporter = false;
        })
        {
          services.prometheus.exporters.node = {
            enable = true;
            extraFlags = [ "--collector.textfile.directory=/var/lib/node-exporter" ];
          };
        }
      ]).failed;
    want = [ ];
  };

  "assertion: metrics in a /tmp that nobody else sees" = {
    got = map (textfile: heads (with' { settings.metrics = { inherit textfile; }; }).failed) [
      "/tmp/a.prom"
      "/var/tmp/a/b.prom"
      "/tmpfs/a.prom"
    ];
    want = [
      [ "services.ci-docker-prune.settings.metrics.textfile" ]
      [ "services.ci-docker-prune.settings.metrics.textfile" ]
      [ ]
    ];
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

  "rules: the least that is said becomes the whole, in the settings document" = {
    got = {
      inherit
        (settings {
          retention = [ retentionRule ];
          orphans = [ orphanRule ];
        })
        retention
        orphans
        ;
    };
    want = {
      retention = [
        {
          name = "tags";
          match = {
            repositories = [ ];
            labels = [ "ci" ];
          };
          olderThan = null;
          keepNewest = 0;
          keepCount = 1;
          maxTotalSize = null;
          perGroup = null;
          ttlLabel = null;
          grace = "1h";
          when = "always";
        }
      ];
      orphans = [
        {
          name = "workers";
          label = "ci";
          runningLongerThan = "6h";
          stoppedLongerThan = null;
          stopTimeout = "10s";
          when = "always";
        }
      ];
    };
  };

  "rules: modules add to the list, in an order that they can say" = {
    got =
      let
        rule = name: retentionRule // { inherit name; };
        add = rules: { services.ci-docker-prune.settings.retention = rules; };
      in
      map ({ name, ... }: name)
        (evaluate [
          (prune { })
          (add [ (rule "second") ])
          (add (lib.mkAfter [ (rule "third") ]))
          (add (lib.mkBefore [ (rule "first") ]))
        ]).settings.retention;
    want = [
      "first"
      "second"
      "third"
    ];
  };

  "snapshots: no limit is said, for the agent has one of its own" = {
    got =
      (settings {
        snapshots = {
          keepCount = null;
          maxTotalSize = null;
        };
      }).snapshots;
    want = {
      ttl = "24h";
      keepCount = null;
      maxTotalSize = null;
      when = "pressure";
    };
  };

  "assertion: a rule without a limit" = {
    got = (with' {
      settings = {
        retention = map (name: removeAttrs retentionRule [ "keepCount" ] // { inherit name; }) [
          "tags"
          "more"
        ];
        orphans = [ (removeAttrs orphanRule [ "runningLongerThan" ]) ];
      };
    }).failed;
    want = [
      ''
        services.ci-docker-prune.settings.retention has no limit in: tags, more.
        Nothing of such a family would ever go: set olderThan, keepCount, maxTotalSize or ttlLabel.
      ''
      ''
        services.ci-docker-prune.settings.orphans has no limit in: workers.
        No container would ever go: set runningLongerThan or stoppedLongerThan.
      ''
    ];
  };

  "assertion: what keeps is no limit" = {
    got = map (keep: builtins.length (retentionFailed (removeAttrs retentionRule [ "keepCount" ] // keep))) [
      { keepNewest = 3; }
      { grace = "2h"; }
      { perGroup = "ci.project"; }
    ];
    want = [
      1
      1
      1
    ];
  };

  "assertion: not where one limit is set" = {
    got = map (limit: retentionFailed (removeAttrs retentionRule [ "keepCount" ] // limit)) [
      { olderThan = "24h"; }
      { keepCount = 1; }
      { maxTotalSize = "10GB"; }
      { ttlLabel = "ci.ttl"; }
    ];
    want = builtins.genList (_: [ ]) 4;
  };

  "assertion: a family that is not named" = {
    got = map (match: retentionFailed (retentionRule // { inherit match; })) [
      { }
      { repositories = [ "*" ]; }
      {
        repositories = [
          "ci/app"
          "**/*:v1"
        ];
      }
    ];
    want = builtins.genList (_: [
      ''
        services.ci-docker-prune.settings.retention has no family in: tags.
        Such a rule would hold every image: name repositories, as in `match.repositories = [ "ci/app" ];`, with a letter
        or digit in each, or write a label in match.labels.
      ''
    ]) 3;
  };

  "assertion: not where a repository or a label names it" = {
    got = map (match: retentionFailed (retentionRule // { inherit match; })) [
      { repositories = [ "*app*" ]; }
      { repositories = [ "*:5000/*" ]; }
      { labels = [ "ci" ]; }
      {
        repositories = [ "**" ];
        labels = [ "ci" ];
      }
    ];
    want = builtins.genList (_: [ ]) 4;
  };

  "assertion: more to keep than may stay" = {
    got = map (rule: heads (retentionFailed (retentionRule // rule))) [
      { keepNewest = 2; }
      { keepNewest = 1; }
      {
        keepNewest = 2;
        keepCount = null;
        olderThan = "1h";
      }
    ];
    want = [
      [ "services.ci-docker-prune.settings.retention" ]
      [ ]
      [ ]
    ];
  };

  "assertion: two rules of one name" = {
    got = (with' {
      settings = {
        retention = map (name: retentionRule // { inherit name; }) [
          "a"
          "b"
          "a"
        ];
        orphans = [
          orphanRule
          orphanRule
        ];
      };
    }).failed;
    want = [
      ''
        services.ci-docker-prune.settings.retention has more than one rule of the name a.
        The log tells rules apart by their names: give each its own.
      ''
      ''
        services.ci-docker-prune.settings.orphans has more than one rule of the name workers.
        The log tells rules apart by their names: give each its own.
      ''
    ];
  };

  "assertion: the name of the rule for snapshots" = {
    got = heads (with' {
      settings = {
        retention = [ (retentionRule // { name = "snapshots"; }) ];
        orphans = [ (orphanRule // { name = "snapshots"; }) ];
      };
    }).failed;
    want = [
      "services.ci-docker-prune.settings.retention"
      "services.ci-docker-prune.settings.orphans"
    ];
  };

  "assertion: none for rules of one name in different lists" = {
    got = (with' {
      settings = {
        retention = [ (retentionRule // { name = "ci"; }) ];
        orphans = [ (orphanRule // { name = "ci"; }) ];
      };
    }).failed;
    want = [ ];
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
