# services.ci-docker-prune: the agent as a NixOS service with a timer. What the units say is in units.nix; what the
# settings mean is in docs/configuration.md.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) literalExpression mkOption types;

  cfg = config.services.ci-docker-prune;
  docker = config.virtualisation.docker;
  dataRoot = docker.daemon.settings.data-root or null;
  exporter = config.services.prometheus.exporters.node;
  metrics = cfg.settings.metrics.textfile;
  textfileFlag = "--collector.textfile.directory=";

  settingTypes = import ./setting-types.nix { inherit lib; };
  rules = import ./rules.nix { inherit lib settingTypes; };
  inherit (import ./unit-parts.nix) commandLine;

  # Only what was said goes into the document: null is "as the agent does it". For the limits of snapshots it is said:
  # the agent has others of its own.
  document = builtins.toJSON (
    lib.filterAttrsRecursive (_: value: value != null) cfg.settings
    // {
      inherit (cfg.settings) snapshots;
    }
  );

  # The agent checks the settings that it will read, while the system is built.
  settingsFile =
    pkgs.runCommand "ci-docker-prune-settings.json"
      {
        inherit document;
        passAsFile = [ "document" ];
        preferLocalBuild = true;
      }
      ''
        # The name that stands in front of the agent's complaints.
        ln -s "$documentPath" services.ci-docker-prune.settings
        ${lib.optionalString (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) ''
          ${lib.getExe cfg.package} validate services.ci-docker-prune.settings
        ''}
        cp "$documentPath" $out
      '';

  units = import ./units.nix {
    command = [ (lib.getExe cfg.package) ];
    settingsFile = "${settingsFile}";
    path = [ ];
    inherit (cfg)
      dates
      randomizedDelaySec
      persistent
      timeout
      onFailure
      ;
    inherit (cfg.settings) lockFile;
    metricsFile = metrics;
  };
  inherit (units) service timer tmpfiles;

  settingsPath = "ci-docker-prune/settings.json";

  # `ci-docker-prune status` at a prompt, and a router's `ci-docker-prune snapshots …`, see what the service sees.
  operatorCommand = pkgs.writeShellScriptBin "ci-docker-prune" ''
    case " $* " in
      *" --settings"*) ;;
      " run "* | " plan "* | " status "* | " history "* | " report "*) set -- "$1" --settings /etc/${settingsPath} "''${@:2}" ;;
      " snapshots "?*) set -- "$1" "$2" --settings /etc/${settingsPath} "''${@:3}" ;;
    esac
    exec ${lib.getExe cfg.package} "$@"
  '';
in
{
  # Imported twice, by path and from the flake say, it is still one module.
  key = "ci-docker-prune#nixosModules.ci-docker-prune";
  _class = "nixos";

  options.services.ci-docker-prune = {
    enable = lib.mkEnableOption ''
      pruning of Docker under disk pressure, never during a CI run. It replaces
      {option}`virtualisation.docker.autoPrune`'';

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = literalExpression "the package of this flake, built with the nixpkgs of the system";
      example = literalExpression "inputs.ci-docker-prune.packages.\${pkgs.stdenv.hostPlatform.system}.default";
      description = "The agent.";
    };

    dates = mkOption {
      type = settingTypes.calendarEvents;
      default = "daily";
      example = [
        "06:00"
        "18:00"
      ];
      description = ''
        When to look whether the disk is under pressure: one or several calendar events of {manpage}`systemd.time(7)`.
        Looking is cheap, so a busy host may well look every hour; so must one whose rules
        ({option}`services.ci-docker-prune.settings.retention`) have limits of a day or less, for they hold on these
        dates only. An empty list makes no timer; the service can still be started by hand.
      '';
    };

    randomizedDelaySec = mkOption {
      type = settingTypes.timeSpan;
      default = "0";
      example = "45min";
      description = "Put each look off by a random time up to this one, so that a fleet does not move in step.";
    };

    persistent = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Catch up at start on a date that was missed while the machine was off.";
    };

    timeout = mkOption {
      type = settingTypes.timeSpan;
      default = "2h";
      example = "30min";
      description = ''
        How long one pass may take, a time span of {manpage}`systemd.time(7)`. Then the agent is told to stop, which it
        does between two deletions, within seconds. A prune of a large build cache alone may take many minutes.
      '';
    };

    onFailure = mkOption {
      type = types.listOf settingTypes.unitName;
      default = [ ];
      example = [ "notify-operator@%n.service" ];
      description = ''
        Units to start when a pass fails: the engine does not answer, something could not be removed, or the pass ran
        and the disk is still above its watermark. A pass that is put off because a CI run is live does not fail.
      '';
    };

    lockFile = mkOption {
      type = types.nullOr settingTypes.runtimePath;
      default = "/run/lock/ci-docker-prune.lock";
      example = "/run/ci/prune.lock";
      description = ''
        The file on which CI launchers keep a pass out, for what no look at the engine can see, such as an image that
        is being pulled: `flock --shared /run/lock/ci-docker-prune.lock job…`. It is made at boot, for root and the
        group docker. With `null` passes only keep each other out.
      '';
    };

    configureNodeExporter = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Tell the node_exporter of this host ({option}`services.prometheus.exporters.node.enable`) the folder of
        {option}`services.ci-docker-prune.settings.metrics.textfile`. It takes one folder: where it has one already,
        name a file in that one, and set this to false.
      '';
    };

    buildCacheLimits = {
      enable = lib.mkEnableOption ''
        BuildKit's own garbage collection with the limits below. Build cache grows between passes and without a pull
        or a run that anyone would notice (119 GB were seen on one host).

        The two share the work: this one bounds the *size*, at any time and during runs too, least recently used
        first; {option}`services.ci-docker-prune.settings.prune.buildCache` bounds the *age*, and only under disk
        pressure. Changing these limits restarts the engine, as any change of its daemon.json does'';

      maxUsedSpace = mkOption {
        type = settingTypes.engineSize;
        default = "20GB";
        example = "100GB";
        description = ''
          BuildKit removes cache until no more than this is left, in the engine's own notation. Engines from 28 on know
          it as `defaultMaxUsedSpace`. Older ones have only `defaultKeepStorage`, which newer ones read as a *reserved
          floor* instead: it is written for older engines only, where it is the limit.
        '';
      };

      reservedSpace = mkOption {
        type = types.nullOr settingTypes.engineSize;
        default = null;
        example = "5GB";
        description = ''
          This much cache always stays, whatever the other limits say (engines from 28 on). `null`: the engine's own
          default.
        '';
      };

      minFreeSpace = mkOption {
        type = types.nullOr settingTypes.engineSize;
        default = null;
        example = "20%";
        description = ''
          BuildKit removes cache until this much of the disk is free (engines from 28 on). `null`: the engine's own
          default.
        '';
      };
    };

    settings = mkOption {
      default = { };
      example = {
        disk.highWatermark = "20GiB free";
        liveRuns.presets = [ "gitlab-runner" ];
        prune.until = "48h";
      };
      description = ''
        The agent's settings; `docs/configuration.md` says what each does. `null` leaves a key to the agent's default;
        for a limit of a rule or of the snapshots it means none. While the system is built the agent itself checks the
        whole, unknown keys and regular expressions included, and a mistake fails the build with the agent's words.
      '';
      type = types.submodule {
        freeformType = (pkgs.formats.json { }).type;
        options = import ./settings.nix {
          inherit lib settingTypes;
          defaultPaths =
            if dataRoot == null then
              null
            else
              [
                "/"
                dataRoot
              ];
          defaultLockFile = cfg.lockFile;
        };
      };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = docker.enable;
        message = ''
          services.ci-docker-prune.enable is set, but Docker is not enabled on this host.
          Write `virtualisation.docker.enable = true;`, or take services.ci-docker-prune out.
        '';
      }
      {
        assertion = !docker.autoPrune.enable;
        message = ''
          virtualisation.docker.autoPrune.enable is still on; services.ci-docker-prune replaces it, and two pruners
          would undo each other's rules (`--all` in autoPrune.flags empties the image cache).
          Write `virtualisation.docker.autoPrune.enable = false;`, or delete the line.
        '';
      }
      {
        assertion = cfg.settings.stateDir == null;
        message = ''
          services.ci-docker-prune.settings.stateDir is ${toString cfg.settings.stateDir}, but the service may write to
          its own state folder only. Delete the line: the history is in /var/lib/ci-docker-prune.
        '';
      }
      {
        assertion = metrics == null || !(lib.hasPrefix "/tmp/" metrics || lib.hasPrefix "/var/tmp/" metrics);
        message = ''
          services.ci-docker-prune.settings.metrics.textfile is ${toString metrics}, but the service has a /tmp and a
          /var/tmp of its own, where no exporter finds it. Write "/var/lib/node-exporter/ci-docker-prune.prom".
        '';
      }
      {
        assertion =
          !cfg.configureNodeExporter
          || metrics == null
          || lib.count (lib.hasInfix textfileFlag) exporter.extraFlags <= 1;
        message = ''
          services.prometheus.exporters.node.extraFlags has ${textfileFlag} already, which the exporter takes only once.
          Write `services.ci-docker-prune.configureNodeExporter = false;`, and have
          services.ci-docker-prune.settings.metrics.textfile name a file in that folder.
        '';
      }
    ]
    ++ rules.assertions cfg.settings;

    warnings =
      let
        inherit (settingTypes) percentOf secondsOf;
        inherit (cfg.settings) disk liveRuns prune;
        percent = percentOf disk.highWatermark;
        seconds = secondsOf prune.until;
      in
      lib.optional (percent != null && percent > 95) ''
        services.ci-docker-prune.settings.disk.highWatermark is ${disk.highWatermark}: hardly any room is left when a
        pass first acts, and a full disk stops runs in the middle. Write "80%", or room in bytes such as "20GiB free".
      ''
      ++ lib.optional (seconds != null && seconds < 3600) ''
        services.ci-docker-prune.settings.prune.until is ${prune.until}: what a build made less than an hour ago may
        still be wanted by the next step of the same job. Write "24h", or at least "1h".
      ''
      ++
        lib.optional
          (
            liveRuns.services == [ ]
            && liveRuns.containers == [ ]
            && liveRuns.labels == [ ]
            && liveRuns.presets == [ ]
          )
          ''
            services.ci-docker-prune.settings.liveRuns has no rule at all, so no CI run is ever seen as live. Name your
            runner, as in `services.ci-docker-prune.settings.liveRuns.presets = [ "gitlab-runner" ];`, or write a
            pattern in liveRuns.containers or liveRuns.services.
          '';

    # Not docker-prune: NixOS declares that unit itself wherever Docker is enabled, autoPrune or not.
    systemd.services.ci-docker-prune = {
      description = service.Unit.Description;
      after = service.Unit.After;
      inherit (cfg) onFailure;
      unitConfig.X-StopOnRemoval = service.Unit.X-StopOnRemoval;
      # A switch neither starts a pass (no wantedBy) nor stops one that is running because its unit changed.
      restartIfChanged = false;
      enableDefaultPath = false;
      path = [
        pkgs.util-linux
        pkgs.coreutils
      ];
      serviceConfig = removeAttrs service.Service [ "Environment" ];
    };

    systemd.timers = lib.optionalAttrs (timer != null) {
      ci-docker-prune = {
        description = timer.Unit.Description;
        wantedBy = timer.Install.WantedBy;
        timerConfig = timer.Timer;
      };
    };

    systemd.tmpfiles.settings = lib.optionalAttrs (tmpfiles != [ ]) {
      "10-ci-docker-prune" = builtins.listToAttrs (
        map (line: lib.nameValuePair line.path { ${line.type} = { inherit (line) mode user group; }; }) tmpfiles
      );
    };

    services.prometheus.exporters.node.extraFlags =
      lib.mkIf (metrics != null && cfg.configureNodeExporter && exporter.enable)
        [ (commandLine [ "${textfileFlag}${builtins.dirOf metrics}" ]) ];

    environment.etc.${settingsPath}.source = settingsFile;
    environment.systemPackages = [ operatorCommand ];

    virtualisation.docker.daemon.settings = lib.mkIf cfg.buildCacheLimits.enable {
      builder.gc = {
        enabled = true;
      }
      // (
        if lib.versionAtLeast docker.package.version "28" then
          lib.filterAttrs (_: size: size != null) {
            defaultMaxUsedSpace = cfg.buildCacheLimits.maxUsedSpace;
            defaultReservedSpace = cfg.buildCacheLimits.reservedSpace;
            defaultMinFreeSpace = cfg.buildCacheLimits.minFreeSpace;
          }
        else
          { defaultKeepStorage = cfg.buildCacheLimits.maxUsedSpace; }
      );
    };
  };
}
