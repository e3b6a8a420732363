import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nameMounts } from "../../../agent/host/mounts.ts";

const MOUNTS = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid shared:5 - proc proc rw
40 22 254:16 / /var/lib/docker rw,relatime - xfs /dev/vdb rw
41 40 254:32 / /var/lib/docker rw,relatime master:2 shared:7 - btrfs /dev/vdc rw,subvol=/
42 22 0:50 / /mnt/a\\040b rw - nfs4 host:/a\\134b rw
not a line of it
`;
const named = (path: string) => nameMounts([path], MOUNTS).get(path);

describe("the filesystem that holds a path is named", () => {
  it.each([
    ["/", "/dev/vda1", "ext4", "/"],
    ["/var/lib", "/dev/vda1", "ext4", "/"],
    ["/var/lib/dockerfiles", "/dev/vda1", "ext4", "/"],
    // The later mount covers the earlier one.
    ["/var/lib/docker", "/dev/vdc", "btrfs", "/var/lib/docker"],
    ["/var/lib/docker/overlay2", "/dev/vdc", "btrfs", "/var/lib/docker"],
    ["/mnt/a b/c", "host:/a\\b", "nfs4", "/mnt/a b"],
  ])("%s", (path, device, type, mountPoint) => {
    expect(named(path)).toEqual({ device, type, mountPoint });
  });

  it("as this host has it", () => {
    expect(nameMounts(["/proc/self"]).get("/proc/self")).toMatchObject({ type: "proc", mountPoint: "/proc" });
    expect(readdirSync("/proc/self")).toContain("mountinfo");
  });

  it("and by nothing where the kernel does not tell", () => {
    expect(nameMounts(["/"], "").size).toBe(0);
  });
});
