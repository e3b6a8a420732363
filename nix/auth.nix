# services.ci-docker-auth: registry credentials for the Docker client, from secret files. What the units say is in
# auth-units.nix; docs/registry-credentials.md has examples.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ./option-parts.nix { inherit lib pkgs; })
    option
    package
    runtimePath
    text
    unitName
    ;

  cfg = config.services.ci-docker-auth;
  names = builtins.attrNames cfg.registries;
  part = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
  noRegistry = builtins.filter (
    name: builtins.match "${part}([.]${part})*(:[0-9]{1,5})?" name == null
  ) names;
  hubs = builtins.filter (
    name: builtins.match "((index|registry-1)[.])?docker[.]io" name != null
  ) names;

  units = import ./auth-units.nix {
    command = [ (lib.getExe cfg.package) ];
    wanted = cfg.registries;
    mkdir = "${pkgs.coreutils}/bin/mkdir";
    registriesFile = "${pkgs.writeText "ci-docker-auth-registries.json" (
      builtins.toJSON units.registries
    )}";
    inherit (cfg) target before;
  };
in
{
  key = "ci-docker-prune#nixosModules.ci-docker-auth";
  _class = "nixos";

  options.services.ci-docker-auth = {
    enable = lib.mkEnableOption ''
      registry credentials for the Docker client of root, from secret files that never enter the Nix store. Other
      entries of the client's config file stay as they are; an entry that is wanted no more goes at the next start, as
      long as this service runs: take the registries out first, then the service'';

    inherit package;

    registries = mkOption {
      default = { };
      example."docker.io" = {
        username = "ci-account";
        passwordFile = "/run/secrets/docker-hub-token";
      };
      description = ''
        Registry -> credentials, by the name that stands in image references: `docker.io` for Docker Hub, else
        `host` or `host:port`.
      '';
      type = types.attrsOf (
        types.submodule {
          options = {
            username = mkOption {
              type = text "username without a colon" "[^:[:cntrl:]]+";
              example = "ci-account";
              description = "The account's name.";
            };
            passwordFile = mkOption {
              type = runtimePath;
              example = "/run/secrets/docker-hub-token";
              description = ''
                A file with the password and nothing else, at best a personal access token that can only read. Root
                must be able to read it. The credentials are put in place anew at each start, at each switch, and when
                the file itself changes.
              '';
            };
          };
        }
      );
    };

    target = option runtimePath "/root/.docker/config.json" "/var/lib/ci/.docker/config.json" ''
      The config file of the Docker client. It is replaced as a whole, readable for its owner alone; an existing file
      keeps its owner. A symbolic link is refused: then somebody else makes that file.
    '';

    before = option (types.listOf unitName) [ ] [ "deploy-stacks.service" ] ''
      Units that pull images: they start after the credentials are in place, and bring this service along.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = noRegistry == [ ];
        message = ''
          services.ci-docker-auth.registries has names that are no registry: ${toString noRegistry}
          Write the host as in image references: "docker.io", "ghcr.io", "registry.example.org:5000".
        '';
      }
      {
        assertion = builtins.length hubs < 2;
        message = "services.ci-docker-auth.registries names Docker Hub more than once; \"docker.io\" is enough.";
      }
    ];

    systemd.services.ci-docker-auth = {
      unitConfig = units.service.Unit;
      serviceConfig = units.service.Service;
      wantedBy = units.service.Install.WantedBy;
      enableDefaultPath = false;
    };

    systemd.paths.ci-docker-auth = lib.mkIf (units.path != null) {
      unitConfig = units.path.Unit;
      pathConfig = units.path.Path;
      wantedBy = units.path.Install.WantedBy;
    };

    # `ci-docker-prune auth check` at a prompt, also where the other module is off.
    environment.systemPackages = [ cfg.package ];
  };
}
