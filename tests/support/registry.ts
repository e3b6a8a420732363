/**
 * A registry that the private engine of a {@link CiHost} can pull from, and that can be told to keep an engine
 * waiting in the middle of a pull.
 *
 * It lives in this process, behind a unix socket; a forwarder inside the engine's network namespace offers it
 * there as 127.0.0.1:5000, which engines take for an insecure registry without being told.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import type { CiHost } from "./ci-host.ts";

const ADDRESS = "127.0.0.1:5000";
const TYPES = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

/** argv: unix socket. Ends with its parent, whose pipe is its standard input. */
const FORWARDER = `
const net = require("node:net");
net.createServer((outside) => {
  const inside = net.connect(process.argv[1]);
  outside.pipe(inside).pipe(outside);
  outside.on("error", () => inside.destroy());
  inside.on("error", () => outside.destroy());
}).listen(5000, "127.0.0.1", () => process.stdout.write("ready"));
process.stdin.on("end", () => process.exit()).resume();
`;

/** What the engine can pull. */
export interface Published {
  /** "127.0.0.1:5000/name:tag" */
  readonly ref: string;
  /** "127.0.0.1:5000/name@sha256:…" */
  readonly byDigest: string;
  /** Digests of its layer blobs, lowest first. */
  readonly layers: readonly string[];
}

/** A layer that is not handed out before it is released. */
export interface Held {
  /** Resolves once an engine has asked for the layer, and waits. */
  readonly asked: Promise<void>;
  release(): void;
}

export class Registry implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), "cdp-registry-"));
  readonly #blobs = new Map<string, Buffer>();
  /** Manifests by "name/reference". */
  readonly #manifests = new Map<string, { body: Buffer; digest: string }>();
  readonly #held = new Map<string, { asked(): void; released: Promise<void> }>();
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch((error: Error) => response.destroy(error));
  });
  #forwarder: ChildProcess | undefined;

  private constructor() {}

  /** Starts a registry that this host's engine reaches. Takes about 0.1 s. */
  static async start(host: CiHost): Promise<Registry> {
    const registry = new Registry();
    const socket = join(registry.#dir, "registry.sock");
    await new Promise<void>((resolve) => registry.#server.listen(socket, resolve));
    const first = readFileSync(join(host.dir, "first.pid"), "utf8").trim();
    const child = spawn("nsenter", ["-t", first, "--net", process.execPath, "-e", FORWARDER, socket], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { PATH: process.env.PATH ?? "" },
    });
    registry.#forwarder = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the registry's forwarder ended with ${code}`)));
    });
    return registry;
  }

  /** Offers a local image of the host for pulling; the image itself stays as it is. `name` is "repo:tag". */
  async publish(host: CiHost, image: string, name: string): Promise<Published> {
    const [repo = "", tag = ""] = name.split(":");
    const dir = mkdtempSync(join(this.#dir, "save-"));
    const archive = join(dir, "image.tar");
    const files = join(dir, "files");
    await pipeline(await host.docker.getImage(image).get(), createWriteStream(archive));
    mkdirSync(files);
    const unpacked = spawnSync("tar", ["-xf", archive, "-C", files], { encoding: "utf8" });
    if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`);
    const [saved] = JSON.parse(readFileSync(join(files, "manifest.json"), "utf8")) as {
      Config: string;
      Layers: string[];
    }[];
    if (saved === undefined) throw new Error(`nothing was saved of ${image}`);
    const config = this.#store(readFileSync(join(files, saved.Config)));
    const layers = saved.Layers.map((path) => {
      const blob = readFileSync(join(files, path));
      return this.#store(blob.readUInt16BE(0) === 0x1f8b ? blob : gzipSync(blob, { level: 1 }));
    });
    rmSync(dir, { recursive: true });
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: TYPES.manifest,
        config: { mediaType: TYPES.config, ...config },
        layers: layers.map((layer) => ({ mediaType: TYPES.layer, ...layer })),
      }),
    );
    const digest = digestOf(body);
    for (const reference of [tag, digest]) this.#manifests.set(`${repo}/${reference}`, { body, digest });
    return {
      ref: `${ADDRESS}/${name}`,
      byDigest: `${ADDRESS}/${repo}@${digest}`,
      layers: layers.map((layer) => layer.digest),
    };
  }

  /** Keeps whoever asks for this layer waiting until it is released. */
  hold(digest: string): Held {
    let asked = () => {};
    let release = () => {};
    const wasAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held.set(digest, { asked, released });
    return { asked: wasAsked, release };
  }

  async stop(): Promise<void> {
    this.#forwarder?.removeAllListeners("exit");
    this.#forwarder?.stdin?.end();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #store(blob: Buffer): { digest: string; size: number } {
    const digest = digestOf(blob);
    this.#blobs.set(digest, blob);
    return { digest, size: blob.length };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const [, repo = "", kind, reference = ""] =
      /^\/v2\/([a-z0-9/-]+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
    const send = (body: Buffer, type: string, digest: string) => {
      response.writeHead(200, {
        "content-type": type,
        "content-length": body.length,
        "docker-content-digest": digest,
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    if (path === "/v2/") {
      response.writeHead(200, { "docker-distribution-api-version": "registry/2.0" }).end("{}");
      return;
    }
    const manifest = kind === "manifests" ? this.#manifests.get(`${repo}/${reference}`) : undefined;
    if (manifest !== undefined) {
      send(manifest.body, TYPES.manifest, manifest.digest);
      return;
    }
    const blob = kind === "blobs" ? this.#blobs.get(reference) : undefined;
    if (blob === undefined) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"errors":[]}');
      return;
    }
    const held = this.#held.get(reference);
    if (held !== undefined && request.method === "GET") {
      held.asked();
      await held.released;
    }
    send(blob, "application/octet-stream", reference);
  }
}

/** Pulls as a client does; throws what the engine says in the stream, where it answers 200 even for a failure. */
export async function pull(host: CiHost, ref: string): Promise<void> {
  const stream = await host.docker.pull(ref);
  await new Promise<void>((resolve, reject) =>
    host.docker.modem.followProgress(stream, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    ),
  );
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
