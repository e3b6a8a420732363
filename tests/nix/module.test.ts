import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PRESETS } from "../../agent/gates/presets.ts";
import { namesTag, parseNameGlob } from "../../agent/settings/globs.ts";
import { parseSettings } from "../../agent/settings/parse.ts";
import { BUNDLE } from "../support/agent.ts";
import { evaluate, LIB, libMissing, ROOT, run, scratch, title } from "../support/nix.ts";
import { keysOfAgent } from "../support/settings-keys.ts";

const PACKAGES = `import ./nix/tests/no-packages.nix { lib = ${LIB}; }`;

/** The module by itself, without the rest of NixOS: for its options. */
const MODULE = `${LIB}.evalModules {
  class = "nixos";
  modules = [ ./nix/module.nix { _module.check = false; _module.args.pkgs = ${PACKAGES}; } ];
}`;

/** What a host comes to that has Docker, this module, and what `modules` adds. */
const host = (modules: string) =>
  `import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [
    { virtualisation.docker.enable = true; services.ci-docker-prune.enable = true; }
    ${modules}
  ]; }`;

const settings = (text: string) => `{ services.ci-docker-prune.settings = ${text}; }`;

/** Texts as a Nix list. */
const nix = (texts: readonly string[]) => `(builtins.fromJSON ${JSON.stringify(JSON.stringify(texts))})`;

/** Whether the agent takes a rule with these keys. */
function isTaken(keys: object): boolean {
  const rule = { name: "a", match: { labels: ["ci"] }, keepCount: 1, ...keys };
  return parseSettings("label" in keys ? { orphans: [keys] } : { retention: [rule] }).ok;
}

interface Option {
  readonly name: string;
  readonly type: string;
}

const optionsOfModule = () =>
  evaluate(
    `map (o: { inherit (o) name type; }) (${LIB}.optionAttrSetToDocList (${MODULE}).options)`,
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

  it("shows no example that the agent does not take", () => {
    const examples = evaluate(
      `let
        lib = ${LIB};
        below = options: lib.concatMap (o: [ { inherit (o) loc example; } ] ++ below (o.type.getSubOptions o.loc))
          (lib.collect lib.isOption (removeAttrs options [ "_module" ]));
      in below ((${MODULE}).options.services.ci-docker-prune.settings.type.getSubOptions [ ])`,
    ) as { loc: readonly string[]; example: unknown }[];
    const rules: Readonly<Record<string, object>> = {
      retention: { name: "a", match: { labels: ["ci"] }, keepCount: 9 },
      orphans: { name: "a", label: "ci", runningLongerThan: "6h" },
    };
    const nested = (keys: readonly string[], value: unknown): object =>
      keys.reduceRight((inner, key) => ({ [key]: inner }), value) as object;
    for (const { loc, example } of examples) {
      const [list = "", item] = loc;
      const document =
        item === "*"
          ? { [list]: [{ ...rules[list], ...nested(loc.slice(2), example) }] }
          : nested(loc, example);
      expect(parseSettings(document), loc.join(".")).toMatchObject({ ok: true });
    }
    expect(examples.map(({ loc }) => loc.join("."))).toEqual(
      expect.arrayContaining(["disk.lowWatermark", "retention", "retention.*.match.labels"]),
    );
  });

  it("writes documents that the agent takes", () => {
    const documents = cases.filter(({ name }) => name.endsWith("the settings document"));
    expect(documents).toHaveLength(2);
    for (const { name, got } of documents) {
      expect(parseSettings(got), name).toMatchObject({ ok: true });
    }
  });

  it.each([
    ["imageGlob", (text: string) => parseNameGlob(text) !== undefined],
    ["ruleName", (text: string) => isTaken({ name: text, label: "ci", runningLongerThan: "6h" })],
    ["labelKey", (text: string) => isTaken({ ttlLabel: text })],
    ["label", (text: string) => isTaken({ match: { labels: [text] } })],
  ])("takes for a form what the agent takes: %s", (form, takes) => {
    const characters = fc.constantFrom(..."aZ09._-/:*?=@ ");
    const texts = [
      ...["", "a".repeat(63), "a".repeat(64), "a\n", "ä", "localhost:5000/ci/*", "ghcr.io/acme/worker:sha-*"],
      ...fc.sample(fc.string({ unit: characters, maxLength: 8 }), { numRuns: 3000, seed: 20260801 }),
    ];
    const taken = evaluate(
      `map (import ./nix/setting-types.nix { lib = ${LIB}; }).${form}.check ${nix(texts)}`,
    ) as boolean[];
    expect(texts.filter((_, index) => taken[index])).toEqual(texts.filter(takes));
    expect(taken.filter((one) => one).length).toBeGreaterThan(20);
  });

  it("takes for a family what the agent takes", () => {
    const globs = fc
      .sample(fc.string({ unit: fc.constantFrom(..."a5:/*?.-*/"), minLength: 1, maxLength: 6 }), {
        numRuns: 500,
        seed: 20260801,
      })
      .filter((text) => parseNameGlob(text) !== undefined);
    const named = evaluate(
      `let rules = import ./nix/rules.nix { lib = ${LIB}; settingTypes = import ./nix/setting-types.nix { lib = ${LIB}; }; };
       in map (glob: builtins.all ({ assertion, ... }: assertion) (rules.assertions {
         retention = [ {
           name = "a"; match = { repositories = [ glob ]; labels = [ ]; };
           olderThan = null; keepNewest = 0; keepCount = 1; maxTotalSize = null; ttlLabel = null;
         } ];
         orphans = [ ];
       })) ${nix(globs)}`,
    ) as boolean[];
    const taken = globs.filter((text) => isTaken({ match: { repositories: [text] } }));
    expect(globs.filter((_, index) => named[index])).toEqual(taken);
    expect(Math.min(taken.length, globs.length - taken.length)).toBeGreaterThan(20);
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
      [`${SETTINGS}.snapshots.ttl`, "null", '"24h"'],
      [`${SETTINGS}.snapshots.keepCount`, "0", "positive integer"],
      [`${SETTINGS}.snapshots.maxTotalSize`, '"10 percent"', '"10GB"'],
      [`${SETTINGS}.snapshots.when`, '"never"', '"always", "pressure"'],
      [`${SETTINGS}.lockFile`, "./lock", "written as a string"],
      [`${SETTINGS}.metrics.textfile`, '"/run/metrics"', '".prom"'],
      [`${SETTINGS}.metrics.textfile`, '"/a.prom"', "/var/lib/node-exporter/ci-docker-prune.prom"],
      [`${SETTINGS}.metrics.textfile`, "./a.prom", "written as a string"],
      ["services.ci-docker-prune.configureNodeExporter", '"yes"', "boolean"],
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

    /** List, what is written in a rule of it that is right otherwise, the option, what the message says to write. */
    const WRONG_RULES: readonly (readonly [list: string, keys: string, option: string, expected: string])[] =
      [
        ["retention", 'name = "My rule";', "name", '"ci-snapshots"'],
        ["retention", `name = "${"a".repeat(64)}";`, "name", "up to 63"],
        ["retention", 'match.repositories = [ "acme//app" ];', "match.repositories", '"ci/app"'],
        ["retention", 'match.repositories = [ "acme/app@sha256:00" ];', "match.repositories", "no digest"],
        ["retention", 'match.repositories = [ "Acme-*" ];', "match.repositories", "small letters"],
        ["retention", 'match.repositories = "acme/app";', "match.repositories", "list of image name"],
        ["retention", 'match.labels = [ "=x" ];', "match.labels", '"key=value"'],
        ["retention", 'match.repository = [ "acme/app" ];', "match.repository", "match.repositories'"],
        ["retention", 'olderThan = "10";', "olderThan", '"24h"'],
        ["retention", 'olderThen = "24h";', "olderThen", "olderThan'"],
        ["retention", "keepNewest = -1;", "keepNewest", "unsigned integer"],
        ["retention", "keepNewest = null;", "keepNewest", "unsigned integer"],
        ["retention", "keepCount = 0;", "keepCount", "positive integer"],
        ["retention", 'maxTotalSize = "10";', "maxTotalSize", '"10GB"'],
        ["retention", 'maxTotalSize = "10%";', "maxTotalSize", '"10GB"'],
        ["retention", 'perGroup = "ci.project=a";', "perGroup", '"ci.project"'],
        ["retention", 'ttlLabel = "";', "ttlLabel", '"ci.project"'],
        ["retention", 'grace = "an hour";', "grace", '"24h"'],
        ["retention", 'when = "never";', "when", '"always", "pressure"'],
        ["orphans", 'name = "workers-";', "name", '"ci-snapshots"'],
        ["orphans", 'label = "";', "label", '"key=value"'],
        ["orphans", 'runningLongerThan = "6";', "runningLongerThan", '"24h"'],
        ["orphans", "stoppedLongerThan = 6;", "stoppedLongerThan", '"24h"'],
        ["orphans", "stopTimeout = null;", "stopTimeout", '"90s"'],
        ["orphans", 'when = "hourly";', "when", '"always", "pressure"'],
        ["orphans", 'labels = [ "ci" ];', "labels", "label'"],
      ];

    /** As the module system names an item. */
    const FIRST = '"[definition 1-entry 1]"';

    const RIGHT: Readonly<Record<string, string>> = {
      retention: 'name = "a"; match.labels = [ "ci" ]; keepCount = 1;',
      orphans: 'name = "a"; label = "ci"; runningLongerThan = "6h";',
    };

    /** What Nix says of a list with one rule, of two parts of which the second wins. */
    const saidOfRule = (list: string, first: string, second: string): string => {
      try {
        evaluate(host(settings(`{ ${list} = [ ({ ${first} } // { ${second} }) ]; }`)));
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };

    it.each(["retention", "orphans"])("%s: nothing, where a rule is right", (list) => {
      expect(saidOfRule(list, RIGHT[list] ?? "", "")).toBe("");
    });

    it.each(WRONG_RULES)("%s: %s", (list, keys, option, expected) => {
      const message = saidOfRule(list, RIGHT[list] ?? "", keys);
      expect(message).toContain(`\`${SETTINGS}.${list}.${FIRST}.${option}`);
      expect(message).toContain(expected);
      expect(message.match(/^error:/gm)).toHaveLength(1);
    });

    it.each([
      ["retention", "name", 'match.labels = [ "ci" ]; keepCount = 1;'],
      ["orphans", "name", 'label = "ci"; runningLongerThan = "6h";'],
      ["orphans", "label", 'name = "a"; runningLongerThan = "6h";'],
    ])("%s: no %s", (list, option, keys) => {
      expect(saidOfRule(list, keys, "")).toContain(
        `\`${SETTINGS}.${list}.${FIRST}.${option}' was accessed but has no value defined`,
      );
    });

    it.each(["retention", "orphans"])("%s by name, which is no list", (list) => {
      const said = () => evaluate(host(settings(`{ ${list}.a = { ${RIGHT[list]} }; }`)));
      expect(said).toThrow(`${SETTINGS}.${list}' is not of type \`list of (submodule)'`);
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
    ['{ metrics.textfiles = "/run/a.prom"; }', "metrics.textfiles", "the keys here are: textfile"],
    [
      '{ retention = [ { name = "a"; match.labels = [ "ci" ]; olderThan = "0s"; } ]; }',
      "retention[0].olderThan",
      'a time from "1s"',
    ],
    [
      '{ retention = [ { name = "a"; match.labels = [ "ci" ]; maxTotalSize = "0GB"; } ]; }',
      "retention[0].maxTotalSize",
      'a size such as "10GB"',
    ],
    [
      '{ retention = [ { name = "a"; match.repositories = [ "docker.io/ci/app" ]; keepCount = 1; } ]; }',
      "retention[0].match.repositories[0]",
      'without "docker.io/"',
    ],
    [
      '{ orphans = [ { name = "a"; label = "ci"; runningLongerThan = "6h"; stopTimeout = "2h"; } ]; }',
      "orphans[0].stopTimeout",
      'a time from "0s" to "1h"',
    ],
    ["{ snapshots.foo = null; }", "snapshots.foo", "the keys here are: ttl, keepCount"],
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

describe.skipIf(libMissing !== null)(title("nix/examples", libMissing), () => {
  /** What an example comes to. Of the options it sets, those that this module has nothing to do with are passed over. */
  const example = (name: string) =>
    evaluate(`import ./nix/tests/evaluate.nix {
      lib = ${LIB};
      modules = [ ./nix/examples/${name} { _module.check = false; } ];
    }`) as { failed: string[]; warnings: string[]; timer: { timerConfig: unknown }; settings: unknown };

  it.each(readdirSync(join(ROOT, "nix/examples")))(
    "%s: no complaint, and settings that the agent takes",
    (name) => {
      const { failed, warnings, settings } = example(name);
      expect([failed, warnings]).toEqual([[], []]);
      expect(parseSettings(settings)).toMatchObject({ ok: true });
    },
  );

  it("worker-host.nix: tags of builds, snapshots of an older scheme, and lost workers, every hour", () => {
    const { settings, timer } = example("worker-host.nix");
    const parsed = parseSettings(settings);
    if (!parsed.ok) throw new Error("not valid");
    const { retention, orphans, snapshots } = parsed.settings;
    const ruleOf = (repository: string, tag: string) =>
      retention.find((rule) => namesTag(rule, repository, tag));
    expect(ruleOf("ghcr.io/acme/worker", "sha-0a1b2c3")).toMatchObject({ keepCount: 5, olderThan: null });
    expect(ruleOf("ghcr.io/acme/worker", "latest")).toBeUndefined();
    expect(ruleOf("cascade-snapshot-proj-42", "latest")).toMatchObject({
      olderThan: 86_400,
      keepCount: 5,
      maxTotalSize: 10e9,
      when: "always",
    });
    expect(orphans).toMatchObject([{ label: { text: "cascade.managed=true" }, runningLongerThan: 6 * 3600 }]);
    expect(snapshots).toEqual({ ttl: 86_400, keepCount: 5, maxTotalSize: 10e9, when: "always" });
    expect(timer.timerConfig).toMatchObject({ OnCalendar: ["hourly"] });
  });

  const shown = readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) => {
      const page = readFileSync(join(ROOT, "docs", name), "utf8");
      const blocks = [...page.matchAll(/```nix\n(services\.ci-docker-prune[\s\S]*?)```/g)];
      return blocks.map(([, text = ""], index) => [name, index + 1, text] as const);
    })
    .filter(([name]) => name !== "options.md");

  it.each(shown)(
    "in docs/%s, block %i: no complaint, and settings that the agent takes",
    (_page, _block, text) => {
      const { failed, warnings, settings } = evaluate(host(`{ ${text} }`)) as ReturnType<typeof example>;
      expect([failed, warnings]).toEqual([[], []]);
      expect(parseSettings(settings)).toMatchObject({ ok: true });
    },
  );

  it("in docs were found, both with rules and without", () => {
    const pages = new Set(shown.map(([name]) => name));
    expect([...pages]).toEqual(expect.arrayContaining(["nixos.md", "retention.md"]));
    expect(shown.some(([, , text]) => text.includes("retention"))).toBe(true);
    expect(shown.some(([, , text]) => !text.includes("retention"))).toBe(true);
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
      if (
        !/^\S+\.(?:registries\.<name>\.\w+|(?:retention|orphans)\.\*\.name|orphans\.\*\.label)\n/.test(entry)
      ) {
        expect(entry).toMatch(/\nDefault:/);
      }
      expect(entry).toMatch(/\nExample:/);
    }
  });
});
