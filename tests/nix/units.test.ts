import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  bothMissing,
  evaluate,
  nixMissing,
  ROOT,
  run,
  scratch,
  systemdMissing,
  title,
} from "../support/nix.ts";

type Files = Readonly<Record<string, string>>;

const render = (units: unknown): Files =>
  evaluate(
    `import ./nix/render-units.nix { arguments = ${JSON.stringify(JSON.stringify(units))}; }`,
  ) as Files;

/** Every value of a key in a unit file, as systemd will see them. */
const values = (file: string | undefined, key: string): string[] =>
  (file ?? "")
    .split("\n")
    .filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));

describe.skipIf(nixMissing !== null)(title("unit files", nixMissing), () => {
  it("stand in docs/nixos.md as they are rendered today", () => {
    const rendered = render({});
    expect(Object.keys(rendered).sort()).toEqual([
      "ci-docker-prune.conf",
      "ci-docker-prune.service",
      "ci-docker-prune.timer",
    ]);
    const page = readFileSync(join(ROOT, "docs/nixos.md"), "utf8");
    expect(page).toContain(rendered["ci-docker-prune.service"]);
    expect(page).toContain(rendered["ci-docker-prune.timer"]);
  });

  it("pass every argument on", () => {
    const files = render({
      command: ["/opt/node", "/opt/agent.cjs"],
      settingsFile: "/opt/settings.json",
      path: ["/opt/bin", "/usr/bin"],
      dates: ["06:00", "18:00"],
      randomizedDelaySec: "45min",
      persistent: false,
      timeout: "30min",
      onFailure: ["a.service", "b@%n.service"],
      lockFile: "/run/ci/lock",
      metricsFile: "/var/lib/node-exporter/ci.prom",
      socketGroup: "engine",
    });
    const service = files["ci-docker-prune.service"];
    expect(values(service, "ExecStart")).toEqual([
      "/opt/node /opt/agent.cjs run --settings /opt/settings.json",
    ]);
    expect(values(service, "Environment")).toEqual(["PATH=/opt/bin:/usr/bin"]);
    expect(values(service, "TimeoutStartSec")).toEqual(["30min"]);
    expect(values(service, "OnFailure")).toEqual(["a.service", "b@%n.service"]);
    expect(values(service, "ReadWritePaths")).toEqual(["-/run/ci/lock", "-/var/lib/node-exporter"]);
    expect(values(service, "SupplementaryGroups")).toEqual(["engine"]);
    const timer = files["ci-docker-prune.timer"];
    expect(values(timer, "OnCalendar")).toEqual(["06:00", "18:00"]);
    expect(values(timer, "RandomizedDelaySec")).toEqual(["45min"]);
    expect(values(timer, "Persistent")).toEqual(["no"]);
    expect(files["ci-docker-prune.conf"]?.replace(/^#.*\n/gm, "")).toBe(
      "f /run/ci/lock 0660 root engine -\nd /var/lib/node-exporter :0775 :root :engine -\n",
    );
  });

  it("leave out the timer without dates, and the lock without a file", () => {
    const files = render({ dates: [], lockFile: null });
    expect(Object.keys(files)).toEqual(["ci-docker-prune.service"]);
    expect(values(files["ci-docker-prune.service"], "ReadWritePaths")).toEqual([]);
  });

  it("quote what systemd would expand or split", () => {
    const service = render({
      command: ["/opt/a b/node", '/opt/100%/$x"y'],
      settingsFile: "/etc/my settings.json",
    })["ci-docker-prune.service"];
    expect(values(service, "ExecStart")).toEqual([
      String.raw`"/opt/a b/node" "/opt/100%%/$$x\"y" run --settings "/etc/my settings.json"`,
    ]);
  });

  it("fail on every exit code but 0, order the engine and do not pull it in, and hide no filesystem", () => {
    const service = render({})["ci-docker-prune.service"];
    expect(values(service, "SuccessExitStatus")).toEqual([]);
    expect(values(service, "After")).toEqual(["docker.service"]);
    for (const key of [
      "Requires",
      "Wants",
      "BindsTo",
      "WantedBy",
      "InaccessiblePaths",
      "TemporaryFileSystem",
    ]) {
      expect(values(service, key), key).toEqual([]);
    }
    // "yes" and "tmpfs" would make a data root below /home look like an empty disk.
    expect(values(service, "ProtectHome")).toEqual(["read-only"]);
    expect(values(service, "UnsetEnvironment")[0]).toContain("DOCKER_HOST");
  });
});

const analyzeMissing = bothMissing(nixMissing, systemdMissing);

describe.skipIf(analyzeMissing !== null)(title("systemd-analyze", analyzeMissing), () => {
  const dir = scratch("units");

  function write(units: unknown): string[] {
    mkdirSync(dir, { recursive: true });
    return Object.entries(render(units))
      .filter(([name]) => !name.endsWith(".conf"))
      .map(([name, text]) => {
        writeFileSync(join(dir, name), text);
        return join(dir, name);
      });
  }

  it.each([
    ["the defaults", {}],
    ["odd paths", { settingsFile: '/etc/100% "my" $settings.json', path: ["/opt/a b", "/opt/5%"] }],
    ["many dates", { dates: ["hourly", "Mon *-*-* 06:00:00"], randomizedDelaySec: "5min", lockFile: null }],
  ])("verify has no complaint: %s", (_, units) => {
    const files = write({ command: [process.execPath, "agent.cjs"], ...units });
    const { code, stderr } = run("systemd-analyze", ["verify", "--man=no", ...files]);
    expect(stderr.split("\n").filter((line) => line.includes("ci-docker-prune"))).toEqual([]);
    expect(code, stderr).toBe(0);
  });

  it("security: an exposure of at most 0.5", () => {
    const [service = ""] = write({});
    const { stdout, stderr } = run("systemd-analyze", ["security", "--offline=true", "--no-pager", service]);
    const score = Number(/Overall exposure level .*: ([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN);
    expect(score, stderr).toBeLessThanOrEqual(0.5);
  });

  it("calendar: the default dates are events", () => {
    const dates = values(render({})["ci-docker-prune.timer"], "OnCalendar");
    expect(dates).toEqual(["daily"]);
    const { code, stdout } = run("systemd-analyze", ["calendar", ...dates]);
    expect(code).toBe(0);
    expect(stdout).toContain("*-*-* 00:00:00");
  });
});
