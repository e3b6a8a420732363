# Unit files as texts, for machines without NixOS. Needs no nixpkgs:
#
#   nix-instantiate --eval --strict --json nix/render-units.nix --argstr arguments '{"dates": ["hourly"]}'
#
# `arguments` is a JSON object of what units.nix takes; the defaults below are those of a Debian host.
# Gives { <file name> = <text>; }; *.service and *.timer belong in /etc/systemd/system, *.conf in /etc/tmpfiles.d.
{
  arguments ? "{}",
}:
let
  inherit (import ./unit-parts.nix) render tmpfile;
  units = import ./units.nix (
    {
      command = [
        "/usr/bin/node"
        "/usr/local/lib/ci-docker-prune/ci-docker-prune.cjs"
      ];
      settingsFile = "/etc/ci-docker-prune/settings.json";
      path = [
        "/usr/bin"
        "/bin"
      ];
    }
    // builtins.fromJSON arguments
  );
  # { a = null; } -> { }
  given = set: removeAttrs set (builtins.filter (name: set.${name} == null) (builtins.attrNames set));
in
given {
  "ci-docker-prune.service" = render units.service;
  "ci-docker-prune.timer" = if units.timer == null then null else render units.timer;
  "ci-docker-prune.conf" =
    if units.tmpfiles == [ ] then null else builtins.concatStringsSep "" (map tmpfile units.tmpfiles);
}
