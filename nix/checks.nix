# What `nix flake check` builds. The same things, and more, run in `npm test` where there is no Nix store to build in.
{
  pkgs,
  package,
  units,
}:
let
  inherit (pkgs) lib;
  cases = import ./tests/cases.nix { inherit lib pkgs; };
  wrong = builtins.filter ({ got, want, ... }: got != want) cases;
  vmTests = [
    "timer"
    "below-watermark"
    "above-watermark"
    "switch-during-pass"
    "stopped-engine"
  ];
in
{
  inherit package;

  units =
    pkgs.runCommand "ci-docker-prune-units-check"
      {
        nativeBuildInputs = [ pkgs.systemd ];
      }
      ''
        # In hundredths; docs/nixos.md says what makes up the rest.
        systemd-analyze security --offline=true --threshold=50 ${units}/lib/systemd/system/ci-docker-prune.service
        touch $out
      '';

  module =
    pkgs.runCommand "ci-docker-prune-module-check"
      {
        wrong = builtins.unsafeDiscardStringContext (builtins.toJSON wrong);
      }
      ''
        [ "$wrong" = '[]' ] || { printf '%s\n' "$wrong"; exit 1; }
        touch $out
      '';
}
// builtins.listToAttrs (
  map (name: {
    name = "vm-${name}";
    value = pkgs.testers.runNixOSTest ./tests/vm/${name}.nix;
  }) vmTests
)
