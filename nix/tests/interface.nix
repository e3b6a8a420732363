# The NixOS options that the module touches, so that it can be evaluated with nixpkgs' lib alone. Types and merging as
# in NixOS; nothing is built from them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  text = option types.str "";
  flag = option types.bool;
  # As in NixOS: two definitions of one key merge only as lists.
  section = option (types.attrsOf (types.either (types.listOf types.str) (types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ]))) { };
  unit = {
    description = text;
    after = strings;
    before = strings;
    requires = strings;
    wants = strings;
    bindsTo = strings;
    wantedBy = strings;
    onFailure = strings;
    unitConfig = section;
  };
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
      daemon.settings = option (types.submodule { freeformType = types.attrsOf types.anything; }) { };
    };
    services.prometheus.exporters.node = {
      enable = flag false;
      extraFlags = strings;
    };
    systemd.services = option (types.attrsOf (
      types.submodule {
        options = unit // {
          path = option (types.listOf (types.either types.package types.str)) [ ];
          environment = option (types.attrsOf types.str) { };
          serviceConfig = section;
          startAt = strings;
          enableDefaultPath = flag true;
          restartIfChanged = flag true;
          script = mkOption { type = types.str; };
        };
      }
    )) { };
    systemd.timers = option (types.attrsOf (
      types.submodule {
        options = unit // {
          timerConfig = section;
        };
      }
    )) { };
    systemd.paths = option (types.attrsOf (
      types.submodule {
        options = unit // {
          pathConfig = section;
        };
      }
    )) { };
    systemd.tmpfiles.settings = option (types.attrsOf (
      types.attrsOf (types.attrsOf (types.attrsOf types.str))
    )) { };
  };

  # NixOS declares this one wherever Docker is enabled; a second definition of it is a conflict.
  config.systemd.services.docker-prune.script = "docker system prune";
}
