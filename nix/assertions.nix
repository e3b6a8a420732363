# What a configuration contradicts, and what in it is most likely not meant: { assertions; warnings; }. Only what no
# other program can tell: the agent itself judges its settings.
{
  lib,
  config,
  options,
  host,
  textfileFlag,
}:
let
  cfg = config.services.ci-docker-prune;
  inherit (config.virtualisation) docker;
  paths = import ./paths.nix;
  settings = "services.ci-docker-prune.settings";

  metrics = cfg.settings.metrics.textfile;

  # "is /tmp/a, which is below /tmp …"; null for a path that is right or not set.
  badPath =
    problemOf: file:
    if file == null || problemOf file == null then null else "is ${file}, which ${problemOf file}";
  badLock = badPath paths.problemOfLock cfg.settings.lockFile;
  badMetrics = badPath paths.problemOfMetrics metrics;

  # Also an empty list counts, as "there is none".
  runsAreSaid =
    let
      inherit (options.services.ci-docker-prune.settings.valueMeta.configuration.options) liveRuns;
    in
    lib.any (option: option.highestPrio < (lib.mkOptionDefault null).priority) (
      builtins.attrValues liveRuns
    );

  otherEngine =
    if config.virtualisation.podman.enable or false then
      "It prunes no Podman, which has `podman system prune`: use that"
    else if docker.rootless.enable or false then
      "It prunes no rootless engine, whose data is in a home: use one for the whole host"
    else
      "Write `virtualisation.docker.enable = true;`";
in
{
  assertions = [
    {
      assertion = docker.enable;
      message = ''
        services.ci-docker-prune.enable is set, but Docker is not enabled on this host.
        ${otherEngine}, or take services.ci-docker-prune out.
      '';
    }
    {
      assertion = !docker.autoPrune.enable;
      message = ''
        virtualisation.docker.autoPrune.enable is still on; services.ci-docker-prune replaces it, and two pruners would
        undo each other's rules (`--all` in autoPrune.flags empties the image cache).
        Write `virtualisation.docker.autoPrune.enable = false;`, or delete the line.
      '';
    }
    {
      assertion = cfg.settings.stateDir or null == null;
      message = ''
        ${settings}.stateDir is ${
          toString cfg.settings.stateDir or ""
        }, but the service may write to its own state folder
        only. Delete the line: the history is in /var/lib/ci-docker-prune.
      '';
    }
    {
      assertion = badLock == null;
      message = ''
        ${settings}.lockFile ${toString badLock}: launchers and the service must see one file.
        Write "/run/lock/ci-docker-prune.lock".
      '';
    }
    {
      assertion = badMetrics == null;
      message = ''
        ${settings}.metrics.textfile ${toString badMetrics}.
        Write "/var/lib/node-exporter/ci-docker-prune.prom".
      '';
    }
    {
      assertion =
        !cfg.configureNodeExporter
        || metrics == null
        || lib.count (lib.hasInfix textfileFlag) config.services.prometheus.exporters.node.extraFlags <= 1;
      message = ''
        services.prometheus.exporters.node.extraFlags has ${textfileFlag} already, which may be there once.
        Write `services.ci-docker-prune.configureNodeExporter = false;`, and a file in that folder in ${settings}.metrics.textfile.
      '';
    }
  ];

  warnings =
    lib.optional (!runsAreSaid) ''
      ${settings}.liveRuns has no rule at all, so no CI run is ever seen as live. Name your runner, as in
      `${settings}.liveRuns.presets = [ "gitlab-runner" ];`, or write a pattern in liveRuns.containers or
      liveRuns.services. If there is nothing to see here: `${settings}.liveRuns.services = [ ];`.
    ''
    ++ lib.optional (host.dataRootUnread && cfg.settings.disk.paths == null) ''
      virtualisation.docker.extraOptions has a data root that cannot be read from it, so nobody watches that disk. Name it
      in `${settings}.disk.paths`, or write it in virtualisation.docker.daemon.settings.data-root.
    ''
    ++ lib.optional (host.socketPath == null && cfg.settings.engine.socketPath == "/run/docker.sock") ''
      virtualisation.docker.listenOptions has no unix socket, and the agent takes no other.
      Write it there, or name it in `${settings}.engine.socketPath`.
    '';
}
