/**
 * A Debian machine as a fixture: systemd as PID 1, Docker from Debian's own packages with its own small disk, and
 * this machine's node. For the tests that run the very unit files an operator installs.
 *
 * Each host mounts the root file system (systemd-rootfs.ts) under a tmpfs overlay. The host has namespaces and a cgroup of its own, a /dev with no real device in it, read-only
 * /proc/sys and /sys, and none of the capabilities that would reach the machine's kernel. All mounts live in the
 * supervisor's mount namespace (supervised.ts).
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import type { AgentEvent } from "./agent.ts";
import { type Captured, capture } from "./capture.ts";
import { findTool } from "./engines.ts";
import { type ImageSpec, loadImage } from "./images.ts";
import { SmallDisk } from "./small-disk.ts";
import { SBIN_PATH, SupervisedHost } from "./supervised.ts";
import { SUITE, systemdHostMissing, systemdRootfs } from "./systemd-rootfs.ts";

/** How to start a {@link SystemdHost}. */
export interface SystemdHostOptions {
  /** Size of the disk under /var/lib/docker in MiB (sparse file); default 512. Swarm's own logs take 130 MiB of it. */
  readonly diskMiB?: number;
}

/** One entry of `journalctl -o json`. */
export interface JournalEntry {
  readonly MESSAGE: string;
  readonly PRIORITY: string;
  readonly SYSLOG_IDENTIFIER: string;
  readonly [field: string]: string | undefined;
}

/** What the agent said in an entry of its own: the object behind the sentence. @throws SyntaxError where there is none */
export function eventOf({ MESSAGE }: JournalEntry): AgentEvent {
  return JSON.parse(MESSAGE.slice(MESSAGE.indexOf("\t") + 1)) as AgentEvent;
}

/** What reaches the machine's own kernel or clock; a container's systemd does without. */
const DROPPED = "sys_module sys_rawio sys_time sys_boot mac_admin mac_override syslog wake_alarm"
  .split(" ")
  .map((name) => `-${name}`)
  .join(",");

/** Runs in a mount namespace of its own. $2 = root file system, $3 = FIRST, $4 = node */
const SUPERVISOR = `
cgroups=$dir/cgroup
mount -o loop "$dir/disk.img" "$dir/data" || exit 1
mount -t cgroup2 cgroup2 "$cgroups" || exit 1
mkdir "$cgroups/$name" || exit 1
sh -c 'echo $$ >"$1/cgroup/\${1##*/}/cgroup.procs" && first=$3 &&
  exec setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup \
    --propagation private sh -c "$first" sh "$@"' sh "$@" </dev/null &
finish $!
`;

/** Becomes PID 1. Arguments as above. Standard output says "ready"; what systemd prints goes to a file. */
const FIRST = `
set -e
trap 'echo failed' EXIT
read -r pid rest </proc/self/stat
dir=$1; lower=$2; node=$4
echo "$pid" >"$dir/first.pid"
mount -t tmpfs -o mode=755 tmpfs "$dir/root"
mkdir "$dir/root/up" "$dir/root/work" "$dir/root/proc" "$dir/root/fs"
r=$dir/root/fs
mount -t overlay -o "lowerdir=$lower,upperdir=$dir/root/up,workdir=$dir/root/work" overlay "$r"

nothing=nosuid,nodev,noexec
mount -t proc -o $nothing proc "$dir/root/proc"
mount -t proc -o $nothing proc "$r/proc"
for p in sys sysrq-trigger irq bus; do
  [ -e "$r/proc/$p" ] || continue
  mount --bind "$r/proc/$p" "$r/proc/$p"
  mount -o remount,bind,ro,$nothing "$r/proc/$p"
done
mount --bind "$dir/root/proc/sys/net" "$r/proc/sys/net" # of its own network namespace
umount "$dir/root/proc"
mount -t sysfs -o ro,$nothing sysfs "$r/sys"
mount -t cgroup2 -o $nothing cgroup2 "$r/sys/fs/cgroup"

mount -t tmpfs -o mode=755,nosuid tmpfs "$r/dev"
while read -r device major minor; do mknod -m 666 "$r/dev/$device" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
mkdir "$r/dev/pts" "$r/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$r/dev/pts"
ln -s pts/ptmx "$r/dev/ptmx"
ln -s /proc/self/fd "$r/dev/fd"
mount -t tmpfs -o nosuid,nodev tmpfs "$r/dev/shm"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$r/run"
mount -t tmpfs -o nosuid,nodev tmpfs "$r/tmp"

mkdir -p "$r/var/lib/docker"
mount --bind "$dir/data" "$r/var/lib/docker"
: >"$r/usr/bin/node"
mount --bind "$node" "$r/usr/bin/node"
cp -a "$dir/etc/." "$r/etc/"
hostname ci-host
ip link set lo up
cd "$r"
mkdir -p oldroot
pivot_root . oldroot
umount -l /oldroot
rmdir /oldroot
trap - EXIT
echo ready
exec /usr/bin/env -i container=ci-host PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set=${DROPPED} --inh-caps=${DROPPED} /lib/systemd/systemd >/dev/null 2>&1
`;

/** Units of Debian that have nothing to do here. */
const MASKED = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"],
  ...["e2scrub_all.timer", "e2scrub_reap.service", "getty.target", "console-getty.service"],
];

/** A Debian machine with systemd and Docker. See the module comment for how it is kept apart and cleaned up. */
export class SystemdHost extends SupervisedHost {
  private constructor() {
    super("systemd");
  }

  /** The disk under /var/lib/docker. */
  get #disk(): SmallDisk {
    return new SmallDisk(this.path("/var/lib/docker"));
  }

  /**
   * Boots a host and waits until systemd is done and Docker answers. Takes 2 to 4 s; half a minute and a Debian
   * mirror more when the root file system is not in the cache.
   * @throws Error with the reason: of what is missing, of mmdebstrap, or of the boot
   */
  static async start(options: SystemdHostOptions = {}): Promise<SystemdHost> {
    const missing = systemdHostMissing();
    if (missing !== null) throw new Error(`cannot start a systemd host: ${missing}`);
    const host = new SystemdHost();
    try {
      await host.#boot(options);
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  async #boot({ diskMiB }: SystemdHostOptions): Promise<void> {
    for (const name of ["root", "data", "cgroup", "etc/docker", "etc/systemd/system"]) {
      mkdirSync(join(this.dir, name), { recursive: true });
    }
    SmallDisk.format(join(this.dir, "disk.img"), diskMiB);
    const etc = (path: string, text: string) => writeFileSync(join(this.dir, "etc", path), text);
    etc("machine-id", `${randomBytes(16).toString("hex")}\n`);
    etc("hostname", "ci-host\n");
    // No bridge: it would need netfilter modules, and no container here talks to anybody.
    etc(
      "docker/daemon.json",
      JSON.stringify({
        bridge: "none",
        iptables: false,
        "shutdown-timeout": 2,
        builder: { gc: { enabled: false } },
      }),
    );
    for (const unit of MASKED) symlinkSync("/dev/null", join(this.dir, "etc/systemd/system", unit));
    const args = [systemdRootfs(), FIRST, realpathSync(process.execPath)];
    await this.supervise({ script: SUPERVISOR, args, privateMounts: true });
    await this.#waitForBoot();
    const node = await this.exec("node --version");
    if (node.code !== 0)
      throw new Error(`this machine's node does not run on ${SUITE}: ${node.stderr.trim()}`);
  }

  async #waitForBoot(): Promise<void> {
    let seen = "";
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
      const state = await this.exec("systemctl is-system-running --wait");
      seen = `${state.stdout}${state.stderr}`.trim();
      if (seen !== "running" && seen !== "degraded") continue;
      if ((await this.exec("docker version --format '{{.Server.Version}}'")).code === 0) return;
      seen += `; ${(await this.exec("systemctl --failed --plain --no-legend; journalctl -u docker -n 5")).stdout}`;
    }
    throw new Error(`systemd or Docker did not come up in 60 s: ${seen}`);
  }

  /** Runs a shell command as root in the host, from `/`. Never throws for a non-zero exit. */
  exec(command: string, cwd = "/"): Promise<Captured> {
    const enter = ["-t", this.first, "--all", "--root", "--wd", "--"];
    const env = { PATH: SBIN_PATH, HOME: "/root", LANG: "C.UTF-8" };
    return capture(findTool("nsenter")!, [...enter, "sh", "-c", `cd ${cwd} && ${command}`], env);
  }

  /** {@link exec} that must work: returns standard output without the last line end. @throws Error with what it said */
  async sh(command: string, cwd = "/"): Promise<string> {
    const { code, stdout, stderr } = await this.exec(command, cwd);
    if (code !== 0) throw new Error(`${command}\nended with ${code}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Entries of the journal, oldest first, up to this moment. @param query of journalctl */
  async journal(query = "-u ci-docker-prune"): Promise<JournalEntry[]> {
    const text = await this.sh(`journalctl --sync && journalctl --no-pager -o json --all ${query}`);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as JournalEntry);
  }

  /** Where a path of the host is on this machine. Its links must be relative or absent. */
  path(inside: string): string {
    return `/proc/${this.first}/root${inside}`;
  }

  /** Writes a file in the host. */
  write(inside: string, text: string): void {
    mkdirSync(dirname(this.path(inside)), { recursive: true });
    writeFileSync(this.path(inside), text);
  }

  /** {@link loadImage} on this host. */
  loadImage(spec: ImageSpec = {}): Promise<string> {
    return loadImage(new Docker({ socketPath: this.path("/run/docker.sock") }), spec);
  }

  /** See {@link SmallDisk.fill}. */
  fillDisk(percent: number): void {
    this.#disk.fill(percent);
  }

  /** Removes the file that {@link fillDisk} put there. */
  unfill(): void {
    this.#disk.unfill();
  }

  /** Use% of the disk as df shows it. */
  diskPercent(): number {
    return this.#disk.percent();
  }
}
