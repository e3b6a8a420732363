import { basename } from "node:path";
import { namesIn, readFile } from "./files.ts";

const DAEMON_JSON = "/etc/docker/daemon.json";
const CONTAINERD_TOML = "/etc/containerd/config.toml";
const CONTAINERD_ROOT = "/var/lib/containerd";
const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

/** `data-root` of Docker's own configuration; `null` where that says nothing, or cannot be read. */
export function configuredDataRoot(path = DAEMON_JSON): string | null {
  try {
    const root: unknown = JSON.parse(textOf(path) ?? "")["data-root"];
    return typeof root === "string" && root.startsWith("/") ? root : null;
  } catch {
    return null;
  }
}

/** Where to look; tests have other places. */
const PLACES = { proc: "/proc", config: CONTAINERD_TOML };

/**
 * Where a containerd that Docker did not start keeps its data. What is in use comes first: the mounts of containers
 * that run, which the service sees too; the command line of the process, which it does not (ProtectProc=). Then what is
 * configured, or usual.
 */
export function containerdRoot(dataRoot: string, socket: string, { proc, config } = PLACES): string {
  return (
    rootOfMounts(proc, dataRoot) ?? rootOfProcess(proc, socket, config) ?? rootIn(config) ?? CONTAINERD_ROOT
  );
}

/** Source: mountinfo(5). A layer is `<root>/io.containerd.snapshotter.v1.overlayfs/snapshots/<n>/fs`. */
function rootOfMounts(proc: string, dataRoot: string): string | null {
  const lines = textOf(`${proc}/self/mountinfo`)?.split("\n") ?? [];
  const mount = lines.find((line) => line.split(" ")[4]?.startsWith(`${dataRoot}/rootfs/`));
  const layer = /[=:](\/[^,=:\\]+)\/io\.containerd\.snapshotter\.v1\.[^/]+\/snapshots\//.exec(mount ?? "");
  return layer?.[1] ?? null;
}

/** Source: `containerd --help`: --root, --address and --config, each with a value after it or after `=`. */
function rootOfProcess(proc: string, socket: string, config: string): string | null {
  for (const pid of namesIn(proc)) {
    if (!/^\d+$/.test(pid)) continue;
    const [program = "", ...args] = textOf(`${proc}/${pid}/cmdline`)?.split("\0") ?? [];
    if (basename(program) !== "containerd") continue;
    const option = (...names: string[]) => {
      const at = args.findIndex((arg) => names.includes(arg.split("=")[0] ?? ""));
      return at < 0 ? null : (args[at]?.split("=", 2)[1] ?? args[at + 1] ?? null);
    };
    if ((option("--address", "-a") ?? CONTAINERD_SOCKET) !== socket) continue;
    return option("--root") ?? rootIn(option("--config", "-c") ?? config);
  }
  return null;
}

/** The keys before the first table are containerd's own. */
function rootIn(config: string): string | null {
  const [own = ""] = textOf(config)?.split(/^\s*\[/m) ?? [];
  return /^\s*root\s*=\s*["'](\/[^"']*)["']/m.exec(own)?.[1] ?? null;
}

/** `null`: it cannot be read. */
function textOf(path: string): string | null {
  try {
    return readFile(path, { maxBytes: 16 * 1024 * 1024, links: true }).bytes.toString("utf8");
  } catch {
    return null;
  }
}
