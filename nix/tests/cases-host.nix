# What the module reads from a host, and what it says to it.
{
  lib,
  evaluate,
  on,
  host,
  is,
  saidOf,
}:
let
  settings = "services.ci-docker-prune.settings";
  prune = options: { services.ci-docker-prune = options; };
  set = document: prune { settings = document; };
  docker = options: { virtualisation.docker = options; };
  documentOf = more: (host more).settings;
  pathsOf = more: (documentOf more).disk.paths or null;
  exporter = extraFlags: {
    services.prometheus.exporters.node = {
      enable = true;
      inherit extraFlags;
    };
  };
  measured = set { metrics.textfile = "/var/lib/node-exporter/ci.prom"; };
  flagsOf =
    more:
    (host {
      imports = [ measured ] ++ more;
    }).exporterFlags;
  others = more: saidOf { imports = [ measured ] ++ more; };
  folderFlag = "--collector.textfile.directory";
  runs = liveRuns: builtins.length (evaluate [ on (set { inherit liveRuns; }) ]).warnings;
in
[
  (is "settings: as they are written, null included, with what the module reads" (documentOf (set {
    disk.lowWatermark = null;
    disk.pahts = [ "/" ];
    retention = [ { name = "a"; } ];
    snapshots.keepCount = null;
  })) {
    disk = {
      lowWatermark = null;
      pahts = [ "/" ];
    };
    engine.socketPath = "/run/docker.sock";
    liveRuns = {
      services = [ ];
      containers = [ ];
      labels = [ ];
      presets = [ "drone" ];
    };
    lockFile = "/run/lock/ci-docker-prune.lock";
    metrics.textfile = null;
    retention = [ { name = "a"; } ];
    snapshots.keepCount = null;
  })
  (is "settings: lists of several modules are joined in an order that they can say" (documentOf {
    imports = [
      (set { retention = [ "second" ]; })
      (set { retention = lib.mkAfter [ "third" ]; })
      (set { retention = lib.mkBefore [ "first" ]; })
    ];
  }).retention [ "first" "second" "third" ])
  (is "settings: the agent checks them, also where it was built for another platform" (map
    (canExecute:
      lib.hasInfix "${lib.optionalString (!canExecute) "-node/bin/node /nix/store/"}" (import ./evaluate.nix {
        inherit lib;
        pkgs = import ./no-packages.nix { inherit lib canExecute; };
        modules = [ on ];
      }).settingsBuild
    )
    [ true false ]
  ) [ true true ])

  (is "lockFile: one fact, by whichever name" (map (more: [ (host more).lockFile (documentOf more).lockFile ]) [
    (prune { lockFile = "/run/a.lock"; })
    (set { lockFile = "/run/a.lock"; })
    (prune { lockFile = null; })
    (prune { lockFile = lib.mkForce "/run/b.lock"; settings.lockFile = "/run/a.lock"; })
  ]) [
    [ "/run/a.lock" "/run/a.lock" ]
    [ "/run/a.lock" "/run/a.lock" ]
    [ null null ]
    [ "/run/b.lock" "/run/b.lock" ]
  ])
  (is "lockFile: where no launcher sees it, or where all of a folder would be opened" (map
    (lockFile: saidOf (set { inherit lockFile; }))
    [ "/tmp/a" "/var/tmp/a/b" "/run/../tmp/a" "/run//a" "/run/lock" "/etc" "/" "/tmpfs/a" "/run/ci/a" ]
  ) (lib.genList (_: [ "${settings}.lockFile" ]) 7 ++ [ [ ] [ ] ]))
  (is "metrics.textfile: where no exporter finds it, or where all of a folder would be opened" (map
    (textfile: saidOf (set { metrics = { inherit textfile; }; }))
    [ "/tmp/a.prom" "/var/lib/a.prom" "/var/a.prom" "/home/a/b.prom" "/a.prom" "/var/lib/a/../b.prom" "/srv/m/a.prom" ]
  ) (lib.genList (_: [ "${settings}.metrics.textfile" ]) 6 ++ [ [ ] ]))

  (is "metrics.textfile: the exporter of this host is told, in one word, unless it is off or not ours" (map flagsOf [
    [ (exporter [ ]) ]
    [ ]
    [ (exporter [ ]) (prune { configureNodeExporter = false; }) ]
    [ (exporter [ ]) (set { metrics.textfile = lib.mkForce "/srv/5% of $it/ci.prom"; }) ]
  ]) [
    [ "${folderFlag}=/var/lib/node-exporter" ]
    [ ]
    [ ]
    [ "\"${folderFlag}=/srv/5%% of $$it\"" ]
  ])
  (is "metrics.textfile: an exporter that has a folder already, in one word or in two" (map others [
    [ (exporter [ "${folderFlag}=/o" ]) ]
    [ (exporter [ folderFlag "/o" ]) ]
    [ (exporter [ "${folderFlag}=/o" ]) (prune { configureNodeExporter = false; }) ]
  ]) [
    [ "services.prometheus.exporters.node.extraFlags" ]
    [ "services.prometheus.exporters.node.extraFlags" ]
    [ ]
  ])

  (is "disk.paths: the engine's data root, however it is said" (map pathsOf [
    { }
    (docker { daemon.settings.data-root = "/d"; })
    (docker { extraOptions = "--debug --data-root /d"; })
    (docker { extraOptions = "--data-root=/d --debug"; })
    (docker { extraOptions = "-g /d"; })
    {
      imports = [ (docker { daemon.settings.data-root = "/d"; }) (set { disk.paths = [ "/e" ]; }) ];
    }
  ]) [ null [ "/" "/d" ] [ "/" "/d" ] [ "/" "/d" ] [ "/" "/d" ] [ "/e" ] ])
  (is "disk.paths: with the root of a containerd that is not the engine's own" (pathsOf {
    virtualisation.containerd.enable = true;
    virtualisation.docker.daemon.settings = {
      containerd = "/run/containerd/containerd.sock";
      data-root = "/d";
    };
  }) [ "/" "/d" "/var/lib/containerd" ])
  (is "disk.paths: a data root that cannot be read is told" (saidOf (docker { extraOptions = "--data-root $ROOT"; })) [
    "virtualisation.docker.extraOptions"
  ])
  (is "engine.socketPath: where the engine listens" (map (more: (documentOf more).engine.socketPath) [
    (docker { listenOptions = [ "2375" "/var/run/ci.sock" ]; })
    (docker { listenOptions = [ ]; daemon.settings.hosts = [ "fd://" "unix:///run/d.sock" ]; })
    (set { engine.socketPath = "/run/e.sock"; })
  ]) [ "/run/ci.sock" "/run/d.sock" "/run/e.sock" ])
  (is "engine.socketPath: none is told" (saidOf (docker { listenOptions = [ "2375" ]; })) [
    "virtualisation.docker.listenOptions"
  ])

  (is "liveRuns: who says nothing is warned, who says none is not" (map runs [
    { }
    { services = [ ]; }
    { presets = [ ]; }
    { labels = [ "a" ]; }
  ]) [ 1 0 0 0 ])

  (is "refused: Docker is not enabled; a message for those who have another engine" (map
    (more: lib.hasInfix more.word (builtins.head (host { imports = [ more.config (docker { enable = false; }) ]; }).failed))
    [
      { word = "Write `virtualisation.docker.enable = true;`"; config = { }; }
      { word = "podman system prune"; config.virtualisation.podman.enable = true; }
      { word = "rootless"; config.virtualisation.docker.rootless.enable = true; }
    ]
  ) [ true true true ])
  (is "refused: autoPrune, and a state folder of one's own" (map saidOf [
    (docker { autoPrune.enable = true; })
    (set { stateDir = "/srv/state"; })
  ]) [ [ "virtualisation.docker.autoPrune.enable" ] [ "${settings}.stateDir" ] ])
  (is "off: nothing is refused" (evaluate [ (docker { enable = false; autoPrune.enable = true; }) ]).failed [ ])
]
