/** scripts/setup.mjs interrupted while apt-get installs; apt-get is a fake, and /usr/sbin a private copy. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { findTool } from "../../support/engines.ts";
import { testFolder } from "../folder.ts";

const SETUP = fileURLToPath(new URL("../../../scripts/setup.mjs", import.meta.url));
const missing = process.getuid?.() !== 0 || findTool("unshare") === undefined;

/** $1: scratch folder, $2: node, $3: setup.mjs. Hides jq, so that there is something to install. */
const IN_PRIVATE = `set -e
mount -t tmpfs tmpfs "$1/overlay"
mkdir "$1/overlay/up" "$1/overlay/work"
mount -t overlay -o "lowerdir=/usr/sbin,upperdir=$1/overlay/up,workdir=$1/overlay/work" overlay /usr/sbin
rm -f /usr/sbin/policy-rc.d
for tool in $(which -a jq); do mount --bind "$1/empty" "$tool"; done
"$2" "$3" &
echo $! >"$1/pid"
wait $! || echo $? >"$1/code"
[ ! -e /usr/sbin/policy-rc.d ] || touch "$1/left"`;

describe.skipIf(missing).concurrent("a set-up that is interrupted", () => {
  it.for([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("by %s lets services start again", async ([signal, code], { onTestFinished }) => {
    const dir = testFolder(onTestFinished);
    const file = (name: string) => join(dir, name);
    const read = (name: string) => readFileSync(file(name), "utf8").trim();
    for (const name of ["overlay", "bin"]) mkdirSync(file(name));
    writeFileSync(file("empty"), "");
    const fake = (name: string, line: string) =>
      writeFileSync(file(`bin/${name}`), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    const installing = `cp /usr/sbin/policy-rc.d ${dir}/new && mv ${dir}/new ${dir}/policy && exec sleep 60`;
    fake("apt-get", `case "$*" in *install*) ${installing};; esac`);
    fake("apt-cache", "exit 1");
    const child = spawn(
      "unshare",
      ["--mount", "--propagation", "private", "sh", "-c", IN_PRIVATE, "sh", dir, process.execPath, SETUP],
      { env: { ...process.env, PATH: `${file("bin")}:${process.env.PATH}` }, stdio: "ignore" },
    );
    const ended = once(child, "exit");
    await vi.waitUntil(() => existsSync(file("policy")), { timeout: 10_000, interval: 20 });
    expect(read("policy")).toContain("exit 101"); // none may start now
    process.kill(Number(read("pid")), signal);
    await ended;
    expect([read("code"), existsSync(file("left"))]).toEqual([String(code), false]);
  });
});
