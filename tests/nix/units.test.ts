import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  bothMissing,
  evaluate,
  LIB,
  libMissing,
  nixMissing,
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
    expect(values(timer, "Persistent")).toEqual(["false"]);
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
    const files = render({
      command: ["/opt/a b/node", '/opt/100%/$x"y'],
      settingsFile: "/etc/my settings.json",
      lockFile: "/run/ci/100% mine",
      metricsFile: '/srv/"my metrics"/ci.prom',
    });
    const service = files["ci-docker-prune.service"];
    expect(values(service, "ExecStart")).toEqual([
      String.raw`"/opt/a b/node" "/opt/100%%/$$x\"y" run --settings "/etc/my settings.json"`,
    ]);
    expect(values(service, "ReadWritePaths")).toEqual([
      '"-/run/ci/100%% mine"',
      String.raw`"-/srv/\"my metrics\""`,
    ]);
    expect(files["ci-docker-prune.conf"]?.replace(/^#.*\n/gm, "")).toBe(
      `f "/run/ci/100%% mine" 0660 root docker -\nd "/srv/\\"my metrics\\"" :0775 :root :docker -\n`,
    );
  });

  it.each([
    [{ settingsFile: "--without-pressure" }, "no absolute path"],
    [{ command: ["+/usr/bin/node"] }, "no absolute path"],
    [{ onFailure: ["a.service\nUser=root"] }, "line end"],
    [{ timeout: "2h\nUser=root" }, "line end"],
    [{ socketGroup: "docker\nUser=root" }, "line end"],
    [{ dates: ["daily\nUnit=evil.service"] }, "line end"],
    [{ lockFile: "/run/lock/a\nf+ /etc/pwned 0666 root root - x" }, "control character"],
    [{ lockFile: "/" }, "all of /"],
    [{ lockFile: "/tmp/ci.lock" }, "below /tmp"],
    [{ metricsFile: "/x.prom" }, "all of /"],
    [{ metricsFile: "/etc/x.prom" }, "all of /etc"],
    [{ metricsFile: "/var/lib/../../etc/x.prom" }, "shortest way"],
  ])("refuse %j", (units, reason) => {
    expect(() => render(units)).toThrow(reason);
  });

  it("fail on every exit code but 0, want a right clock, do not pull the engine in, and hide no filesystem", () => {
    const service = render({})["ci-docker-prune.service"];
    expect(values(service, "SuccessExitStatus")).toEqual([]);
    expect(values(service, "After")).toEqual(["docker.service", "time-sync.target"]);
    expect(values(service, "Wants")).toEqual(["time-sync.target"]);
    expect(values(service, "Requisite")).toEqual(["docker.service"]);
    for (const key of ["Requires", "BindsTo", "WantedBy", "InaccessiblePaths", "TemporaryFileSystem"]) {
      expect(values(service, key), key).toEqual([]);
    }
    // "yes" and "tmpfs" would make a data root below /home look like an empty disk.
    expect(values(service, "ProtectHome")).toEqual(["read-only"]);
    for (const name of ["DOCKER_HOST", "NODE_OPTIONS", "NODE_PATH"]) {
      expect(values(service, "UnsetEnvironment")[0]?.split(" ")).toContain(name);
    }
  });
});

/** The units as the NixOS module writes them, for a host with every option. */
const ofModule = () =>
  evaluate(
    `(import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [ {
      virtualisation.docker.enable = true;
      services.ci-docker-prune = {
        enable = true;
        onFailure = [ "notify@%n.service" ];
        settings = {
          lockFile = "/run/ci/100% mine"; metrics.textfile = "/srv/my metrics/ci.prom"; cache.evict = "under-pressure";
        };
      };
    } ]; }).units`,
  ) as Files;

const analyzeMissing = bothMissing(libMissing, systemdMissing);

describe.skipIf(analyzeMissing !== null)(title("systemd-analyze", analyzeMissing), () => {
  const dir = scratch("units");

  function write(files: Files): string[] {
    mkdirSync(dir, { recursive: true });
    return Object.entries(files)
      .filter(([name]) => !name.endsWith(".conf"))
      .map(([name, text]) => {
        // What is in no store here does not matter to what the text says.
        writeFileSync(join(dir, name), text.replace(/^ExecStart=\/nix\S+/m, `ExecStart=${process.execPath}`));
        return join(dir, name);
      });
  }
  const rendered = (units: object) => render({ command: [process.execPath, "agent.cjs"], ...units });

  it.each([
    ["the defaults", () => rendered({})],
    [
      "odd paths",
      () => rendered({ settingsFile: '/etc/100% "my" $settings.json', path: ["/opt/a b", "/opt/5%"] }),
    ],
    ["many dates", () => rendered({ dates: ["hourly", "Mon *-*-* 06:00:00"], lockFile: null })],
    ["the module's", ofModule],
  ])("verify has no complaint: %s", (_, files) => {
    const { code, stderr } = run("systemd-analyze", ["verify", "--man=no", ...write(files())]);
    expect(stderr.split("\n").filter((line) => line.includes("ci-docker-prune"))).toEqual([]);
    expect(code, stderr).toBe(0);
  });

  it.each(["ci-docker-prune.service", "ci-docker-prune-watch.service"])(
    "security: an exposure of at most 0.5, of the unit that NixOS gets: %s",
    (name) => {
      const service = write(ofModule()).find((file) => file.endsWith(`/${name}`)) ?? "";
      const { stdout, stderr } = run("systemd-analyze", [
        "security",
        "--offline=true",
        "--no-pager",
        service,
      ]);
      const score = Number(/Overall exposure level .*: ([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN);
      expect(score, stderr).toBeLessThanOrEqual(0.5);
    },
  );

  it("calendar: the default dates are events", () => {
    const dates = values(render({})["ci-docker-prune.timer"], "OnCalendar");
    expect(dates).toEqual(["daily"]);
    const { code, stdout } = run("systemd-analyze", ["calendar", ...dates]);
    expect(code).toBe(0);
    expect(stdout).toContain("*-*-* 00:00:00");
  });
});
