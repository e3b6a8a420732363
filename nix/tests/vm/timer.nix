{
  name = "ci-docker-prune-timer";
  nodes.machine = ./host.nix;
  testScript = builtins.readFile ./host.py + ''
    with subtest("our timer is waiting, Docker's own is not there"):
        timers = machine.succeed("systemctl list-timers --all")
        assert "ci-docker-prune.timer" in timers, timers
        assert " docker-prune.timer" not in timers, timers

    with subtest("no pass has run yet"):
        machine.fail("journalctl -u ci-docker-prune -o cat | grep pass.finished")
  '';
}
