import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PRESETS } from "../../agent/gates/presets.ts";
import { parseSettings } from "../../agent/settings/parse.ts";
import { BUNDLE } from "../support/agent.ts";
import { evaluate, LIB, libMissing, ROOT, run, scratch, title } from "../support/nix.ts";
import { keysOfAgent } from "../support/settings-keys.ts";

/** What a host comes to that has Docker, this module, and what `modules` adds. */
const host = (modules: string) =>
  `import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [
    { virtualisation.docker.enable = true; services.ci-docker-prune.enable = true; }
    ${modules}
  ]; }`;

const settings = (text: string) => `{ services.ci-docker-prune.settings = ${text}; }`;

interface Option {
  readonly name: string;
  readonly type: string;
}

const optionsOfModule = () =>
  evaluate(
    `let lib = ${LIB}; in map (o: { inherit (o) name type; }) (lib.optionAttrSetToDocList (lib.evalModules {
      class = "nixos";
      modules = [ ./nix/module.nix {
        _module.check = false;
        _module.args.pkgs = import ./nix/tests/no-packages.nix { inherit lib; };
      } ];
    }).options)`,
  ) as Option[];

describe.skipIf(libMissing !== null)(title("the NixOS module", libMissing), () => {
  const cases = (
    libMissing === null ? evaluate(`import ./nix/tests/cases.nix { lib = ${LIB}; }`) : [{ name: "all" }]
  ) as { name: string; got: unknown; want: unknown }[];

  it.each(cases.map((one) => [one.name, one] as const))("%s", (_, { got, want }) => {
    expect(got).toEqual(want);
  });

  it("has an option for every key of the agent's settings, and no other", () => {
    const prefix = "services.ci-docker-prune.settings.";
    const names = optionsOfModule()
      .map(({ name }) => name)
      .filter((name) => name.startsWith(prefix) && !name.includes("_module"))
      .map((name) => name.slice(prefix.length).replace(".*.", "[]."));
    expect(names.sort()).toEqual(keysOfAgent().sort());
  });

  it("knows the agent's presets", () => {
    const presets = optionsOfModule().find(({ name }) => name.endsWith("liveRuns.presets"));
    const names = Object.keys(PRESETS).map((name) => `"${name}"`);
    expect(presets?.type).toBe(`list of (one of ${names.join(", ")})`);
  });

  it("has the agent's defaults", () => {
    const plain = evaluate(host("")) as { settings: { lockFile: string } };
    expect(parseSettings(plain.settings)).toEqual(parseSettings({ lockFile: plain.settings.lockFile }));
  });

  it("shows its messages without a stray line", () => {
    const { failed, warnings } = evaluate(
      host(`{ virtualisation.docker.autoPrune.enable = true; }
        ${settings('{ prune.until = "1s"; disk.highWatermark = "99%"; liveRuns.services = [ ]; }')}`),
    ) as { failed: string[]; warnings: string[] };
    expect([...failed, ...warnings]).toHaveLength(4);
    for (const text of [...failed, ...warnings]) {
      expect(text).toMatch(/^(services|virtualisation)\.[\w.-]+ (is|has) /);
      expect(text).not.toMatch(/\n\s|\n\n/);
    }
  });
});

describe.skipIf(libMissing !== null)(
  title("a wrong option ends the build with one message", libMissing),
  () => {
    const SETTINGS = "services.ci-docker-prune.settings";

    /** Option, what is written, what the message says to write. */
    const WRONG: readonly (readonly [option: string, value: string, expected: string])[] = [
      ["services.ci-docker-prune.dates", "7", '"daily" or "Mon 06:00"'],
      ["services.ci-docker-prune.dates", '"daily\\nhourly"', '"daily" or "Mon 06:00"'],
      ["services.ci-docker-prune.randomizedDelaySec", "45", '"45min"'],
      ["services.ci-docker-prune.timeout", "true", '"2h"'],
      ["services.ci-docker-prune.persistent", '"yes"', "boolean"],
      ["services.ci-docker-prune.onFailure", '[ "notify" ]', '"notify-operator@%n.service"'],
      ["services.ci-docker-prune.lockFile", "./lock", "written as a string"],
      ["services.ci-docker-prune.lockFile", '"lock"', "absolute path outside the Nix store"],
      ["services.ci-docker-prune.lockFile", `"/nix/store/${"0".repeat(32)}-lock"`, "outside the Nix store"],
      ["services.ci-docker-prune.buildCacheLimits.maxUsedSpace", "20", '"20GB"'],
      ["services.ci-docker-prune.buildCacheLimits.minFreeSpace", '"a fifth"', '"10%"'],
      [`${SETTINGS}.engine.socketPath`, "./docker.sock", "written as a string"],
      [`${SETTINGS}.engine.timeout`, "60", '"90s"'],
      [`${SETTINGS}.disk.paths`, '[ "srv" ]', '"/var/lib/docker"'],
      [`${SETTINGS}.disk.paths`, "[ ]", "non-empty"],
      [`${SETTINGS}.disk.highWatermark`, '"eighty"', '"80%"'],
      [`${SETTINGS}.disk.highWatermark`, "80", '"20GiB free"'],
      [`${SETTINGS}.disk.lowWatermark`, '"20 free"', '"20GiB free"'],
      [`${SETTINGS}.disk.inodes`, '"no"', "boolean"],
      [`${SETTINGS}.liveRuns.services`, '[ "" ]', '"^ci-[0-9]+_"'],
      [`${SETTINGS}.liveRuns.labels`, '[ "=x" ]', '"key=value"'],
      [`${SETTINGS}.liveRuns.presets`, '[ "gitlab" ]', '"gitlab-runner"'],
      [`${SETTINGS}.convergence.onWorker`, '"wait"', '"local-tasks"'],
      [`${SETTINGS}.prune.until`, '"1 day"', '"24h"'],
      [`${SETTINGS}.prune.until`, '""', '"24h"'],
      [`${SETTINGS}.deferrals.warnAfterPasses`, "0", "positive integer"],
      [`${SETTINGS}.lockFile`, "./lock", "written as a string"],
    ];

    it.each(WRONG)("%s = %s", (option, value, expected) => {
      let message = "";
      try {
        evaluate(host(`{ services.ci-docker-prune.buildCacheLimits.enable = true; ${option} = ${value}; }`));
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain(option);
      expect(message).toContain(expected);
      expect(message.match(/^error:/gm)).toHaveLength(1);
    });

    it("an option that does not exist is named, with what may have been meant", () => {
      expect(() => evaluate(host("{ services.ci-docker-prune.date = [ ]; }"))).toThrow(
        /`services\.ci-docker-prune\.date' does not exist[\s\S]*Did you mean `services\.ci-docker-prune\.dates'/,
      );
    });
  },
);

describe.skipIf(libMissing !== null)(title("the agent checks the settings at build time", libMissing), () => {
  interface Built {
    readonly settings: unknown;
    readonly settingsBuild: string;
  }

  /** Runs the very commands of the derivation, with the bundle in the package's place. */
  function build({ settings: document, settingsBuild }: Built) {
    const dir = scratch("settings");
    mkdirSync(join(dir, "build"));
    const agent = join(dir, "agent");
    writeFileSync(agent, `#!/bin/sh\nexec "${process.execPath}" "${BUNDLE}" "$@"\n`);
    chmodSync(agent, 0o755);
    const documentPath = join(dir, "document");
    writeFileSync(documentPath, JSON.stringify(document));
    const script = settingsBuild.replace(/\/nix\/store\/[\w-]+\/bin\/ci-docker-prune/, agent);
    expect(script).not.toBe(settingsBuild);
    const out = join(dir, "out");
    const ran = run("bash", ["-e", "-c", script], {
      cwd: join(dir, "build"),
      env: { PATH: process.env.PATH, documentPath, out },
    });
    return { ...ran, out };
  }

  const built = (text: string) => evaluate(host(settings(text))) as Built;

  it("good ones become the document", () => {
    const one = built('{ disk.highWatermark = "20GiB free"; liveRuns.presets = [ "drone" ]; }');
    const { code, stderr, out } = build(one);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(readFileSync(out, "utf8"))).toEqual(one.settings);
  });

  it.each([
    ['{ disk.pahts = [ "/" ]; }', "disk.pahts", "the keys here are: paths"],
    ['{ prnue = { until = "24h"; }; }', "prnue", "the keys here are"],
    ['{ liveRuns.services = [ "(" ]; }', "liveRuns.services[0]", "a regular expression"],
    ['{ disk.highWatermark = "101%"; }', "disk.highWatermark", '"80%"'],
    ['{ disk.lowWatermark = "85%"; }', "disk.lowWatermark", "more room than disk.highWatermark"],
    ['{ convergence.settle = "6m"; }', "convergence.settle", '"5m"'],
    ['{ metrics.textfile = "/run/metrics"; }', "metrics.textfile", "no metrics yet"],
    ["{ retention = [ { } ]; }", "retention", "an empty list"],
  ])("%s", (text, key, expected) => {
    const { code, stderr } = build(built(text));
    expect(code).toBe(78);
    expect(stderr).toContain("services.ci-docker-prune.settings: 1 problem\n");
    expect(stderr).toContain(`  ${key}: found `);
    expect(stderr).toContain(expected);
  });
});

describe.skipIf(libMissing !== null)(title("the command at a prompt", libMissing), () => {
  const { operatorCommand } = (libMissing === null ? evaluate(host("")) : { operatorCommand: [""] }) as {
    operatorCommand: [string];
  };
  const said = (...args: string[]) =>
    run("bash", ["-c", operatorCommand[0].replace(/exec \S+/, "printf '%s|'"), "ci-docker-prune", ...args])
      .stdout;
  const added = "--settings|/etc/ci-docker-prune/settings.json|";

  it.each([
    [["status"], `status|${added}`],
    [["run", "--dry-run"], `run|${added}--dry-run|`],
    [["plan", "--json"], `plan|${added}--json|`],
    [["run", "--settings", "/a b"], "run|--settings|/a b|"],
    [["run", "--settings=/a b"], "run|--settings=/a b|"],
    [["validate", "run"], "validate|run|"],
    [["--help"], "--help|"],
    [["completion"], "completion|"],
    [[], ""],
  ])("%j", (args, expected) => {
    // printf prints its end once without arguments.
    expect(said(...args)).toBe(expected === "" ? "|" : expected);
  });
});

describe.skipIf(libMissing !== null)(title("docs/options.md", libMissing), () => {
  it("is what the module declares today (npm run docs:options)", () => {
    const page = evaluate(`import ./nix/options-doc.nix { lib = ${LIB}; }`) as string;
    expect(readFileSync(join(ROOT, "docs/options.md"), "utf8")).toBe(page);
  });

  it("leaves no option without description, type and example", () => {
    const entries = readFileSync(join(ROOT, "docs/options.md"), "utf8").split("\n## ").slice(1);
    expect(entries.length).toBeGreaterThan(30);
    for (const entry of entries) {
      expect(entry).toMatch(/^services\.ci-docker-(?:prune|auth)\.\S+\n\n\S[\s\S]+\n\nType: \S/);
      // What must be said has none.
      if (!/\.registries\.<name>\.\w+\n/.test(entry)) expect(entry).toMatch(/\nDefault:/);
      expect(entry).toMatch(/\nExample:/);
    }
  });
});
