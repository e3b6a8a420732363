import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRegistries } from "../../agent/auth/registries.ts";
import {
  bothMissing,
  evaluate,
  LIB,
  libMissing,
  run,
  scratch,
  systemdMissing,
  title,
} from "../support/nix.ts";

interface Host {
  readonly failed: readonly string[];
  readonly units: Readonly<Record<string, string>>;
  readonly registries: unknown;
}

/** What a host comes to with these options. */
const host = (options: string) =>
  evaluate(
    `let host = import ./nix/tests/evaluate.nix {
      lib = ${LIB};
      modules = [ { services.ci-docker-auth = ${options}; } ];
    };
    in {
      inherit (host) failed units;
      inherit (import ./nix/auth-units.nix {
        command = [ "/x" ]; registriesFile = "/r"; wanted = host.registries;
      }) registries;
    }`,
  ) as Host;

/** The keys of a unit's file, each with its values. */
function keysOf(text = ""): Record<string, string[]> {
  const keys: Record<string, string[]> = {};
  for (const line of text.split("\n").filter((one) => one.includes("="))) {
    const [key = ""] = line.split("=", 1);
    keys[key] = [...(keys[key] ?? []), line.slice(key.length + 1)];
  }
  return keys;
}
const serviceOf = (options: string) => keysOf(host(options).units["ci-docker-auth.service"]);

const HUB = `{ enable = true; registries."docker.io" = { username = "ci"; passwordFile = "/run/secrets/hub"; }; }`;
const registry = (name: string, entry = `{ username = "ci"; passwordFile = "/run/s"; }`) =>
  `{ enable = true; registries."${name}" = ${entry}; }`;

describe.skipIf(libMissing !== null)(title("the NixOS module for credentials", libMissing), () => {
  it("is nothing until it is enabled", () => {
    expect(host("{ }")).toMatchObject({ failed: [], units: {} });
  });

  it("hands each secret over as a credential, whose name the agent finds in its list", () => {
    const { failed, units, registries } = host(
      `{ enable = true; registries = {
        "docker.io" = { username = "ci"; passwordFile = "/run/secrets/hub"; };
        "registry.example.org:5000" = { username = "deploy"; passwordFile = "/run/agenix/100% safe"; };
      }; }`,
    );
    expect(failed).toEqual([]);
    expect(keysOf(units["ci-docker-auth.service"]).LoadCredential).toEqual([
      "docker.io:/run/secrets/hub",
      "registry.example.org_5000:/run/agenix/100%% safe",
    ]);
    expect(keysOf(units["ci-docker-auth.path"]).PathChanged).toEqual([
      "/run/secrets/hub",
      "/run/agenix/100%% safe",
    ]);
    expect(registries).toEqual({
      target: "/root/.docker/config.json",
      registries: {
        "docker.io": { username: "ci", passwordFile: "docker.io" },
        "registry.example.org:5000": { username: "deploy", passwordFile: "registry.example.org_5000" },
      },
    });
    expect(parseRegistries(registries).ok).toBe(true);
  });

  it("can write the client's folder and nothing else, and sees root's home", () => {
    const service = serviceOf(HUB.replace("enable", `target = "/srv/ci/.docker/config.json"; enable`));
    expect(service).toMatchObject({
      ProtectSystem: ["strict"],
      ReadWritePaths: ["-/srv/ci/.docker"],
      ExecStartPre: [expect.stringMatching(/^\+\S+\/mkdir -p -m 0700 \/srv\/ci\/\.docker$/)],
      PrivateNetwork: ["true"],
    });
    expect(service).not.toHaveProperty("ProtectHome");
  });

  it("runs anew at each start and switch, after those who decrypt, before those who pull", () => {
    const service = serviceOf(HUB.replace("enable", `before = [ "deploy.service" ]; enable`));
    expect(service).toMatchObject({
      After: ["sops-install-secrets.service", "agenix-install-secrets.service"],
      Before: ["deploy.service"],
      WantedBy: ["multi-user.target", "deploy.service"],
    });
    expect(service).not.toHaveProperty("RemainAfterExit");
  });

  it("still runs with no registry, to take out what it put there, and watches nothing", () => {
    const { units, registries } = host("{ enable = true; }");
    expect([Object.keys(units), registries]).toMatchObject([["ci-docker-auth.service"], { registries: {} }]);
  });

  it.each([
    [
      "a file of the store",
      registry("docker.io", `{ username = "ci"; passwordFile = "/nix/store/${"0".repeat(32)}-x"; }`),
    ],
    ["a path literal", registry("docker.io", `{ username = "ci"; passwordFile = ./flake.nix; }`)],
    ["a relative path", registry("docker.io", `{ username = "ci"; passwordFile = "hub"; }`)],
    ["a password in place of its file", registry("docker.io", `{ username = "ci"; password = "hunter2"; }`)],
    ["a username with a colon", registry("docker.io", `{ username = "ci:x"; passwordFile = "/run/s"; }`)],
    ["no username", registry("docker.io", `{ passwordFile = "/run/s"; }`)],
    ["a target in the store", HUB.replace("enable", `target = "/nix/store/${"0".repeat(32)}-x"; enable`)],
  ])("refuses %s", (_, options) => {
    // The module reads what it was given before anything else is asked of it.
    expect(() => host(options)).toThrow(/is not of type|used but not defined|does not exist|has no value/);
  });

  it.each(["https://ghcr.io", "ghcr.io/me", "GHCR.io", "user@ghcr.io"])("refuses the registry %s", (name) => {
    expect(host(registry(name)).failed).toEqual([expect.stringContaining(name)]);
    expect(parseRegistries({ registries: { [name]: { username: "u", passwordFile: "s" } } }).ok).toBe(false);
  });

  it("refuses Docker Hub under two names", () => {
    const twice = `{ enable = true; registries = {
      "docker.io" = { username = "ci"; passwordFile = "/run/s"; };
      "index.docker.io" = { username = "ci"; passwordFile = "/run/s"; };
    }; }`;
    expect(host(twice).failed).toEqual([expect.stringContaining("more than once")]);
  });
});

const missing = bothMissing(libMissing, systemdMissing);
describe.skipIf(missing !== null)(title("the unit for credentials", missing), () => {
  const unit = () => {
    // What the sandbox is does not depend on the programs, which are in no store here.
    const text = host(HUB).units["ci-docker-auth.service"]?.replace(
      /^(ExecStart(?:Pre)?=\+?)\S+/gm,
      "$1/bin/true",
    );
    const file = join(scratch("auth"), "ci-docker-auth.service");
    writeFileSync(file, text ?? "");
    return file;
  };

  it("is understood by systemd, word by word", () => {
    const { code, stderr } = run("systemd-analyze", ["verify", unit()]);
    expect([code, stderr.split("\n").filter((line) => line.includes("ci-docker-auth"))]).toEqual([0, []]);
  });

  it("is as closed as a unit of root's can be that changes owners", () => {
    const { code, stdout } = run("systemd-analyze", ["security", "--offline=true", "--threshold=20", unit()]);
    expect([code, stdout.match(/Overall exposure level.*/)?.[0]]).toEqual([0, expect.any(String)]);
  });
});
