/**
 * A slice of a public load, scaled down to the small disk of a {@link CiHost}: its images in a registry, and what the
 * replay says of it. Layers take on the disk what the replay takes them to take: PACKED times what the registry sends.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type LedgerImage, PACKED } from "../../agent/plan/ledger.ts";
import { type Marks, ownHistory, type Policy, type ReplayRun, replay } from "../../agent/plan/replay.ts";
import { readTrace, toRuns } from "../../bench/replay/trace.ts";
import { busyboxLayer, dataLayer, type Layer } from "./layers.ts";

const MIB = 1024 * 1024;
/** Bytes of the load for one of the slice. */
const SCALE = 100;
/**
 * What an engine puts on the disk beside a layer's file, in bytes: folders, links, records. Measured on blocks of 1 KiB
 * (disks below 512 MiB): 12.9 to 13.3 KB on 20.10.
 */
const BESIDE = 13_200;
/** No smaller layer could take PACKED times its size. */
const SMALLEST = 9_000;
/** Runs that began at once are so many seconds apart: `watch` has no two passes started within a minute. */
const APART = 120;

export interface SliceOptions {
  readonly trace: string;
  readonly from: number;
  readonly runs: number;
  /** Seconds for which an image that was used stays: `cache.unusedFor`. */
  readonly unusedFor: number;
}

/**
 * Runs of a trace, the first one at 0; an image's id is the reference it had there. Layers are scaled down, and those
 * that the same images have are one: what images share stays as it is, with a fifth of the layers to pull.
 */
export function sliceOf({ trace, from, runs: count, unusedFor }: SliceOptions): ReplayRun[] {
  const lines = readTrace(new URL(`../../bench/replay/${trace}`, import.meta.url)).slice(from, from + count);
  const runs = toRuns(lines);
  const images = mergeLayers(new Map(runs.flatMap((run) => run.images).map((image) => [image.id, image])));
  let last = Number.NEGATIVE_INFINITY;
  return runs.map((run) => {
    last = Math.max(run.at - (runs[0]?.at ?? 0), last + APART);
    return { ...run, at: last, seconds: unusedFor, images: run.images.map(({ id }) => images.get(id)!) };
  });
}

function mergeLayers(images: ReadonlyMap<string, LedgerImage>): Map<string, LedgerImage> {
  const holders = new Map<string, string[]>();
  for (const { id, layers } of images.values())
    for (const { digest } of layers) holders.set(digest, [...(holders.get(digest) ?? []), id]);
  const busybox = { digest: "busybox", bytes: Math.round(busyboxLayer().size / PACKED) };
  const merged = ({ layers, ...image }: LedgerImage): LedgerImage => {
    const bytesOf = new Map<string, number>();
    for (const { digest, bytes } of layers) {
      const key = holders.get(digest)!.join(" ");
      bytesOf.set(key, (bytesOf.get(key) ?? 0) + bytes / SCALE);
    }
    const own = [...bytesOf].map(([digest, bytes]) => ({
      digest,
      bytes: Math.max(SMALLEST, Math.round(bytes)),
    }));
    const all = [busybox, ...own];
    return { ...image, layers: all, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  return new Map([...images].map(([id, image]) => [id, merged(image)]));
}

/** What the replay says of these runs, with a pass each hour and after each run's pulls. */
export function replayed(runs: readonly ReplayRun[], capacity: number, marks: Marks) {
  const policy = ownHistory(marks, true);
  const evictions: string[] = [];
  const told: Policy = {
    ...policy,
    pass: (disk, now) => {
      const before = [...disk.images.keys()];
      policy.pass(disk, now);
      evictions.push(...before.filter((id) => !disk.images.has(id)));
    },
  };
  return { totals: replay(runs, capacity, told), evictions };
}

/** Bytes that an image takes on the disk by itself. */
export const onDisk = ({ layers }: LedgerImage): number =>
  PACKED * layers.reduce((sum, { bytes }) => sum + bytes, 0);

const TYPES = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Images in the storage folder of a docker-registry, as pushes would have left them there. */
export class Published {
  readonly #storage: string;
  readonly #layers = new Map<string, Blob & { readonly diffId: string }>();
  readonly #tags = new Map<string, string>();

  constructor(storage: string) {
    this.#storage = join(storage, "docker/registry/v2");
  }

  /** @returns `"repository:tag"` */
  publish(image: LedgerImage): string {
    const before = this.#tags.get(image.id);
    if (before !== undefined) return before;
    const layers = image.layers.map((layer) => this.#layer(layer.digest, layer.bytes));
    const config = this.#blob(
      JSON.stringify({
        created: "2026-01-01T00:00:00Z",
        architecture: process.arch === "x64" ? "amd64" : process.arch,
        os: "linux",
        config: { Cmd: ["/bin/busybox", "true"], Env: ["PATH=/bin"], Labels: { reference: image.id } },
        rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
        history: layers.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "slice" })),
      }),
    );
    const manifest = this.#blob(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: TYPES.manifest,
        config: { mediaType: TYPES.config, ...config },
        layers: layers.map(({ digest, size }) => ({ mediaType: TYPES.layer, digest, size })),
      }),
    );
    const repository = image.repository.toLowerCase().replace(/[^a-z0-9/._-]/g, "-");
    const tag = `t${this.#tags.size}`;
    const links = join(this.#storage, "repositories", repository);
    for (const { digest } of [config, ...layers]) link(join(links, "_layers", ofDigest(digest)), digest);
    link(join(links, "_manifests/revisions", ofDigest(manifest.digest)), manifest.digest);
    link(join(links, "_manifests/tags", tag, "current"), manifest.digest);
    this.#tags.set(image.id, `${repository}:${tag}`);
    return `${repository}:${tag}`;
  }

  #layer(name: string, bytes: number): Blob & { readonly diffId: string } {
    const before = this.#layers.get(name);
    if (before !== undefined) return before;
    const layer = name === "busybox" ? busyboxLayer() : fileOf(name, bytes);
    const made = {
      ...this.#blob(gzipSync(Buffer.concat([...layer.bytes()]), { level: 1 })),
      diffId: `sha256:${layer.sha256}`,
    };
    this.#layers.set(name, made);
    return made;
  }

  #blob(content: string | Buffer): Blob {
    const hex = createHash("sha256").update(content).digest("hex");
    const dir = join(this.#storage, "blobs/sha256", hex.slice(0, 2), hex);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "data"), content);
    return { digest: `sha256:${hex}`, size: Buffer.byteLength(content) };
  }
}

/** So many random bytes, and zeros until it takes PACKED times as much on the disk. */
function fileOf(name: string, bytes: number): Layer {
  return dataLayer(name, bytes / MIB, undefined, (PACKED * bytes - bytes - BESIDE) / MIB);
}

const ofDigest = (digest: string) => digest.replace(":", "/");

function link(dir: string, digest: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "link"), digest);
}
