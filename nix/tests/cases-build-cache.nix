# services.ci-docker-prune.buildCacheLimits: what the engine is told, and what is said of limits that would do nothing.
{
  host,
  is,
  saidOf,
  ...
}:
let
  limits = options: { services.ci-docker-prune.buildCacheLimits = options; };
  enabled = options: limits ({ enable = true; } // options);
  three = {
    maxUsedSpace = "100GB";
    reservedSpace = "5GB";
    minFreeSpace = "50 GiB";
  };
  engine = package: { virtualisation.docker = { inherit package; }; };
  gc = options: { virtualisation.docker.daemon.settings.builder.gc = options; };
  old = engine { version = "27.5.1"; };
  told = imports: (host { inherit imports; }).daemon.builder.gc or null;
  said = imports: saidOf { inherit imports; };
  name = "services.ci-docker-prune.buildCacheLimits";
in
[
  (is "buildCacheLimits: what the engine is told" (map told [
    [ ]
    [ (enabled { }) ]
    [ (enabled three) ]
    [ (enabled { }) old ]
    [ (enabled { }) (engine { name = "docker-wrapped"; }) ]
  ]) [
    null
    { enabled = true; defaultMaxUsedSpace = "20GB"; }
    {
      enabled = true;
      defaultMaxUsedSpace = "100GB";
      defaultReservedSpace = "5GB";
      defaultMinFreeSpace = "50 GiB";
    }
    { enabled = true; defaultKeepStorage = "20GB"; }
    { enabled = true; defaultMaxUsedSpace = "20GB"; }
  ])
  (is "buildCacheLimits: nothing is said where each limit does what it says" (map said [
    [ (enabled three) ]
    [ (enabled { reservedSpace = "20480m"; }) ]
    [ (enabled { }) old ]
    [ (gc { policy = [ ]; }) ]
  ]) [ [ ] [ ] [ ] [ ] ])
  (is "buildCacheLimits: what would do nothing, or the opposite" (map said [
    [ (enabled { }) (gc { policy = [ ]; }) ]
    [ (enabled { }) (gc { defaultKeepStorage = "50GB"; }) ]
    [ (enabled { reservedSpace = "20.5GB"; }) ]
    [ (enabled three) old ]
    [ (limits { maxUsedSpace = "20GB"; }) ]
    [ (enabled { }) (engine { name = "docker-wrapped"; }) ]
  ]) [
    [ "virtualisation.docker.daemon.settings.builder.gc.policy" ]
    [ "virtualisation.docker.daemon.settings.builder.gc.defaultKeepStorage" ]
    [ "${name}.reservedSpace" ]
    [ name ]
    [ name ]
    [ name ]
  ])
]
