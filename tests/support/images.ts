/** Images on an engine: crafted ones, loaded as an archive, and built ones. Nothing is pulled. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { busyboxLayer, dataLayer, type Layer } from "./layers.ts";
import { TAR_END, tarFile } from "./tar.ts";

/** One layer of random bytes. The same seed and size give the same bytes, so the layer is shared. */
export interface LayerSpec {
  /** Seed of the byte stream. */
  seed: string;
  /** Size in MiB (fractions allowed). */
  sizeMiB: number;
  /** So many more of zeros, which a registry packs to nothing; default 0. */
  zerosMiB?: number;
}

/** What {@link loadImage} puts on the engine. */
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

/** What {@link buildImage} builds. */
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
export async function loadImage(docker: Docker, spec: ImageSpec = {}): Promise<string> {
  const layers: Layer[] = [];
  if (spec.busybox ?? true) layers.push(busyboxLayer());
  const fill = spec.fillByte;
  if (spec.layers !== undefined) {
    for (const l of spec.layers) layers.push(dataLayer(l.seed, l.sizeMiB, fill, l.zerosMiB));
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
    yield TAR_END;
  }
  const answer = await docker.loadImage(Readable.from(archive(), { objectMode: false }), {
    quiet: true,
  });
  const lines = await streamLines(answer);
  const loaded = /Loaded image(?: ID)?: (\S+)/.exec(lines.map((l) => l.stream ?? "").join(""))?.[1];
  if (loaded === undefined) throw new Error(`image load failed: ${JSON.stringify(lines).slice(0, 500)}`);
  return (await docker.getImage(spec.ref ?? loaded).inspect()).Id;
}

/**
 * Builds an image and returns its id. BuildKit is driven through POST /build?version=2 without a session,
 * so nothing can be pulled and no secrets or ssh mounts exist.
 * @throws Error with the builder's words
 */
export async function buildImage(docker: Docker, spec: BuildSpec): Promise<string> {
  function* context(): Generator<Buffer> {
    for (const [path, content] of Object.entries({ ...spec.files, Dockerfile: spec.dockerfile })) {
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      yield* tarFile(path, bytes.length, [bytes]);
    }
    yield TAR_END;
  }
  const options = {
    networkmode: "none",
    ...(spec.tag === undefined ? {} : { t: spec.tag }),
    ...(spec.buildkit === true ? { version: "2" } : {}),
    ...(spec.noCache === true ? { nocache: true } : {}),
    ...(spec.buildArgs === undefined ? {} : { buildargs: spec.buildArgs }),
    ...(spec.target === undefined ? {} : { target: spec.target }),
  } as unknown as Docker.ImageBuildOptions;
  const body = Readable.from(context(), { objectMode: false });
  const lines = await streamLines(await docker.buildImage(body, options));
  const id = lines.flatMap((l) => (l.aux as { ID?: string } | undefined)?.ID ?? []).at(-1);
  if (id === undefined) throw new Error(`the build named no image: ${JSON.stringify(lines).slice(-500)}`);
  return id;
}

interface StreamLine {
  stream?: string;
  error?: string;
  aux?: unknown;
}

/** The JSON lines of an engine's progress stream; throws at the first error line. */
export async function streamLines(stream: NodeJS.ReadableStream): Promise<StreamLine[]> {
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
