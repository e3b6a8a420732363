# Unit files as texts, for machines without NixOS. Needs no nixpkgs:
#
#   nix-instantiate --eval --strict --json nix/render-units.nix --argstr arguments '{}'
#   nix-instantiate --eval --strict --json nix/render-units.nix --argstr arguments '{"dates": ["hourly"]}'
#
# `arguments` is a JSON object of what units.nix takes; the defaults below are those of a Debian host.
# Gives { <file name> = <text>; }; the name tells where a file belongs: *.service and *.timer in
# /etc/systemd/system, *.conf in /etc/tmpfiles.d.
{
  arguments ? "{}",
}:
let
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

  inherit (import ./unit-parts.nix) pathWord render;
in
{
  "ci-docker-prune.service" = render units.service;
}
// (if units.timer == null then { } else { "ci-docker-prune.timer" = render units.timer; })
// (
  if units.tmpfiles == [ ] then
    { }
  else
    {
      "ci-docker-prune.conf" = builtins.concatStringsSep "" (
        map (
          {
            about,
            type,
            path,
            mode,
            user,
            group,
          }:
          "# ${about}\n${type} ${pathWord path} ${mode} ${user} ${group} -\n"
        ) units.tmpfiles
      );
    }
)
