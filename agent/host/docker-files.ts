import { readFile } from "./files.ts";

const DAEMON_JSON = "/etc/docker/daemon.json";
const CONTAINERD_TOML = "/etc/containerd/config.toml";
const CONTAINERD_ROOT = "/var/lib/containerd";

/** `data-root` of Docker's own configuration; `null` where that says nothing, or cannot be read. */
export function configuredDataRoot(path = DAEMON_JSON): string | null {
  try {
    const root: unknown = JSON.parse(textOf(path))["data-root"];
    return typeof root === "string" && root.startsWith("/") ? root : null;
  } catch {
    return null;
  }
}

/** Where a containerd that Docker did not start keeps its data: `root` of its configuration, or its usual place. */
export function containerdRoot(path = CONTAINERD_TOML): string {
  try {
    // The keys before the first table are containerd's own.
    const [own = ""] = textOf(path).split(/^\s*\[/m);
    return /^\s*root\s*=\s*["'](\/[^"']*)["']/m.exec(own)?.[1] ?? CONTAINERD_ROOT;
  } catch {
    return CONTAINERD_ROOT;
  }
}

const textOf = (path: string) =>
  readFile(path, { maxBytes: 1024 * 1024, links: true }).bytes.toString("utf8");
