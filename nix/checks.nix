# What `nix flake check` builds. The same things, and more, run in `npm test` where there is no Nix store to build in.
{
  pkgs,
  package,
}:
let
  inherit (pkgs) lib;
  wrong = builtins.filter ({ got, want, ... }: got != want) (
    import ./tests/cases.nix { inherit lib; }
  );

  # The text that NixOS itself makes of the module, on the host of the example.
  inherit
    (pkgs.nixos [
      ./module.nix
      ./auth.nix
      ./examples/ci-host.nix
    ])
    config
    ;
  unit = config.systemd.units."ci-docker-prune.service".text;
  rendered =
    (import ./render-units.nix {
      arguments = builtins.toJSON {
        command = [ (lib.getExe package) ];
        settingsFile = "${config.environment.etc."ci-docker-prune/settings.json".source}";
        path = [ ];
        onFailure = [ "notify-operator@%n.service" ];
      };
    })."ci-docker-prune.service";
  linesOf = text: builtins.filter (line: line != "") (lib.splitString "\n" (builtins.unsafeDiscardStringContext text));
  prefixed =
    prefix: set:
    builtins.listToAttrs (
      map (name: {
        name = prefix + name;
        value = set.${name};
      }) (builtins.attrNames set)
    );
  lost = lib.subtractLists (linesOf unit) (linesOf rendered);
in
{
  inherit package;

  format = pkgs.runCommand "ci-docker-prune-format-check" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
    find ${./.} ${../flake.nix} ${../default.nix} -name '*.nix' -exec nixfmt --check {} +
    touch $out
  '';

  units =
    pkgs.runCommand "ci-docker-prune-units-check"
      {
        nativeBuildInputs = [ pkgs.systemd ];
        inherit unit;
        lost = toString lost;
      }
      ''
        [ -z "$lost" ] || { printf 'NixOS does not write: %s\n' "$lost"; exit 1; }
        printf '%s' "$unit" > ci-docker-prune.service
        # In hundredths.
        systemd-analyze security --offline=true --threshold=50 "$PWD/ci-docker-prune.service"
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
// prefixed "package-" package.tests
// prefixed "vm-" (builtins.mapAttrs (_: pkgs.testers.runNixOSTest) (import ./tests/vm.nix))
