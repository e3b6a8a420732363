/**
 * Debian's docker-registry (the distribution project's), started for one test inside the network namespace of a
 * {@link CiHost}: on loopback there, which engines take for an insecure registry without being told, or on an address
 * that they do not trust so. With htpasswd (bcrypt, the only hash it takes) and its own access log, which is what the
 * tests count in: what a registry handed out, not what a client says it fetched.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CiHost } from "./ci-host.ts";
import { type Availability, findTool } from "./engines.ts";
import { streamLines } from "./images.ts";

export interface DockerRegistryOptions {
  /** Default 127.0.0.1: no TLS needed. Any other address is added to the namespace's loopback device. */
  readonly address?: string;
  /** Default 5000. */
  readonly port?: number;
  /** User -> password. Absent: everybody may do everything. */
  readonly users?: Readonly<Record<string, string>>;
  /** Serve TLS with a certificate that nobody has signed; default false. */
  readonly tls?: boolean;
}

/** One line of the access log. */
export interface Access {
  readonly method: string;
  /** `"/v2/base/blobs/sha256:…"` */
  readonly path: string;
  readonly status: number;
  /** Bytes of the body that was sent. */
  readonly bytes: number;
}

/** What a stretch of the log comes to. */
export interface Traffic {
  /** Blobs asked for (GET): layers and image configs. */
  readonly blobRequests: number;
  /** Bytes of blobs handed out. */
  readonly blobBytes: number;
  /** Manifests asked for or asked about (GET and HEAD): the check whether a tag has moved. */
  readonly manifestRequests: number;
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Says whether such a registry can be started here. */
export function dockerRegistryAvailable(): Availability {
  const missing = ["docker-registry", "htpasswd", "openssl", "nsenter"].filter((tool) => !findTool(tool));
  return missing.length === 0
    ? { ok: true }
    : {
        ok: false,
        reason: `missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`,
      };
}

/** $1 = configuration. Ends with its parent, whose pipe is its standard input. */
const SUPERVISOR = 'docker-registry serve "$1" </dev/null & read -r never; kill $!; wait $!';

const ACCESS = /^\S+ - \S+ \[[^\]]+\] "([A-Z]+) (\S+) HTTP\/[\d.]+" (\d{3}) (\d+) /;

export class DockerRegistry implements AsyncDisposable {
  /** `"127.0.0.1:5000"` */
  readonly address: string;
  readonly #dir = mkdtempSync(join(tmpdir(), "cdp-docker-registry-"));
  /** Where it keeps what was pushed. */
  readonly storage = join(this.#dir, "storage");
  readonly #process: ChildProcess;
  readonly #log: Access[] = [];
  #said = "";

  private constructor(host: CiHost, options: DockerRegistryOptions) {
    const ip = options.address ?? "127.0.0.1";
    this.address = `${ip}:${options.port ?? 5000}`;
    const config = join(this.#dir, "config.json");
    // Its YAML parser takes JSON, of which YAML is a superset.
    writeFileSync(config, JSON.stringify(this.#configuration(ip, options)));
    const first = readFileSync(join(host.dir, "first.pid"), "utf8").trim();
    if (!ip.startsWith("127.")) {
      const added = spawnSync(
        "nsenter",
        ["-t", first, "--net", "ip", "address", "replace", `${ip}/32`, "dev", "lo"],
        { encoding: "utf8" },
      );
      if (added.status !== 0) throw new Error(added.stderr);
    }
    this.#process = spawn("nsenter", ["-t", first, "--net", "sh", "-c", SUPERVISOR, "sh", config], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env.PATH ?? "" },
    });
  }

  #configuration(ip: string, { users, tls }: DockerRegistryOptions) {
    const file = (name: string) => join(this.#dir, name);
    if (users !== undefined) {
      const lines = Object.entries(users).map(([user, password]) => {
        const made = spawnSync("htpasswd", ["-niB", "-C", "4", user], { input: password, encoding: "utf8" });
        if (made.status !== 0) throw new Error(`htpasswd: ${made.stderr}`);
        return made.stdout.trim();
      });
      writeFileSync(file("htpasswd"), `${lines.join("\n")}\n`, { mode: 0o600 });
    }
    if (tls === true) {
      const made = spawnSync(
        "openssl",
        [
          ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
          ...["-subj", "/CN=registry.test", "-addext", `subjectAltName=IP:${ip}`],
          ...["-keyout", file("key.pem"), "-out", file("cert.pem")],
        ],
        { encoding: "utf8" },
      );
      if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
    }
    return {
      version: "0.1",
      log: { level: "info", accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: this.storage }, delete: { enabled: true } },
      http: {
        addr: this.address,
        secret: "of no use to anyone",
        ...(tls === true ? { tls: { certificate: file("cert.pem"), key: file("key.pem") } } : {}),
      },
      ...(users === undefined ? {} : { auth: { htpasswd: { realm: "tests", path: file("htpasswd") } } }),
    };
  }

  /** Starts a registry that this host's engine reaches. Takes about 0.2 s. Throws with its last words. */
  static async start(host: CiHost, options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const registry = new DockerRegistry(host, options);
    try {
      await registry.#listening();
    } catch (error) {
      await registry.stop();
      throw error;
    }
    return registry;
  }

  #listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`docker-registry did not come up: ${this.#said.slice(-1000)}`));
      const timer = setTimeout(fail, 10_000);
      let partial = "";
      const read = (text: string) => {
        const lines = (partial + text).split("\n");
        partial = lines.pop() ?? "";
        for (const line of lines) {
          const access = ACCESS.exec(line);
          if (access !== null) {
            const [, method = "", path = "", status, bytes] = access;
            this.#log.push({ method, path, status: Number(status), bytes: Number(bytes) });
          }
        }
      };
      this.#process.stdout?.setEncoding("utf8").on("data", read);
      this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text;
        if (!this.#said.includes("listening on")) return;
        clearTimeout(timer);
        resolve();
      });
      this.#process.once("error", reject);
      this.#process.once("exit", fail);
    });
  }

  /** All requests so far. */
  get accesses(): readonly Access[] {
    return this.#log;
  }

  /** What the registry handed out while `action` ran. */
  async during<T>(action: () => Promise<T>): Promise<Traffic & { readonly result: T }> {
    await this.#flushed();
    const from = this.#log.length;
    const result = await action();
    await this.#flushed();
    return { ...trafficOf(this.#log.slice(from)), result };
  }

  /** Resolves when every request that was answered until now is in the log: a request of our own comes last. */
  async #flushed(): Promise<void> {
    const marker = `/flushed-${process.hrtime.bigint()}`;
    const enter = ["-t", String(this.#process.pid), "--net", "busybox", "wget", "-q", "-O", "/dev/null"];
    const asked = spawn("nsenter", [...enter, `http://${this.address}${marker}`], { stdio: "ignore" });
    await new Promise((resolve) => asked.once("exit", resolve));
    for (const end = Date.now() + 5000; !this.#log.some(({ path }) => path === marker); ) {
      if (Date.now() > end) throw new Error("the registry's access log does not show our own request");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /**
   * Tags a local image for this registry and pushes it, as on Docker Hub with a list of platforms (here of one) under
   * the tag: of a bare manifest the engine also reads the image's config when it only looks a digest up.
   * @returns `"127.0.0.1:5000/repo:tag"`
   */
  async push(host: CiHost, image: string, name: string, login?: Login): Promise<string> {
    const [repo = "", tag = ""] = name.split(":");
    const ref = `${this.address}/${repo}`;
    await host.docker.getImage(image).tag({ repo: ref, tag });
    // Without a login the engine still wants the header.
    const authconfig = { username: "", password: "", ...login, serveraddress: this.address };
    await streamLines(await host.docker.getImage(`${ref}:${tag}`).push({ tag, authconfig }));
    await this.#inside(MAKE_LIST, { url: `http://${this.address}/v2/${repo}/manifests/${tag}`, login });
    return `${ref}:${tag}`;
  }

  /** Runs a script of node's in the registry's network namespace, with `input` as JSON on its standard input. */
  async #inside(script: string, input: object): Promise<void> {
    const child = spawn(
      "nsenter",
      ["-t", String(this.#process.pid), "--net", process.execPath, "-e", script],
      {
        stdio: ["pipe", "ignore", "pipe"],
        env: { PATH: process.env.PATH ?? "" },
      },
    );
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.stdin.end(JSON.stringify(input));
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new Error(`in the registry's namespace: ${said}`);
  }

  async stop(): Promise<void> {
    const gone =
      this.#process.exitCode === null && this.#process.signalCode === null
        ? new Promise((resolve) => this.#process.once("close", resolve))
        : Promise.resolve();
    this.#process.removeAllListeners("exit");
    this.#process.stdin?.end();
    await gone;
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const MAKE_LIST = `
const { url, login } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const authorization = login && "Basic " + Buffer.from(login.username + ":" + login.password).toString("base64");
const accept = ["vnd.docker.distribution.manifest.v2+json", "vnd.oci.image.manifest.v1+json", "vnd.oci.image.index.v1+json"];
const headers = { ...(authorization && { authorization }), accept: accept.map((type) => "application/" + type).join(", ") };
(async () => {
  const pushed = await fetch(url, { headers });
  const size = (await pushed.arrayBuffer()).byteLength;
  const mediaType = pushed.headers.get("content-type");
  if (!pushed.ok) throw new Error(pushed.status);
  // Engines with the containerd store push a list of their own.
  if (mediaType.includes("index")) return;
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const manifest = { mediaType, size, digest: pushed.headers.get("docker-content-digest"), platform: { os: "linux", architecture } };
  const type = "application/vnd.docker.distribution.manifest.list.v2+json";
  const body = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [manifest] });
  const put = await fetch(url, { method: "PUT", body, headers: { ...headers, "content-type": type } });
  if (!put.ok) throw new Error(await put.text());
})().catch((error) => { console.error(error); process.exitCode = 1; });
`;

export function trafficOf(accesses: readonly Access[]): Traffic {
  const blobs = accesses.filter(({ method, path }) => method === "GET" && /\/blobs\/sha256:/.test(path));
  return {
    blobRequests: blobs.length,
    blobBytes: blobs.filter(({ status }) => status < 300).reduce((sum, { bytes }) => sum + bytes, 0),
    manifestRequests: accesses.filter(({ path }) => path.includes("/manifests/")).length,
  };
}

/** Pulls as a client with these credentials does; throws what the engine says, in its answer or in its stream. */
export async function pullAs(host: CiHost, ref: string, login?: Login): Promise<void> {
  const serveraddress = ref.slice(0, ref.indexOf("/"));
  const options = login === undefined ? {} : { authconfig: { ...login, serveraddress } };
  await streamLines(await host.docker.pull(ref, options));
}

/** What the tag names now: the look that `docker service create` and `docker stack deploy` take before they deploy. */
export async function digestOf(host: CiHost, ref: string, authconfig: object): Promise<string> {
  const image = host.docker.getImage(ref) as unknown as {
    distribution(options: object): Promise<{ Descriptor: { digest: string } }>;
  };
  return (await image.distribution({ authconfig })).Descriptor.digest;
}
