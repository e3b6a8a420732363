{
  name = "ci-docker-prune-stopped-engine";
  nodes.machine = ./host.nix;
  testScript = builtins.readFile ./host.py + ''
    # The socket too: a request on it is what starts the engine.
    machine.succeed("systemctl stop docker.socket docker.service")

    with subtest("below the watermark nobody needs the engine"):
        machine.succeed("systemctl start ci-docker-prune")

    fill_disk()
    with subtest("above it the pass fails, says why, and leaves the engine stopped"):
        machine.fail("systemctl start ci-docker-prune")
        machine.succeed("systemctl show -P ExecMainStatus ci-docker-prune | grep -x 69")
        assert "docker.sock" in last_pass()["reason"], last_pass()
        machine.fail("systemctl is-active docker.service")
  '';
}
