/**
 * The Docker engines the tests run against: the machine's own dockerd, and newer ones that live in small
 * Debian root file systems built once with mmdebstrap and kept in a cache outside the checkout.
 *
 * Self-contained on purpose (node stdlib only): scripts/setup.mjs bundles this file with esbuild.
 */
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Engines by version line; "20.10" stands for the machine's own dockerd, whichever version that is. */
export type EngineName = "20.10" | "26.1" | "28.5" | "28.5-containerd";

/** All engine names, oldest first. */
export const ENGINE_NAMES: readonly EngineName[] = ["20.10", "26.1", "28.5", "28.5-containerd"];

/** Debian suite whose docker.io package holds the engine. */
const SUITES = { "26.1": "trixie", "28.5": "sid" } as const;

/** Name of a cached root file system. */
export type RootfsName = keyof typeof SUITES;

/** All cached root file systems, oldest engine first. */
export const ROOTFS_NAMES: readonly RootfsName[] = ["26.1", "28.5"];

/** Programs without which no CI host can be started. */
export const HOST_TOOLS: readonly string[] = ["dockerd", "mkfs.ext4", "mount", "unshare", "nsenter", "ip"];

/** Answer of {@link engineAvailable}; `reason` is one English sentence. */
export type Availability = { ok: true } | { ok: false; reason: string };

/** True when `value` names an engine. */
export function isEngineName(value: string): value is EngineName {
  return (ENGINE_NAMES as readonly string[]).includes(value);
}

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

/** The cached root file system an engine runs in; undefined for the machine's own dockerd. */
export function rootfsName(engine: EngineName): RootfsName | undefined {
  if (engine === "20.10") return undefined;
  return engine === "28.5-containerd" ? "28.5" : engine;
}

/** Path of a root file system (whether or not it has been built). */
export function rootfsDir(name: RootfsName): string {
  return join(engineCacheDir(), name, "rootfs");
}

/** Says whether an engine can be started here and now; touches nothing. */
export function engineAvailable(engine: EngineName): Availability {
  if (process.platform !== "linux") return { ok: false, reason: "a CI host needs Linux" };
  if (process.getuid?.() !== 0) return { ok: false, reason: "a CI host needs root (mounts and namespaces)" };
  const rootfs = rootfsName(engine);
  const missing = HOST_TOOLS.filter((t) => (t === "dockerd" ? rootfs === undefined : true) && !findTool(t));
  if (missing.length > 0) {
    return {
      ok: false,
      reason: `missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`,
    };
  }
  if (rootfs === undefined) return { ok: true };
  if (!existsSync(join(rootfsDir(rootfs), "usr/sbin/dockerd"))) {
    return {
      ok: false,
      reason: `no root file system for engine ${rootfs} in ${engineCacheDir()} (node scripts/setup.mjs --engines builds it)`,
    };
  }
  const version = rootfsVersion(rootfs);
  if (version !== undefined && !version.startsWith(`${rootfs}.`)) {
    return { ok: false, reason: `Debian ${SUITES[rootfs]} now has Docker ${version}, not ${rootfs}` };
  }
  return { ok: true };
}

/** Docker version found in a built root file system, from its own note; undefined when there is none. */
function rootfsVersion(name: RootfsName): string | undefined {
  try {
    return readFileSync(join(engineCacheDir(), name, "version"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/**
 * The Debian archive this machine's apt uses.
 * @throws Error when apt knows no Debian archive
 */
export function debianMirror(): string {
  const out = spawnSync(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)", "Created-By: Packages"],
    { encoding: "utf8" },
  );
  const rows = (out.stdout ?? "").split("\n").map((line) => line.split("|"));
  const main = rows.filter((r) => r[0] !== undefined && /^https?:/.test(r[0]) && r[3] === "main");
  const hit =
    main.find((r) => r[1] === "Debian" && r[2] === "Debian") ?? main.find((r) => /\/debian\/?$/.test(r[0]!));
  if (hit?.[0] === undefined)
    throw new Error("apt is configured with no Debian archive, so no engine can be built");
  return hit[0];
}

/**
 * Builds the root file system of one engine unless it is there already. Takes about 15 s and 400 MB.
 * @returns true when it was built by this call
 * @throws Error with the tail of mmdebstrap's log
 */
export function ensureRootfs(name: RootfsName): boolean {
  const home = join(engineCacheDir(), name);
  if (existsSync(join(home, "rootfs/usr/sbin/dockerd"))) {
    if (rootfsVersion(name) === undefined) noteVersion(home, join(home, "rootfs"));
    return false;
  }
  mkdirSync(engineCacheDir(), { recursive: true });
  const work = join(engineCacheDir(), `.${name}-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  const root = join(work, "rootfs");
  try {
    const args = ["--variant=minbase", "--include=docker.io", "--dpkgopt=path-exclude=/usr/share/man/*"];
    args.push("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*");
    if (SUITES[name] === "sid") args.push('--aptopt=Acquire::Check-Valid-Until "false"');
    args.push(SUITES[name], root, debianMirror());
    const run = spawnSync("mmdebstrap", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    if (run.status !== 0) {
      const log = `${run.stdout ?? ""}${run.stderr ?? ""}${run.error?.message ?? ""}`;
      throw new Error(`mmdebstrap could not build engine ${name}: ${log.trim().slice(-800)}`);
    }
    noteVersion(work, root);
    rmSync(home, { recursive: true, force: true });
    try {
      renameSync(work, home);
    } catch (error) {
      if (!existsSync(join(home, "rootfs/usr/sbin/dockerd"))) throw error; // else: another process was faster
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return true;
}

function noteVersion(home: string, root: string): void {
  const run = spawnSync("chroot", [root, "dockerd", "--version"], { encoding: "utf8" });
  const version = /version (\d+\.\d+\.\d+)/.exec(run.stdout ?? "")?.[1];
  if (version !== undefined) writeFileSync(join(home, "version"), `${version}\n`);
}
