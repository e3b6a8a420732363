# Where the service may be told to write at run time: the lock, and the folder of the metrics. Each function gives what
# is wrong with a path, as the end of a sentence, or null. No lib, no pkgs, as in units.nix.
let
  isBelow =
    roots: path:
    builtins.any (
      root: path == root || builtins.substring 0 (builtins.stringLength root + 1) path == "${root}/"
    ) roots;

  # "/srv", "/run/lock": what is opened for the service is the whole of it.
  isSystemFolder =
    path:
    builtins.match "/[^/]*" path != null
    || builtins.elem path [
      "/run/lock"
      "/run/systemd"
      "/usr/lib"
      "/usr/local"
      "/usr/share"
      "/var/cache"
      "/var/lib"
      "/var/log"
      "/var/run"
      "/var/spool"
    ];

  written =
    path:
    if builtins.substring 0 1 path != "/" then
      "is no absolute path"
    else if builtins.match "[^[:cntrl:]]*" path == null then
      "has a control character in it"
    else if isSystemFolder path then
      "would open all of ${path} to the service"
    else if builtins.match ".*/(/.*|[.]/.*|[.][.]/.*|[.]|[.][.]|)" path != null then
      "is not the shortest way to write that path"
    else if
      isBelow [
        "/tmp"
        "/var/tmp"
      ] path
    then
      "is below /tmp or /var/tmp, of which the service has its own"
    else if
      isBelow [
        "/dev"
        "/nix"
        "/proc"
        "/sys"
      ] path
    then
      "is where nobody keeps such a file"
    else
      null;
in
rec {
  # "/srv/ci.prom" -> "/srv"
  folderOf = path: if dirOf path == "" then "/" else dirOf path;

  # Launchers must see the same file.
  problemOfLock = written;

  # The file is replaced, so its folder is what the service writes to. node_exporter has ProtectHome=.
  problemOfMetrics =
    file:
    if
      isBelow [
        "/home"
        "/root"
        "/run/user"
      ] file
    then
      "is below a home, where no exporter reads"
    else
      written (folderOf file);
}
