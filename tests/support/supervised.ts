/**
 * What the hosts of the tests have in common: a directory, namespaces with a first process, and a supervisor outside
 * them that holds the read end of a pipe. When the owner calls stop() or dies in any way (SIGKILL included), the
 * supervisor kills the first process, which takes everything in the namespaces with it, and then removes the cgroups,
 * mounts and directory of the host.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const PREFIX = "cdp-";
export const SBIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/** Shell functions about the cgroups named $name below $cgroups. */
const CGROUPS = `
each_cgroup() { find "$cgroups" -mindepth 1 -maxdepth 2 -type d -name "$name" 2>/dev/null; }
# What a version 1 hierarchy has frozen (docker pause) cannot even be killed.
thaw() {
  each_cgroup | while read -r c; do
    find "$c" -name freezer.state -exec sh -c 'echo THAWED >"$1"' sh {} \\;
  done
}
remove_cgroups() {
  n=0
  while [ -n "$(each_cgroup)" ] && [ $n -lt 100 ]; do
    each_cgroup | while read -r c; do find "$c" -depth -type d -exec rmdir {} + 2>/dev/null; done
    n=$((n+1)); sleep 0.02
  done
}
`;

/**
 * Begins a supervisor's script. $1 is the host's directory. The script mounts the disk on $dir/data, sets $cgroups to
 * where cgroups are mounted, starts the namespaces in the background, and calls `finish $!`: that waits for the end of
 * the owner and cleans up. The first process writes its pid to $dir/first.pid.
 */
const PREAMBLE = `
trap '' INT TERM HUP QUIT
dir=$1
name=\${dir##*/}
${CGROUPS}
finish() {
  cat >/dev/null
  thaw
  read -r first <"$dir/first.pid" && kill -KILL "$first" || kill -KILL $1
  wait $1
  n=0
  while mountpoint -q "$dir/data"; do
    umount "$dir/data" 2>/dev/null && continue
    n=$((n+1)); [ $n -gt 50 ] && { umount -l "$dir/data"; break; }
    sleep 0.05
  done
  remove_cgroups
  [ "$cgroups" = /sys/fs/cgroup ] || umount "$cgroups"
  rm -rf --one-file-system "$dir"
}
`;

/** How {@link SupervisedHost.supervise} starts the namespaces. */
export interface Supervision {
  /** Rest of the supervisor's script, see {@link PREAMBLE}. Its first process says "ready", or "failed". */
  readonly script: string;
  /** $2 and further of the script. */
  readonly args: readonly string[];
  /** The supervisor's mounts are its own: nobody outside sees the disk. */
  readonly privateMounts?: boolean;
}

/** A host of the tests. See the module comment for how it is kept apart and cleaned up. */
export abstract class SupervisedHost implements AsyncDisposable {
  /** Private directory of this host. */
  readonly dir: string;
  #supervisor: ChildProcess | undefined;
  #supervisorGone: Promise<void> = Promise.resolve();
  #stopped = false;

  protected constructor(name: string) {
    sweepStaleHosts();
    this.dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-${name === "" ? "" : `${name}-`}`));
  }

  /** Starts the supervisor; resolves when the first process of the namespaces is there. */
  protected async supervise({ script, args, privateMounts = false }: Supervision): Promise<void> {
    const unshare = privateMounts ? ["unshare", "--mount", "--propagation", "private"] : [];
    const [command = "", ...rest] = [...unshare, "sh", "-c", PREAMBLE + script, "sh", this.dir, ...args];
    const child = spawn(command, rest, {
      cwd: "/",
      detached: true, // its own session: Ctrl-C in a terminal must not end it before its work is done
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: SBIN_PATH },
    });
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
        reject(new Error(`the host's namespaces did not come up: ${said.trim()}`));
      };
      const timer = setTimeout(fail, 20_000);
      child.stdout.on("data", (chunk: Buffer) => {
        const word = chunk.toString();
        if (word.includes("failed")) setTimeout(fail, 50); // its reason is on stderr
        if (!word.includes("ready")) return;
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

  /** Pid of the namespaces' first process, as this machine counts. */
  protected get first(): string {
    return readFileSync(join(this.dir, "first.pid"), "utf8").trim();
  }

  /** Kills everything on the host, unmounts its disk and removes its directory. May be called again. Takes < 1 s. */
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

/**
 * Cleans up after hosts whose owner and supervisor were both killed, which leave no process behind. A supervisor alone
 * outlives its owner only for the moment it needs to clean up.
 */
function sweepStaleHosts(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = /^cdp-(\d+)-/.exec(entry)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const dir = join(tmpdir(), entry);
    if (readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && cmdline(pid).includes(dir))) continue;
    spawnSync("umount", [join(dir, "data")], { stdio: "ignore" });
    const groups = `cgroups=/sys/fs/cgroup\nname=$1\n${CGROUPS}\nremove_cgroups`;
    spawnSync("sh", ["-c", groups, "sh", basename(dir)], { stdio: "ignore" });
    spawnSync("rm", ["-rf", "--one-file-system", dir], { stdio: "ignore" });
  }
}

function cmdline(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}
