import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { findTool, usesContainerdStore } from "./engines.ts";
import { SBIN_PATH } from "./supervised.ts";

/** The daemon of a CI host: its socket, configuration and log are in the host's directory, its data under `data/docker`. */
export class Dockerd {
  readonly socketPath: string;
  readonly #engine: string;
  readonly #dir: string;
  #process: ChildProcess | undefined;

  constructor(engine: string, dir: string) {
    this.#engine = engine;
    this.#dir = dir;
    this.socketPath = this.#file("docker.sock");
  }

  #file(name: string): string {
    return join(this.#dir, name);
  }

  /** Writes daemon.json. The containers' cgroups are below one with the name of the host's directory. */
  configure(): void {
    const containerd = usesContainerdStore(this.#engine);
    const config = {
      ...(containerd ? {} : { "storage-driver": "overlay2" }),
      // As of 29 a fresh data root takes containerd's store unless it is told not to.
      features: { "containerd-snapshotter": containerd },
      "cgroup-parent": `/${basename(this.#dir)}`,
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "shutdown-timeout": 2,
      builder: { gc: { enabled: false } },
    };
    writeFileSync(this.#file("daemon.json"), JSON.stringify(config));
  }

  /**
   * Starts the daemon in the namespaces of the host's first process and waits until it answers.
   * @throws Error with the tail of its log when it does not answer within 20 s or ends
   */
  async start(first: string): Promise<void> {
    if (this.#process !== undefined) throw new Error("the engine runs already");
    const log = openSync(this.#file("dockerd.log"), "a");
    // The root is that of the first process: the engine's own root file system, or the machine's.
    const enter = ["-t", first, "--mount", "--net", "--pid", "--root", "--wd", "--"];
    const places = ["--config-file", this.#file("daemon.json"), "--data-root", this.#file("data/docker")];
    places.push("--exec-root", this.#file("exec"), "--pidfile", this.#file("dockerd.pid"));
    const network = [
      "-H",
      `unix://${this.socketPath}`,
      "--bridge=none",
      "--iptables=false",
      "--ip-masq=false",
    ];
    const args = [...enter, "dockerd", ...places, ...network, "--log-level", "error"];
    const child = spawn(findTool("nsenter") ?? "nsenter", args, {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
      env: { PATH: SBIN_PATH, HOME: "/root" },
    });
    closeSync(log);
    this.#process = child;
    child.once("exit", () => {
      if (this.#process === child) this.#process = undefined;
    });
    child.unref();
    for (let end = Date.now() + 20_000; !(await this.#answers()); await sleep(25)) {
      const died = this.#process !== child;
      if (!died && Date.now() < end) continue;
      if (!died) await this.signal("SIGKILL");
      const tail = readFileSync(this.#file("dockerd.log"), "utf8").slice(-2000);
      const what = died ? "ended" : "did not answer in 20 s";
      throw new Error(`dockerd (engine ${this.#engine}) ${what}:\n${tail}`);
    }
  }

  /** Sends the daemon a signal and waits for its end; no-op when it does not run. */
  async signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.ref(); // or node would end while it waits
    for (const pid of childrenOf(child.pid)) process.kill(pid, signal);
    await gone;
    rmSync(this.#file("dockerd.pid"), { force: true }); // left behind by SIGKILL
  }

  #answers(): Promise<boolean> {
    return new Docker({ socketPath: this.socketPath }).ping().then(
      () => true,
      () => false,
    );
  }
}

/** Host pids of the direct children of a process. */
function childrenOf(parent: number): number[] {
  const found: number[] = [];
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent) found.push(Number(pid));
    } catch {
      // ended meanwhile
    }
  }
  return found;
}
