/**
 * The Docker engines the tests run against: the machine's own dockerd, and newer ones that live in small
 * Debian root file systems, in a cache outside the checkout. Those that a Debian suite has are built once with
 * mmdebstrap; any other is used when `<cache>/<version>/rootfs` is there.
 *
 * On purpose it needs nothing but Node's own modules: scripts/setup.mjs bundles it with esbuild.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { buildRootfs } from "./debian-rootfs.ts";

/** The machine's own dockerd, whichever version that is. */
export const MACHINE_ENGINE = "20.10";

/** The engine that CDP_ENGINE names, else the machine's own. */
export function defaultEngine(): string {
  return process.env.CDP_ENGINE || MACHINE_ENGINE;
}

/** Debian suite whose docker.io package holds the engine. */
const SUITES = { "26.1": "trixie", "28.5": "sid" } as const;

/** A root file system that {@link ensureRootfs} can build. */
export type RootfsName = keyof typeof SUITES;

/** All root file systems that can be built, oldest engine first. */
export const ROOTFS_NAMES: readonly RootfsName[] = ["26.1", "28.5"];

/** Engines with a root file system: those built here, and one that no Debian suite has. */
const KNOWN: readonly string[] = [...ROOTFS_NAMES, "29"];

const CONTAINERD = "-containerd";

/** Programs without which no CI host can be started. */
export const HOST_TOOLS: readonly string[] = [
  "dockerd",
  "mkfs.ext4",
  "mount",
  "unshare",
  "setpriv",
  "nsenter",
  "ip",
];

/** Answer of {@link engineAvailable}; `reason` is one English sentence. */
export type Availability = { ok: true } | { ok: false; reason: string };

/** Full path of a program, looked up in PATH and the sbin directories; undefined when it is missing. */
export function findTool(tool: string): string | undefined {
  const dirs = (process.env.PATH ?? "").split(delimiter).concat("/usr/local/sbin", "/usr/sbin", "/sbin");
  for (const dir of dirs) {
    if (dir === "") continue;
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return join(dir, tool);
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

/** Directory that holds the cached root file systems (CDP_ENGINE_CACHE, else the XDG cache directory). */
export function engineCacheDir(): string {
  const own = process.env.CDP_ENGINE_CACHE;
  if (own !== undefined && own !== "") return own;
  const xdg = process.env.XDG_CACHE_HOME;
  const base = xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache");
  return join(base, "ci-docker-prune", "engines");
}

/**
 * All engine names, oldest first: {@link MACHINE_ENGINE}, the known ones, and whatever `<version>/rootfs` the cache
 * holds; from 28 on each also with "-containerd", its containerd image store (an experiment in earlier versions).
 */
export function engineNames(): string[] {
  const cached = existsSync(engineCacheDir()) ? readdirSync(engineCacheDir()) : [];
  const made = cached.filter((name) => /^\d+(\.\d+)*$/.test(name) && existsSync(rootfsDir(name)));
  const versions = [...new Set([...KNOWN, ...made])].sort(
    (a, b) => Number.parseFloat(a) - Number.parseFloat(b),
  );
  const both = (version: string) =>
    Number.parseInt(version, 10) < 28 ? [version] : [version, version + CONTAINERD];
  return [MACHINE_ENGINE, ...versions.flatMap(both)];
}

/** True for an engine that keeps its images in containerd's store. */
export function usesContainerdStore(engine: string): boolean {
  return engine.endsWith(CONTAINERD);
}

/** Path of the root file system that an engine runs in (whether or not it is there); undefined for the machine's own dockerd. */
export function rootfsOf(engine: string): string | undefined {
  return engine === MACHINE_ENGINE ? undefined : rootfsDir(versionOf(engine));
}

/** The engine's name without its image store. */
export function versionOf(engine: string): string {
  return usesContainerdStore(engine) ? engine.slice(0, -CONTAINERD.length) : engine;
}

function rootfsDir(version: string): string {
  return join(engineCacheDir(), version, "rootfs");
}

/** Says whether an engine can be started here and now; touches nothing. */
export function engineAvailable(engine: string): Availability {
  const no = (reason: string): Availability => ({ ok: false, reason });
  if (process.platform !== "linux") return no("a CI host needs Linux");
  if (process.getuid?.() !== 0) return no("a CI host needs root (mounts and namespaces)");
  const rootfs = rootfsOf(engine);
  const missing = HOST_TOOLS.filter((t) => (t === "dockerd" ? rootfs === undefined : true) && !findTool(t));
  if (missing.length > 0) {
    return no(`missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`);
  }
  if (rootfs === undefined) return { ok: true };
  const version = versionOf(engine);
  const suite = SUITES[version as RootfsName];
  if (!existsSync(join(rootfs, "usr/bin/dockerd")) && !existsSync(join(rootfs, "usr/sbin/dockerd"))) {
    const how = suite === undefined ? "to be made by hand" : "node scripts/setup.mjs --engines builds it";
    return no(`no root file system for engine ${version} in ${engineCacheDir()} (${how})`);
  }
  const found = rootfsVersion(version);
  if (found !== undefined && !found.startsWith(`${version}.`)) {
    return no(`${suite === undefined ? rootfs : `Debian ${suite}`} now has Docker ${found}, not ${version}`);
  }
  return { ok: true };
}

/** Docker version found in a built root file system, from its own note; undefined when there is none. */
function rootfsVersion(name: string): string | undefined {
  try {
    return readFileSync(join(engineCacheDir(), name, "version"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/**
 * Builds the root file system of one engine unless it is there already.
 * @returns true when it was built by this call
 * @throws Error with the reason
 */
export function ensureRootfs(name: RootfsName): boolean {
  const home = join(engineCacheDir(), name);
  const there = existsSync(join(home, "rootfs/usr/sbin/dockerd"));
  if (!there) buildRootfs(home, SUITES[name], ["docker.io"], noteVersion);
  else if (rootfsVersion(name) === undefined) noteVersion(home);
  return !there;
}

function noteVersion(home: string): void {
  const run = spawnSync("chroot", [join(home, "rootfs"), "dockerd", "--version"], { encoding: "utf8" });
  const version = /version (\d+\.\d+\.\d+)/.exec(run.stdout ?? "")?.[1];
  if (version !== undefined) writeFileSync(join(home, "version"), `${version}\n`);
}
