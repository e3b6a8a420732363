# Where the service may be told to write at run time. Each problemOf gives what is wrong with a path, as the end of a
# sentence, or null. No lib, no pkgs, as in units.nix.
let
  matches = pattern: path: builtins.match pattern path != null;
  # Roots as one pattern: "(/tmp|/var/tmp)".
  isBelow = roots: matches "${roots}(/.*)?";

  # What is opened for the service is all of such a folder.
  isSystemFolder = matches "/[^/]*|/run/(lock|systemd)|/usr/[^/]*|/var/(cache|lib|log|run|spool)";

  problemOf =
    path:
    if !matches "/[^[:cntrl:]]*" path then
      "is no absolute path, or has a control character in it"
    else if isSystemFolder path then
      "would open all of ${path} to the service"
    else if matches ".*/([.]{0,2}|[.]{0,2}/.*)" path then
      "is not the shortest way to write that path"
    else if isBelow "(/tmp|/var/tmp)" path then
      "is below /tmp or /var/tmp, of which the service has its own"
    else if isBelow "/(dev|nix|proc|sys)" path then
      "is where nobody keeps such a file"
    else
      null;
in
rec {
  # "/srv/ci.prom" -> "/srv"
  folderOf = path: if dirOf path == "" then "/" else dirOf path;

  problemOfSettings = path: if matches "/.*" path then null else "is no absolute path";

  # Launchers must see the same file.
  problemOfLock = problemOf;

  # The file is replaced, so its folder is what the service writes to. node_exporter has ProtectHome=.
  problemOfMetrics =
    file:
    if isBelow "(/home|/root|/run/user)" file then
      "is below a home, where no exporter reads"
    else
      problemOf (folderOf file);
}
