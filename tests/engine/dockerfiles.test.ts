// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
/**
 * What the label guard says of a Dockerfile, held against the labels of the image that an engine makes of it; and
 * `dockerfiles check` as users run it, with files that are none, too.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { checkDockerfile, parseWanted } from "../../agent/dockerfiles/check.ts";
import { BUNDLE, copyBundle, scratchDir } from "../support/agent.ts";
import { CiHost } from "../support/ci-host.ts";
import { DOCKERFILES, type DockerfileCase } from "../support/dockerfiles.ts";
import { engine, onEngine } from "../support/engine-under-test.ts";

/** So many Dockerfiles of random lines. */
const RANDOM = 20;

/** A label that no image here has. */
const ABSENT = "absent.from=all";

let cwd: string;

function check(args: readonly string[], input: string | Buffer = "", uid?: number) {
  const bundle = uid === undefined ? BUNDLE : copyBundle();
  const { status, stdout, stderr } = spawnSync(process.execPath, [bundle, "dockerfiles", "check", ...args], {
    cwd,
    input,
    env: { PATH: process.env.PATH ?? "" },
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return { code: status, stdout, stderr };
}

beforeAll(() => {
  cwd = scratchDir();
});

onEngine("dockerfiles check against the images", () => {
  let host: CiHost;

  beforeAll(async () => {
    host = await CiHost.start({ name: "dockerfiles", swarm: false });
  });
  afterAll(async () => {
    await host?.stop();
  });

  /** The labels of the image; null where the builder refuses the file. */
  async function truth(row: Pick<DockerfileCase, "text" | "buildArgs" | "target">, buildkit: boolean) {
    const { text, buildArgs, target } = row;
    let id: string;
    try {
      id = await host.buildImage({
        dockerfile: text,
        buildkit,
        ...(buildArgs === undefined ? {} : { buildArgs }),
        ...(target === undefined ? {} : { target }),
      });
    } catch {
      // Refused, and not the engine gone.
      await host.docker.ping();
      return null;
    }
    const { Config } = await host.docker.getImage(id).inspect();
    return (Config.Labels ?? {}) as Record<string, string>;
  }

  /** For each of these labels: does it say that it is there, and that it has no other value? */
  function verdicts(
    { text, buildArgs = {}, target }: Pick<DockerfileCase, "text" | "buildArgs" | "target">,
    labels: Readonly<Record<string, string>>,
  ) {
    const names = Object.keys(labels);
    const wanted = names.flatMap((name) => [`${name}=${labels[name]}`, `${name}=other than ${labels[name]}`]);
    return checkDockerfile(
      text,
      [...wanted, ABSENT].map((label) => parseWanted(label)!),
      { buildArgs: new Map(Object.entries(buildArgs)), target: target ?? null },
    );
  }

  // None of them is a file with ARGs and nothing else: dockerd 20.10 and 26.1 crash when BuildKit gets one.
  const rows = DOCKERFILES.filter(({ by }) => by !== "recent" || Number.parseInt(engine, 10) >= 28);

  it.each(rows)("$name", async (row) => {
    for (const buildkit of row.by === undefined ? [true, false] : [true]) {
      expect({ buildkit, labels: await truth(row, buildkit) }).toEqual({ buildkit, labels: row.labels });
    }
    const findings = verdicts(row, row.labels ?? {});
    if (row.labels === null) {
      expect(findings).toEqual([
        { ok: false, line: expect.any(Number), label: null, message: expect.any(String) },
      ]);
      return;
    }
    const untold = row.untold ?? [];
    const expected = Object.entries(row.labels).flatMap(([name, value]) => [
      { label: `${name}=${value}`, ok: !untold.includes(name) },
      { label: `${name}=other than ${value}`, ok: false },
    ]);
    expect(findings.map(({ label, ok }) => ({ label, ok }))).toEqual([
      ...expected,
      { label: ABSENT, ok: false },
    ]);
  });

  it("random ones", async () => {
    const VALUES = [
      ...[
        "v",
        '"v w"',
        "'v w'",
        "$X",
        '"$X"',
        "'$X'",
        "${X:-d}",
        "${N:-d}",
        "${N:+y}",
        "${X:+y}",
        "a\\ b",
        '"a\\"b"',
      ],
      ...[
        "\\$X",
        '"\\$X"',
        "${X}x",
        "",
        '""',
        "a=b",
        "a\\\\",
        "<<EOF",
        "'a'\"b\"c",
        '"a\'b"',
        "${X:-${Y}}",
        "'\\'",
      ],
      ...["a\\\nb", '"a \\\n b"'],
    ];
    const NAMES = ["a", "b", "c.d", '"q k"', "a$Y", "'s k'"];
    const SPACES = [" ", "  ", "\t", " \\\n", " \\  \n  ", " \\\n# comment \\\n ", " \\\n\n "];
    const among = (items: readonly string[]) => fc.constantFrom(...items);
    const pair = fc.tuple(among(NAMES), among(VALUES)).map((parts) => parts.join("="));
    const assignment = fc.tuple(among(["X", "Y", "Z"]), among(VALUES)).map((parts) => parts.join("="));
    const words = (word: fc.Arbitrary<string>) =>
      fc
        .array(fc.tuple(among(SPACES), word), { minLength: 1, maxLength: 3 })
        .map((parts) => parts.flat().join(""));
    const instruction = fc.oneof(
      { weight: 6, arbitrary: words(pair).map((rest) => `LABEL${rest}`) },
      fc.tuple(among(NAMES), among(VALUES), among(VALUES)).map((parts) => `label ${parts.join(" ")}`),
      { weight: 2, arbitrary: words(assignment).map((rest) => `ENV${rest}`) },
      { weight: 2, arbitrary: assignment.map((word) => `ARG ${word}`) },
      pair.map((word) => `ONBUILD LABEL ${word}`),
      among(["# LABEL z=comment \\", "", "CMD cat <<EOF"]),
      ...(engine === "20.10"
        ? []
        : [among(["COPY <<EOF /f\nLABEL z=heredoc \\\nEOF", "COPY <<A <<-B /d/\nB\nA\n\tB"])]),
    );
    const stage = fc.record({
      from: fc.nat(2),
      instructions: fc.array(instruction, { minLength: 1, maxLength: 6 }),
    });
    const dockerfile = fc
      .tuple(fc.array(stage, { minLength: 1, maxLength: 3 }), among(["\n", "\r\n"]))
      .map(([stages, end]) =>
        stages
          .map(({ from, instructions }, index) =>
            [`FROM ${from < index ? `s${from}` : "scratch"} AS S${index}`, ...instructions, ""].join("\n"),
          )
          .join("")
          .replaceAll("\n", end),
      );
    let built = 0;
    await fc.assert(
      fc.asyncProperty(dockerfile, async (text) => {
        const all = await truth({ text }, true);
        if (all === null) return;
        built++;
        // A name with = in it cannot be asked for.
        const labels = Object.fromEntries(Object.entries(all).filter(([name]) => !name.includes("=")));
        const findings = verdicts({ text }, labels);
        const expected = [...Object.keys(labels).flatMap(() => [true, false]), false];
        expect(findings.map(({ ok }) => ok)).toEqual(expected);
      }),
      { seed: 5, numRuns: RANDOM },
    );
    expect(built).toBeGreaterThan(RANDOM / 2);
  });
});

describe("dockerfiles check", () => {
  const GOOD = "FROM scratch\nLABEL cascade.managed=true\n";
  const GUARD = ["--label", "cascade.managed=true"];
  const put = (name: string, text: string | Buffer = GOOD) => {
    writeFileSync(join(cwd, name), text);
    return name;
  };

  it("every file is right: a line each, 0", () => {
    const files = [put("Dockerfile"), put("Dockerfile.worker", `FROM debian:13 AS run\n${GOOD.slice(13)}`)];
    expect(check([...GUARD, ...files])).toEqual({
      code: 0,
      stdout:
        "Dockerfile:2: the final stage carries cascade.managed=true\n" +
        "Dockerfile.worker:2: stage run carries cascade.managed=true\n",
      stderr: "",
    });
  });

  it("every file is told, not only the first that is wrong: 65", () => {
    mkdirSync(join(cwd, "folder"));
    symlinkSync("nowhere", join(cwd, "dangling"));
    const files = [
      ...[
        put("good"),
        "missing",
        "folder",
        "dangling",
        put("empty", ""),
        put("base", "FROM debian:13\nRUN true\n"),
      ],
      ...[put("other", "FROM scratch\n\nLABEL cascade.managed=false\n"), put("last")],
    ];
    const { code, stdout, stderr } = check([...GUARD, ...files]);
    expect({ code, stderr }).toEqual({ code: 65, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toEqual([
      "good:2: the final stage carries cascade.managed=true",
      "missing: cannot be read: ENOENT",
      "folder: is a folder, not a file",
      "dangling: cannot be read: ENOENT",
      "empty:1: it has no FROM",
      "base:1: the final stage carries no label cascade.managed; labels of the base image debian:13 are not read",
      'other:3: label cascade.managed is "false", not "true"',
      "last:2: the final stage carries cascade.managed=true",
    ]);
  });

  it("--json: one document with the same", () => {
    const { code, stdout, stderr } = check([
      ...GUARD,
      "--label",
      "x",
      "--json",
      put("Dockerfile"),
      "missing",
    ]);
    expect({ code, stderr }).toEqual({ code: 65, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      labels: ["cascade.managed=true", "x"],
      files: [
        {
          path: "Dockerfile",
          ok: false,
          findings: [
            {
              ok: true,
              line: 2,
              label: "cascade.managed=true",
              message: "the final stage carries cascade.managed=true",
            },
            { ok: false, line: 1, label: "x", message: "the final stage carries no label x" },
          ],
        },
        {
          path: "missing",
          ok: false,
          findings: [{ ok: false, line: null, label: null, message: "cannot be read: ENOENT" }],
        },
      ],
    });
  });

  it("options may be given more than once, and a file may be called like one", () => {
    const text = "ARG A\nARG B\nFROM scratch AS one\nARG A\nARG B\nLABEL a=$A b=$B\nFROM scratch\n";
    put("--label", text);
    put("007", text);
    const args = [
      "--label",
      "a=1",
      "--build-arg",
      "A=1",
      "--target",
      "one",
      "007",
      "--label",
      "b=x=y",
      "--build-arg=B=x=y",
    ];
    expect(check([...args, "--", "--label"])).toEqual({
      code: 0,
      stdout: ["007", "--label"]
        .flatMap((name) => [`${name}:6: stage one carries a=1\n`, `${name}:6: stage one carries b=x=y\n`])
        .join(""),
      stderr: "",
    });
  });

  it("- is standard input, among others", () => {
    const { code, stdout } = check([...GUARD, put("Dockerfile"), "-"], "FROM scratch\n");
    expect({ code, stdout }).toEqual({
      code: 65,
      stdout:
        "Dockerfile:2: the final stage carries cascade.managed=true\n" +
        "-:1: the final stage carries no label cascade.managed\n",
    });
  });

  it.each([
    ["no file", GUARD, "name the Dockerfiles to check"],
    ["no label", ["Dockerfile"], "Missing required argument: label"],
    ["a label without a name", ["--label", "=true", "Dockerfile"], "--label takes NAME=VALUE, or NAME"],
    ["an empty label", ["--label", "", "Dockerfile"], "--label takes NAME=VALUE, or NAME"],
    ["a label option without a label", ["Dockerfile", "--label"], "Not enough arguments following: label"],
    [
      "a build argument without a value",
      [...GUARD, "--build-arg", "A", "Dockerfile"],
      "--build-arg takes NAME=VALUE",
    ],
    ["two targets", [...GUARD, "--target", "a", "--target", "b", "Dockerfile"], "--target may be given once"],
    [
      "an option that is none",
      [...GUARD, "--labels", "x", "Dockerfile"],
      "Unknown argument: labels. Did you mean --label?",
    ],
  ])("%s is wrong usage: 64", (_, args, complaint) => {
    put("Dockerfile");
    expect(check(args)).toEqual({
      code: 64,
      stdout: "",
      stderr: `ci-docker-prune: ${complaint}\nTry: ci-docker-prune --help\n`,
    });
  });

  it("a binary file is no Dockerfile", () => {
    const bytes = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff, 0xfe, 10, 0x1b, 0x5b, 0x32, 0x4a]);
    expect(check([...GUARD, put("elf", bytes), put("utf16", Buffer.from(GOOD, "utf16le"))])).toEqual({
      code: 65,
      stdout: "elf:1: not a text: it holds a NUL character\nutf16:1: not a text: it holds a NUL character\n",
      stderr: "",
    });
  });

  it("bytes that are no UTF-8 in a comment do no harm", () => {
    const latin1 = Buffer.concat([Buffer.from("# caf"), Buffer.from([0xe9]), Buffer.from(`\n${GOOD}`)]);
    expect(check([...GUARD, put("latin1", latin1)]).code).toBe(0);
  });

  it("a file of 5 MB, and one without an end, are not read to their end", () => {
    const big = put("big", GOOD.repeat(150_000));
    execFileSync("mkfifo", [join(cwd, "endless")]);
    const yes = spawn("sh", ["-c", "exec yes >endless"], { cwd, stdio: "ignore" });
    onTestFinished(() => void yes.kill("SIGKILL"));
    const { code, stdout } = check([...GUARD, big, "endless", "/dev/zero"]);
    expect({ code, stdout }).toEqual({
      code: 65,
      stdout:
        "big: is larger than 1.0 MiB: not a Dockerfile\nendless: is larger than 1.0 MiB: not a Dockerfile\n" +
        "/dev/zero: is a device, not a file\n",
    });
    // Half of what is allowed, and all of it read.
    expect(check([...GUARD, put("long", `${"# a comment\n".repeat(40_000)}${GOOD}`)])).toEqual({
      code: 0,
      stdout: "long:40002: the final stage carries cascade.managed=true\n",
      stderr: "",
    });
  });

  it("hostile names and contents reach the terminal as escapes only", () => {
    const evil = "\u001b[2J\u202e\u0007\u009b";
    put(`bad\n${evil}`, `FROM scratch AS a\nLABEL "x${evil}"="${evil}" cascade.managed=${evil}\n`);
    put("stage", `FROM ${evil}\n`);
    put("word", `FROM scratch\nLABEL a=b ${evil}\n`);
    put("keyword", `FROM scratch\n${evil}\n`);
    const args = [
      ...GUARD,
      "--label",
      `x${evil}=y`,
      `bad\n${evil}`,
      "stage",
      "word",
      "keyword",
      `missing\n${evil}`,
    ];
    for (const more of [[], ["--json"], ["--target", evil]]) {
      const { code, stdout, stderr } = check([...args, ...more]);
      expect({ code, stderr }).toEqual({ code: 65, stderr: "" });
      expect(stdout).toContain(
        "\\u001b[2J\\u202e\\u0007\\u009b".replaceAll("\\", more[0] === "--json" ? "\\\\" : "\\"),
      );
      expect(stdout.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    }
    expect(check(args).stdout.trimEnd().split("\n")).toHaveLength(7);
    const { code, stderr } = check([...GUARD, `--${evil}`, "Dockerfile"]);
    expect(code).toBe(64);
    expect(stderr.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  });

  it("a long value is cut where it is shown", () => {
    const { stdout } = check([
      ...GUARD,
      put("wide", `FROM scratch\nLABEL cascade.managed=${"x".repeat(60_000)}\n`),
    ]);
    expect(stdout.length).toBeLessThan(400);
  });

  it.skipIf(process.getuid?.() !== 0)("a file that may not be read is told as that", () => {
    chmodSync(cwd, 0o755);
    const NOBODY = 65_534;
    chmodSync(join(cwd, put("secret")), 0o600);
    expect(check([...GUARD, "secret"], "", NOBODY)).toEqual({
      code: 65,
      stdout: "secret: cannot be read: EACCES\n",
      stderr: "",
    });
  });
});
