import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { namesTag } from "../../agent/settings/globs.ts";
import { parseSettings } from "../../agent/settings/parse.ts";
import { BUNDLE } from "../support/agent.ts";
import { evaluate, LIB, libMissing, NIXPKGS_LIB, ROOT, run, scratch, title } from "../support/nix.ts";

interface Host {
  readonly failed: readonly string[];
  readonly warnings: readonly string[];
  readonly units: Readonly<Record<string, string>>;
  readonly settings: unknown;
  readonly settingsBuild: string;
}

/** What a host comes to that has Docker, this module, and what `modules` adds: the attributes that are named. */
const host = (modules: string, ...names: readonly (keyof Host)[]) =>
  evaluate(
    `{ inherit (import ./nix/tests/evaluate.nix { lib = ${LIB}; modules = [
      { virtualisation.docker.enable = ${LIB}.mkDefault true; services.ci-docker-prune.enable = true; }
      { services.ci-docker-prune.buildCacheLimits.enable = ${LIB}.mkDefault true; }
      ${modules}
    ]; }) ${names.join(" ")}; }`,
  ) as Host;

/** What is said of a host before it is built, as one list. */
const said = (modules: string) => {
  const { failed, warnings } = host(modules, "failed", "warnings");
  return [...failed, ...warnings];
};

const settings = (text: string) => `{ services.ci-docker-prune.settings = ${text}; }`;
const RUNS = settings('{ liveRuns.presets = [ "drone" ]; }');

describe.skipIf(libMissing !== null)(title("the NixOS module", libMissing), () => {
  const cases = (
    libMissing === null ? evaluate(`import ./nix/tests/cases.nix { lib = ${LIB}; }`) : [{ name: "all" }]
  ) as { name: string; got: unknown; want: unknown }[];

  it.each(cases.map((one) => [one.name, one] as const))("%s", (_, { got, want }) => {
    expect(got).toEqual(want);
  });

  it("has the agent's defaults, but for the runs, which no module can guess", () => {
    const { settings } = host("", "settings") as { settings: { lockFile: string } };
    const { lockFile } = settings;
    expect(parseSettings(settings)).toEqual(parseSettings({ lockFile, liveRuns: { services: [] } }));
  });

  it("shows no example that the agent does not take", () => {
    const options = evaluate(`import ./scripts/options-doc.nix { lib = ${LIB}; }`) as {
      loc: readonly string[];
      example?: { text: string };
    }[];
    const shown = options.filter(({ loc, example }) => loc[2] === "settings" && loc.length > 3 && example);
    expect(shown.length).toBeGreaterThan(7);
    for (const { loc, example } of shown) {
      const document = evaluate(`{ ${loc.slice(2).join(".")} = ${example?.text}; }`) as { settings: unknown };
      expect(parseSettings(document.settings), loc.join(".")).toMatchObject({ ok: true });
    }
  });

  it("shows its messages without a stray line, and with what to write", () => {
    const messages = said(
      `{ virtualisation.docker = { enable = false; autoPrune.enable = true; listenOptions = [ ]; extraOptions = "-g $D"; }; }
       { virtualisation.docker.daemon.settings.builder.gc = { policy = [ ]; defaultKeepStorage = "1GB"; }; }
       { services.ci-docker-prune.buildCacheLimits = { enable = true; reservedSpace = "30GB"; }; }
       { services.prometheus.exporters.node.extraFlags = [ "--collector.textfile.directory" "--collector.textfile.directory" ]; }
       ${settings('{ stateDir = "/x"; lockFile = "/tmp/a"; metrics.textfile = "/tmp/a.prom"; }')}`,
    );
    expect(messages.length).toBeGreaterThanOrEqual(12);
    for (const text of messages) {
      expect(text).toMatch(/^(services|virtualisation)\.[\w.-]+ (is|has|\()/);
      expect(text).not.toMatch(/\n\s|\n\n/);
      expect(text.trimEnd()).toMatch(/[.;`]$/);
    }
  });
});

describe.skipIf(libMissing !== null)(
  title("a wrong option ends the build with one message", libMissing),
  () => {
    const PRUNE = "services.ci-docker-prune";
    const STORE = `"/nix/store/${"0".repeat(32)}-lock"`;

    /** Option, what is written, what the message says to write. */
    const WRONG: readonly (readonly [option: string, value: string, expected: string])[] = [
      [`${PRUNE}.dates`, "7", '"daily" or "Mon 06:00"'],
      [`${PRUNE}.dates`, '"daily\\nhourly"', '"daily" or "Mon 06:00"'],
      [`${PRUNE}.randomizedDelaySec`, "45", '"45min"'],
      [`${PRUNE}.timeout`, '"2h\\nUser=root"', '"2h"'],
      [`${PRUNE}.persistent`, '"yes"', "boolean"],
      [`${PRUNE}.onFailure`, '[ "notify" ]', '"deploy.service"'],
      [`${PRUNE}.configureNodeExporter`, '"yes"', "boolean"],
      [`${PRUNE}.settings.lockFile`, "./lock", "written as a string"],
      [`${PRUNE}.settings.lockFile`, '"lock"', "absolute path outside the Nix store"],
      [`${PRUNE}.settings.lockFile`, STORE, "outside the Nix store"],
      [`${PRUNE}.settings.engine.socketPath`, "./docker.sock", "written as a string"],
      [`${PRUNE}.settings.metrics.textfile`, "./a.prom", "written as a string"],
      [`${PRUNE}.settings.disk.paths`, '"/srv"', "list of string"],
      [`${PRUNE}.settings.liveRuns.services`, '"^ci-"', "list of string"],
      [`${PRUNE}.buildCacheLimits.reservedSpace`, '"20%"', '"20GB"'],
    ];

    it.each(WRONG)("%s = %s", (option, value, expected) => {
      let message = "";
      try {
        host(`{ ${option} = ${value}; }`, "failed", "warnings", "settings", "units");
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain(option);
      expect(message).toContain(expected);
      expect(message.match(/^error:/gm)).toHaveLength(1);
    });

    it("one lock under two names that differ", () => {
      const both = `{ ${PRUNE} = { lockFile = "/run/a.lock"; settings.lockFile = "/run/b.lock"; }; }`;
      expect(() => host(both, "settings")).toThrow(/settings\.lockFile' has conflicting definition values/);
    });

    it("an option that does not exist is named, with what may have been meant", () => {
      expect(() => host(`{ ${PRUNE}.date = [ ]; }`, "failed")).toThrow(
        /`services\.ci-docker-prune\.date' does not exist[\s\S]*Did you mean `services\.ci-docker-prune\.dates'/,
      );
    });
  },
);

describe.skipIf(libMissing !== null)(title("the agent checks the settings at build time", libMissing), () => {
  /** Runs the very commands of the derivation, with the bundle in the package's place. */
  function build({ settings: document, settingsBuild }: Host) {
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

  const built = (text: string) => host(settings(text), "settings", "settingsBuild");

  it("good ones become the document, null as null", () => {
    const one = built(
      '{ disk.lowWatermark = null; snapshots.keepCount = null; liveRuns.presets = [ "drone" ]; }',
    );
    const { code, stderr, out } = build(one);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(readFileSync(out, "utf8"))).toEqual(one.settings);
    expect(one.settings).toMatchObject({ disk: { lowWatermark: null }, snapshots: { keepCount: null } });
  });

  const RULE = 'name = "a"; match.labels = [ "ci" ];';
  it.each([
    ['{ disk.pahts = [ "/" ]; }', "disk.pahts", "the keys here are: paths"],
    ["{ disk.paths = [ ]; }", "disk.paths", "at least one path"],
    ['{ disk.highWatermark = "101%"; }', "disk.highWatermark", '"80%"'],
    ['{ prune.until = "1 day"; }', "prune.until", '"24h"'],
    ["{ prune.until = null; }", "prune.until", '"24h"'],
    ['{ liveRuns.services = [ "(" ]; }', "liveRuns.services[0]", "a regular expression"],
    ['{ liveRuns.presets = [ "gitlab" ]; }', "liveRuns.presets[0]", "gitlab-runner"],
    ['{ metrics.textfile = "/run/m/a.txt"; }', "metrics.textfile", '".prom"'],
    [`{ retention = [ { ${RULE} olderThan = "0s"; } ]; }`, "retention[0].olderThan", 'a time from "1s"'],
    [`{ retention = [ { ${RULE} } ]; }`, "retention[0]", "a rule with a limit"],
    ["{ snapshots.foo = null; }", "snapshots.foo", "the keys here are: ttl, keepCount"],
  ])("%s", (text, key, expected) => {
    const { code, stderr } = build(built(text));
    expect(code).toBe(78);
    expect(stderr).toContain("services.ci-docker-prune.settings: 1 problem\n");
    expect(stderr).toContain(`  ${key}: found `);
    expect(stderr).toContain(expected);
  });
});

describe.skipIf(libMissing !== null)(title("what is shown to be copied", libMissing), () => {
  it.each(readdirSync(join(ROOT, "nix/examples")))(
    "nix/examples/%s: no complaint, and settings that the agent takes",
    (name) => {
      // Of the options it sets, those that this module has nothing to do with are passed over.
      const example = `./nix/examples/${name} { _module.check = false; }`;
      expect(said(example)).toEqual([]);
      expect(parseSettings(host(example, "settings").settings)).toMatchObject({ ok: true });
    },
  );

  it("nix/examples/worker-host.nix: tags of builds, snapshots of an older scheme, lost workers, every hour", () => {
    const { settings, units } = host("./nix/examples/worker-host.nix", "settings", "units");
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
    expect(units["ci-docker-prune.timer"]).toContain("OnCalendar=hourly\n");
  });

  const shown = readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md") && name !== "options.md")
    .flatMap((name) => {
      const page = readFileSync(join(ROOT, "docs", name), "utf8");
      const blocks = [...page.matchAll(/```nix\n(services\.ci-docker-prune[\s\S]*?)```/g)];
      return blocks.map(([, text = ""], index) => [name, index + 1, text] as const);
    });

  it.each(shown)(
    "docs/%s, block %i: no complaint, and settings that the agent takes",
    (_page, _block, text) => {
      const modules = `${text.includes("liveRuns") ? "" : RUNS} { ${text} }`;
      expect(said(modules)).toEqual([]);
      expect(parseSettings(host(modules, "settings").settings)).toMatchObject({ ok: true });
    },
  );

  it("was found in docs", () => {
    expect(shown.map(([name]) => name)).toEqual(expect.arrayContaining(["nixos.md", "retention.md"]));
  });
});

describe.skipIf(libMissing !== null)(title("docs/options.md", libMissing), () => {
  const page = readFileSync(join(ROOT, "docs/options.md"), "utf8");

  it("is what the module declares today (npm run docs:options)", () => {
    const env = { ...process.env, NIXPKGS_LIB };
    const { code, stdout, stderr } = run(process.execPath, ["scripts/options-doc.mjs", "--check"], { env });
    expect(code, stdout + stderr).toBe(0);
  });

  it("has a row for each option, none of it empty", () => {
    const rows = page.split("\n").filter((line) => line.startsWith("| `"));
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) {
      expect(row.split(/(?<!\\)\|/).slice(1, -1), row).toEqual(Array(4).fill(expect.stringMatching(/\S/)));
    }
  });
});
