# The service and the timer as plain data from plain arguments. No lib, no pkgs: the NixOS module, the renderer
# (render-units.nix) and the tests read this. Gives { service; timer; watch; pressure; tmpfiles; }:
#   service   { Unit; Service; }           sections of systemd.unit(5); a list is a key that is written several times
#   timer     { Unit; Timer; Install; }, or null when there are no dates
#   watch     { Unit; Service; Install; }, the service that writes down which images are used, or null
#   pressure  { Unit; Path; Install; }, which starts a pass when the watcher sees the disk fill, or null
#   tmpfiles  [ { about; type; path; mode; user; group; } ], lines of tmpfiles.d(5); the path is not yet escaped
# Throws for a path or a command that would give the service more than it is to have.
{
  # The agent, as words: [ "/usr/bin/node" "/usr/lib/ci-docker-prune/ci-docker-prune.cjs" ].
  command,
  # The settings document, an absolute path.
  settingsFile,
  # Folders for PATH: flock (util-linux), cat and df (coreutils) are needed. None: somebody else sets PATH.
  path,
  # When to look, as systemd.time(7) calendar events. None: no timer, the service can still be started by hand.
  dates ? [ "daily" ],
  randomizedDelaySec ? "0",
  # Catch up on a date that was missed while the machine was off.
  persistent ? true,
  # How long one pass may take before it is told to stop.
  timeout ? "2h",
  # Units to start when a pass fails.
  onFailure ? [ ],
  # The file that launchers share the lock on; it must be the same in the settings. null: the state folder is locked.
  lockFile ? "/run/lock/ci-docker-prune.lock",
  # The file for node_exporter's textfile collector; it must be the same in the settings. null: no metrics.
  metricsFile ? null,
  # Whether uses of images are written down; cache.evict goes by them.
  watched ? false,
  # The group that may talk to the engine's socket.
  socketGroup ? "docker",
}:
let
  inherit (import ./unit-parts.nix)
    commandLine
    nodeVariables
    pathWord
    sandbox
    word
    ;
  paths = import ./paths.nix;

  when = condition: value: if condition then value else null;
  given = value: entry: if value == null then [ ] else [ entry ];
  checked =
    name: problem: file:
    if file != null && problem file != null then throw "${name} ${file} ${problem file}" else file;
  lock = checked "lockFile" paths.problemOfLock lockFile;
  metrics = checked "metricsFile" paths.problemOfMetrics metricsFile;
  settings = checked "settingsFile" paths.problemOfSettings settingsFile;

  # What any service of the agent that talks to the engine is: `verb` is the agent's command, `service` what else it says.
  sandboxed =
    verb: service:
    sandbox
    // {
      ExecStart = "${commandLine command} ${verb} --settings ${word settings}";
      SyslogIdentifier = "ci-docker-prune";
      # Of lines without a priority of their own: what goes to standard error (settings that are not valid, a crash).
      SyslogLevel = "err";
      # A pass writes a line for each object it looked at. journald drops, unsaid, what one unit says beyond 10000 lines
      # in 30 s (four times that at most, where its disk has room), and the line that ends the pass would be among it.
      # Not 0: a unit's own 0 does not switch the limit off (systemd 252 and 257).
      LogRateLimitBurst = 100000;
      # The agent ends within 2 s of SIGTERM, having recorded what it did.
      TimeoutStopSec = "15s";

      # The jobs come first.
      Nice = 19;
      IOSchedulingClass = "idle";

      Environment = map pathWord (
        if path == [ ] then [ ] else [ "PATH=${builtins.concatStringsSep ":" path}" ]
      );
      # What would change which engine is pruned, or how node runs.
      UnsetEnvironment = "DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT ${nodeVariables}";

      # Nobody of its own, but for the group that opens the engine's socket. That group is as good as root: what
      # narrows it is in the agent (agent/engine/envelope.ts). Services of one name share the state folder.
      DynamicUser = true;
      User = "ci-docker-prune";
      SupplementaryGroups = socketGroup;
      StateDirectory = "ci-docker-prune";
      StateDirectoryMode = "0750";

      # All filesystems are there to be measured, nothing is to be written but the state, the lock and the metrics. A
      # data root that is hidden (ProtectHome=yes, InaccessiblePaths=) would read as an empty disk, hence read-only.
      ProtectHome = "read-only";
      ReadWritePaths = map (file: pathWord "-${file.path}") tmpfiles;

      # The engine is reached by a unix socket.
      RestrictAddressFamilies = "AF_UNIX";

      PrivateUsers = true;
      CapabilityBoundingSet = "";
      RemoveIPC = true;
    }
    // service;

  # What is made at boot, and what alone the service may write to beside its state.
  tmpfiles =
    # Not in a RuntimeDirectory: with DynamicUser that is either removed after each pass, and with it the file that a
    # launcher holds, or kept below /run/private, which only root can enter.
    given lock {
      about = "Launchers share the lock on this file.";
      type = "f";
      path = lock;
      mode = "0660";
      user = "root";
      group = socketGroup;
    }
    # The folder, since the file is replaced, by another user each time. One that is there stays as it is: the colons.
    ++ given metrics {
      about = "The metrics, for node_exporter's textfile collector.";
      type = "d";
      path = paths.folderOf metrics;
      mode = ":0775";
      user = ":root";
      group = ":${socketGroup}";
    };
in
{
  inherit tmpfiles;

  service = {
    Unit = {
      Description = "Prune Docker under disk pressure, never during a CI run";
      # Requires= or Wants= would start an engine that was stopped on purpose, to prune it; so would our first request
      # where docker.socket listens. Requisite= fails instead. Ages are judged by the clock, so it is to be right first.
      After = [
        "docker.service"
        "time-sync.target"
      ];
      Requisite = [ "docker.service" ];
      Wants = [ "time-sync.target" ];
      OnFailure = onFailure;
      # A nixos-rebuild that removes or renames the unit leaves a pass that is running alone.
      X-StopOnRemoval = false;
    };

    # No SuccessExitStatus: 10 (the disk is still too full), 69, 75 and 78 fail the unit, so that OnFailure fires.
    Service = sandboxed "run" {
      Type = "oneshot";
      TimeoutStartSec = timeout;
    };
  };

  # It comes and goes with the engine: a request where docker.socket listens would start one that was stopped on purpose.
  watch = when watched {
    Unit = {
      Description = "Write down which images of Docker are used";
      After = [ "docker.service" ];
      Requisite = [ "docker.service" ];
      PartOf = [ "docker.service" ];
    };
    Service = sandboxed "watch" {
      Type = "exec";
      Restart = "on-failure";
      RestartSec = "10s";
    };
    Install.WantedBy = [
      "docker.service"
      "multi-user.target"
    ];
  };

  # Of a file that changes, not of one that is there: a switch starts no pass.
  pressure = when watched {
    Unit.Description = "Start a pass of ci-docker-prune when the disk fills";
    Path = {
      PathChanged = "/var/lib/private/ci-docker-prune/pressure";
      Unit = "ci-docker-prune.service";
    };
    Install.WantedBy = [ "paths.target" ];
  };

  timer = when (dates != [ ]) {
    Unit.Description = "Look whether Docker needs pruning";
    Timer = {
      OnCalendar = dates;
      RandomizedDelaySec = randomizedDelaySec;
      Persistent = persistent;
    };
    Install.WantedBy = [ "timers.target" ];
  };
}
