import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { applyRegistries } from "../../../agent/auth/apply.ts";
import { parseRegistries } from "../../../agent/auth/registries.ts";
import { HUB } from "../../../agent/auth/servers.ts";
import { Exit } from "../../../agent/exit.ts";
import type { AuditEvent } from "../../../agent/log/events.ts";
import { testFolder } from "../folder.ts";
import { program } from "../program.ts";

const SECRET = "dckr_pat_Zm9vYmFy+/=ä";
const root = process.getuid?.() === 0;
let dir: string;
let target: string;
let events: AuditEvent[];

beforeEach(() => {
  dir = testFolder();
  target = join(dir, ".docker", "config.json");
  events = [];
  writeFileSync(join(dir, "pat"), `${SECRET}\n`);
});

function apply(registries: object = { "docker.io": { username: "alice", passwordFile: "pat" } }, more = {}) {
  const parsed = parseRegistries({ registries });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  events = [];
  const journal = { emit: (event: AuditEvent) => void events.push(event) };
  return applyRegistries(
    { journal, stateDir: join(dir, "state"), credentialsDirectory: dir, ...more },
    parsed.value,
    target,
  );
}

const stored = () => JSON.parse(readFileSync(target, "utf8"));
const mode = (path: string) => statSync(path).mode & 0o7777;
const put = (text: string, bits = 0o600) => {
  mkdirSync(join(dir, ".docker"), { recursive: true });
  writeFileSync(target, text);
  chmodSync(target, bits);
};
const names = () => events.map(({ event }) => event);
const reason = () => String(Object(events.at(-1)?.fields).reason);

describe("putting credentials in place", () => {
  it("makes folder and file for their owner alone, whatever the umask", () => {
    const before = process.umask(0);
    try {
      expect(apply()).toBe(Exit.ok);
    } finally {
      process.umask(before);
    }
    expect([mode(join(dir, ".docker")), mode(target)]).toEqual([0o700, 0o600]);
    expect(Buffer.from(stored().auths[HUB].auth, "base64").toString()).toBe(`alice:${SECRET}`);
    expect(names()).toEqual(["auth.applied"]);
    expect(readdirSync(join(dir, ".docker"))).toEqual(["config.json"]);
  });

  it("changes nothing the second time, not even the file's inode or time, and says so", () => {
    apply();
    const before = statSync(target, { bigint: true });
    expect(apply()).toBe(Exit.ok);
    const after = statSync(target, { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
    expect(names()).toEqual(["auth.unchanged"]);
  });

  it("follows a rotation of the secret", () => {
    apply();
    writeFileSync(join(dir, "pat"), "next");
    apply();
    expect(Buffer.from(stored().auths[HUB].auth, "base64").toString()).toBe("alice:next");
    expect(events[0]?.fields).toMatchObject({ added: [], changed: ["docker.io"] });
  });

  it.each([
    ["no newline", "s e", "s e"],
    ["one", "s\n", "s"],
    ["one of the other kind", "s\r\n", "s"],
    ["several", "s\n\n", "s"],
  ])("takes the secret without its trailing newline: %s", (_, text, secret) => {
    writeFileSync(join(dir, "pat"), text);
    apply();
    expect(Buffer.from(stored().auths[HUB].auth, "base64").toString()).toBe(`alice:${secret}`);
  });

  it("removes what it wrote once it is wanted no more, and never what it did not write", () => {
    put('{"auths":{"b.example":{"auth":"Yjp4"}},"credHelpers":{"c.example":"x"}}');
    apply();
    expect(apply({})).toBe(Exit.ok);
    expect(stored()).toEqual({ auths: { "b.example": { auth: "Yjp4" } }, credHelpers: { "c.example": "x" } });
    expect(events[0]?.fields).toMatchObject({ removed: ["docker.io"] });
    apply({});
    expect(names()).toEqual(["auth.unchanged"]);
  });

  it("remembers user names only", () => {
    apply();
    const text = readFileSync(join(dir, "state", "auth.json"), "utf8");
    expect(JSON.parse(text)).toEqual({ version: 1, owned: { [HUB]: { username: "alice" } } });
  });

  it("closes a file that others could read, also when nothing else is to change", () => {
    apply();
    chmodSync(target, 0o644);
    apply();
    expect([mode(target), names(), Object(events[0]?.fields).closedToOthers]).toEqual([
      0o600,
      ["auth.applied"],
      true,
    ]);
  });

  it.skipIf(!root)("keeps the owner of an existing file", () => {
    put("{}", 0o640);
    chownSync(target, 4711, 4712);
    apply();
    const { uid, gid } = statSync(target);
    expect([uid, gid, mode(target)]).toEqual([4711, 4712, 0o600]);
  });

  it("warns by name of a helper that the client asks instead", () => {
    put('{"credsStore":"secretservice"}');
    expect(apply()).toBe(Exit.ok);
    expect(events[0]).toMatchObject({
      event: "auth.shadowed",
      level: "warn",
      fields: { registry: "docker.io", by: "credsStore", helper: "secretservice" },
    });
  });

  it("goes on where the state cannot be written, and says so", () => {
    writeFileSync(join(dir, "state"), "a file");
    expect(apply()).toBe(Exit.ok);
    expect(names()).toEqual(["state.unwritable", "auth.applied"]);
  });

  it("clears away what a killed run left beside the file", () => {
    put("{}");
    const { pid = 0 } = spawnSync("true");
    for (const name of [".config.json.ci-docker-auth", `.config.json.${pid}-a1.new`])
      writeFileSync(join(dir, ".docker", name), "half");
    apply();
    expect(readdirSync(join(dir, ".docker"))).toEqual(["config.json"]);
  });
});

describe("beside others", () => {
  /**
   * A process of its own, since it changes a module of node's: whenever the run has written its new file, and before it
   * looks whether the old one is still what it read, somebody else is faster. First another run, then three logins.
   */
  const PROGRAM = `
    const fs = require("node:fs");
    const [, , dir, target] = process.argv;
    const run = (name) => {
      const parsed = parseRegistries({ registries: { [name]: { username: "alice", passwordFile: "pat" } } });
      const ports = { journal: { emit() {} }, stateDir: dir + "/state-" + name, credentialsDirectory: dir };
      return applyRegistries(ports, parsed.value, target);
    };
    const login = (name) => {
      const document = JSON.parse(fs.readFileSync(target, "utf8"));
      document.auths = { ...document.auths, [name]: {} };
      fs.writeFileSync(target + ".tmp", JSON.stringify(document));
      fs.renameSync(target + ".tmp", target);
    };
    const others = [() => run("b.example"), ...["x", "y", "z"].map((name) => () => login(name))];
    const { fsyncSync } = fs;
    let within = false;
    fs.fsyncSync = (fd) => {
      fsyncSync(fd);
      if (within) return;
      within = true;
      others.shift()?.();
      within = false;
    };
    const { applyRegistries } = require("./agent/auth/apply.ts");
    const { parseRegistries } = require("./agent/auth/registries.ts");
    process.exit(run("a.example"));`;

  it("nothing that they write meanwhile is lost: another run, and logins", () => {
    put('{"auths":{"before":{}},"credHelpers":{"h.example":"x"}}');
    const { status, stderr } = spawnSync(process.execPath, [program(PROGRAM), dir, target], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const { auths, credHelpers } = stored();
    expect(Object.keys(auths).sort()).toEqual(["a.example", "b.example", "before", "x", "y", "z"]);
    expect(credHelpers).toEqual({ "h.example": "x" });
  });
});

describe("what cannot be done leaves everything as it was", () => {
  const two = {
    "docker.io": { username: "alice", passwordFile: "pat" },
    "b.example": { username: "bob", passwordFile: "other" },
  };

  it.each([
    ["an empty secret", "", /b\.example \(other\): the file is empty/],
    ["nothing but newlines", "\n\n", /the file is empty/],
    ["blanks", "  \n", /the file is empty/],
    ["two lines", "a\nb\n", /more than one line/],
    ["a NUL", "a\0b", /cannot be seen/],
    ["what a page adds to a pasted token", "tok\u200b", /cannot be seen/],
    ["a line end of other systems", "tok\u0085", /cannot be seen/],
    ["bytes that are no text", Buffer.from([0xff, 0xfe]), /not UTF-8/],
    ["a whole disk image", Buffer.alloc(65 * 1024, "a"), /larger than 64.0 KiB/],
  ])("%s", (_, content, why) => {
    put("{}");
    writeFileSync(join(dir, "other"), content);
    expect(apply(two)).toBe(Exit.settings);
    expect(names()).toEqual(["auth.failed"]);
    expect(reason()).toMatch(why);
    expect([readFileSync(target, "utf8"), existsSync(join(dir, "state"))]).toEqual(["{}", false]);
  });

  it("a secret that is not there, with its name", () => {
    expect(apply(two)).toBe(Exit.settings);
    expect(reason()).toMatch(/b\.example \(other\): ENOENT/);
    expect(existsSync(target)).toBe(false);
  });

  it("a credential by name where systemd hands over none", () => {
    expect(apply(undefined, { credentialsDirectory: undefined })).toBe(Exit.settings);
    expect(reason()).toContain("$CREDENTIALS_DIRECTORY is not set");
  });

  it.each(['{"auths": {"x": {"auth": "hunter2"}', "[]", "hunter2"])(
    "a file that is not the client's: %s",
    (text) => {
      put(text, 0o644);
      const before = statSync(target);
      expect(apply()).toBe(Exit.settings);
      const after = statSync(target);
      expect([readFileSync(target, "utf8"), after.ino, after.mtimeMs, after.mode]).toEqual([
        text,
        before.ino,
        before.mtimeMs,
        before.mode,
      ]);
      expect(reason()).toContain(`${target} is left as it is: it is `);
      expect(reason()).not.toContain("hunter2");
    },
  );

  it("a file behind a link, which somebody else keeps", () => {
    mkdirSync(join(dir, ".docker"));
    writeFileSync(join(dir, "rendered"), "{}");
    symlinkSync(join(dir, "rendered"), target);
    expect(apply()).toBe(Exit.settings);
    expect(readFileSync(join(dir, "rendered"), "utf8")).toBe("{}");
    expect(reason()).toContain("symbolic link");
  });

  it.runIf(root)("a folder that its user made a link to one of root's", () => {
    mkdirSync(join(dir, "victim"));
    chmodSync(join(dir, "victim"), 0o755);
    symlinkSync(join(dir, "victim"), join(dir, ".docker"));
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toMatch(/\.docker is a symbolic link/);
    expect([mode(join(dir, "victim")), readdirSync(join(dir, "victim"))]).toEqual([0o755, []]);
  });

  it.runIf(root)("a folder that is neither root's nor the file's owner's", () => {
    put("{}");
    chownSync(target, 1111, 1111);
    chownSync(join(dir, ".docker"), 2222, 2222);
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toMatch(/belongs to another user \(2222\)/);
    expect(readFileSync(target, "utf8")).toBe("{}");
  });

  it.each([
    ["a secret", () => [rmSync(join(dir, "pat")), execFileSync("mkfifo", [join(dir, "pat")])]],
    ["the client's file", () => [mkdirSync(join(dir, ".docker")), execFileSync("mkfifo", [target])]],
  ])("%s that is a FIFO: it is not waited for", (_, make) => {
    make();
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toMatch(/is a FIFO, not a file/);
  });

  it.each([
    [
      "keys twice, of which Go reads both",
      '{"auths":{"ghcr.io":{}},"auths":{"quay.io":{}}}',
      /at auths, expected one value/,
    ],
    ["a number that would be another", '{"x":{"n":12345678901234567890}}', /at x\.n, expected a number/],
    [
      "a key in another case, which Go reads too",
      '{"Auths":{}}',
      /"Auths" is to be written in the usual case/,
    ],
  ])("a file with %s", (_, text, why) => {
    put(text);
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toMatch(why);
    expect(readFileSync(target, "utf8")).toBe(text);
  });

  it("a file with a second name, which would be cut off", () => {
    put("{}");
    linkSync(target, join(dir, "second"));
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toContain("hard links");
  });

  it("a folder in the file's place", () => {
    mkdirSync(target, { recursive: true });
    expect(apply()).toBe(Exit.settings);
    expect(reason()).toMatch(/is a folder, not a file/);
  });

  it("a folder that cannot be made", () => {
    writeFileSync(join(dir, ".docker"), "");
    expect(apply()).toBe(Exit.incomplete);
    expect(names()).toEqual(["auth.failed"]);
  });
});
