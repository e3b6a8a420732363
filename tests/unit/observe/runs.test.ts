import { describe, expect, it } from "vitest";
import { EngineError } from "../../../agent/engine/errors.ts";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { ContainerDetail, Service, Task } from "../../../agent/engine/types.ts";
import type { Engine } from "../../../agent/observe/engine.ts";
import { observe } from "../../../agent/observe/runs.ts";
import { ago, container, containerDetail, hexId, NOW, service, settingsOf } from "../support.ts";

const engine: Engine = {
  version: { version: "28.5.2", apiVersion: "1.51" },
  info: { rootDir: "/var/lib/docker", imageStore: "classic", swarm: { role: "manager" } },
};

describe("a builder of buildx that counts as a run", () => {
  const name = `buildx_buildkit_builder-${"0".repeat(8)}-0000-0000-0000-${"0".repeat(12)}0`;
  const builder = container({ id: hexId("b"), names: [name] });

  /** Ids of the builders that idle, and how often one was inspected. */
  async function idle(detail: Partial<ContainerDetail> | EngineError, liveRuns: object) {
    let inspected = 0;
    const reader: Partial<EngineReader> = {
      containers: async () => [builder, container({ id: hexId("x"), names: ["other"] })],
      services: async () => [],
      tasks: async () => [],
      container: async () => {
        inspected++;
        if (detail instanceof EngineError) throw detail;
        return containerDetail({ id: builder.id, state: "running", ...detail });
      },
    };
    const settings = settingsOf({ liveRuns });
    const { idleBuilders } = await observe(reader as EngineReader, engine, settings, NOW);
    return { idle: [...idleBuilders], inspected };
  }
  const PRESET = { presets: ["buildx"] };

  it("idles while no command is executed in it", async () => {
    expect(await idle({ execs: 0 }, PRESET)).toEqual({ idle: [builder.id], inspected: 1 });
  });

  it.each([
    ["a build goes on", { execs: 1 }],
    ["the engine does not tell", {}],
    ["it cannot be inspected", new EngineError("refused", "500", 500)],
  ])("is busy where %s", async (_, detail) => {
    expect((await idle(detail, PRESET)).idle).toEqual([]);
  });

  it("is not inspected where no rule takes it for a run", async () => {
    expect(await idle({ execs: 0 }, {})).toEqual({ idle: [], inspected: 0 });
  });
});

describe("a service that does not run all its tasks", () => {
  const short = service({ restart: "none", status: { running: 0, desired: 1, completed: 0 } });
  const task: Task = {
    serviceId: short.id,
    slot: "1",
    createdAt: ago(60),
    state: "complete",
    desiredState: "shutdown",
    at: ago(60),
    hadContainer: true,
  };

  async function look(services: readonly Service[], tasks: () => Promise<Task[]>) {
    let asked = 0;
    const reader: Partial<EngineReader> = {
      containers: async () => [],
      services: async () => [...services],
      tasks: async (of) => {
        if (of.length === 0) return [];
        asked++;
        return tasks();
      },
    };
    const found = await observe(reader as EngineReader, engine, settingsOf({}), NOW);
    return { done: found.services.known && found.services.value.map(({ tasksDone }) => tasksDone), asked };
  }

  it("is judged by them", async () => {
    expect(await look([short], async () => [task])).toEqual({ done: [true], asked: 1 });
    expect(await look([short], async () => [{ ...task, state: "failed" }])).toEqual({
      done: [false],
      asked: 1,
    });
  });

  it("stays as it looks where they cannot be read", async () => {
    const refused = async () => {
      throw new EngineError("refused", "500", 500);
    };
    expect(await look([short], refused)).toEqual({ done: [undefined], asked: 1 });
  });

  it("costs nothing where all run, or an update says enough", async () => {
    const others = [service(), { ...short, updateState: "updating" }];
    expect((await look(others, async () => [])).asked).toBe(0);
  });
});
