# What `nix flake check` builds. The same things, and more, run in `npm test` where there is no Nix store to build in.
{
  pkgs,
  package,
}:
let
  inherit (pkgs) lib;

  # NixOS itself, with the host of the example.
  inherit
    (pkgs.nixos [
      ./module.nix
      ./auth.nix
      ./examples/ci-host.nix
    ])
    config
    ;
in
{
  inherit package;
  package-version = package.tests.version;

  format = pkgs.runCommand "ci-docker-prune-format-check" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    find ${./.} ${../flake.nix} ${../default.nix} -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';

  units =
    pkgs.runCommand "ci-docker-prune-units-check"
      {
        nativeBuildInputs = [ pkgs.systemd ];
        unit = config.systemd.units."ci-docker-prune.service".text;
        # Not by way of render-units.nix: JSON may name no store path.
        rendered =
          (import ./unit-parts.nix).render
            (import ./units.nix {
              command = [ (lib.getExe package) ];
              settingsFile = "${config.environment.etc."ci-docker-prune/settings.json".source}";
              path = [ ];
              onFailure = [ "notify-operator@%n.service" ];
            }).service;
        passAsFile = [
          "unit"
          "rendered"
        ];
      }
      ''
        # Each line that we render is in what NixOS writes.
        if grep -vxFf "$unitPath" "$renderedPath"; then exit 1; fi
        cp "$unitPath" ci-docker-prune.service
        # In hundredths.
        systemd-analyze security --offline=true --threshold=50 "$PWD/ci-docker-prune.service"
        touch $out
      '';

  module =
    let
      wrong = builtins.filter ({ got, want, ... }: got != want) (
        import ./tests/cases.nix { inherit lib; }
      );
    in
    pkgs.runCommand "ci-docker-prune-module-check" { wrong = builtins.toJSON wrong; } ''
      [ "$wrong" = '[]' ] || { printf '%s\n' "$wrong"; exit 1; }
      touch $out
    '';
}
// builtins.mapAttrs (_: pkgs.testers.runNixOSTest) (import ./tests/vm.nix)
