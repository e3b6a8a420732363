/**
 * A private CI host as a fixture: a real dockerd with its own small disk, for the demo, the engine tests and
 * the benchmarks.
 *
 * Each host has a loop-mounted ext4 file as its data disk and its own PID, mount and network namespaces, so
 * any number of hosts can run side by side. What is left of one whose owner dies is cleaned up (supervised.ts).
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Docker from "dockerode";
import { type Captured, capture } from "./capture.ts";
import { Dockerd } from "./dockerd.ts";
import { defaultEngine, engineAvailable, rootfsOf, usesContainerdStore } from "./engines.ts";
import { type BuildSpec, buildImage, type ImageSpec, loadImage } from "./images.ts";
import { createService, type ServiceSpec } from "./services.ts";
import { SmallDisk } from "./small-disk.ts";
import { SupervisedHost } from "./supervised.ts";

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
  /** Word that shows up in the directory name; default "host", and "" leaves it out. */
  name?: string;
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

/** Starts the namespaces. $2 = root file system or "", $3 = FIRST. */
const SUPERVISOR = `
cgroups=/sys/fs/cgroup
mount -o loop "$dir/disk.img" "$dir/data" || exit 1
setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --net --propagation private \
  sh -c "$3" sh "$dir" "$2" </dev/null &
finish $!
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
export class CiHost extends SupervisedHost {
  /** The engine asked for. */
  readonly engine: string;
  /** Mount point of the data disk; the daemon's DockerRootDir is `docker` in it, on the same path. */
  readonly dataRoot: string;
  /** The daemon's unix socket. */
  readonly socketPath: string;
  /** Unrestricted client of the daemon. */
  readonly docker: Docker;
  readonly #disk: SmallDisk;
  readonly #swarm: boolean;
  readonly #daemon: Dockerd;

  private constructor(options: CiHostOptions) {
    super((options.name ?? "host").replace(/[^A-Za-z0-9]/g, "").slice(0, 16));
    this.engine = options.engine ?? defaultEngine();
    this.#swarm = options.swarm ?? true;
    this.dataRoot = join(this.dir, "data");
    this.#disk = new SmallDisk(this.dataRoot);
    this.#daemon = new Dockerd(this.engine, this.dir);
    this.socketPath = this.#daemon.socketPath;
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
    SmallDisk.format(join(this.dir, "disk.img"), options.diskMiB, options.inodes);
    this.#daemon.configure();
    await this.supervise({ script: SUPERVISOR, args: [rootfsOf(this.engine) ?? "", FIRST] });
    mkdirSync(join(this.dataRoot, "docker"), { recursive: true });
    await this.startEngine();
    if (this.#swarm)
      await this.docker.swarmInit({ ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1" });
  }

  /** Runs `docker` against this host. Throws only when there is no docker CLI. */
  cli(args: readonly string[]): Promise<Captured> {
    const own = { DOCKER_HOST: `unix://${this.socketPath}`, DOCKER_CONFIG: join(this.dir, "cli") };
    return capture("docker", args, { ...process.env, ...own });
  }

  /** Starts the daemon and waits until it answers; see {@link Dockerd.start}. The Swarm comes back by itself. */
  async startEngine(): Promise<void> {
    await this.#daemon.start(this.first);
  }

  /** SIGTERM to the daemon, then waits for its end (it stops its containers first). No-op when it does not run. */
  stopEngine(): Promise<void> {
    return this.#daemon.signal("SIGTERM");
  }

  /** SIGKILL to the daemon, then waits for its end; containers go on until the next start. */
  async killEngine(): Promise<void> {
    await this.#daemon.signal("SIGKILL");
  }

  /** {@link stopEngine}, then {@link startEngine}. */
  async restartEngine(): Promise<void> {
    await this.stopEngine();
    await this.startEngine();
  }

  /** {@link loadImage} on this host. */
  loadImage(spec: ImageSpec = {}): Promise<string> {
    return loadImage(this.docker, spec);
  }

  /** {@link buildImage} on this host. */
  buildImage(spec: BuildSpec): Promise<string> {
    return buildImage(this.docker, spec);
  }

  /** {@link createService} on this host. */
  createService(spec: ServiceSpec): Promise<string> {
    return createService(this.docker, spec);
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

  /** Removes a service by name or id; its containers go a moment later. */
  async removeService(name: string): Promise<void> {
    await this.docker.getService(name).remove();
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
      files: { [name]: randomBytes(Math.ceil((sizeMiB * 2 ** 20) / copies)) },
      buildkit: true,
    });
    await this.docker.getImage(id).remove();
  }

  /** See {@link SmallDisk.fill}. */
  async fillDisk(targetPercent: number): Promise<void> {
    this.#disk.fill(targetPercent);
  }

  /** Removes the file that {@link fillDisk} put there. */
  async unfill(): Promise<void> {
    this.#disk.unfill();
  }

  /** Use% of the data disk as df shows it. */
  async diskPercent(): Promise<number> {
    return this.#disk.percent();
  }

  /** Bytes an unprivileged writer can still use on the data disk. */
  async freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
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
