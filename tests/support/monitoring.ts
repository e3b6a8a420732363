/** The real tools of the Prometheus project, as Debian packages them, on free ports of the loopback. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findTool } from "./engines.ts";

/** Why tests that need these programs cannot run here; `null` when they can. */
export function programsMissing(...programs: readonly string[]): string | null {
  const missing = programs.filter((program) => findTool(program) === undefined);
  return missing.length === 0
    ? null
    : `missing programs: ${missing.join(", ")} (node scripts/setup.mjs installs them)`;
}

/** For `describe.skipIf(missing !== null)`, so that the reason is in the list of what was skipped. */
export const titled = (name: string, missing: string | null) =>
  missing === null ? name : `${name} (skipped: ${missing})`;

/** promtool's exit code, and all that it said. */
export function promtool(
  args: readonly string[],
  input = "",
): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, {
    input,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: status, said: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A server program that runs until it is stopped; it does not outlive this process. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #kill = () => this.#child.kill("SIGKILL");
  #said = "";

  private constructor(
    program: string,
    args: readonly string[],
    /** `"http://127.0.0.1:40123"` */
    readonly url: string,
  ) {
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#said = `${this.#said}${chunk.toString()}`.slice(-4000);
      });
    }
    this.#gone = new Promise((resolve) => {
      this.#child.once("error", () => resolve());
      this.#child.once("exit", () => resolve());
    });
    process.once("exit", this.#kill);
  }

  /** @param ready path that answers 200 once it serves */
  static async start(
    program: string,
    args: (address: string) => readonly string[],
    ready: string,
  ): Promise<Daemon> {
    const address = `127.0.0.1:${await freePort()}`;
    const daemon = new Daemon(program, args(address), `http://${address}`);
    let over = false;
    daemon.#gone.then(() => {
      over = true;
    });
    for (let left = 300; left > 0 && !over; left--) {
      const answer = await fetch(`${daemon.url}${ready}`).catch(() => null);
      if (answer?.ok) return daemon;
      await sleep(50);
    }
    await daemon.stop();
    throw new Error(`${program} did not serve: ${daemon.#said}`);
  }

  async text(path: string): Promise<string> {
    const answer = await fetch(`${this.url}${path}`);
    const body = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${body}`);
    return body;
  }

  async stop(): Promise<void> {
    process.removeListener("exit", this.#kill);
    this.#child.kill("SIGTERM");
    const late = setTimeout(this.#kill, 5000);
    await this.#gone;
    clearTimeout(late);
  }
}

/** node_exporter with the textfile collector on this folder, and those named. */
export function startNodeExporter(textfiles: string, ...collectors: readonly string[]): Promise<Daemon> {
  return Daemon.start(
    "prometheus-node-exporter",
    (address) => [
      `--web.listen-address=${address}`,
      "--collector.disable-defaults",
      "--collector.textfile",
      `--collector.textfile.directory=${textfiles}`,
      ...collectors.map((name) => `--collector.${name}`),
    ],
    "/metrics",
  );
}

export interface PrometheusOptions {
  /** Its data, which may be there already; the settings are written beside it. */
  readonly dir: string;
  /** Scraped every second. */
  readonly targets?: readonly string[];
  readonly rules?: readonly string[];
}

/** A Prometheus that keeps whatever is in its data, however old. */
export async function startPrometheus({ dir, targets = [], rules = [] }: PrometheusOptions): Promise<Daemon> {
  mkdirSync(join(dir, "data"), { recursive: true });
  const config = join(dir, "prometheus.yml");
  // YAML takes JSON.
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: rules,
      scrape_configs: [{ job_name: "node", static_configs: [{ targets }] }],
    }),
  );
  return Daemon.start(
    "prometheus",
    (address) => [
      `--config.file=${config}`,
      `--web.listen-address=${address}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      "--storage.tsdb.retention.time=100y",
      // Replayed samples are 10 minutes apart.
      "--query.lookback-delta=15m",
      "--log.level=warn",
    ],
    "/-/ready",
  );
}
