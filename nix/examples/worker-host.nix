# Beside what a CI host needs (ci-host.nix), a host where a router runs one container for each work item of an AI
# worker: the images it makes, and the containers it may lose sight of. docs/retention.md tells what each rule does.
{
  virtualisation.docker.enable = true;

  services.ci-docker-prune = {
    enable = true;
    # The rules below hold on these dates, and under disk pressure or not.
    dates = "hourly";

    settings = {
      # A worker that runs is a live run, and no pass removes anything meanwhile. One past its limit below is none.
      liveRuns.labels = [ "cascade.managed=true" ];

      retention = [
        # One tag for each build, pinned by its commit: the last five, and whatever a container or service uses.
        {
          name = "worker-tags";
          match.repositories = [ "ghcr.io/acme/worker:sha-*" ];
          keepCount = 5;
        }
        # What an older scheme left behind: by its names, since it carries no label, with its age by the engine.
        {
          name = "cascade-snapshots";
          match.repositories = [ "cascade-snapshot-*" ];
          olderThan = "24h";
          keepCount = 5;
          maxTotalSize = "10GB";
        }
      ];

      # What `ci-docker-prune snapshots commit` makes needs no rule. Each project has its say by --ttl.
      snapshots.when = "always";

      # No work item takes 6 h. Past it the container is no live run any more; stopped ones are left to be looked at
      # for an hour.
      orphans = [
        {
          name = "workers";
          label = "cascade.managed=true";
          runningLongerThan = "6h";
          stoppedLongerThan = "1h";
          stopTimeout = "30s";
        }
      ];
    };
  };
}
