# Unit files as texts, for machines without NixOS. Needs no nixpkgs:
#
#   nix-instantiate --eval --strict --json nix/render-units.nix --argstr arguments '{"dates": ["hourly"]}'
#
# `arguments` is a JSON object of what units.nix takes; the defaults below are those of a Debian host.
# Gives { <file name> = <text>; }; *.conf belongs in /etc/tmpfiles.d, all others in /etc/systemd/system.
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
  # null where there is none.
  texts = {
    "ci-docker-prune.service" = units.service;
    "ci-docker-prune.timer" = units.timer;
    "ci-docker-prune-watch.service" = units.watch;
    "ci-docker-prune-pressure.path" = units.pressure;
  };
  names = builtins.filter (name: texts.${name} != null) (builtins.attrNames texts);
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = render texts.${name};
  }) names
)
// (
  if units.tmpfiles == [ ] then
    { }
  else
    { "ci-docker-prune.conf" = builtins.concatStringsSep "" (map tmpfile units.tmpfiles); }
)
