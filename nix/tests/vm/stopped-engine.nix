{
  name = "ci-docker-prune-stopped-engine";
  nodes.machine = ./host.nix;
  testScript = builtins.readFile ./host.py + ''
    # Its socket still listens: a request on it would start the engine.
    machine.succeed("systemctl stop docker.service")
    fill_disk()
    with subtest("a pass fails clearly, and leaves the engine stopped"):
        status, said = machine.execute("systemctl start ci-docker-prune 2>&1")
        assert status != 0 and "dependency" in said, said
        machine.succeed("systemctl is-active docker.socket")
        machine.fail("systemctl is-active docker.service")
  '';
}
