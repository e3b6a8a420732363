# A small CI host, whole: Docker with a swarm of one, pruning, and pulls under an account. `nix build` of it:
#   nix build .#nixosConfigurations.example.config.system.build.toplevel
{
  lib,
  pkgs,
  ...
}:
{
  virtualisation.docker = {
    enable = true;
    # A swarm and live-restore exclude each other.
    liveRestore = false;
  };

  services.ci-docker-prune = {
    enable = true;
    dates = "hourly";
    randomizedDelaySec = "5min";
    onFailure = [ "notify-operator@%n.service" ];
    # Build cache has a bound of its own, at any time.
    buildCacheLimits.enable = true;
    settings = {
      disk.highWatermark = "80%";
      liveRuns.presets = [ "gitlab-runner" ];
    };
  };

  # A swarm of this one node.
  systemd.services.docker-swarm = {
    description = "Make this node a swarm of its own";
    wantedBy = [ "multi-user.target" ];
    after = [ "docker.service" ];
    requires = [ "docker.service" ];
    path = [ pkgs.docker ];
    serviceConfig.Type = "oneshot";
    script = ''
      [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = active ] || docker swarm init --advertise-addr 127.0.0.1
    '';
  };

  # Root's Docker client gets the account's token at each start. With sops-nix, `sops.secrets.docker-hub-token = { };`
  # puts it at this path; agenix puts it at /run/agenix/docker-hub-token. Both paths are strings: a path literal would
  # copy the secret into the Nix store, where everybody can read it.
  services.ci-docker-auth = {
    enable = true;
    registries."docker.io" = {
      username = "ci-account";
      passwordFile = "/run/secrets/docker-hub-token";
    };
  };

  # Whatever tells people here; the instance is the name of the unit that failed.
  systemd.services."notify-operator@" = {
    description = "Tell the operator that %i failed";
    serviceConfig.Type = "oneshot";
    scriptArgs = "%i";
    script = ''
      echo "<3>$1 failed; see: journalctl -u $1"
    '';
  };

  # What any machine needs.
  networking.hostName = "ci-host";
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  system.stateVersion = "26.05";
}
