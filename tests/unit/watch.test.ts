import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { testFolder } from "./folder.ts";
import { program } from "./program.ts";
import { hexId, imageId } from "./support.ts";

/** `watch` as a process, beside an engine that answers as none should; what real ones do is in tests/engine. */

/** Its clock for waiting goes ten times as fast: what it does each second takes a tenth of one. */
const file = program(`
  import { main } from "./agent/watch.ts";
  const timers = require("node:timers/promises");
  const { setTimeout: wait } = globalThis;
  const { setTimeout: sleep } = timers;
  globalThis.setTimeout = (work, ms, ...rest) => wait(work, ms / 10, ...rest);
  timers.setTimeout = (ms, ...rest) => sleep(ms / 10, ...rest);
  void main({ settings: process.argv[2], stateDir: process.argv[3] });`);
const [running, broken] = [imageId("running"), imageId("broken")];
const start = (name: string, at: number) =>
  `${JSON.stringify({ Type: "container", Action: "start", Actor: { ID: hexId(name), Attributes: {} }, timeNano: at * 1e6 })}\n`;
const container = (name: string, image: string) => ({
  ...{ Id: hexId(name), Names: [`/${name}`], ImageID: image, State: "running", Created: 1, Labels: {} },
});

type Answer = (response: ServerResponse) => void;

/** An engine in a folder, and `watch` beside it. @param after of the test's context */
async function bench(after: (clean: () => void) => void) {
  const dir = testFolder(after);
  const state = join(dir, "state");
  /** By the end of a path, what is answered; absent: as an engine does. */
  const answers: Record<string, Answer> = {};
  const asked: string[] = [];
  const usual: typeof answers = {
    "/version": (response) => response.end(JSON.stringify({ Version: "20.10", ApiVersion: "1.41" })),
    "/info": (response) => response.end(JSON.stringify({ ID: "engine", DockerRootDir: "/" })),
    "/containers/json": (response) =>
      response.end(JSON.stringify([container("c1", running), container("c2", broken)])),
    "/events": (response) => response.writeHead(200).write("\n"),
    "/history": (response) => response.end("[]"),
    [`${running}/json`]: (response) =>
      response.end(JSON.stringify({ Id: running, RepoTags: ["a:1"], RepoDigests: null, Size: 5 })),
  };
  const server = createServer((request, response) => {
    const path = request.url?.replace(/\?.*$/, "") ?? "";
    asked.push(request.url ?? "");
    const found = [...Object.entries(answers), ...Object.entries(usual)].find(([end]) => path.endsWith(end));
    if (found === undefined) response.writeHead(500).end();
    else found[1](response);
  });
  await new Promise<void>((resolve) => server.listen(join(dir, "engine.sock"), resolve));
  let child: ChildProcess | undefined;
  let said = "";
  after(() => {
    child?.kill("SIGKILL");
    server.closeAllConnections();
    server.close();
  });
  const lines = (): Record<string, unknown>[] => {
    try {
      const text = readFileSync(join(state, "uses.jsonl"), "utf8").trim();
      return text.split("\n").map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  };
  return {
    ...{ dir, state, answers, asked, lines },
    said: () => said,
    used: () => lines().flatMap(({ use }) => (use === undefined ? [] : [use])),
    watch: (more = {}) => {
      const settings = join(dir, "settings.json");
      writeFileSync(settings, JSON.stringify({ engine: { socketPath: join(dir, "engine.sock") }, ...more }));
      child = spawn(process.execPath, [file, settings, state], { stdio: ["ignore", "ignore", "pipe"] });
      child.stderr?.on("data", (chunk) => {
        said += chunk;
      });
    },
    /** Its exit code after SIGTERM. */
    ended: () =>
      new Promise((resolve) => {
        child?.once("exit", (code, signal) => resolve(code ?? signal));
        child?.kill("SIGTERM");
      }),
  };
}

const until = (holds: () => void) => vi.waitFor(holds, { timeout: 20_000, interval: 50 });

it.concurrent.for<[string, string, Answer]>([
  [
    "breaks off in an answer",
    "/version",
    ({ socket }) => socket?.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
  ],
  ["stops in an answer", "/info", (response) => response.writeHead(200).write("{")],
])(
  "an engine that %s is tried again, and SIGTERM ends it all the same",
  async ([, path, answer], { onTestFinished }) => {
    const { answers, watch, asked, ended } = await bench(onTestFinished);
    answers[path] = answer;
    watch();
    await until(() => expect(asked.some((one) => one.endsWith(path))).toBe(true));
    expect(await ended()).toBe(0);
  },
);

it.concurrent("a folder that cannot be written is told, and tried again", async ({ onTestFinished }) => {
  const { state, watch, said, ended } = await bench(onTestFinished);
  writeFileSync(state, "");
  watch();
  await until(() => expect(said()).toMatch(/(?:.*ENOTDIR.*\n){2}/));
  expect(await ended()).toBe(0);
});

it.concurrent("an image that the engine does not show keeps nothing else from being written down", async ({
  onTestFinished,
}) => {
  const { answers, watch, used } = await bench(onTestFinished);
  answers["/events"] = (response) =>
    response.writeHead(200).write(start("c2", Date.now() + 5) + start("c1", Date.now() + 6));
  watch();
  await until(() => expect(used()).toEqual([broken, running]));
});

it.concurrent("what a clock that was ahead dates the year 9999 makes it deaf to nothing", async ({
  onTestFinished,
}) => {
  const { state, answers, watch, used } = await bench(onTestFinished);
  mkdirSync(state);
  const ahead = { use: broken, at: 253_402_300_799_000, group: null, by: "watch" };
  writeFileSync(join(state, "uses.jsonl"), `${JSON.stringify(ahead)}\n`);
  answers["/events"] = (response) => response.writeHead(200).write(start("c1", Date.now() + 5));
  watch();
  await until(() => expect(used()).toEqual([broken, running]));
});

it.concurrent("asks for a pass also where nothing can be written any more: the disk may be full", async ({
  onTestFinished,
}) => {
  const { dir, state, answers, watch, lines } = await bench(onTestFinished);
  let stream: ServerResponse | undefined;
  answers["/events"] = (response) => {
    stream = response;
    response.writeHead(200).write("\n");
  };
  watch({ disk: { paths: [dir], highWatermark: "0.1%" } });
  await until(() => expect(lines()).toHaveLength(1));
  rmSync(join(state, "uses.jsonl"));
  mkdirSync(join(state, "uses.jsonl"));
  stream?.write(start("c1", Date.now()));
  await until(() => expect(existsSync(join(state, "pressure"))).toBe(true));
});
