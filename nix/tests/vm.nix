# The VM tests, { vm-<name> = a module of a NixOS test; }. tests/systemd/vm-scripts.test.ts runs them on a Debian.
let
  # A CI host with the engine's data on a small disk of its own, and a second configuration to switch to.
  machine = {
    imports = [ ../module.nix ];
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
        liveRuns.services = [ ];
        prune.until = "1s";
        # Between the two looks at the services of a swarm a pass waits this long.
        convergence.settle = "20s";
      };
    };
    specialisation.changed.configuration.services.ci-docker-prune.settings.prune.keepLabels = [
      "changed"
    ];
  };
in
builtins.mapAttrs
  (name: script: {
    inherit name;
    nodes = { inherit machine; };
    testScript = builtins.readFile ./vm.py + script;
  })
  {
    vm-below-watermark = ''
      with subtest("our timer is waiting, Docker's own is not there, and no pass has run yet"):
          timers = machine.succeed("systemctl list-timers --all")
          assert "ci-docker-prune.timer" in timers, timers
          assert " docker-prune.timer" not in timers, timers
          machine.fail("journalctl -u ci-docker-prune -o cat | grep pass.finished")

      with subtest("a pass removes nothing"):
          make_image("base")
          make_image("base")
          before = images()
          assert len(before) == 2, before
          machine.succeed("sleep 2; systemctl start ci-docker-prune")
          assert last_pass()["outcome"] == "below-watermark", last_pass()
          assert images() == before
    '';

    vm-above-watermark = ''
      dangling = make_image("base")
      tagged = make_image("base")
      used = make_image("job")
      machine.succeed("docker create --label ci-docker-prune.keep job /none")
      make_image("job")
      fill_disk()

      with subtest("what is old and dangling goes; what has a tag or a container stays"):
          machine.execute("sleep 2; systemctl start ci-docker-prune")
          left = images()
          assert dangling not in left, left
          assert tagged in left and used in left, left

      with subtest("the ballast is still there, so the pass says that it did not help, and the unit fails"):
          assert last_pass()["outcome"] == "pressure-remains", last_pass()
          machine.succeed("systemctl is-failed ci-docker-prune")
          machine.succeed("systemctl show -P ExecMainStatus ci-docker-prune | grep -x 10")
    '';

    vm-stopped-engine = ''
      # Its socket still listens: a request on it would start the engine.
      machine.succeed("systemctl stop docker.service")
      fill_disk()
      with subtest("a pass fails clearly, and leaves the engine stopped"):
          status, said = machine.execute("systemctl start ci-docker-prune 2>&1")
          assert status != 0 and "dependency" in said, said
          machine.succeed("systemctl is-active docker.socket")
          machine.fail("systemctl is-active docker.service")
    '';

    vm-switch-during-pass = ''
      machine.succeed("docker swarm init --advertise-addr 127.0.0.1")
      fill_disk()
      machine.succeed("systemctl start --no-block ci-docker-prune")
      machine.wait_until_succeeds("systemctl show -P ActiveState ci-docker-prune | grep -x activating")
      pid = machine.succeed("systemctl show -P MainPID ci-docker-prune")

      machine.succeed("/run/current-system/specialisation/changed/bin/switch-to-configuration test")
      assert machine.succeed("systemctl show -P MainPID ci-docker-prune") == pid
      machine.wait_until_succeeds("journalctl -u ci-docker-prune -o cat | grep pass.finished")
      machine.fail("journalctl -u ci-docker-prune -o cat | grep pass.ended-early")
    '';
  }
