# What configurations come to: [ { name; got; want; } ]. Read by `nix flake check` and by tests/nix/module.test.ts, which
# also tries what ends an evaluation (wrong types).
{ lib }:
let
  evaluate =
    modules:
    import ./evaluate.nix {
      inherit lib;
      modules = modules ++ [ { virtualisation.docker.enable = lib.mkDefault true; } ];
    };
  on = {
    services.ci-docker-prune.enable = true;
  };
  # A host with the service, where somebody has said what a run is, and this as well.
  host =
    more:
    evaluate [
      on
      { services.ci-docker-prune.settings.liveRuns.presets = [ "drone" ]; }
      more
    ];
  is = name: got: want: { inherit name got want; };
  # The option that each message begins with.
  heads = map (message: builtins.head (lib.splitString " " message));
  # What the host is refused with, and what it is warned of.
  saidOf =
    more:
    let
      said = host more;
    in
    heads (said.failed ++ said.warnings);

  arguments = {
    inherit lib evaluate on host is saidOf;
  };
in
import ./cases-units.nix arguments
++ import ./cases-host.nix arguments
++ import ./cases-build-cache.nix arguments
