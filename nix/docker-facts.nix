# What the configuration of a host says of its Docker: { watched; dataRootUnread; socketPath; socketGroup; }.
{ lib, config }:
let
  docker = config.virtualisation.docker;
  daemon = docker.daemon.settings;
  first = lib.findFirst (_: true) null;

  # dockerd reads its data root from daemon.json or from a flag, never from both.
  flag = builtins.match "(.* )?(--data-root|--graph|-g)[ =]+([^ ]*).*" docker.extraOptions;
  flagged = if flag == null then null else builtins.elemAt flag 2;
  isPlainPath = builtins.match "/[^\"'$%\\]*" (toString flagged) != null;
  dataRoot = daemon.data-root or (if isPlainPath then flagged else null);

  # /run is where /var/run leads to.
  atRun = path: if lib.hasPrefix "/var/run/" path then lib.removePrefix "/var" path else path;
  listening = builtins.filter (lib.hasPrefix "/") docker.listenOptions;
  ofDaemon = map (lib.removePrefix "unix://") (
    builtins.filter (lib.hasPrefix "unix:///") (daemon.hosts or [ ])
  );
in
{
  # Paths on the disks that fill; null: where the engine keeps its data by itself.
  watched =
    if dataRoot == null then
      null
    else
      lib.unique [
        "/"
        dataRoot
      ];

  # The flag is there, and what it says cannot be told here.
  dataRootUnread = dataRoot == null && flagged != null;

  # null: it listens on none.
  socketPath = first (map atRun (listening ++ ofDaemon));

  # systemd makes the sockets of listenOptions, the engine those of its hosts.
  socketGroup =
    if listening != [ ] then
      config.systemd.sockets.docker.socketConfig.SocketGroup or "docker"
    else
      daemon.group or "docker";
}
