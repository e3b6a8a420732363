# What configurations come to: [ { name; got; want; } ]. Read by `nix flake check` and by tests/nix/module.test.ts.
{ lib }:
let
  evaluate = more: import ./evaluate.nix ({ inherit lib; } // more);
  withModules = modules: evaluate { inherit modules; };

  # '{ "docker.extraOptions": "-g /d" }' -> a module; the first word of a key may be one of these.
  short = {
    docker = "virtualisation.docker";
    prune = "services.ci-docker-prune";
    set = "services.ci-docker-prune.settings";
    limits = "services.ci-docker-prune.buildCacheLimits";
    textfile = "services.ci-docker-prune.settings.metrics.textfile";
    gc = "virtualisation.docker.daemon.settings.builder.gc";
    exporter = "services.prometheus.exporters.node";
    flags = "services.prometheus.exporters.node.extraFlags";
  };
  toModule = json: {
    imports = lib.mapAttrsToList (
      key: value:
      let
        words = lib.splitString "." key;
        first = lib.head words;
      in
      lib.setAttrByPath (lib.splitString "." (short.${first} or first) ++ lib.tail words) value
    ) (data json);
  };
  # A host with Docker and the service, unless the line says otherwise.
  host =
    json:
    withModules [
      {
        virtualisation.docker.enable = lib.mkDefault true;
        services.ci-docker-prune.enable = lib.mkDefault true;
      }
      (toModule json)
    ];

  is = name: got: want: { inherit name got want; };
  data = builtins.fromJSON;
  # A case for each line of `{ configuration } -> what comes of it`, both JSON.
  table =
    name: of: lines:
    map (
      line:
      let
        sides = lib.splitString " -> " line;
      in
      is "${name}: ${line}" (of (host (lib.head sides))) (data (lib.last sides))
    ) (lib.splitString "\n" (lib.trim lines));
  # The option that each message begins with: the end of its name.
  saidOf =
    { failed, warnings, ... }:
    map (
      message:
      lib.concatStringsSep "." (
        lib.takeEnd 2 (lib.splitString "." (lib.head (lib.splitString " " message)))
      )
    ) (failed ++ lib.filter (warning: !lib.hasInfix "liveRuns" warning) warnings);

  service = "ci-docker-prune.service";
  linesOf = lib.splitString "\n";
  # Of the second line of a message.
  firstWords = message: lib.substring 0 21 (lib.elemAt (linesOf message) 1);
  afterOf = text: lib.sort lib.lessThan (lib.filter (lib.hasPrefix "After=") (linesOf text));
  store = name: "/nix/store/00000000000000000000000000000000-${name}";
  # What the renderer makes for a host whose PATH NixOS sets by itself.
  rendered =
    arguments:
    removeAttrs (import ../render-units.nix {
      arguments = builtins.toJSON (
        {
          command = [ "${store "ci-docker-prune"}/bin/ci-docker-prune" ];
          settingsFile = store "ci-docker-prune-settings.json";
          path = [ ];
        }
        // data arguments
      );
    }) [ "ci-docker-prune.conf" ];
  plain = host "{}";
  odd = ''"lockFile": "/run/ci/100% mine.lock"'';
  metrics = "/srv/it's 5%/ci.prom";
  said = ''
    "dates": [ "06:00", "18:00" ], "randomizedDelaySec": "45min", "persistent": false, "timeout": "30min",
    "onFailure": [ "notify@%n.service" ], ${odd}'';
  every = host ''
    { "prune": { ${said} }, "textfile": "${metrics}", "set.cache.evict": "under-pressure",
      "systemd.sockets.docker.socketConfig.SocketGroup": "engine" }'';
  promised = linesOf ''
    Requisite=docker.service
    Wants=time-sync.target
    After=time-sync.target
    DynamicUser=true
    PrivateNetwork=true
    CapabilityBoundingSet=
    UnsetEnvironment=DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_CONTEXT NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS'';
  lenient = host ''{ "set": { "disk": { "lowWatermark": null, "pahts": [] }, "retention": [ {} ] } }'';
  on = toModule ''{ "prune.enable": true, "docker.enable": true }'';
  withPackages =
    more:
    evaluate {
      pkgs = import ./no-packages.nix ({ inherit lib; } // more);
      modules = [ on ];
    };
in
[
  (is "plain: units to the letter as rendered" plain.units (rendered "{}"))
  (is "plain: what the docs promise of the unit is in it" (lib.subtractLists (linesOf
    plain.units.${service}
  ) promised) [ ])
  (is "every option: units to the letter as rendered" every.units (
    rendered ''{ ${said}, "metricsFile": "${metrics}", "socketGroup": "engine", "watched": true }''
  ))
  (is "every option: what is made at boot, the paths as NixOS quotes them" every.tmpfiles (data ''
    { "10-ci-docker-prune": {
      "/run/ci/100%% mine.lock": { "f": { "mode": "0660", "user": "root", "group": "engine" } },
      "/srv/it\\'s 5%%": { "d": { "mode": ":0775", "user": ":root", "group": ":engine" } } } }''))
  (is "no switch starts or stops a pass; PATH has flock and df, and nothing else"
    plain.services.ci-docker-prune
    (data ''
      { "wantedBy": [], "startAt": [], "restartIfChanged": false, "enableDefaultPath": false, "environment": {},
        "path": [ "util-linux", "coreutils" ] }'')
  )
  (is "settings: as they are written, null included, with what the module decides" lenient.settings
    (data ''
      { "disk": { "lowWatermark": null, "pahts": [] }, "retention": [ {} ], "metrics": { "textfile": null },
        "engine": { "socketPath": "/run/docker.sock" }, "lockFile": "/run/lock/ci-docker-prune.lock",
        "liveRuns": { "services": [], "containers": [], "labels": [], "presets": [] } }'')
  )
  (is "imported by path and from the flake: once"
    (withModules [
      (import ../../default.nix { }).nixosModules.default
      on
    ]).units
    plain.units
  )
  (is "an overlay's package is the one that runs" (withPackages { overlaid = true; }).packages [
    "overlaid"
  ])
  (is "settings are checked by a node of the machine that builds, where the agent is for another" (
    lib.hasInfix
    "-node/bin/node ${store "ci-docker-prune"}/lib/ci-docker-prune/ci-docker-prune.cjs validate "
    (withPackages { canExecute = false; }).settingsBuild
  ) true)
]
++ table "services" ({ services, ... }: lib.attrNames services) ''
  {} -> [ "ci-docker-prune", "docker-prune" ]
''
++ table "units" ({ units, ... }: lib.attrNames units) ''
  { "prune.enable": false } -> []
  { "prune.dates": [] } -> [ "ci-docker-prune.service" ]
  { "prune.dates": [], "set.cache.evict": "under-pressure" } -> [ "ci-docker-prune-pressure.path", "ci-docker-prune-watch.service", "ci-docker-prune.service" ]
''
++ table "what a host adds is joined to ours" ({ units, ... }: afterOf units.${service}) ''
  { "systemd.services.ci-docker-prune.after": [ "a.service" ] } -> [ "After=a.service", "After=docker.service", "After=time-sync.target" ]
''
++ table "the command" ({ packages, ... }: packages) ''
  { "prune.enable": false } -> []
  {} -> [ "ci-docker-prune" ]
  { "prune.enable": false, "services.ci-docker-auth.enable": true } -> [ "ci-docker-prune" ]
''
++
  table "one lock"
    ({ lockFile, settings, ... }: [
      lockFile
      settings.lockFile
    ])
    ''
      { "prune.lockFile": "/run/a.lock" } -> [ "/run/a.lock", "/run/a.lock" ]
      { "set.lockFile": "/run/a.lock" } -> [ "/run/a.lock", "/run/a.lock" ]
      { "prune.lockFile": null } -> [ null, null ]
    ''
++ table "disk.paths" ({ settings, ... }: settings.disk.paths or null) ''
  {} -> null
  { "docker.daemon.settings.data-root": "/d" } -> [ "/", "/d" ]
  { "docker.extraOptions": "--debug --data-root=/d" } -> [ "/", "/d" ]
  { "docker.extraOptions": "--data-root /d", "set.disk.paths": [ "/e" ] } -> [ "/e" ]
''
++ table "engine.socketPath" ({ settings, ... }: settings.engine.socketPath) ''
  { "docker.listenOptions": [ "2375", "/var/run/ci.sock" ] } -> "/run/ci.sock"
  { "docker.listenOptions": [], "docker.daemon.settings.hosts": [ "fd://", "unix:///run/d.sock" ] } -> "/run/d.sock"
''
++ table "node_exporter" ({ exporterFlags, ... }: exporterFlags) ''
  { "exporter.enable": true, "textfile": "/srv/m/a.prom", "prune.configureNodeExporter": false } -> []
  { "exporter.enable": true, "textfile": "/srv/5% $it/a.prom" } -> [ "\"--collector.textfile.directory=/srv/5%% $$it\"" ]
''
++ table "BuildKit is told" ({ daemon, ... }: daemon.builder.gc or null) ''
  {} -> null
  { "limits.enable": true } -> { "enabled": true, "defaultMaxUsedSpace": "20GB" }
  { "limits": { "enable": true, "reservedSpace": "5GB" } } -> { "enabled": true, "defaultMaxUsedSpace": "20GB", "defaultReservedSpace": "5GB" }
  { "limits": { "enable": true, "minFreeSpace": "9g" } } -> { "enabled": true, "defaultMaxUsedSpace": "20GB", "defaultMinFreeSpace": "9g" }
  { "limits.enable": true, "docker.package.version": "27.5.1" } -> { "enabled": true, "defaultKeepStorage": "20GB" }
  { "limits.enable": true, "docker.package": { "name": "docker-wrapped" } } -> { "enabled": true, "defaultMaxUsedSpace": "20GB" }
''
++
  table "dockerd reads it" ({ daemon, ... }: (builtins.tryEval (builtins.toJSON daemon)).success)
    ''
      { "limits": { "enable": true, "maxUsedSpace": "20.5 GiB" } } -> true
      { "limits": { "enable": true, "maxUsedSpace": "20%" } } -> false
      { "limits": { "enable": true, "maxUsedSpace": "20Gi" } } -> false
    ''
++ table "a run" ({ warnings, ... }: builtins.length warnings) ''
  {} -> 1
  { "set.liveRuns.services": [] } -> 0
  { "set.liveRuns.labels": [ "a" ] } -> 0
''
++ table "said" saidOf ''
  { "prune.enable": false, "docker.enable": false, "docker.autoPrune.enable": true } -> []
  { "docker.autoPrune.enable": true } -> [ "autoPrune.enable" ]
  { "docker.extraOptions": "--data-root $ROOT" } -> [ "docker.extraOptions" ]
  { "docker.listenOptions": [ "2375" ] } -> [ "docker.listenOptions" ]
  { "set.stateDir": "/srv/state" } -> [ "settings.stateDir" ]
  { "set.lockFile": "/tmpfs/a" } -> []
  { "set.lockFile": "/tmp/a" } -> [ "settings.lockFile" ]
  { "prune.lockFile": "/var/tmp/a/b" } -> [ "settings.lockFile" ]
  { "set.lockFile": "/run/../tmp/a" } -> [ "settings.lockFile" ]
  { "set.lockFile": "/run/lock" } -> [ "settings.lockFile" ]
  { "set.lockFile": "/etc" } -> [ "settings.lockFile" ]
  { "set.lockFile": "/dev/shm/a" } -> [ "settings.lockFile" ]
  { "textfile": "/srv/m/a.prom" } -> []
  { "textfile": "/tmp/a.prom" } -> [ "metrics.textfile" ]
  { "textfile": "/var/lib/a.prom" } -> [ "metrics.textfile" ]
  { "textfile": "/a.prom" } -> [ "metrics.textfile" ]
  { "textfile": "/home/a/b.prom" } -> [ "metrics.textfile" ]
  { "textfile": "/srv/m/a.prom", "flags": [ "--collector.textfile.directory=/o" ] } -> []
  { "textfile": "/srv/m/a.prom", "exporter.enable": true, "flags": [ "--collector.textfile.directory=/o" ] } -> [ "node.extraFlags" ]
  { "textfile": "/srv/m/a.prom", "exporter.enable": true, "flags": [ "--collector.textfile.directory", "/o" ] } -> [ "node.extraFlags" ]
  { "textfile": "/srv/m/a.prom", "prune.configureNodeExporter": false, "exporter.enable": true, "flags": [ "--collector.textfile.directory=/o" ] } -> []
  { "limits": { "enable": true, "reservedSpace": "020480m" } } -> []
  { "limits": { "enable": true, "reservedSpace": "20.5GB" } } -> [ "buildCacheLimits.reservedSpace" ]
  { "limits.enable": true, "gc.policy": [] } -> [ "gc.policy" ]
  { "limits.enable": true, "gc.defaultKeepStorage": "50GB" } -> [ "gc.defaultKeepStorage" ]
  { "limits": { "enable": true, "minFreeSpace": "9g" }, "docker.package.version": "27.5.1" } -> [ "ci-docker-prune.buildCacheLimits" ]
  { "limits.enable": true, "docker.package": { "name": "docker-wrapped" } } -> [ "ci-docker-prune.buildCacheLimits" ]
  { "limits.maxUsedSpace": "20GB" } -> [ "ci-docker-prune.buildCacheLimits" ]
  { "gc.policy": [] } -> []
''
++ table "another engine" ({ failed, ... }: firstWords (toString failed)) ''
  { "docker.enable": false } -> "Write `virtualisation"
  { "docker.enable": false, "virtualisation.podman.enable": true } -> "It prunes no Podman, "
  { "docker.enable": false, "docker.rootless.enable": true } -> "It prunes no rootless"
''
