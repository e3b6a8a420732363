/**
 * A private CI host as a fixture: a real dockerd with its own small disk, for the demo, the engine tests and
 * the benchmarks.
 *
 * Each host has a loop-mounted ext4 file as its data disk and its own PID, mount and network namespaces, so
 * any number of hosts can run side by side. A supervisor process outside the namespaces holds the read end of
 * a pipe; when the owner calls stop() or dies in any way (SIGKILL included), the supervisor kills the
 * namespaces' first process, which takes the daemon and every container with it, and then unmounts the disk
 * and removes the directory.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { engineAvailable, findTool, MACHINE_ENGINE, rootfsOf, usesContainerdStore } from "./engines.ts";

/** How to start a {@link CiHost}. */
export interface CiHostOptions {
  /** Engine to run (see engines.ts); default CDP_ENGINE, else the machine's own dockerd. */
  engine?: string;
  /** Size of the data disk in MiB (sparse file); default 512. Swarm's own logs take 130 MiB of it. */
  diskMiB?: number;
  /** Number of inodes of the data disk; default: what mkfs.ext4 chooses. */
  inodes?: number;
  /** Make the host a single-node Swarm manager; default true. */
  swarm?: boolean;
  /** Word that shows up in the directory name; default "host". */
  name?: string;
}

/** One layer of random bytes. The same seed and size give the same bytes, so the layer is shared. */
export interface LayerSpec {
  /** Seed of the byte stream. */
  seed: string;
  /** Size in MiB (fractions allowed). */
  sizeMiB: number;
}

/** What {@link CiHost.loadImage} puts on the engine. */
export interface ImageSpec {
  /** "repo:tag"; absent: the image is dangling (no tag and no digest). */
  ref?: string;
  /** The config's Created (RFC 3339); default now; null leaves the field out. */
  created?: string | null;
  /** Size of the one data layer in MiB (fractions allowed), default 1; 0 for none. Ignored with `layers`. */
  sizeMiB?: number;
  /** Seed of the data layer; default random. */
  seed?: string;
  /** Fill the data layer with this byte instead of incompressible ones. */
  fillByte?: number;
  /** Data layers, lowest first, instead of the single one. */
  layers?: readonly LayerSpec[];
  /** Labels of the image. */
  labels?: Record<string, string>;
  /** The image's Cmd; default ["/bin/busybox", "true"]. */
  cmd?: readonly string[];
  /** First layer is a static busybox, byte for byte the same in all images; default true. */
  busybox?: boolean;
}

/** What {@link CiHost.createContainer} and {@link CiHost.runContainer} start. */
export interface ContainerSpec {
  /** Image reference or id. */
  image: string;
  /** Container name; default: the engine's choice. */
  name?: string;
  /** Labels of the container. */
  labels?: Record<string, string>;
  /** Command; default ["/bin/busybox", "true"]. */
  cmd?: readonly string[];
  /** runContainer only: resolve after the container's exit; default false. */
  wait?: boolean;
}

/** What {@link CiHost.createService} creates. */
export interface ServiceSpec {
  /** Service name. */
  name: string;
  /** Image reference; it is looked up locally (no registry can be reached). */
  image: string;
  /** Replicas, or completions of a replicated job; default 1. */
  replicas?: number;
  /** Labels of the service. */
  labels?: Record<string, string>;
  /** Command; default sleeps for an hour (jobs: exits at once). */
  cmd?: readonly string[];
  /** Default "replicated". */
  mode?: "replicated" | "global" | "replicated-job" | "global-job";
  /** Health check command, run every 0.5 s, unhealthy at the first failure. */
  healthCmd?: readonly string[];
  /** Placement constraints. */
  constraints?: readonly string[];
  /** Restart condition; default: the engine's ("any"; jobs: "none"). */
  restartCondition?: "none" | "any";
  /** Time a task gets between SIGTERM and SIGKILL, in ms; default 200. */
  stopGraceMs?: number;
  /** Handed to the nodes for their pull, as `--with-registry-auth` does. */
  login?: { readonly username: string; readonly password: string; readonly serveraddress: string };
  /** Resolve only when every wanted task runs; default false. Fails after 30 s. */
  waitForRunning?: boolean;
}

/** What {@link CiHost.buildImage} builds. */
export interface BuildSpec {
  /** "repo:tag"; absent: the result is dangling. */
  tag?: string;
  /** Text of the Dockerfile. FROM must name a local image or scratch. */
  dockerfile: string;
  /** Further files of the build context, by path. */
  files?: Record<string, string | Buffer>;
  /** Use BuildKit; default false (the classic builder). */
  buildkit?: boolean;
  /** Do not use the build cache; default false. */
  noCache?: boolean;
  /** Values for ARGs. */
  buildArgs?: Readonly<Record<string, string>>;
  /** The stage to build; default: the last. */
  target?: string;
}

/** Outcome of {@link CiHost.cli}. */
export interface CliResult {
  stdout: string;
  stderr: string;
  /** Exit code; 128 + signal number is not used: killed by a signal is -1. */
  code: number;
}

const MIB = 1024 * 1024;
const PREFIX = "cdp-host-";

/** Removes the empty cgroups named $cg, of every hierarchy. */
const REMOVE_CGROUPS = `find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "$cg" 2>/dev/null | while read -r c; do
  find "$c" -depth -type d -exec rmdir {} + 2>/dev/null
done`;

/** Runs outside the namespaces. $1 = host directory, $2 = root file system or "", $3 = cgroup, $4 = inner script. */
const SUPERVISOR = `
trap '' INT TERM HUP QUIT
dir=$1; cg=$3
mount -o loop "$dir/disk.img" "$dir/data" || exit 1
unshare --fork --kill-child --pid --mount --net --propagation private sh -c "$4" sh "$dir" "$2" </dev/null &
wrapper=$!
cat >/dev/null
read -r first <"$dir/first.pid" && kill -KILL "$first" || kill -KILL $wrapper
wait $wrapper
n=0
while mountpoint -q "$dir/data"; do
  umount "$dir/data" 2>/dev/null && continue
  n=$((n+1)); [ $n -gt 50 ] && { umount -l "$dir/data"; break; }
  sleep 0.05
done
${REMOVE_CGROUPS}
rm -rf --one-file-system "$dir"
`;

/** First process of the namespaces. $1 = host directory, $2 = root file system or "". */
const FIRST = `
set -e
trap 'echo failed' EXIT
read -r pid rest </proc/self/stat
echo "$pid" >"$1/first.pid"
ip link set lo up
root=
if [ -n "$2" ]; then
  mkdir "$1/root"
  mount -t tmpfs -o mode=755 tmpfs "$1/root"
  mkdir "$1/root/up" "$1/root/work" "$1/root/fs"
  root=$1/root/fs
  mount -t overlay -o "lowerdir=$2,upperdir=$1/root/up,workdir=$1/root/work" overlay "$root"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
  mount --rbind /dev "$root/dev"
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  mount --bind "$1/data" "$root$1/data"
fi
mkdir -p "$root/etc/docker"
mount -t tmpfs tmpfs "$root/etc/docker"
mount -t tmpfs tmpfs "$root/run"
mount -t proc proc "$root/proc"
exec chroot "\${root:-/}" /bin/sh -c 'echo ready; while :; do sleep 3600 & wait $!; done' ci-host "$1"
`;

/** A private CI host. See the module comment for how it is kept apart and cleaned up. */
export class CiHost implements AsyncDisposable {
  /** The engine asked for. */
  readonly engine: string;
  /** Private directory of this host. */
  readonly dir: string;
  /** Mount point of the data disk; the daemon's DockerRootDir is `docker` in it, on the same path. */
  readonly dataRoot: string;
  /** The daemon's unix socket. */
  readonly socketPath: string;
  /** Unrestricted client of the daemon. */
  readonly docker: Docker;
  readonly #swarm: boolean;
  readonly #cgroup: string;
  #supervisor: ChildProcess | undefined;
  #supervisorGone: Promise<void> = Promise.resolve();
  #daemon: ChildProcess | undefined;
  #stopped = false;

  private constructor(options: CiHostOptions) {
    this.engine = options.engine ?? defaultEngine();
    this.#swarm = options.swarm ?? true;
    const name = (options.name ?? "host").replace(/[^A-Za-z0-9]/g, "").slice(0, 16);
    this.dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-${name}-`));
    this.dataRoot = join(this.dir, "data");
    this.socketPath = join(this.dir, "docker.sock");
    this.#cgroup = basename(this.dir);
    this.docker = new Docker({ socketPath: this.socketPath });
  }

  /**
   * Starts a host: data disk, daemon, Swarm. Takes 1 to 3 s.
   * @throws Error with the reason when the engine is not available here, or with the tail of the daemon's log
   */
  static async start(options: CiHostOptions = {}): Promise<CiHost> {
    const engine = options.engine ?? defaultEngine();
    const available = engineAvailable(engine);
    if (!available.ok) throw new Error(`cannot start a CI host with engine ${engine}: ${available.reason}`);
    sweepStaleHosts();
    const host = new CiHost(options);
    try {
      await host.#boot(options);
    } catch (error) {
      await host.stop();
      throw error;
    }
    return host;
  }

  async #boot(options: CiHostOptions): Promise<void> {
    mkdirSync(this.dataRoot);
    const image = join(this.dir, "disk.img");
    closeSync(openSync(image, "w"));
    truncateSync(image, (options.diskMiB ?? 512) * MIB);
    const mkfs = ["-q", "-F", "-m", "0"];
    if (options.inodes !== undefined) mkfs.push("-N", String(options.inodes));
    const made = spawnSync(tool("mkfs.ext4"), [...mkfs, image], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`mkfs.ext4 failed: ${made.stderr}`);
    const containerd = usesContainerdStore(this.engine);
    const config = {
      ...(containerd ? {} : { "storage-driver": "overlay2" }),
      // As of 29 a fresh data root takes containerd's store unless it is told not to.
      features: { "containerd-snapshotter": containerd },
      "cgroup-parent": `/${this.#cgroup}`,
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "shutdown-timeout": 2,
      builder: { gc: { enabled: false } },
    };
    writeFileSync(join(this.dir, "daemon.json"), JSON.stringify(config));
    await this.#startSupervisor();
    mkdirSync(join(this.dataRoot, "docker"), { recursive: true });
    await this.startEngine();
    if (this.#swarm)
      await this.docker.swarmInit({ ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1" });
  }

  async #startSupervisor(): Promise<void> {
    const child = spawn(
      "sh",
      ["-c", SUPERVISOR, "sh", this.dir, rootfsOf(this.engine) ?? "", this.#cgroup, FIRST],
      {
        cwd: "/",
        detached: true, // its own session: Ctrl-C in a terminal must not end it before its work is done
        stdio: ["pipe", "pipe", "pipe"],
        env: {
          ...process.env,
          PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`,
        },
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
        reject(new Error(`the CI host's namespaces did not come up: ${said.trim()}`));
      };
      const timer = setTimeout(fail, 10_000);
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

  /** Runs `docker` against this host. Never throws for a non-zero exit; throws when there is no docker CLI. */
  cli(args: readonly string[]): Promise<CliResult> {
    return new Promise((resolve, reject) => {
      const child = spawn("docker", args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          DOCKER_HOST: `unix://${this.socketPath}`,
          DOCKER_CONFIG: join(this.dir, "cli"),
        },
      });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (c: Buffer) => out.push(c));
      child.stderr.on("data", (c: Buffer) => err.push(c));
      child.once("error", reject);
      child.once("close", (code) =>
        resolve({
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
          code: code ?? -1,
        }),
      );
    });
  }

  /**
   * Starts the daemon (not the Swarm: that comes back by itself) and waits until it answers.
   * @throws Error with the tail of its log when it does not answer within 20 s or ends
   */
  async startEngine(): Promise<void> {
    if (this.#daemon !== undefined) throw new Error("the engine runs already");
    const first = readFileSync(join(this.dir, "first.pid"), "utf8").trim();
    const logPath = join(this.dir, "dockerd.log");
    const log = openSync(logPath, "a");
    const file = (name: string) => join(this.dir, name);
    const daemon = [
      "dockerd",
      "--config-file",
      file("daemon.json"),
      "--data-root",
      join(this.dataRoot, "docker"),
    ];
    daemon.push(
      "-H",
      `unix://${this.socketPath}`,
      "--exec-root",
      file("exec"),
      "--pidfile",
      file("dockerd.pid"),
    );
    daemon.push("--bridge=none", "--iptables=false", "--ip-masq=false", "--log-level", "error");
    // The root is that of the first process: the engine's own root file system, or the machine's.
    const enter = ["-t", first, "--mount", "--net", "--pid", "--root", "--wd", "--"];
    const child = spawn(tool("nsenter"), [...enter, ...daemon], {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
      env: { PATH: "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", HOME: "/root" },
    });
    closeSync(log);
    this.#daemon = child;
    child.once("exit", () => {
      if (this.#daemon === child) this.#daemon = undefined;
    });
    child.unref();
    for (let end = Date.now() + 20_000; ; ) {
      if (await answers(this.docker)) return;
      const died = this.#daemon !== child;
      if (died || Date.now() > end) {
        if (!died) await this.killEngine();
        const tail = readFileSync(logPath, "utf8").slice(-2000);
        throw new Error(
          `dockerd (engine ${this.engine}) ${died ? "ended" : "did not answer in 20 s"}:\n${tail}`,
        );
      }
      await sleep(25);
    }
  }

  /** SIGTERM to the daemon, then waits for its end (it stops its containers first). No-op when it does not run. */
  async stopEngine(): Promise<void> {
    await this.#signalEngine("SIGTERM");
  }

  /** SIGKILL to the daemon, then waits for its end; containers go on until the next start. */
  async killEngine(): Promise<void> {
    await this.#signalEngine("SIGKILL");
  }

  /** {@link stopEngine}, then {@link startEngine}. */
  async restartEngine(): Promise<void> {
    await this.stopEngine();
    await this.startEngine();
  }

  async #signalEngine(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#daemon;
    if (child?.pid === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.ref(); // or node would end while it waits
    for (const pid of childrenOf(child.pid)) process.kill(pid, signal);
    await gone;
    rmSync(join(this.dir, "dockerd.pid"), { force: true }); // left behind by SIGKILL
  }

  /**
   * Puts a crafted image on the engine (POST /images/load of a docker-archive) and returns its id, "sha256:…"
   * (the config digest; with the containerd store the manifest digest). Takes about 0.05 to 0.15 s for a few MiB.
   *
   * Measured: one docker-archive without OCI layout does for all four engines, and RepoTags null gives a
   * dangling image on each of them (RepoTags and RepoDigests empty; "<none>:<none>" and "<none>@<none>" in the
   * list of 20.10). A tagged image has no digest on the classic stores and "repo@<id>" on the containerd store.
   * Created absent: 20.10 shows 0001-01-01 (list: -62135596800), the others nothing (list: 0). LastTagTime is
   * 0001-01-01 after a load on the classic stores and the time of the load on the containerd store.
   * @throws Error with the engine's words when the load fails
   */
  async loadImage(spec: ImageSpec = {}): Promise<string> {
    const layers: Layer[] = [];
    if (spec.busybox ?? true) layers.push(busyboxLayer());
    const fill = spec.fillByte;
    if (spec.layers !== undefined) {
      for (const l of spec.layers) layers.push(dataLayer(l.seed, l.sizeMiB, fill));
    } else if ((spec.sizeMiB ?? 1) > 0) {
      layers.push(dataLayer(spec.seed ?? randomBytes(8).toString("hex"), spec.sizeMiB ?? 1, fill));
    }
    const created = spec.created === undefined ? new Date().toISOString() : spec.created;
    const config = JSON.stringify({
      ...(created === null ? {} : { created }),
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: spec.cmd ?? ["/bin/busybox", "true"], Env: ["PATH=/bin"], Labels: spec.labels ?? null },
      rootfs: { type: "layers", diff_ids: layers.map((l) => `sha256:${l.sha256}`) },
      history: layers.map(() => ({
        ...(created === null ? {} : { created }),
        created_by: "ci-host fixture",
      })),
    });
    const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
    const manifest = JSON.stringify([
      {
        Config: configName,
        RepoTags: spec.ref === undefined ? null : [spec.ref],
        Layers: layers.map((l) => `${l.sha256}/layer.tar`),
      },
    ]);
    function* archive(): Generator<Buffer> {
      const done = new Set<string>();
      for (const layer of layers) {
        if (done.has(layer.sha256)) continue;
        done.add(layer.sha256);
        yield* tarFile(`${layer.sha256}/layer.tar`, layer.size, layer.bytes());
      }
      yield* tarFile(configName, Buffer.byteLength(config), [Buffer.from(config)]);
      yield* tarFile("manifest.json", Buffer.byteLength(manifest), [Buffer.from(manifest)]);
      yield Buffer.alloc(1024);
    }
    const answer = await this.docker.loadImage(Readable.from(archive(), { objectMode: false }), {
      quiet: true,
    });
    const lines = await streamLines(answer);
    const loaded = /Loaded image(?: ID)?: (\S+)/.exec(lines.map((l) => l.stream ?? "").join(""))?.[1];
    if (loaded === undefined) throw new Error(`image load failed: ${JSON.stringify(lines).slice(0, 500)}`);
    return (await this.docker.getImage(spec.ref ?? loaded).inspect()).Id;
  }

  /** Creates a container that is never started, without network; returns its id. */
  async createContainer(spec: ContainerSpec): Promise<string> {
    const container = await this.docker.createContainer({
      ...(spec.name === undefined ? {} : { name: spec.name }),
      Image: spec.image,
      Labels: spec.labels ?? {},
      Cmd: [...(spec.cmd ?? ["/bin/busybox", "true"])],
      StopTimeout: 1,
      HostConfig: { NetworkMode: "none" },
    });
    return container.id;
  }

  /** Creates and starts a container; returns its id, with `wait` only after its exit. */
  async runContainer(spec: ContainerSpec): Promise<string> {
    const container = this.docker.getContainer(await this.createContainer(spec));
    await container.start();
    if (spec.wait === true) await container.wait();
    return container.id;
  }

  /**
   * Creates a service and returns its id.
   * @throws Error with the tasks' states when `waitForRunning` is not fulfilled in 30 s
   */
  async createService(spec: ServiceSpec): Promise<string> {
    const mode = spec.mode ?? "replicated";
    const job = mode.endsWith("-job");
    const replicas = spec.replicas ?? 1;
    const modes = {
      replicated: { Replicated: { Replicas: replicas } },
      global: { Global: {} },
      "replicated-job": { ReplicatedJob: { MaxConcurrent: replicas, TotalCompletions: replicas } },
      "global-job": { GlobalJob: {} },
    };
    const body = {
      Name: spec.name,
      Labels: spec.labels ?? {},
      Mode: modes[mode],
      TaskTemplate: {
        ContainerSpec: {
          Image: spec.image,
          Command: [...(spec.cmd ?? (job ? ["/bin/busybox", "true"] : ["/bin/busybox", "sleep", "3600"]))],
          StopGracePeriod: (spec.stopGraceMs ?? 200) * 1e6,
          ...(spec.healthCmd === undefined
            ? {}
            : { Healthcheck: { Test: ["CMD", ...spec.healthCmd], Interval: 5e8, Timeout: 2e9, Retries: 1 } }),
        },
        ...(spec.restartCondition === undefined
          ? {}
          : { RestartPolicy: { Condition: spec.restartCondition } }),
        Placement: { Constraints: [...(spec.constraints ?? [])] },
        Networks: [{ Target: "host" }],
      },
    };
    const options = body as unknown as Docker.CreateServiceOptions;
    const service = await (spec.login === undefined
      ? this.docker.createService(options)
      : this.docker.createService(spec.login, options));
    const id = (service as unknown as { id: string }).id;
    if (spec.waitForRunning === true) await this.#waitForTasks(id, mode.startsWith("global") ? 1 : replicas);
    return id;
  }

  async #waitForTasks(service: string, wanted: number): Promise<void> {
    for (let end = Date.now() + 30_000; ; ) {
      const tasks = (await this.docker.listTasks({ filters: { service: [service] } })) as Task[];
      if (tasks.filter((t) => t.Status?.State === "running").length >= wanted) return;
      if (Date.now() > end) {
        const states = tasks.map((t) => `${t.Status?.State} ${t.Status?.Err ?? ""}`.trim()).join("; ");
        throw new Error(`service ${service} did not reach ${wanted} running tasks in 30 s: ${states}`);
      }
      await sleep(50);
    }
  }

  /** Removes a service by name or id; its containers go a moment later. */
  async removeService(name: string): Promise<void> {
    await this.docker.getService(name).remove();
  }

  /**
   * Builds an image and returns its id. BuildKit is driven through POST /build?version=2 without a session,
   * so nothing can be pulled and no secrets or ssh mounts exist.
   * @throws Error with the builder's words
   */
  async buildImage(spec: BuildSpec): Promise<string> {
    const lines = await this.#build(spec.dockerfile, spec.files ?? {}, {
      ...(spec.tag === undefined ? {} : { t: spec.tag }),
      ...(spec.buildkit === true ? { version: "2" } : {}),
      ...(spec.noCache === true ? { nocache: true } : {}),
      ...(spec.buildArgs === undefined ? {} : { buildargs: spec.buildArgs }),
      ...(spec.target === undefined ? {} : { target: spec.target }),
    });
    const id = lines.flatMap((l) => (l.aux as { ID?: string } | undefined)?.ID ?? []).at(-1);
    if (id === undefined) throw new Error(`the build named no image: ${JSON.stringify(lines).slice(-500)}`);
    return id;
  }

  async #build(
    dockerfile: string,
    files: Record<string, string | Buffer>,
    options: Record<string, unknown>,
  ): Promise<StreamLine[]> {
    function* context(): Generator<Buffer> {
      for (const [path, content] of Object.entries({ ...files, Dockerfile: dockerfile })) {
        const bytes = typeof content === "string" ? Buffer.from(content) : content;
        yield* tarFile(path, bytes.length, [bytes]);
      }
      yield Buffer.alloc(1024);
    }
    const body = Readable.from(context(), { objectMode: false });
    const query = { networkmode: "none", ...options } as unknown as Docker.ImageBuildOptions;
    return await streamLines(await this.docker.buildImage(body, query));
  }

  /**
   * Leaves BuildKit cache records of about `sizeMiB` MiB that no image shares: the upload, the context and the
   * copied file (which the containerd store holds twice, as blob and as snapshot). A dangling image exists for a
   * moment while this runs: the exporter "cacheonly" works on 20.10 only (26.1 and 28.5: 500 after 6 s).
   */
  async buildCache(sizeMiB: number): Promise<void> {
    const copies = usesContainerdStore(this.engine) ? 4 : 3;
    const name = `blob-${randomBytes(4).toString("hex")}`;
    const id = await this.buildImage({
      dockerfile: `FROM scratch\nCOPY ${name} /${name}\n`,
      files: { [name]: randomBytes(Math.ceil((sizeMiB * MIB) / copies)) },
      buildkit: true,
    });
    await this.docker.getImage(id).remove();
  }

  /**
   * Puts one plain file on the data disk so that {@link diskPercent} is `targetPercent`, or leaves things as
   * they are when it is already higher. 100 leaves not one free byte.
   */
  async fillDisk(targetPercent: number): Promise<void> {
    const file = this.#ballast;
    const s = statfsSync(this.dataRoot);
    const used = (s.blocks - s.bfree) * s.bsize;
    const total = used + s.bavail * s.bsize;
    const have = existsSync(file) ? statSync(file).size : 0;
    const more = Math.ceil(((targetPercent - 0.5) / 100) * total) - used;
    if (more > 0) fallocate(file, have + more);
    if (targetPercent >= 100) {
      for (let step = MIB; step >= 4096; step /= 4) {
        while (fallocate(file, statSync(file).size + step)) {
          // until the step no longer fits
        }
      }
    }
    if ((await this.diskPercent()) < targetPercent)
      throw new Error(`the disk did not reach ${targetPercent} %`);
  }

  /** Removes the file that {@link fillDisk} put there. */
  async unfill(): Promise<void> {
    rmSync(this.#ballast, { force: true });
  }

  get #ballast(): string {
    return join(this.dataRoot, "ballast");
  }

  /** Use% of the data disk as df shows it: ceil(100 * used / (used + available)). */
  async diskPercent(): Promise<number> {
    const s = statfsSync(this.dataRoot);
    const used = s.blocks - s.bfree;
    return Math.ceil((100 * used) / (used + s.bavail));
  }

  /** Bytes an unprivileged writer can still use on the data disk. */
  async freeBytes(): Promise<number> {
    const s = statfsSync(this.dataRoot);
    return s.bavail * s.bsize;
  }

  /** Ids of all images, untagged parents included. */
  async images(): Promise<string[]> {
    return (await this.docker.listImages({ all: true })).map((i) => i.Id);
  }

  /** True when the image (id or reference) exists. */
  async hasImage(image: string): Promise<boolean> {
    return await exists(this.docker.getImage(image).inspect());
  }

  /** True when the container (id or name) exists, in whatever state. */
  async hasContainer(container: string): Promise<boolean> {
    return await exists(this.docker.getContainer(container).inspect());
  }

  /** Removes all services and containers, with the volumes of these, and waits until none is left. */
  async removeContainers(): Promise<void> {
    const services = this.#swarm ? await this.docker.listServices() : [];
    for (const { ID } of services) await this.removeService(ID);
    for (let left = [""]; left.length > 0; ) {
      left = (await this.docker.listContainers({ all: true })).map(({ Id }) => Id);
      for (const id of left) {
        // A task's container may go by itself meanwhile.
        await this.docker
          .getContainer(id)
          .remove({ force: true, v: true })
          .catch(() => {});
      }
    }
  }

  /** Removes everything from the engine but these images. */
  async clear(keep: readonly string[] = []): Promise<void> {
    await this.removeContainers();
    for (let left = [""]; left.length > 0; ) {
      left = (await this.images()).filter((id) => !keep.includes(id));
      for (const id of left) {
        // A parent can only go after its children: what cannot yet is tried again in the next round.
        await this.docker
          .getImage(id)
          .remove({ force: true })
          .catch(() => {});
      }
    }
    await this.docker.pruneBuilder();
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
 * Cleans up after hosts whose owner and supervisor are both dead (a supervisor alone outlives its owner only
 * for the moment it needs to clean up).
 */
function sweepStaleHosts(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = /^cdp-host-(\d+)-/.exec(entry)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const dir = join(tmpdir(), entry);
    const users = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && cmdline(pid).includes(dir));
    if (users.some((pid) => cmdline(pid).startsWith("sh\0-c\0\ntrap"))) continue; // its supervisor is at work
    try {
      const first = readFileSync(join(dir, "first.pid"), "utf8").trim();
      const inner = cmdline(first);
      if (inner.includes("echo ready; while") && inner.includes(dir)) process.kill(Number(first), "SIGKILL");
    } catch {
      // never got that far, or gone already
    }
    spawnSync("umount", [join(dir, "data")], { stdio: "ignore" });
    spawnSync("sh", ["-c", `cg=$1\n${REMOVE_CGROUPS}`, "sh", entry], { stdio: "ignore" });
    spawnSync("rm", ["-rf", "--one-file-system", dir], { stdio: "ignore" });
  }
}

function cmdline(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function defaultEngine(): string {
  return process.env.CDP_ENGINE || MACHINE_ENGINE;
}

function tool(name: string): string {
  return findTool(name) ?? name;
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

async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch {
    return false;
  }
}

async function exists(inspection: Promise<unknown>): Promise<boolean> {
  try {
    await inspection;
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

/** Grows a file to `size` bytes with real blocks; false when the disk has no room for it. */
function fallocate(path: string, size: number): boolean {
  return spawnSync("fallocate", ["-l", String(Math.floor(size)), path], { stdio: "ignore" }).status === 0;
}

interface Task {
  Status?: { State?: string; Err?: string };
}

interface StreamLine {
  stream?: string;
  error?: string;
  aux?: unknown;
}

/** The JSON lines of an engine's progress stream; throws at the first error line. */
async function streamLines(stream: NodeJS.ReadableStream): Promise<StreamLine[]> {
  let text = "";
  for await (const chunk of stream) text += chunk.toString();
  const lines = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as StreamLine);
  const failed = lines.find((line) => line.error !== undefined);
  if (failed !== undefined) throw new Error(failed.error);
  return lines;
}

interface Layer {
  sha256: string;
  size: number;
  bytes(): Iterable<Buffer>;
}

const layerHashes = new Map<string, { sha256: string; size: number }>();

/** A layer whose bytes are generated when needed, so that big images take no memory. */
function makeLayer(key: string, bytes: () => Iterable<Buffer>): Layer {
  let known = layerHashes.get(key);
  if (known === undefined) {
    const hash = createHash("sha256");
    let size = 0;
    for (const chunk of bytes()) {
      hash.update(chunk);
      size += chunk.length;
    }
    known = { sha256: hash.digest("hex"), size };
    layerHashes.set(key, known);
  }
  return { ...known, bytes };
}

function dataLayer(seed: string, sizeMiB: number, fillByte: number | undefined): Layer {
  const size = Math.round(sizeMiB * MIB);
  const key = createHash("sha256").update(seed).digest();
  function* content(): Generator<Buffer> {
    const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
    for (let left = size; left > 0; ) {
      const n = Math.min(left, MIB);
      yield fillByte === undefined ? cipher.update(Buffer.alloc(n)) : Buffer.alloc(n, fillByte);
      left -= n;
    }
  }
  function* bytes(): Generator<Buffer> {
    yield* tarFile(`data-${key.toString("hex").slice(0, 16)}`, size, content());
    yield Buffer.alloc(1024);
  }
  return makeLayer(`${key.toString("hex")}/${size}/${fillByte ?? "random"}`, bytes);
}

const APPLETS = "sh ash cat cp date dd echo env false head ls mkdir mv rm seq sleep test touch true".split(
  " ",
);

function busyboxLayer(): Layer {
  const path = ["/bin/busybox", "/usr/bin/busybox"].find((p) => existsSync(p));
  if (path === undefined) throw new Error("no busybox on this machine (node scripts/setup.mjs installs it)");
  const binary = readFileSync(path);
  function* bytes(): Generator<Buffer> {
    yield tarHeader("bin/", 0, "5", 0o755);
    yield* tarFile("bin/busybox", binary.length, [binary], 0o755);
    for (const applet of APPLETS) yield tarHeader(`bin/${applet}`, 0, "2", 0o777, "busybox");
    yield tarHeader("tmp/", 0, "5", 0o1777);
    yield Buffer.alloc(1024);
  }
  return makeLayer("busybox", bytes);
}

function* tarFile(name: string, size: number, content: Iterable<Buffer>, mode = 0o644): Generator<Buffer> {
  yield tarHeader(name, size, "0", mode);
  yield* content;
  if (size % 512 !== 0) yield Buffer.alloc(512 - (size % 512));
}

/** A ustar header. Names up to 100 bytes, sizes below 8 GiB; owner root, time 0. */
function tarHeader(name: string, size: number, type: "0" | "2" | "5", mode: number, link = ""): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`name too long for a tar header: ${name}`);
  const h = Buffer.alloc(512);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  h.write(name, 0);
  h.write(octal(mode, 8), 100);
  h.write(octal(0, 8), 108);
  h.write(octal(0, 8), 116);
  h.write(octal(size, 12), 124);
  h.write(octal(0, 12), 136);
  h.write("        ", 148);
  h.write(type, 156);
  h.write(link, 157);
  h.write("ustar\0", 257);
  h.write("00", 263);
  const sum = h.reduce((a, b) => a + b, 0);
  h.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return h;
}
