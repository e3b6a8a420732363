# The CI host of the VM tests: the engine's data on a small disk of its own, and images made of nothing, since a VM
# test has no network.
{
  imports = [ ../../module.nix ];

  virtualisation = {
    docker.enable = true;
    emptyDiskImages = [ 512 ];
    fileSystems."/var/lib/docker" = {
      device = "/dev/vdb";
      fsType = "ext4";
      autoFormat = true;
    };
  };

  services.ci-docker-prune = {
    enable = true;
    settings = {
      disk.paths = [ "/var/lib/docker" ];
      prune.until = "1s";
    };
  };
}
