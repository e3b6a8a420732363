{
  name = "ci-docker-prune-above-watermark";
  nodes.machine = ./host.nix;
  testScript = builtins.readFile ./host.py + ''
    dangling = make_image("base")
    tagged = make_image("base")
    used = make_image("job")
    machine.succeed("docker create --name kept job /none")
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
}
