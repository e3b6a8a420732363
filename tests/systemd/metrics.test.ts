/**
 * The metrics of the unit under a real systemd: a user that is new each time, a umask that closes what it makes, and a
 * filesystem that is read-only but for what the unit names. By the commands of docs/monitoring.md.
 */
import { cpSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks } from "../support/docs.ts";
import { parseExposition, seriesValue } from "../support/exposition.ts";
import { bothMissing, evaluate, nixMissing } from "../support/nix.ts";
import { eventOf, SystemdHost } from "../support/systemd-host.ts";
import { systemdHostMissing } from "../support/systemd-rootfs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const UNIT = "ci-docker-prune";
/** As Debian's package of node_exporter makes it. */
const FOLDER = "/var/lib/prometheus/node-exporter";
const page = readFileSync(`${ROOT}docs/monitoring.md`, "utf8");

const missing = bothMissing(nixMissing, systemdHostMissing());

describe.skipIf(missing !== null)(
  `the metrics of the unit under systemd${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let host: SystemdHost;

    /** Writes the units for this file, and settings in which a disk with less than this left is under pressure. */
    const install = async (textfile: string, highWatermark = "1B free") => {
      const units = evaluate(
        `import ./nix/render-units.nix { arguments = ${JSON.stringify(JSON.stringify({ metricsFile: textfile }))}; }`,
      ) as Record<string, string>;
      host.write(`/etc/systemd/system/${UNIT}.service`, units[`${UNIT}.service`]!);
      host.write(`/etc/tmpfiles.d/${UNIT}.conf`, units[`${UNIT}.conf`]!);
      const settings = {
        lockFile: "/run/lock/ci-docker-prune.lock",
        disk: { highWatermark, inodes: false },
        metrics: { textfile },
      };
      host.write(`/etc/${UNIT}/settings.json`, JSON.stringify(settings));
      await host.sh(`systemd-tmpfiles --create /etc/tmpfiles.d/${UNIT}.conf; systemctl daemon-reload`);
    };
    const pass = async () => {
      await host.exec(`systemctl reset-failed ${UNIT}`);
      return (await host.exec(`systemctl start ${UNIT}`)).code;
    };
    const events = async () =>
      (await host.journal(`-u ${UNIT}`))
        .filter(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER === UNIT)
        .map(eventOf);
    /** As the exporter would, who is somebody else. */
    const metrics = async (file: string) =>
      parseExposition(await host.sh(`setpriv --reuid=65534 --regid=65534 --clear-groups cat ${file}`));

    beforeAll(async () => {
      host = await SystemdHost.start();
      cpSync(`${ROOT}dist`, host.path(`/usr/local/lib/${UNIT}`), { recursive: true });
      await host.sh(`mkdir -p ${FOLDER}; systemctl start docker.service`);
    }, 300_000);
    afterAll(() => host?.stop(), 60_000);

    it("cannot be written to a folder that is there and is not ours; the pass is the same", async () => {
      await install(`${FOLDER}/${UNIT}.prom`);
      expect(await host.sh(`stat -c '%U:%G %a' ${FOLDER}`)).toBe("root:root 755");
      expect(await pass()).toBe(0);
      expect((await events()).map(({ event, reason }) => [event, reason])).toEqual([
        ["pass.finished", expect.any(String)],
        ["metrics.unwritable", expect.stringContaining("EACCES")],
      ]);
      expect(await host.sh(`ls -A ${FOLDER}`)).toBe("");
    });

    it("are there for everybody to read, once the page's commands have opened the folder", async () => {
      const [open] = codeBlocks(page, "On Debian or Ubuntu");
      await host.sh(open!);
      for (const passes of [2, 3]) {
        expect(await pass()).toBe(0);
        const found = await metrics(`${FOLDER}/${UNIT}.prom`);
        expect(seriesValue(found, "ci_docker_prune_passes_total", { outcome: "below-watermark" })).toBe(
          passes,
        );
        expect(await host.sh(`stat -c %a ${FOLDER}/*; ls -A ${FOLDER}`)).toBe(`644\n${UNIT}.prom`);
      }
    });

    it("name the filesystem as the host does, whatever the unit's sandbox mounts over it", async () => {
      const found = await metrics(`${FOLDER}/${UNIT}.prom`);
      const sizes = found.find(({ name }) => name === "ci_docker_prune_filesystem_size_bytes")?.series;
      const seen = await host.sh("df --output=target / /var/lib/docker | tail -n +2 | sort -u");
      expect(sizes?.map(({ labels }) => labels.mountpoint).sort()).toEqual(seen.split("\n"));
    });

    it("come from a whole pass as well, and from one that fails", async () => {
      await install(`${FOLDER}/${UNIT}.prom`, "1%");
      await pass();
      const found = await metrics(`${FOLDER}/${UNIT}.prom`);
      expect(seriesValue(found, "ci_docker_prune_last_pass_exit_code")).toBe(10);
      expect(found.map(({ name }) => name)).toContain("ci_docker_prune_engine_info");
    });

    it("go to a folder of their own where none was", async () => {
      await install("/var/lib/ci-metrics/ci.prom");
      expect(await host.sh("stat -c '%U:%G %a' /var/lib/ci-metrics")).toBe("root:docker 775");
      expect(await pass()).toBe(0);
      expect(await metrics("/var/lib/ci-metrics/ci.prom")).not.toHaveLength(0);
    });
  },
);
