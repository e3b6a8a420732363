/**
 * A real engine behind a proxy that breaks answers on purpose, and lots of objects that a pass may take. After every
 * pass it is checked that nothing was sent that could delete anything but its own lot, and that what could not be read is
 * never a 0.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type AgentEvent, type AgentResult, BUNDLE, only, runAgent, scratchDir } from "./agent.ts";
import { CiHost } from "./ci-host.ts";
import { type Fault, FaultProxy, type FaultRule } from "./fault-proxy.ts";

/** What one test may lose, and nothing else. */
export interface Lot {
  readonly label: string;
  readonly containers: readonly string[];
  readonly images: readonly string[];
}

export interface Pass {
  readonly rules?: readonly FaultRule[];
  /** What this pass may delete; absent: nothing at all. */
  readonly lot?: Lot;
  /** `engine.timeout`; generous unless the test is about it, so that a busy machine is no fault. */
  readonly timeout?: string;
  /** Merged into the sections of the usual settings. */
  readonly settings?: Readonly<Record<string, object>>;
  /** Default: a run whatever the disk says, so that a green pass would end in 0. */
  readonly args?: readonly string[];
  readonly stateDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly whileRunning?: (child: ChildProcess, proxy: FaultProxy, events: readonly AgentEvent[]) => void;
  /** `false`: it was killed, or nobody listened: there is no report to check. */
  readonly reports?: false;
  /** Past the proxy, straight to this socket. */
  readonly socketPath?: string;
}

/** Milliseconds; far more than any pass takes, also on a busy machine: one that is killed by this has hung. */
const HANGS = 60_000;

type Ran = AgentResult & { readonly proxy: FaultProxy };

export const refused = (status: number, message = "a fault from the test"): Fault => ({
  kind: "answer",
  status,
  body: { message },
});

export const unknownReasons = ({ events }: AgentResult): string[] =>
  events.filter(({ event }) => event === "fact.unknown").map((line) => String(line.reason));

export class FaultyEngine {
  readonly host: CiHost;
  #labels = 0;

  private constructor(host: CiHost) {
    this.host = host;
  }

  /** With bystanders on it: a service that runs, a volume, a container and an image in no lot. */
  static async start(name: string): Promise<FaultyEngine> {
    const host = await CiHost.start({ name });
    await host.loadImage({ ref: "base:1" });
    await host.docker.createVolume({ Name: "precious" });
    await host.createService({ name: "web", image: "base:1", waitForRunning: true });
    // A global service that wants no task: the gate asks for its tasks.
    await host.createService({
      name: "idle",
      image: "base:1",
      mode: "global",
      constraints: ["node.labels.none == here"],
    });
    await host.createContainer({ image: "base:1", name: "not-in-any-lot" });
    await host.loadImage({ created: "2020-01-01T00:00:00Z", sizeMiB: 0 });
    return new FaultyEngine(host);
  }

  /** Lots of expired objects: containers that never started, and dangling images. Waits until they are old enough. */
  async makeLots<K extends string>(
    wanted: Readonly<Record<K, readonly [containers: number, images: number]>>,
  ): Promise<Readonly<Record<K, Lot>>> {
    const lots: Partial<Record<K, Lot>> = {};
    for (const key of Object.keys(wanted) as K[]) {
      const [containers, images] = wanted[key];
      const label = `lot=${++this.#labels}`;
      const mine = { lot: String(this.#labels) };
      const made: string[] = [];
      for (let n = 0; n < images; n++) {
        const created = `2021-01-${String(n + 1).padStart(2, "0")}T00:00:00Z`;
        made.push(await this.host.loadImage({ created, sizeMiB: 0, labels: { ...mine, n: String(n) } }));
      }
      lots[key] = {
        label,
        images: made,
        containers: await Promise.all(
          Array.from({ length: containers }, () =>
            this.host.createContainer({ image: "base:1", labels: mine }),
          ),
        ),
      };
    }
    // prune.until is 1 s, and an age is whole seconds and must be above it.
    await sleep(2100);
    return lots as Readonly<Record<K, Lot>>;
  }

  /** Runs the bundle behind a proxy, and checks what holds after every fault. */
  async pass(options: Pass): Promise<Ran> {
    const proxy = await FaultProxy.start(this.host.socketPath, options.rules);
    try {
      return { ...(await this.#passThrough(proxy, options)), proxy };
    } finally {
      await proxy.close();
    }
  }

  async #passThrough(proxy: FaultProxy, options: Pass): Promise<AgentResult> {
    const settings = {
      ...options.settings,
      engine: {
        socketPath: options.socketPath ?? proxy.socketPath,
        timeout: options.timeout ?? "30s",
        deleteTimeout: options.timeout ?? "30s",
        ...options.settings?.engine,
      },
      disk: { paths: [this.host.dataRoot], ...options.settings?.disk },
      convergence: { settle: "0s", ...options.settings?.convergence },
      prune: {
        until: "1s",
        labels: [options.lot?.label ?? "lot=none"],
        buildCache: false,
        ...options.settings?.prune,
      },
    };
    const args = options.args ?? ["run", "--without-pressure"];
    if (args[0] !== "run") {
      const result = await runForDocument(args, settings);
      expectSafe(proxy, result, options);
      return result;
    }
    const result = await runAgent({
      args,
      settings,
      ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      ...(options.env === undefined ? {} : { env: options.env }),
      whileRunning: (child, events) => {
        // A hang would be the worst outcome: it ends here, with no exit code.
        const timer = setTimeout(() => child.kill("SIGKILL"), HANGS);
        child.once("close", () => clearTimeout(timer));
        options.whileRunning?.(child, proxy, events);
      },
    });
    expectSafe(proxy, result, options);
    return result;
  }

  /** How much of the lot the engine still has. */
  async left(lot: Lot): Promise<{ containers: number; images: number }> {
    const count = (answers: readonly boolean[]) => answers.filter(Boolean).length;
    return {
      containers: count(await Promise.all(lot.containers.map((id) => this.host.hasContainer(id)))),
      images: count(await Promise.all(lot.images.map((id) => this.host.hasImage(id)))),
    };
  }

  /** Ids of everything on the engine that is not in one of these lots. */
  async bystanders(...lots: readonly Lot[]): Promise<string[]> {
    const mine = new Set(lots.flatMap(({ containers, images }) => [...containers, ...images]));
    const [containers, images, { Volumes }] = await Promise.all([
      this.host.docker.listContainers({ all: true }),
      this.host.images(),
      this.host.docker.listVolumes(),
    ]);
    const ids = [...containers.map(({ Id }) => Id), ...images, ...Volumes.map(({ Name }) => Name)];
    return ids.filter((id) => !mine.has(id)).sort();
  }
}

/** For commands that print one document, not events. */
async function runForDocument(args: readonly string[], settings: unknown): Promise<AgentResult> {
  const dir = scratchDir();
  const file = join(dir, "settings.json");
  writeFileSync(file, JSON.stringify(settings));
  const startedAt = Date.now();
  const child = spawn(
    process.execPath,
    [BUNDLE, ...args, "--settings", file, "--state-dir", join(dir, "state")],
    { cwd: dir, env: { PATH: process.env.PATH ?? "" }, timeout: HANGS, killSignal: "SIGKILL" },
  );
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...said, events: [], seconds: (Date.now() - startedAt) / 1000 };
}

function expectSafe(proxy: FaultProxy, { code, events, stderr }: AgentResult, options: Pass): void {
  const { containers, images } = options.lot ?? { containers: [], images: [] };
  const allowed = [
    ...containers.map((id) => `DELETE /containers/${id}`),
    ...images.map((id) => `DELETE /images/${id}?noprune=true`),
    ...((options.settings?.prune as { buildCache?: boolean } | undefined)?.buildCache
      ? ['POST /build/prune?filters={"until":["1s"]}']
      : []),
  ];
  const sent = proxy.destructive.map(({ line }) => line);
  expect(sent.filter((line) => !allowed.includes(line))).toEqual([]);
  expect(new Set(sent).size, "nothing is asked for twice").toBe(sent.length);
  const unread = events.filter((line) => line.event === "fact.unknown" || line.verdict === "unknown");
  expect(unread.length > 0 && code === 0, "an unreadable fact never ends in 0").toBe(false);
  const removed = events.filter(({ event }) => event === "object.removed" || event === "object.gone");
  const mine = new Set([...containers, ...images]);
  expect(removed.filter((line) => line.kind !== "build-cache" && !mine.has(line.id))).toEqual([]);
  if (options.reports === false) return;
  expect(stderr).toBe("");
  if ((options.args?.[0] ?? "run") === "run") {
    expect(only(events, "pass.finished").exitCode).toBe(code);
  }
}
