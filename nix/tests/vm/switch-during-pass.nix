{
  name = "ci-docker-prune-switch-during-pass";
  nodes.machine = {
    imports = [ ./host.nix ];
    # Between the two looks at the services of a swarm a pass waits this long.
    services.ci-docker-prune.settings.convergence.settle = "1m";
    specialisation.changed.configuration.services.ci-docker-prune.settings.prune.keepLabels = [ "changed" ];
  };
  testScript = builtins.readFile ./host.py + ''
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
