# In front of every script of vm.nix.
import json


def make_image(name):
    """Tags a new, empty image; an older one of that name is left dangling. Gives its id."""
    return machine.succeed(f"tar -c --files-from /dev/null | docker import - {name}").strip()


def images():
    return set(machine.succeed("docker image ls --all --quiet --no-trunc").split())


def fill_disk():
    """Takes nine tenths of what is free, which is over the watermark on a disk of any size."""
    free = int(machine.succeed("df --output=avail --block-size=1 /var/lib/docker").split()[-1])
    machine.succeed(f"fallocate -l {free * 9 // 10} /var/lib/docker/ballast")


def last_pass():
    """The line that ends a pass."""
    lines = machine.succeed("journalctl -u ci-docker-prune -o cat").splitlines()
    passes = [json.loads(line.split("\t")[-1]) for line in lines if '"pass.finished"' in line]
    return passes[-1]


machine.wait_for_unit("docker.service")
