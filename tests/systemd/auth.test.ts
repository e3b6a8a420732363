/**
 * The credentials' unit, rendered from nix/auth-units.nix, under a real systemd: its sandbox lets node work, the
 * secret comes in as a credential, a rotation is seen, and nothing but the two files holds the secret.
 */
import { cpSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bothMissing, evaluate, nixMissing } from "../support/nix.ts";
import { eventOf, SystemdHost } from "../support/systemd-host.ts";
import { systemdHostMissing } from "../support/systemd-rootfs.ts";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const AGENT = "/usr/local/lib/ci-docker-prune";
const LIST = "/etc/ci-docker-auth.json";
const TARGET = "/root/.docker/config.json";
const FIRST = "dckr_pat_first/+1";
const SECOND = "dckr_pat_second=2";

type Section = Readonly<Record<string, string | boolean | readonly string[]>>;
interface Units {
  readonly registries: object;
  readonly service: Readonly<Record<string, Section>>;
  readonly path: Readonly<Record<string, Section>>;
}

const units = (wanted: string) =>
  evaluate(`import ./nix/auth-units.nix {
    command = [ "/usr/bin/node" "${AGENT}/ci-docker-prune.cjs" ];
    registriesFile = "${LIST}";
    wanted = ${wanted};
  }`) as Units;

const render = (unit: Units["service"]) =>
  Object.entries(unit)
    .map(([name, section]) => {
      const lines = Object.entries(section).flatMap(([key, value]) =>
        [value].flat().map((one) => `${key}=${one === true ? "yes" : one}\n`),
      );
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");

const missing = bothMissing(nixMissing, systemdHostMissing());

describe.skipIf(missing !== null)(
  `ci-docker-auth.service under systemd${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let host: SystemdHost;
    const HUB = `{ "docker.io" = { username = "ci"; passwordFile = "/run/secrets/hub"; }; }`;

    const install = async (wanted: string) => {
      const { registries, service, path } = units(wanted);
      host.write(LIST, JSON.stringify(registries));
      host.write("/etc/systemd/system/ci-docker-auth.service", render(service));
      if (path !== null) host.write("/etc/systemd/system/ci-docker-auth.path", render(path));
      await host.sh("systemctl daemon-reload");
    };
    const start = async () => {
      const { code } = await host.exec("systemctl start ci-docker-auth");
      if (code !== 0) throw new Error(await host.sh("journalctl -u ci-docker-auth -o cat -n 20"));
    };
    const stored = async () => JSON.parse(await host.sh(`cat ${TARGET}`));
    const passwordOf = async () =>
      Buffer.from((await stored()).auths["https://index.docker.io/v1/"].auth, "base64").toString();
    const said = async () =>
      (await host.journal("-u ci-docker-auth"))
        .filter(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER === "ci-docker-auth")
        .map((entry) => eventOf(entry).event);

    beforeAll(async () => {
      host = await SystemdHost.start();
      // As PID 1 of a real machine does. In what it takes for a container it leaves that alone, and then a credential is
      // mounted where no unit sees it (systemd 252).
      await host.sh("mount --make-rshared /");
      cpSync(DIST, host.path(AGENT), { recursive: true });
      await host.sh("mkdir -p /run/secrets.d && mkdir -m 0700 /run/secrets.d/1");
      await host.sh(`printf '%s\\n' '${FIRST}' > /run/secrets.d/1/hub; ln -s /run/secrets.d/1 /run/secrets`);
      await install(HUB);
    });
    afterAll(async () => {
      await host?.stop();
    });

    it("puts the secret in place where not even the folder was", async () => {
      await start();
      expect(await passwordOf()).toBe(`ci:${FIRST}`);
      expect(await host.sh(`stat -c '%a %U' ${TARGET} /root/.docker`)).toBe("600 root\n700 root");
      expect(await said()).toEqual(["auth.applied"]);
    });

    it("does nothing the second time, and says so", async () => {
      await start();
      expect(await said()).toEqual(["auth.applied", "auth.unchanged"]);
    });

    it("follows a plain file by itself, also one that is replaced", async () => {
      await host.sh("systemctl start ci-docker-auth.path");
      await host.sh(`printf '%s' '${SECOND}' > /run/secrets.d/new; mv /run/secrets.d/new /run/secrets/hub`);
      for (const end = Date.now() + 20_000; (await passwordOf()) !== `ci:${SECOND}`; await sleep(200)) {
        if (Date.now() > end) throw new Error("the rotation was not followed within 20 s");
      }
    });

    it("runs anew when its target is started again, as a switch does", async () => {
      // sops-nix and agenix move a link over to a new generation, which a path unit does not see (systemd 252); they do
      // so at a switch or at boot, and both start the target.
      await host.sh(`mkdir -m 0700 /run/secrets.d/2; printf '%s' '${FIRST}' > /run/secrets.d/2/hub`);
      await host.sh("ln -sfn /run/secrets.d/2 /run/secrets; rm -r /run/secrets.d/1");
      await host.sh("systemctl enable ci-docker-auth.service; systemctl start multi-user.target");
      for (const end = Date.now() + 20_000; (await passwordOf()) !== `ci:${FIRST}`; await sleep(200)) {
        if (Date.now() > end) throw new Error("the unit did not run with its target within 20 s");
      }
    });

    it("keeps the owner of a file that is another user's", async () => {
      await host.sh(
        `chown daemon:adm ${TARGET}; printf x > /run/secrets/hub; systemctl start ci-docker-auth`,
      );
      expect(await host.sh(`stat -c '%a %U %G' ${TARGET}`)).toBe("600 daemon adm");
      await host.sh(
        `chown root:root ${TARGET}; printf '%s' '${SECOND}' > /run/secrets/hub; systemctl start ci-docker-auth`,
      );
      expect(await passwordOf()).toBe(`ci:${SECOND}`);
    });

    it("fails with what is wrong, and leaves the file, when a secret is empty", async () => {
      const before = await stored();
      await host.sh("systemctl stop ci-docker-auth.path; : > /run/secrets/hub");
      expect((await host.exec("systemctl start ci-docker-auth")).code).not.toBe(0);
      expect(await host.sh("systemctl show ci-docker-auth -p ExecMainStatus --value")).toBe("78");
      expect((await said()).at(-1)).toBe("auth.failed");
      expect(await stored()).toEqual(before);
    });

    it("takes its entry out once it is wanted no more", async () => {
      await install("{ }");
      await start();
      expect(await stored()).toEqual({ auths: {} });
    });

    it("and the secret is in no log, no unit and no state", async () => {
      const everything = await host.sh(
        "journalctl -o export; systemctl cat ci-docker-auth; systemctl show ci-docker-auth; cat /var/lib/ci-docker-auth/*",
      );
      expect(everything).toContain("auth.applied");
      for (const secret of [FIRST, SECOND]) {
        for (const form of [secret, Buffer.from(`ci:${secret}`).toString("base64")]) {
          expect(everything.includes(form)).toBe(false);
        }
      }
    });
  },
);
