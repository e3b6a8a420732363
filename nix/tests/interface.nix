# The NixOS options that the modules touch, so that they can be evaluated with nixpkgs' lib alone. Types and merging as
# in NixOS; nothing is built from them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  flag = option types.bool;
  anything = option (types.attrsOf types.anything) { };
  # As in NixOS: where one definition is a list the others are joined to it, else they must agree.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: defs:
      if lib.any (def: lib.isList def.value) defs then
        lib.concatMap (def: lib.toList def.value) defs
      else
        lib.mergeEqualOption loc defs;
  };
  section = option (types.attrsOf unitOption) { };
  # { serviceConfig = …; } -> units of which each has that, and what all have.
  units =
    own:
    option (types.attrsOf (
      types.submodule (
        { config, ... }:
        {
          options = {
            after = strings;
            wants = strings;
            unitConfig = section;
            wantedBy = strings;
          }
          // own;
          config.unitConfig =
            lib.optionalAttrs (config.after != [ ]) { After = toString config.after; }
            // lib.optionalAttrs (config.wants != [ ]) { Wants = toString config.wants; };
        }
      )
    )) { };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    environment.etc = option (types.attrsOf (types.submodule { options.source = mkOption { type = types.path; }; })) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    virtualisation.docker = {
      enable = flag false;
      package = option types.unspecified { version = "29.1.0"; };
      autoPrune.enable = flag false;
      rootless.enable = flag false;
      listenOptions = option (types.listOf types.str) [ "/run/docker.sock" ];
      extraOptions = option (types.separatedString " ") "";
      daemon.settings = option (types.submodule { freeformType = types.attrsOf types.anything; }) { };
    };
    virtualisation.podman.enable = flag false;
    virtualisation.containerd = {
      enable = flag false;
      settings = anything;
    };
    services.prometheus.exporters.node = {
      enable = flag false;
      extraFlags = strings;
    };
    systemd.services = units {
      path = option (types.listOf (types.either types.package types.str)) [ ];
      environment = option (types.attrsOf types.str) { };
      serviceConfig = section;
      startAt = strings;
      enableDefaultPath = flag true;
      restartIfChanged = flag true;
      script = mkOption { type = types.str; };
    };
    systemd.timers = units { timerConfig = section; };
    systemd.paths = units { pathConfig = section; };
    systemd.sockets = units { socketConfig = section; };
    systemd.tmpfiles.settings = option (types.attrsOf (
      types.attrsOf (types.attrsOf (types.attrsOf types.str))
    )) { };
  };

  # NixOS declares this one wherever Docker is enabled; a second definition of it is a conflict.
  config.systemd.services.docker-prune.script = "docker system prune";
}
