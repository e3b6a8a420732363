# services.ci-docker-prune: the agent as a NixOS service. Units are in units.nix, settings in docs/configuration.md.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.services.ci-docker-prune;
  host = import ./docker-facts.nix { inherit lib config; };
  inherit (import ./unit-parts.nix) word;
  paths = import ./paths.nix;

  inherit (cfg.settings) lockFile;
  metrics = cfg.settings.metrics.textfile;
  exporter = config.services.prometheus.exporters.node;
  textfileFlag = "--collector.textfile.directory";

  # null is a value like any other to the agent, but not here: "where the engine keeps its data" is said by leaving out.
  disk = lib.filterAttrs (key: value: key != "paths" || value != null) cfg.settings.disk;

  # The agent is JavaScript: where its own wrapper cannot run, another node can.
  agent =
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      lib.getExe cfg.package
    else
      "${lib.getExe pkgs.buildPackages.nodejs-slim} ${cfg.package}/lib/ci-docker-prune/ci-docker-prune.cjs";

  # The agent checks the settings that it will read, while the system is built.
  settingsFile =
    pkgs.runCommand "ci-docker-prune-settings.json"
      {
        document = builtins.toJSON (cfg.settings // { inherit disk; });
        passAsFile = [ "document" ];
        preferLocalBuild = true;
      }
      ''
        # The name that stands in front of the agent's complaints.
        ln -s "$documentPath" services.ci-docker-prune.settings
        ${agent} validate services.ci-docker-prune.settings
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
    inherit lockFile;
    metricsFile = metrics;
    inherit (host) socketGroup;
    watched = cfg.settings.cache.evict or "never" != "never";
  };
  # A pass and the watcher have the same needs; PATH is for what the agent runs.
  serviceOf = unit: {
    unitConfig = unit.Unit;
    serviceConfig = unit.Service;
    wantedBy = unit.Install.WantedBy or [ ];
    enableDefaultPath = false;
    path = with pkgs; [
      util-linux
      coreutils
    ];
  };

  inherit (import ./option-parts.nix { inherit lib pkgs; })
    option
    package
    runtimePath
    text
    unitName
    ;
  calendarEvent = text ''calendar event such as "daily" or "Mon 06:00"'' "[^\n]+";
  calendarEvents = types.coercedTo calendarEvent lib.singleton (types.listOf calendarEvent);
  timeSpan = text ''time span such as "0", "45min" or "2h"'' "[0-9][0-9a-z. ]*";
  patterns = option (types.listOf types.str) [ ];
in
{
  # Imported twice, by path and from the flake say, it is still one module.
  key = "ci-docker-prune#nixosModules.ci-docker-prune";
  _class = "nixos";
  imports = [ ./build-cache.nix ];

  options.services.ci-docker-prune = {
    enable = lib.mkEnableOption "pruning of Docker under disk pressure, never during a CI run, in the place of {option}`virtualisation.docker.autoPrune`";

    inherit package;

    dates = option calendarEvents "daily" "hourly" ''
      When to look whether the disk is under pressure ({manpage}`systemd.time(7)`), one or several. Looking is cheap. Rules
      (`settings.retention`, `settings.orphans`) hold on these dates only: write `"hourly"` where one has a limit of a
      day or less. An empty list makes no timer; the service can still be started by hand.
    '';

    randomizedDelaySec =
      option timeSpan "0" "45min"
        "Put each look off by a random time up to this one, so that a fleet does not move in step.";

    persistent =
      option types.bool true false
        "Catch up at start on a date that was missed while the machine was off.";

    timeout = option timeSpan "2h" "30min" ''
      How long one pass may take. Then the agent is told to stop, which it does between two deletions, within seconds. A
      prune of a large build cache alone may take many minutes.
    '';

    onFailure = option (types.listOf unitName) [ ] [ "notify-operator@%n.service" ] ''
      Units to start when a pass fails: the engine does not answer, something could not be removed, or the pass ran and
      the disk is still above its watermark. A pass that is put off because a CI run is live does not fail.
    '';

    lockFile = mkOption {
      type = types.nullOr runtimePath;
      apply = _: lockFile;
      defaultText = lib.literalExpression "config.services.ci-docker-prune.settings.lockFile";
      example = "/run/ci/prune.lock";
      description = "The same as `settings.lockFile`, for those who write it or read it here.";
    };

    configureNodeExporter = option types.bool true false ''
      Tell the node_exporter of this host ({option}`services.prometheus.exporters.node.enable`) the folder of
      `settings.metrics.textfile`. It takes one folder: where it has one already, name a file in that one, and set this
      to false.
    '';

    settings = mkOption {
      default = { };
      example.disk.highWatermark = "20GiB free";
      description = ''
        The agent's settings, as `docs/configuration.md` has them; below are those that the module reads or decides. They
        reach the agent as they are, null included, which checks them while the system is built.
      '';
      type = types.submodule {
        freeformType = (pkgs.formats.json { }).type;
        options = {
          disk.paths = mkOption {
            type = types.nullOr (types.listOf types.str);
            default = host.watched;
            defaultText = lib.literalMD "`/` and the data root of Docker, where the configuration names one, else `null`";
            example = [
              "/"
              "/srv/docker"
            ];
            description = "Paths whose filesystems are watched. `null`: where Docker keeps its data by itself.";
          };

          engine.socketPath = mkOption {
            type = runtimePath;
            default = if host.socketPath == null then "/run/docker.sock" else host.socketPath;
            defaultText = lib.literalMD "the first path of {option}`virtualisation.docker.listenOptions`";
            example = "/run/docker-ci.sock";
            description = "The engine's unix socket.";
          };

          liveRuns = {
            services = patterns [ "^ci-[0-9]+_" ] ''
              Patterns for names of Swarm services: while one matches, no pass prunes. The agent by itself would look for
              the stacks of one CI; here it is told this list, also when it is empty. A host that sets none of the four
              lists is warned; `[ ]` says that there is no run to be seen.
            '';
            containers = patterns [ "^ci-job-" ] "Patterns for names of containers.";
            labels = patterns [ "ci.job" "ci.stage=test" ] "Labels on containers or services.";
            presets = patterns [ "gitlab-runner" ] "Named rules for common runners.";
          };

          lockFile =
            option (types.nullOr runtimePath) "/run/lock/ci-docker-prune.lock" "/run/ci/prune.lock"
              ''
                The file on which launchers keep a pass out, for what no look at the engine can see, such as an image that is
                being pulled: `flock --close --shared FILE job…`. It is made at boot, for root and the engine's group. With
                `null` passes only keep each other out.
              '';

          metrics.textfile =
            option (types.nullOr runtimePath) null "/var/lib/node-exporter/ci-docker-prune.prom"
              ''
                Where each pass leaves its metrics for the textfile collector of Prometheus' node_exporter, which is told of
                the folder; it is made. `docs/monitoring.md` has what there is to be seen.
              '';
        };
      };
    };
  };

  config = lib.mkMerge [
    {
      # One fact under two names, as mkAliasOptionModule has it, which cannot reach into a submodule.
      services.ci-docker-prune.settings.lockFile = lib.modules.mkAliasAndWrapDefsWithPriority lib.id options.services.ci-docker-prune.lockFile;
    }
    (lib.mkIf cfg.enable {
      inherit
        (import ./assertions.nix {
          inherit
            lib
            config
            options
            host
            textfileFlag
            ;
        })
        assertions
        warnings
        ;

      # Not docker-prune: NixOS declares that unit itself wherever Docker is enabled, autoPrune or not.
      systemd.services.ci-docker-prune = serviceOf units.service // {
        # A switch neither starts a pass (no wantedBy) nor stops one that is running because its unit changed.
        restartIfChanged = false;
      };

      systemd.services.ci-docker-prune-watch = lib.mkIf (units.watch != null) (serviceOf units.watch);

      systemd.paths.ci-docker-prune-pressure = lib.mkIf (units.pressure != null) {
        unitConfig = units.pressure.Unit;
        pathConfig = units.pressure.Path;
        wantedBy = units.pressure.Install.WantedBy;
      };

      systemd.timers.ci-docker-prune = lib.mkIf (units.timer != null) {
        unitConfig = units.timer.Unit;
        timerConfig = units.timer.Timer;
        wantedBy = units.timer.Install.WantedBy;
      };

      # NixOS puts the path between single quotes, and systemd-tmpfiles reads escapes and specifiers there.
      systemd.tmpfiles.settings."10-ci-docker-prune" = lib.mkIf (units.tmpfiles != [ ]) (
        builtins.listToAttrs (
          map (
            entry:
            lib.nameValuePair (lib.replaceStrings [ "\\" "'" "%" ] [ "\\\\" "\\'" "%%" ] entry.path) {
              ${entry.type} = { inherit (entry) mode user group; };
            }
          ) units.tmpfiles
        )
      );

      services.prometheus.exporters.node.extraFlags = lib.mkIf (
        metrics != null && cfg.configureNodeExporter && exporter.enable
      ) [ (word "${textfileFlag}=${paths.folderOf metrics}") ];

      # Where the agent looks by itself: by hand it reads what the service reads.
      environment.etc."ci-docker-prune/settings.json".source = settingsFile;
      environment.systemPackages = [ cfg.package ];
    })
  ];
}
