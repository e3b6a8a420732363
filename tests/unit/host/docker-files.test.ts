/** Where an external containerd keeps its data: told by its process, by mounts, by its configuration, in this order of trust. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { containerdRoot } from "../../../agent/host/docker-files.ts";

const SOCKET = "/run/containerd/containerd.sock";
const LAYER = "io.containerd.snapshotter.v1.overlayfs/snapshots";
const overlay = (target: string, root: string) =>
  `97 29 0:52 / ${target} rw,relatime shared:41 - overlay overlay rw,lowerdir=${root}/${LAYER}/1/fs,upperdir=${root}/${LAYER}/2/fs,workdir=${root}/${LAYER}/2/work`;
const own = overlay("/srv/docker/rootfs/overlayfs/c1", "/mnt/used");

/** A host of these files below /proc, and this config.toml of containerd. */
function rootOf(files: Record<string, string>, socket = SOCKET): string {
  const dir = mkdtempSync(join(tmpdir(), "cdp-proc-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text.replaceAll("DIR", dir));
  }
  return containerdRoot("/srv/docker", socket, { proc: dir, config: join(dir, "config.toml") });
}

describe("the root of a containerd that Docker did not start", () => {
  it.each<[string, Record<string, string>, string, string?]>([
    ["is the usual one where nothing tells", {}, "/var/lib/containerd"],
    ["is what its configuration says", { "config.toml": 'root = "/mnt/c"\n[grpc]\n' }, "/mnt/c"],
    [
      "is not what a plugin's table says",
      { "config.toml": '[plugins]\nroot = "/mnt/c"\n' },
      "/var/lib/containerd",
    ],
    [
      "is what its command line says, before the configuration",
      { "7/cmdline": "/usr/bin/containerd\0--root\0/mnt/line\0", "config.toml": 'root = "/mnt/c"\n' },
      "/mnt/line",
    ],
    [
      "is that of the process at this socket",
      {
        "7/cmdline": "containerd\0--root=/mnt/k3s\0--address=/run/k3s/containerd.sock\0",
        "12/cmdline": "containerd\0-a\0/run/ours.sock\0--root=/mnt/ours\0",
        "13/cmdline": "containerd-shim-runc-v2\0--root=/mnt/shim\0-address\0/run/ours.sock\0",
      },
      "/mnt/ours",
      "/run/ours.sock",
    ],
    [
      "is in the configuration that its command line names",
      { "7/cmdline": "containerd\0-c\0DIR/other.toml\0", "other.toml": "root = '/mnt/other'\n" },
      "/mnt/other",
    ],
    [
      "is where the layers of running containers are mounted from, before anything that is configured",
      {
        "self/mountinfo": `${overlay("/run/k3s/rootfs", "/mnt/k3s")}\n${own}\n`,
        "7/cmdline": "containerd\0--root=/mnt/line\0",
      },
      "/mnt/used",
    ],
    [
      "is not that of another containerd's containers",
      { "self/mountinfo": `${overlay("/run/k3s/rootfs", "/mnt/k3s")}\n` },
      "/var/lib/containerd",
    ],
  ])("%s", (_, files, root, socket) => {
    expect(rootOf(files, socket)).toBe(root);
  });
});
