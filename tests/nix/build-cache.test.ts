/** What `buildCacheLimits` writes is read by dockerd alone: each size the option shows, or takes, starts a real one. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CiHost } from "../support/ci-host.ts";
import { engineAvailable, engineNames } from "../support/engines.ts";
import { bothMissing, evaluate, LIB, libMissing, title } from "../support/nix.ts";

const LIMITS = "services.ci-docker-prune.buildCacheLimits";

/** What the module writes into daemon.json where all three limits are `size`. */
const daemonOf = (size: string, version: string) => {
  const limits = ["maxUsedSpace", "reservedSpace", "minFreeSpace"]
    .map((key) => `${key} = "${size}";`)
    .join(" ");
  return evaluate(
    `(import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [ {
      virtualisation.docker = { enable = true; package.version = "${version}"; };
      services.ci-docker-prune.enable = true;
      ${LIMITS} = { enable = true; ${limits} };
    } ]; }).daemon`,
  ) as { builder: { gc: object } };
};

/** Examples and defaults of the options, as they stand in docs/options.md. */
const shown = () =>
  evaluate(
    `let
      lib = ${LIB};
      options = (lib.evalModules {
        class = "nixos";
        modules = [ ./nix/module.nix {
          _module.check = false;
          _module.args.pkgs = import ./nix/tests/no-packages.nix { inherit lib; };
        } ];
      }).options.${LIMITS};
    in builtins.filter builtins.isString (lib.concatMap (o: [ o.example (o.default or null) ])
      (builtins.attrValues options))`,
  ) as string[];

for (const engine of engineNames().filter((name) => !name.endsWith("-containerd"))) {
  const available = engineAvailable(engine);
  const missing = bothMissing(libMissing, available.ok ? null : available.reason);

  describe.skipIf(missing !== null)(title(`sizes of build cache on engine ${engine}`, missing), () => {
    let host: CiHost;
    let plain: object;
    let version: string;
    beforeAll(async () => {
      host = await CiHost.start({ engine, swarm: false, name: "sizes" });
      version = (await host.docker.version()).Version;
      plain = JSON.parse(readFileSync(join(host.dir, "daemon.json"), "utf8"));
      await host.stopEngine();
    });
    afterAll(() => host?.stop());

    async function start(builder: object): Promise<void> {
      writeFileSync(join(host.dir, "daemon.json"), JSON.stringify({ ...plain, builder }));
      await host.startEngine();
      await host.stopEngine();
    }

    it("each that an option shows, and each form that it takes, starts", async () => {
      const sizes = [...new Set([...shown(), "20.5g", "20 GiB", "4096", "1Tb"])];
      expect(sizes).toEqual(expect.arrayContaining(["20GB", "100GB", "5GB", "50GB"]));
      for (const size of sizes) {
        await expect(start(daemonOf(size, version).builder), size).resolves.toBeUndefined();
      }
    });

    it("a percentage does not, which the option therefore refuses", async () => {
      const { gc } = daemonOf("20GB", version).builder;
      const percent = Object.fromEntries(
        Object.entries(gc).map(([key, value]) => [key, value === "20GB" ? "20%" : value]),
      );
      await expect(start({ gc: percent })).rejects.toThrow(/20%|suffix: '%'/);
      expect(() => daemonOf("20%", version)).toThrow(LIMITS);
      expect(() => daemonOf("20Gi", version)).toThrow(LIMITS);
    });
  });
}
