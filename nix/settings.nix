# The agent's settings as options: every key of agent/settings/schema.ts, and no other (tests/nix compares them).
{
  lib,
  settingTypes,
  # Where Docker keeps its data, when the configuration says so.
  defaultPaths,
  defaultLockFile,
}:
let
  inherit (lib) literalExpression mkOption types;
  inherit (settingTypes)
    absolutePath
    duration
    label
    pattern
    size
    watermark
    ;

  flag =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
      example = !default;
    };

  listOf =
    type: default: example: description:
    mkOption {
      type = types.listOf type;
      inherit default example description;
    };
in
{
  engine = {
    socketPath = mkOption {
      type = absolutePath;
      default = "/run/docker.sock";
      example = "/run/docker-ci.sock";
      description = ''
        The engine's unix socket. `DOCKER_HOST` and its like in the environment are ignored: they must not change which
        engine is pruned.
      '';
    };
    timeout = mkOption {
      type = duration;
      default = "60s";
      example = "2m";
      description = ''
        From 100 ms to 1 h. How long any one answer may take, to its last byte. A slow answer is *unknown* and blocks.
        A swarm without a quorum takes 20 s to say so: do not go below that on managers.
      '';
    };
    deleteTimeout = mkOption {
      type = duration;
      default = "10m";
      example = "30m";
      description = ''
        From 100 ms to 24 h. How long removing one container or image may take: many files on a slow disk take minutes.
        Past it the pass ends, though the engine may still finish that removal. The prune of the build cache may take
        1 h.
      '';
    };
  };

  disk = {
    paths = mkOption {
      type = types.nullOr (types.nonEmptyListOf absolutePath);
      default = defaultPaths;
      defaultText = literalExpression ''
        if config.virtualisation.docker.daemon.settings ? data-root then
          [ "/" config.virtualisation.docker.daemon.settings.data-root ]
        else
          null
      '';
      example = [
        "/"
        "/srv/docker"
      ];
      description = ''
        Paths whose filesystems are watched; several on one filesystem count once. Paths named here must be readable,
        or the pass fails. `null`: those of `/`, `/var/lib/docker` and `/var/lib/containerd` that exist.
      '';
    };
    highWatermark = mkOption {
      type = watermark;
      default = "80%";
      example = "20GiB free";
      description = ''
        Below it nothing happens, and the engine is not even asked. `"80%"` is used space as df counts it;
        `"20GiB free"` is available space, the better choice on large disks.
      '';
    };
    lowWatermark = mkOption {
      type = types.nullOr watermark;
      default = null;
      example = "60%";
      description = ''
        Stop as soon as every watched filesystem is below this mark, and leave the rest of the plan. `null`: go through
        the whole plan. Must leave more room than the high watermark.
      '';
    };
    inodes = flag true ''
      Judge inodes too: by the same percentage, or by 80 % where the watermark is in bytes. Filesystems that count none
      (btrfs, zfs) are not judged.
    '';
  };

  liveRuns = {
    services = mkOption {
      type = types.listOf pattern;
      default = [ "^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_" ];
      example = [ "^ci-[0-9]+_" ];
      description = ''
        Patterns for names of Swarm services. While one matches, no pass prunes; nor while containers of its tasks are
        still there. A pattern matches anywhere in the name unless it begins with `^`.
      '';
    };
    containers = listOf pattern [ ] [ "^ci-job-" ] ''
      Patterns for names of containers that run, pause, restart, or were created and may be about to start.
    '';
    labels = listOf label [ ] [ "ci.job" "ci.stage=test" ] ''
      Labels on such containers, or on services.
    '';
    presets =
      listOf
        (types.enum [
          "gitlab-runner"
          "drone"
          "woodpecker"
          "gitea-act-runner"
          "forgejo-runner"
          "github-actions"
          "testcontainers"
          "buildx"
        ])
        [ ]
        [ "gitlab-runner" ]
        ''
          Named rules for common runners. A runner that pulls images before it creates anything cannot be seen by any
          rule: have its launcher hold {option}`services.ci-docker-prune.lockFile`.
        '';
  };

  convergence = {
    settle = mkOption {
      type = duration;
      default = "3s";
      example = "10s";
      description = "From 0 s to 5 min. On a swarm manager services must be quiet twice, this far apart.";
    };
    ignoreStuckAfter = mkOption {
      type = types.nullOr duration;
      default = null;
      example = "6h";
      description = ''
        From 1 min. A service that has been converging for longer than this, over passes and without a change, no
        longer blocks; each pass names it in a warning. `null`: it blocks for ever. One-shot services look like
        converging for ever: set this where you have them.
      '';
    };
    onWorker = mkOption {
      type = types.enum [
        "defer"
        "local-tasks"
      ];
      default = "defer";
      example = "local-tasks";
      description = ''
        A swarm worker cannot see services. `"defer"`: unknown, no pass. `"local-tasks"`: judge by the task containers
        on this node alone.
      '';
    };
  };

  prune = {
    until = mkOption {
      type = duration;
      default = "24h";
      example = "48h";
      description = ''
        Nothing younger goes. Containers count from when they finished, images from the youngest of created and last
        tagged, build cache from its last use.
      '';
    };
    containers = flag true "Remove stopped containers.";
    images = flag true ''
      Remove dangling images: no tag *and* no digest. Tagged images and images pulled by digest are the cache and never
      go.
    '';
    buildCache = flag true ''
      Remove build cache that was not used for {option}`services.ci-docker-prune.settings.prune.until`.
    '';
    labels = listOf label [ ] [ "ci.managed=true" ] ''
      Only containers and images that carry at least one of these labels. For hosts shared with other workloads. Build
      cache carries no labels and is not restricted: switch it off if it is not yours.
    '';
    keepLabels = listOf label [ "ci-docker-prune.keep" ] [ "ci-docker-prune.keep" "base-image" ] ''
      Containers and images with one of these labels stay. Setting the list replaces it.
    '';
  };

  deferrals = {
    warnAfterPasses = mkOption {
      type = types.ints.positive;
      default = 7;
      example = 3;
      description = "From this many deferrals in a row on, each further one is logged with priority warning.";
    };
    warnAfter = mkOption {
      type = duration;
      default = "7d";
      example = "2d";
      description = "From 1 min. The same, once passes have been put off for this long.";
    };
  };

  inherit (import ./rules.nix { inherit lib settingTypes; }) retention orphans;

  snapshots = {
    ttl = mkOption {
      type = duration;
      default = "24h";
      example = "12h";
      description = ''
        From 1 s. How long what `ci-docker-prune snapshots commit` made may be resumed from; `--ttl` at the commit wins
        over it.
      '';
    };
    keepCount = mkOption {
      type = types.nullOr types.ints.positive;
      default = 5;
      example = 20;
      description = "So many snapshots on this host. `null`: any number.";
    };
    maxTotalSize = mkOption {
      type = types.nullOr size;
      default = "10GB";
      example = "50GB";
      description = "Of the bytes that only snapshots hold. `null`: any size.";
    };
    when = mkOption {
      type = settingTypes.when;
      default = "pressure";
      example = "always";
      description = ''
        Each commit applies the limits at once. A pass applies them under disk pressure, or on every run with
        `"always"`.
      '';
    };
  };

  lockFile = mkOption {
    type = types.nullOr settingTypes.runtimePath;
    default = defaultLockFile;
    defaultText = literalExpression "config.services.ci-docker-prune.lockFile";
    example = "/run/ci/prune.lock";
    description = "Set {option}`services.ci-docker-prune.lockFile` instead.";
  };

  stateDir = mkOption {
    type = types.nullOr absolutePath;
    default = null;
    example = null;
    description = "Not to be set here: the service keeps its history in its own state folder.";
  };

  metrics.textfile = mkOption {
    type = types.nullOr settingTypes.promFile;
    default = null;
    example = "/var/lib/node-exporter/ci-docker-prune.prom";
    description = ''
      Where each pass leaves its metrics for the textfile collector of Prometheus' node_exporter. Its folder is made,
      and the exporter of this host is told of it ({option}`services.ci-docker-prune.configureNodeExporter`). `null`: no
      metrics. `docs/monitoring.md` says what there is to be seen.
    '';
  };
}
