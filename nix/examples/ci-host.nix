# A small CI host, whole: Docker, pruning, and pulls under an account (nixosConfigurations.example of the flake).
{ lib, ... }:
{
  virtualisation.docker.enable = true;

  services.ci-docker-prune = {
    enable = true;
    dates = "hourly";
    onFailure = [ "notify-operator@%n.service" ];
    buildCacheLimits.enable = true;
    settings = {
      liveRuns.presets = [ "gitlab-runner" ];
      # When nothing else is left, the images go that are least likely to be wanted again.
      cache.evict = "under-pressure";
      prune.emergency.at = "95%";
      prune.emergency.until = "1h";
    };
  };

  # Root's Docker client gets the account's token at each start. sops-nix puts a secret at this path; agenix puts it at
  # /run/agenix/docker-hub-token.
  services.ci-docker-auth = {
    enable = true;
    registries."docker.io" = {
      username = "ci-account";
      passwordFile = "/run/secrets/docker-hub-token";
    };
  };

  # Whatever tells people here; the instance is the name of the unit that failed.
  systemd.services."notify-operator@" = {
    serviceConfig.Type = "oneshot";
    scriptArgs = "%i";
    script = ''echo "<3>$1 failed; see: journalctl -u $1"'';
  };

  # What any machine needs.
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  system.stateVersion = "26.05";
}
