/**
 * A Debian machine as a fixture: systemd as PID 1, Docker from Debian's own packages with its own small disk, and
 * this machine's node. For the tests that run the very unit files an operator installs.
 *
 * The root file system is built once by mmdebstrap and cached beside those of the engines (<cache>/systemd/<release>); each host mounts it under
 * a tmpfs overlay. The host has namespaces and a cgroup of its own, a /dev with no real device in it, read-only
 * /proc/sys and /sys, and none of the capabilities that would reach the machine's kernel. All mounts live in the
 * supervisor's mount namespace: when the owner calls stop() or dies in any way, the supervisor kills PID 1, which
 * takes everything with it, and the kernel drops the mounts.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import type { AgentEvent } from "./agent.ts";
import { CiHost, type ImageSpec } from "./ci-host.ts";
import { type Availability, debianMirror, engineCacheDir, findTool } from "./engines.ts";

/** How to start a {@link SystemdHost}. */
export interface SystemdHostOptions {
  /** Size of the disk under /var/lib/docker in MiB (sparse file); default 512. Swarm's own logs take 130 MiB of it. */
  readonly diskMiB?: number;
}

/** Outcome of {@link SystemdHost.exec}. */
export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
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

/** The code blocks of one section of a page, in order; a section goes as far as the next heading. */
export function codeBlocks(page: string, section: string, language = "sh"): string[] {
  const text = page.split(/^#{2,3} /m).find((part) => part.startsWith(`${section}\n`));
  if (text === undefined) throw new Error(`no section "${section}"`);
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, code]) => code!,
  );
}

/** Debian release of the hosts; CDP_SYSTEMD_SUITE=trixie for the next one (systemd 257, Docker 26.1). */
const SUITE = process.env.CDP_SYSTEMD_SUITE || "bookworm";
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "docker.io", "iptables", "iproute2"],
  ...(SUITE === "bookworm" ? [] : ["docker-cli"]),
  ...["util-linux", "e2fsprogs", "jq"],
];
const TOOLS = ["mkfs.ext4", "mount", "unshare", "nsenter", "setpriv", "ip", "truncate", "fallocate"];
const BALLAST = "/var/lib/docker/ballast";

/** What reaches the machine's own kernel or clock; a container's systemd does without. */
const DROPPED = "sys_module sys_rawio sys_time sys_boot mac_admin mac_override syslog wake_alarm"
  .split(" ")
  .map((name) => `-${name}`)
  .join(",");

/** Runs in a mount namespace of its own. $1 = host directory, $2 = root file system, $3 = FIRST, $4 = node */
const SUPERVISOR = `
trap '' INT TERM HUP QUIT
dir=$1
name=\${dir##*/}
mount -o loop "$dir/disk.img" "$dir/data" || exit 1
mount -t cgroup2 cgroup2 "$dir/cgroup" || exit 1
mkdir "$dir/cgroup/$name" || exit 1
sh -c 'echo $$ >"$1/cgroup/\${1##*/}/cgroup.procs" && first=$3 &&
  exec setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup \
    --propagation private sh -c "$first" sh "$@"' sh "$@" </dev/null &
wrapper=$!
cat >/dev/null
read -r first <"$dir/first.pid" && kill -KILL "$first" || kill -KILL $wrapper
wait $wrapper
n=0
while [ -d "$dir/cgroup/$name" ] && [ $n -lt 100 ]; do
  find "$dir/cgroup/$name" -depth -type d -exec rmdir {} + 2>/dev/null
  n=$((n+1)); sleep 0.02
done
umount "$dir/cgroup" "$dir/data"
rm -rf --one-file-system "$dir"
`;

/** Becomes PID 1. Arguments as above. Standard output says "booting"; what systemd prints goes to a file. */
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
echo booting
exec /usr/bin/env -i container=ci-host PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set=${DROPPED} --inh-caps=${DROPPED} /lib/systemd/systemd >/dev/null 2>&1
`;

/** Units of Debian that have nothing to do here. */
const MASKED = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"],
  ...["e2scrub_all.timer", "e2scrub_reap.service", "getty.target", "console-getty.service"],
];

/** A Debian machine with systemd and Docker. See the module comment for how it is kept apart and cleaned up. */
export class SystemdHost implements AsyncDisposable {
  /** Private directory of this host. */
  readonly dir: string;
  #supervisor: ChildProcess | undefined;
  #supervisorGone: Promise<void> = Promise.resolve();
  #stopped = false;
  #first = "";

  private constructor() {
    this.dir = mkdtempSync(join(tmpdir(), `cdp-systemd-${process.pid}-`));
  }

  /** Says whether a host can be started here and now, short of building its root file system. */
  static available(): Availability {
    if (process.platform !== "linux") return { ok: false, reason: "systemd needs Linux" };
    if (process.getuid?.() !== 0) {
      return { ok: false, reason: "systemd as PID 1 needs root (mounts and namespaces)" };
    }
    const built = existsSync(join(rootfsHome(), "recipe"));
    const missing = [...TOOLS, ...(built ? [] : ["mmdebstrap"])].filter((tool) => !findTool(tool));
    if (missing.length > 0) {
      return {
        ok: false,
        reason: `missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`,
      };
    }
    const filesystems = readFileSync("/proc/filesystems", "utf8");
    const unknown = ["overlay", "cgroup2"].filter((type) => !filesystems.includes(`\t${type}\n`));
    if (unknown.length > 0) return { ok: false, reason: `this kernel has no ${unknown.join(" and no ")}` };
    if (!existsSync("/dev/loop-control")) return { ok: false, reason: "no loop devices on this machine" };
    return { ok: true };
  }

  /**
   * Boots a host and waits until systemd is done and Docker answers. Takes 2 to 4 s; half a minute and a Debian
   * mirror more when the root file system is not in the cache.
   * @throws Error with the reason: of what is missing, of mmdebstrap, or of the boot
   */
  static async start(options: SystemdHostOptions = {}): Promise<SystemdHost> {
    const available = SystemdHost.available();
    if (!available.ok) throw new Error(`cannot start a systemd host: ${available.reason}`);
    ensureSystemdRootfs();
    sweepStaleHosts();
    const host = new SystemdHost();
    try {
      await host.#boot(options);
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  async #boot({ diskMiB = 512 }: SystemdHostOptions): Promise<void> {
    for (const name of ["root", "data", "cgroup", "etc/docker", "etc/systemd/system"]) {
      mkdirSync(join(this.dir, name), { recursive: true });
    }
    const disk = join(this.dir, "disk.img");
    run("truncate", ["-s", `${diskMiB}M`, disk]);
    run(findTool("mkfs.ext4")!, ["-q", "-F", "-m", "0", disk]);
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
    for (const unit of MASKED) run("ln", ["-s", "/dev/null", join(this.dir, "etc/systemd/system", unit)]);
    await this.#startSupervisor();
    this.#first = readFileSync(join(this.dir, "first.pid"), "utf8").trim();
    await this.#waitForBoot();
    const node = await this.exec("node --version");
    if (node.code !== 0)
      throw new Error(`this machine's node does not run on ${SUITE}: ${node.stderr.trim()}`);
  }

  async #startSupervisor(): Promise<void> {
    const node = realpathSync(process.execPath);
    const args = [this.dir, join(rootfsHome(), "rootfs"), FIRST, node];
    const child = spawn(
      findTool("unshare")!,
      ["--mount", "--propagation", "private", "sh", "-c", SUPERVISOR, "sh", ...args],
      {
        cwd: "/",
        detached: true, // its own session: Ctrl-C in a terminal must not end it before its work is done
        stdio: ["pipe", "pipe", "pipe"],
        env: { PATH: "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin" },
      },
    );
    this.#supervisor = child;
    this.#supervisorGone = new Promise((resolve) => child.once("exit", () => resolve()));
    child.stdin.on("error", () => {});
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await new Promise<void>((resolve, reject) => {
      const fail = () => {
        clearTimeout(timer);
        reject(new Error(`the systemd host's namespaces did not come up: ${said.trim()}`));
      };
      const timer = setTimeout(fail, 20_000);
      child.stdout.on("data", (chunk: Buffer) => {
        const word = chunk.toString();
        if (word.includes("failed")) setTimeout(fail, 50); // its reason is on stderr
        if (!word.includes("booting")) return;
        clearTimeout(timer);
        resolve();
      });
      child.once("error", reject);
      child.once("exit", fail);
    });
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr])
      (stream as unknown as { unref(): void }).unref();
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
  exec(command: string, cwd = "/"): Promise<ExecResult> {
    return new Promise((resolve, reject) => {
      const enter = ["-t", this.#first, "--all", "--root", "--wd", "--"];
      const child = spawn(findTool("nsenter")!, [...enter, "sh", "-c", `cd ${cwd} && ${command}`], {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          HOME: "/root",
          LANG: "C.UTF-8",
        },
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.once("error", reject);
      child.once("close", (code) =>
        resolve({
          code: code ?? -1,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
        }),
      );
    });
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
    return `/proc/${this.#first}/root${inside}`;
  }

  /** Writes a file in the host. */
  write(inside: string, text: string): void {
    mkdirSync(dirname(this.path(inside)), { recursive: true });
    writeFileSync(this.path(inside), text);
  }

  /** Puts a crafted image on the engine and returns its id; see CiHost.loadImage, whose work it is. */
  loadImage(spec: ImageSpec = {}): Promise<string> {
    const docker = new Docker({ socketPath: this.path("/run/docker.sock") });
    // It needs nothing of a CI host but its client.
    return CiHost.prototype.loadImage.call({ docker } as CiHost, spec);
  }

  /** Puts one plain file on the disk under /var/lib/docker so that df shows `percent`; never makes it emptier. */
  fillDisk(percent: number): void {
    const s = statfsSync(this.path("/var/lib/docker"));
    const used = (s.blocks - s.bfree) * s.bsize;
    const more = Math.ceil(((percent - 0.5) / 100) * (used + s.bavail * s.bsize)) - used;
    const file = this.path(BALLAST);
    const have = existsSync(file) ? Number(run("stat", ["-c", "%s", file])) : 0;
    if (more > 0) run("fallocate", ["-l", String(have + more), file]);
    if (this.diskPercent() < percent) throw new Error(`the disk did not reach ${percent} %`);
  }

  /** Removes the file that {@link fillDisk} put there. */
  unfill(): void {
    rmSync(this.path(BALLAST), { force: true });
  }

  /** Use% of the disk under /var/lib/docker, as df shows it. */
  diskPercent(): number {
    const s = statfsSync(this.path("/var/lib/docker"));
    const used = s.blocks - s.bfree;
    return Math.ceil((100 * used) / (used + s.bavail));
  }

  /** Kills everything in the host and removes its directory. May be called again. Takes < 1 s. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#supervisor?.ref(); // or node would end while it waits
    this.#supervisor?.stdin?.end();
    await this.#supervisorGone;
    rmSync(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function rootfsHome(): string {
  return join(engineCacheDir(), "systemd", SUITE);
}

/**
 * Builds the root file system unless it is there already, from this very list of packages. Half a minute, 420 MB.
 * @returns true when it was built by this call
 * @throws Error with the tail of mmdebstrap's log
 */
export function ensureSystemdRootfs(): boolean {
  const home = rootfsHome();
  const recipe = `${SUITE} ${PACKAGES.join(",")}\n`;
  const isBuilt = () =>
    existsSync(join(home, "recipe")) && readFileSync(join(home, "recipe"), "utf8") === recipe;
  if (isBuilt()) return false;
  mkdirSync(dirname(home), { recursive: true });
  const work = join(dirname(home), `.${SUITE}-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    const args = ["--variant=minbase", `--include=${PACKAGES.join(",")}`];
    for (const what of ["man", "locale", "doc"]) args.push(`--dpkgopt=path-exclude=/usr/share/${what}/*`);
    args.push(SUITE, join(work, "rootfs"), debianMirror());
    const built = spawnSync("mmdebstrap", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    if (built.status !== 0) {
      const log = `${built.stdout ?? ""}${built.stderr ?? ""}${built.error?.message ?? ""}`;
      throw new Error(`mmdebstrap could not build a Debian with systemd: ${log.trim().slice(-800)}`);
    }
    writeFileSync(join(work, "recipe"), recipe);
    if (!isBuilt()) {
      rmSync(home, { recursive: true, force: true });
      try {
        renameSync(work, home);
      } catch (error) {
        if (!isBuilt()) throw error; // else: another process was faster
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return true;
}

/** Removes what hosts leave whose owner and supervisor were both killed: a directory and empty cgroups, no process. */
function sweepStaleHosts(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = /^cdp-systemd-(\d+)-/.exec(entry)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const dir = join(tmpdir(), entry);
    const supervised = readdirSync("/proc").some((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(basename(dir));
      } catch {
        return false; // ended meanwhile
      }
    });
    if (supervised) continue;
    const groups = `find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "$1" -exec find {} -depth -type d -delete \\;`;
    spawnSync("sh", ["-c", groups, "sh", entry], { stdio: "ignore" });
    spawnSync("rm", ["-rf", "--one-file-system", dir], { stdio: "ignore" });
  }
}

function run(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${done.stderr || done.error?.message}`);
  return done.stdout;
}
