"""Runs the script of a VM test on a machine that a command enters: what NixOS' test driver offers, as far as nix/tests/vm.nix
uses it. Arguments: the script, then the command in front of each line of shell."""

import contextlib
import subprocess
import sys
import time


class Machine:
    def __init__(self, enter):
        self.enter = enter

    def execute(self, line):
        done = subprocess.run([*self.enter, line], stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout

    def succeed(self, line):
        code, said = self.execute(line)
        assert code == 0, f"{line}: {code}: {said}"
        return said

    def fail(self, line):
        code, said = self.execute(line)
        assert code != 0, f"{line}: {said}"
        return said

    def wait_until_succeeds(self, line, timeout=60):
        for _ in range(timeout * 10):
            code, said = self.execute(line)
            if code == 0:
                return said
            time.sleep(0.1)
        raise AssertionError(f"{line}: not in {timeout} s: {said}")

    def wait_for_unit(self, unit):
        self.wait_until_succeeds(f"systemctl is-active {unit}")


@contextlib.contextmanager
def subtest(name):
    print(f"subtest: {name}", flush=True)
    yield


with open(sys.argv[1], encoding="utf8") as file:
    exec(compile(file.read(), sys.argv[1], "exec"), {"machine": Machine(sys.argv[2:]), "subtest": subtest})
