/**
 * The scripts of the VM tests (nix/tests/vm.nix), which `nix flake check` runs on NixOS, on a Debian with a systemd of its
 * own: there with the unit files that the NixOS module writes, in the places that they name.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { bothMissing, evaluate, LIB, libMissing, ROOT, run, scratch, title } from "../support/nix.ts";
import { SystemdHost } from "../support/systemd-host.ts";
import { systemdHostMissing } from "../support/systemd-rootfs.ts";

const UNIT = "ci-docker-prune";
const STORE = `/nix/store/${"0".repeat(32)}`;
const pythonMissing = run("python3", ["--version"]).code === 0 ? null : "no python3";
const missing = bothMissing(libMissing, systemdHostMissing(), pythonMissing);

interface Evaluated {
  readonly units: Readonly<Record<string, string>>;
  readonly tmpfiles: Readonly<
    Record<string, Readonly<Record<string, Readonly<Record<string, { mode: string }>>>>>
  >;
  readonly services: Readonly<Record<string, { restartIfChanged: boolean }>>;
  readonly settings: unknown;
}
interface VmTest {
  readonly script: string;
  /** What the machine boots with, and what the test may switch to. */
  readonly first: Evaluated;
  readonly changed: Evaluated;
}

const vmTests = () =>
  evaluate(
    `let
      lib = ${LIB};
      # Of the options it sets, those that this module has nothing to do with are passed over.
      host = modules: { inherit (import ./nix/tests/evaluate.nix {
        inherit lib; modules = modules ++ [ { _module.check = false; } ];
      }) units tmpfiles services settings; };
    in builtins.mapAttrs (_: test: {
      script = test.testScript;
      first = host [ test.nodes.machine ];
      changed = host [ test.nodes.machine test.nodes.machine.specialisation.changed.configuration ];
    }) (import ./nix/tests/vm.nix)`,
  ) as Record<string, VmTest>;

/** The service's file as NixOS writes it, with its settings at a path of their own, as any other settings have. */
const unitFile = ({ units, services }: Evaluated, settingsFile: string) =>
  units[`${UNIT}.service`]!.replace(`${STORE}-ci-docker-prune-settings.json`, settingsFile).replace(
    "[Service]\n",
    `[Service]\nEnvironment="PATH=/usr/bin:/bin"\n${services[UNIT]!.restartIfChanged ? "" : "X-RestartIfChanged=false\n"}`,
  );

/** As switch-to-configuration does it to a unit that is active: stopped if it changed, unless it says otherwise. */
const SWITCH = `#!/bin/sh -e
cd /etc/systemd/system
if ! cmp -s ${UNIT}.service /etc/changed.service && ! grep -q X-RestartIfChanged=false /etc/changed.service; then
  systemctl stop ${UNIT}.service
fi
cp /etc/changed.service ${UNIT}.service
systemctl daemon-reload
`;

describe.skipIf(missing !== null)(title("VM tests", missing), () => {
  let host: SystemdHost | undefined;
  afterEach(() => host?.stop(), 60_000);

  async function boot({ first, changed }: VmTest): Promise<SystemdHost> {
    const machine = await SystemdHost.start();
    cpSync(join(ROOT, "dist"), machine.path(`/usr/local/lib/${UNIT}`), { recursive: true });
    const bin = `${STORE}-${UNIT}/bin/${UNIT}`;
    machine.write(bin, `#!/bin/sh\nexec /usr/bin/node /usr/local/lib/${UNIT}/${UNIT}.cjs "$@"\n`);
    for (const [name, evaluated] of Object.entries({ first, changed })) {
      machine.write(`/nix/store/${name}.json`, JSON.stringify(evaluated.settings));
    }
    machine.write(`/etc/systemd/system/${UNIT}.service`, unitFile(first, "/nix/store/first.json"));
    machine.write(`/etc/systemd/system/${UNIT}.timer`, first.units[`${UNIT}.timer`]!);
    machine.write("/etc/changed.service", unitFile(changed, "/nix/store/changed.json"));
    const toSwitch = "/run/current-system/specialisation/changed/bin/switch-to-configuration";
    machine.write(toSwitch, SWITCH);
    await machine.sh(
      `chmod -R a+rX,u+w /nix && chmod 755 ${bin} ${toSwitch} && touch /run/lock/${UNIT}.lock &&
       systemctl daemon-reload && systemctl start ${UNIT}.timer`.replaceAll("\n", " "),
    );
    return machine;
  }

  const tests = missing === null ? vmTests() : {};
  it.each(Object.keys(tests))("%s", async (name) => {
    host = await boot(tests[name]!);
    const script = join(scratch("vm"), `${name}.py`);
    writeFileSync(script, tests[name]!.script);
    const first = readFileSync(join(host.dir, "first.pid"), "utf8").trim();
    const enter = ["nsenter", "-t", first, "--all", "--root", "--wd", "--", "bash", "-euo", "pipefail", "-c"];
    const { code, stdout, stderr } = run("python3", [
      join(ROOT, "tests/systemd/vm-driver.py"),
      script,
      ...enter,
    ]);
    expect(code, stdout + stderr).toBe(0);
  });

  // A percent sign is a specifier to systemd, quotes and spaces end a word, a backslash escapes.
  it("odd paths are made at boot, as NixOS and the renderer write them, and open to the pass", async () => {
    const lockFile = `/run/ci/100% "mine" it's`;
    const folder = String.raw`/srv/5% of \ it's "m"`;
    const textfile = `${folder}/ci.prom`;
    const units = { lockFile, metricsFile: textfile };
    const rendered = evaluate(
      `import ./nix/render-units.nix { arguments = ${JSON.stringify(JSON.stringify(units))}; }`,
    ) as Record<string, string>;
    const { tmpfiles } = evaluate(
      `{ inherit (import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [ {
        virtualisation.docker.enable = true;
        services.ci-docker-prune.enable = true;
        services.ci-docker-prune.settings = builtins.fromJSON ${JSON.stringify(JSON.stringify({ lockFile, metrics: { textfile } }))};
      } ]; }) tmpfiles; }`,
    ) as Pick<Evaluated, "tmpfiles">;
    const ofNixos = Object.entries(tmpfiles[`10-${UNIT}`]!).flatMap(([path, kinds]) =>
      Object.entries(kinds).map(([kind, { mode }]) => `'${kind}' '${path}' '${mode}' 'root' 'docker' '-'\n`),
    );

    host = await SystemdHost.start();
    cpSync(join(ROOT, "dist"), host.path(`/usr/local/lib/${UNIT}`), { recursive: true });
    host.write("/etc/tmpfiles.d/nixos.conf", ofNixos.join(""));
    await host.sh("mkdir /run/ci && systemd-tmpfiles --create /etc/tmpfiles.d/nixos.conf");
    expect(await host.sh("ls /run/ci /srv")).toBe(
      `/run/ci:\n${lockFile.slice(8)}\n\n/srv:\n${folder.slice(5)}`,
    );
    await host.sh("rm -r /run/ci/* /srv/*");

    host.write("/etc/tmpfiles.d/rendered.conf", rendered[`${UNIT}.conf`]!);
    host.write(`/etc/systemd/system/${UNIT}.service`, rendered[`${UNIT}.service`]!);
    const settings = {
      lockFile,
      metrics: { textfile },
      disk: { highWatermark: "1%" },
      liveRuns: { services: [] },
    };
    host.write(`/etc/${UNIT}/settings.json`, JSON.stringify(settings));
    await host.sh("systemd-tmpfiles --create /etc/tmpfiles.d/rendered.conf && systemctl daemon-reload");
    await host.exec(`systemctl start ${UNIT}`);
    const said = await host.sh(`journalctl -t ${UNIT} -o cat`);
    expect(said).toContain("Gate open, lock");
    expect(said).not.toContain("metrics.unwritable");
    expect(await host.sh("ls /run/ci /srv/*")).toBe(
      `${folder}:\nci.prom`.replace(/^/, `/run/ci:\n${lockFile.slice(8)}\n\n`),
    );
  });

  it("the watcher writes uses down, comes and goes with the engine, and calls a pass when the disk fills", async () => {
    const files = evaluate(
      `import ./nix/render-units.nix { arguments = "{ \\"watched\\": true, \\"dates\\": [] }"; }`,
    ) as Record<string, string>;
    host = await SystemdHost.start();
    cpSync(join(ROOT, "dist"), host.path(`/usr/local/lib/${UNIT}`), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      host.write(name.endsWith(".conf") ? `/etc/tmpfiles.d/${name}` : `/etc/systemd/system/${name}`, text);
    }
    const settings = {
      lockFile: `/run/lock/${UNIT}.lock`,
      disk: { paths: ["/var/lib/docker"] },
      cache: { evict: "under-pressure" },
    };
    host.write(`/etc/${UNIT}/settings.json`, JSON.stringify(settings));
    const watch = `${UNIT}-watch.service`;
    await host.sh(
      `systemd-tmpfiles --create /etc/tmpfiles.d/${UNIT}.conf && systemctl daemon-reload &&
       systemctl enable --quiet --now ${watch} ${UNIT}-pressure.path`.replaceAll("\n", " "),
    );
    const seen = (what: string, command: string) =>
      host!.sh(`for i in $(seq 100); do ${command} && exit; sleep 0.1; done; echo never: ${what}; exit 1`);
    const uses = `/var/lib/private/${UNIT}/uses.jsonl`;

    // A pass, as the watcher's neighbour: they share a user and a state folder.
    await host.sh(`systemctl start ${UNIT}`);
    await host.sh(
      "tar -c --files-from /dev/null | docker import - ci.local/base:1 && docker create ci.local/base:1 /none",
    );
    await seen("the use is written down", `grep -qs ci.local/base:1 ${uses}`);

    await host.sh("systemctl stop docker.service");
    await seen("it is gone with the engine", `! systemctl is-active --quiet ${watch}`);
    await host.sh("sleep 2; systemctl is-active docker.socket; ! systemctl is-active docker.service");
    await host.sh("systemctl start docker.service");
    await seen("it is back with the engine", `systemctl is-active --quiet ${watch}`);

    await host.sh(
      "fallocate -l $(( $(df --output=avail -B1 /var/lib/docker | tail -n 1) * 9 / 10 )) /var/lib/docker/x",
    );
    // It looks at the disk when an image has come.
    await host.sh(
      "echo 1 >/root/1; tar -c -C /root 1 | docker import - ci.local/base:2; docker create ci.local/base:2 /none",
    );
    await seen("a pass is called", `journalctl -u ${UNIT} -o cat | grep -q "Gate open, disk pressure"`);
  });
});
