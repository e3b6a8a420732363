# The NixOS options that the modules touch, so that they can be evaluated with nixpkgs' lib alone. Types and merging as
# in NixOS, as far as it matters; nothing is built from them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  flag = option types.bool;
  anything = option (types.attrsOf types.anything) { };
  # Where one definition is a list the others are joined to it, else they must agree.
  section = option (types.attrsOf (
    lib.mkOptionType {
      name = "systemd option";
      merge =
        loc: defs:
        if lib.any (def: lib.isList def.value) defs then
          lib.concatMap (def: lib.toList def.value) defs
        else
          lib.mergeEqualOption loc defs;
    }
  )) { };
  # Units of one kind, which have these options and those that all have.
  units =
    own:
    option (types.attrsOf (
      types.submodule (
        { config, ... }:
        {
          options = own // {
            unitConfig = section;
            wantedBy = strings;
            after = strings;
          };
          config.unitConfig = lib.mkIf (config.after != [ ]) { After = toString config.after; };
        }
      )
    )) { };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = strings;
    environment.etc = anything;
    environment.systemPackages = option (types.listOf types.package) [ ];
    virtualisation.docker = {
      enable = flag false;
      package = option types.unspecified { version = "29.1.0"; };
      autoPrune.enable = flag false;
      rootless.enable = flag false;
      listenOptions = option (types.listOf types.str) [ "/run/docker.sock" ];
      extraOptions = option (types.separatedString " ") "";
      daemon.settings = anything;
    };
    virtualisation.podman.enable = flag false;
    services.prometheus.exporters.node = {
      enable = flag false;
      extraFlags = strings;
    };
    systemd.services = units {
      path = option (types.listOf types.package) [ ];
      environment = anything;
      serviceConfig = section;
      startAt = strings;
      enableDefaultPath = flag true;
      restartIfChanged = flag true;
    };
    systemd.timers = units { timerConfig = section; };
    systemd.paths = units { pathConfig = section; };
    systemd.sockets = units { socketConfig = section; };
    systemd.tmpfiles.settings = anything;
  };

  # NixOS declares this one wherever Docker is enabled.
  config.systemd.services.docker-prune.serviceConfig.Type = "oneshot";
}
