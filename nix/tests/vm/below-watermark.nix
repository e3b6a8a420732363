{
  name = "ci-docker-prune-below-watermark";
  nodes.machine = ./host.nix;
  testScript = builtins.readFile ./host.py + ''
    make_image("base")
    make_image("base")
    before = images()
    assert len(before) == 2, before

    machine.succeed("sleep 2; systemctl start ci-docker-prune")
    assert last_pass()["outcome"] == "below-watermark", last_pass()
    assert images() == before
  '';
}
