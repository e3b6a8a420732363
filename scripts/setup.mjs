#!/usr/bin/env node
/**
 * Gets a Debian machine ready for the demo, the tests and the benchmarks. As root it installs the missing
 * packages; otherwise it says what is missing and what will be skipped. With --engines it also builds the root
 * file systems of the newer Docker engines (see tests/support/engines.ts), with --monitoring it installs a browser.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const engines = process.argv.includes("--engines");
/** What ends a set-up before its time: Ctrl-C, a CI job's end, a closed terminal. */
const SIGNALS = /** @type {NodeJS.Signals[]} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** Program -> Debian package. */
const NEEDED = {
  dockerd: "docker.io",
  docker: "docker.io",
  busybox: "busybox-static",
  iptables: "iptables",
  "mkfs.ext4": "e2fsprogs",
  mount: "mount",
  losetup: "mount",
  unshare: "util-linux",
  nsenter: "util-linux",
  fallocate: "util-linux",
  ip: "iproute2",
  "nix-instantiate": "nix-bin",
  "systemd-analyze": "systemd",
  jq: "jq",
  mmdebstrap: "mmdebstrap",
  "docker-registry": "docker-registry",
  htpasswd: "apache2-utils",
  openssl: "openssl",
  promtool: "prometheus",
  prometheus: "prometheus",
  "prometheus-node-exporter": "prometheus-node-exporter",
  // Draws the pictures in docs/monitoring.
  ...(process.argv.includes("--monitoring") ? { chromium: "chromium", faketime: "faketime" } : {}),
};

/** @param {string} tool */
function find(tool) {
  const dirs = (process.env.PATH ?? "")
    .split(delimiter)
    .concat("/usr/local/sbin", "/usr/sbin", "/sbin", "/bin");
  for (const dir of dirs) {
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return join(dir, tool);
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

/** Containers without a C library need the static busybox: it names no dynamic loader. */
function haveStaticBusybox() {
  return ["/bin/busybox", "/usr/bin/busybox"].some((path) => {
    if (!existsSync(path)) return false;
    return !readFileSync(path).subarray(0, 4096).includes("/ld-");
  });
}

/** Names of the missing programs. */
function missingTools() {
  return Object.keys(NEEDED).filter((tool) => (tool === "busybox" ? !haveStaticBusybox() : !find(tool)));
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Runs apt-get to its end. @param {string[]} args */
async function apt(args, /** @type {AbortSignal} */ signal) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const child = spawn("apt-get", ["-qq", ...args], {
    env,
    signal,
    timeout: 600_000,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.on("error", () => {}); // told by its exit
  const [code] = await once(child, "close");
  return { code, stderr };
}

/**
 * Installs the packages of the missing programs without starting any service. Returns an error text or "". A signal
 * ends it, and then this program.
 */
async function install(/** @type {string[]} */ missing) {
  const stop = new AbortController();
  const onSignal = (/** @type {NodeJS.Signals} */ name) => stop.abort(name);
  for (const name of SIGNALS) process.on(name, onSignal);
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  try {
    const updated = await apt(["update"], stop.signal);
    const packages = new Set(missing.map((tool) => NEEDED[/** @type {keyof typeof NEEDED} */ (tool)]));
    // Newer Debian releases ship the client as a package of its own.
    const split = spawnSync("apt-cache", ["show", "docker-cli"], { stdio: "ignore" }).status === 0;
    if (missing.includes("docker") && split) packages.add("docker-cli");
    if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    const done = await apt(["install", "-y", "--no-install-recommends", ...packages], stop.signal);
    if (done.code === 0) return "";
    return `${updated.stderr}${done.stderr}`.trim().slice(-600) || "apt-get did not finish";
  } finally {
    if (ours) rmSync(policy, { force: true });
    for (const name of SIGNALS) process.off(name, onSignal);
    if (stop.signal.aborted) process.kill(process.pid, stop.signal.reason);
  }
}

/** Builds what is missing of the newer engines; what cannot be built is named and will be skipped. */
async function buildEngines() {
  // The same place as engineCacheDir() in tests/support/engines.ts; all there: no need to load that.
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const cache = process.env.CDP_ENGINE_CACHE || join(base, "ci-docker-prune", "engines");
  const versions = ["26.1", "28.5"].map((name) => {
    const note = join(cache, name, "version");
    return existsSync(note) && readFileSync(note, "utf8").startsWith(`${name}.`);
  });
  if (versions.every(Boolean)) return;
  const { build } = await import("esbuild");
  const out = await build({
    entryPoints: [join(here, "../tests/support/engines.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
  });
  const code = Buffer.from(out.outputFiles[0].contents).toString("base64");
  /** @type {typeof import("../tests/support/engines.ts")} */
  const support = await import(`data:text/javascript;base64,${code}`);
  for (const name of support.ROOTFS_NAMES) {
    try {
      if (support.ensureRootfs(name)) say(`built Docker engine ${name} in ${support.engineCacheDir()}`);
      const available = support.engineAvailable(name);
      if (!available.ok) say(`engine ${name} will be skipped: ${available.reason}`);
    } catch (error) {
      say(`engine ${name} will be skipped: ${/** @type {Error} */ (error).message}`);
    }
  }
}

async function main() {
  if (!existsSync(join(here, "../node_modules"))) {
    say("nothing can work yet: run npm ci first.");
    return 1;
  }
  let missing = missingTools();
  const root = process.getuid?.() === 0;
  const debian = existsSync("/etc/debian_version") && find("apt-get") !== undefined;
  if (missing.length > 0 && root && debian) {
    say(`installing what provides ${missing.join(", ")}`);
    const trouble = await install(missing);
    missing = missingTools();
    if (trouble !== "" && missing.length > 0) say(`apt-get failed: ${trouble}`);
  }
  if (missing.length > 0) say(`missing programs: ${missing.join(", ")}.`);
  if (missing.length > 0 || !root) {
    const why = root ? "" : " (they need root for mounts and namespaces)";
    say(`The demo, the engine tests and the benchmarks will be skipped${why}; the unit tests run.`);
  } else if (engines) await buildEngines();
  return 0;
}

process.exitCode = await main();
