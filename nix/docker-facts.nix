# What the configuration of a host says of its Docker: { watched; dataRootUnread; socketPath; socketGroup; }.
{ lib, config }:
let
  docker = config.virtualisation.docker;
  daemon = docker.daemon.settings;
  isPlainPath = text: builtins.match "/[^\"'$%\\]*" text != null;

  # dockerd reads its data root from daemon.json or from one of these flags, never from both.
  words = builtins.filter (word: builtins.isString word && word != "") (
    builtins.split "[[:space:]]+" docker.extraOptions
  );
  afterFlag = lib.concatLists (
    lib.zipListsWith (
      flag: value:
      let
        joined = builtins.match "(--data-root|--graph|-g)=(.*)" flag;
      in
      if joined != null then
        [ (builtins.elemAt joined 1) ]
      else
        lib.optional (builtins.elem flag [
          "--data-root"
          "--graph"
          "-g"
        ]) value
    ) words (lib.drop 1 words ++ [ "" ])
  );
  flagged = lib.findFirst (_: true) null afterFlag;

  # /run is where /var/run leads to.
  atRun = path: if lib.hasPrefix "/var/run/" path then lib.removePrefix "/var" path else path;
  listening = builtins.filter (lib.hasPrefix "/") docker.listenOptions;
  ofDaemon = map (lib.removePrefix "unix://") (
    builtins.filter (lib.hasPrefix "unix:///") (daemon.hosts or [ ])
  );

  dataRoot =
    daemon.data-root or (if flagged != null && isPlainPath flagged then flagged else null);
  # One that is not the engine's own keeps the images elsewhere.
  containerdRoots = lib.optional (
    daemon ? containerd && config.virtualisation.containerd.enable or false
  ) (config.virtualisation.containerd.settings.root or "/var/lib/containerd");
in
{
  # Paths on the disks that fill; null: where the engine keeps its data by itself.
  watched =
    if dataRoot == null then
      null
    else
      [
        "/"
        dataRoot
      ]
      ++ containerdRoots;

  # A flag is there, and what it says cannot be told here.
  dataRootUnread = !(daemon ? data-root) && flagged != null && !isPlainPath flagged;

  # null: it listens on none.
  socketPath = lib.findFirst (_: true) null (map atRun (listening ++ ofDaemon));

  # systemd makes the sockets of listenOptions, the engine those of its hosts.
  socketGroup =
    if listening != [ ] then
      config.systemd.sockets.docker.socketConfig.SocketGroup or "docker"
    else
      daemon.group or "docker";
}
