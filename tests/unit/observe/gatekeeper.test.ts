import { describe, expect, it } from "vitest";
import { EngineError } from "../../../agent/engine/errors.ts";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { EngineInfo, Service, Task } from "../../../agent/engine/types.ts";
import type { Engine } from "../../../agent/observe/engine.ts";
import { Gatekeeper } from "../../../agent/observe/gatekeeper.ts";
import type { Sightings } from "../../../agent/state/state.ts";
import { container, containerDetail, HOUR, hexId, NOW, service, settingsOf } from "../support.ts";

const settings = settingsOf({ convergence: { ignoreStuckAfter: "6h" } });
const info: EngineInfo = {
  rootDir: "/var/lib/docker",
  imageStore: "classic",
  swarm: { role: "manager" },
};
const engine: Engine = { version: { version: "28.5.2", apiVersion: "1.51" }, info };
const stuck = service({
  id: "s",
  name: "web",
  status: { running: 0, desired: 1, completed: 0 },
  updatedAt: 0,
});
const hours = (count: number) => NOW - count * HOUR * 1000;
const task = (state: string, at: number | null, hadContainer = state !== "rejected"): Task => ({
  serviceId: "s",
  state,
  desiredState: "running",
  at,
  hadContainer,
});

/** The verdicts of one look at these services, whose tasks are these; `null`: they cannot be read. */
async function look(services: Service[], tasks: Task[] | null, busy: Sightings) {
  const reader: Partial<EngineReader> = {
    containers: async () => [],
    services: async () => services,
    tasks: async (of) => {
      if (of.length === 0) return [];
      if (tasks === null) throw new EngineError("refused", "500", 500);
      return tasks;
    },
  };
  const clock = { now: () => NOW, elapsed: () => 0, sleep: async () => {} };
  const gatekeeper = new Gatekeeper({ reader: reader as EngineReader, settings, clock }, engine, busy);
  const [, converging] = await gatekeeper.look();
  return { verdict: converging?.verdict, ignored: gatekeeper.ignored.map((one) => one.service), gatekeeper };
}

const seenBusy = (since: number, lastSeen = hours(1)): Sightings => ({ s: { since, lastSeen } });

describe("a service that is stuck for longer than convergence.ignoreStuckAfter", () => {
  it.each([
    ["nothing of it ever ran", []],
    ["all its tasks are rejected, the last one just now", [task("rejected", NOW)]],
    ["it ran before it was first seen stuck", [task("complete", hours(8)), task("failed", hours(9))]],
  ])("no longer blocks: %s", async (_, tasks) => {
    const { verdict, ignored } = await look([stuck], tasks, seenBusy(hours(7)));
    expect([verdict, ignored]).toEqual(["open", ["web"]]);
  });

  it.each([
    ["one of its tasks has run since", [task("failed", hours(2))], seenBusy(hours(7))],
    [
      "one that ran is rejected now: its node lost a label",
      [task("rejected", hours(2), true)],
      seenBusy(hours(7)),
    ],
    ["a task runs, since when is not told", [task("running", null)], seenBusy(hours(7))],
    ["its tasks cannot be read", null, seenBusy(hours(7))],
    ["nobody looked for more than a day", [], seenBusy(hours(40), hours(26))],
    ["it is not stuck for that long", [], seenBusy(hours(5))],
    ["it was never seen before", [], {}],
  ])("still blocks: %s", async (_, tasks, busy) => {
    const { verdict, ignored } = await look([stuck], tasks, busy);
    expect([verdict, ignored]).toEqual(["closed", []]);
  });

  it("is forgotten once it is seen settled", async () => {
    const settled = service({ id: "s", name: "web" });
    const { gatekeeper } = await look([settled], [], seenBusy(hours(7)));
    expect(gatekeeper.busy).toEqual({});
  });
});

describe("quiet twice in a row", () => {
  const settled = service({ id: "s", name: "web" });

  /** The verdict on convergence when the services are these at each look; how often was slept in between. */
  async function twice(looks: Service[][], role: "manager" | "none") {
    let nth = 0;
    const slept: number[] = [];
    const reader: Partial<EngineReader> = {
      containers: async () => [],
      services: async () => looks[nth++] ?? [],
      tasks: async () => [],
    };
    const clock = {
      now: () => NOW,
      elapsed: () => 0,
      sleep: async (seconds: number) => {
        slept.push(seconds);
      },
    };
    const swarm = { ...engine, info: { ...info, swarm: { role } } };
    const gatekeeper = new Gatekeeper({ reader: reader as EngineReader, settings, clock }, swarm, {});
    const [, converging] = await gatekeeper.lookTwice(new AbortController().signal);
    return { verdict: converging?.verdict, looks: nth, slept };
  }

  it.each([
    ["quiet, then quiet", [[settled], [settled]], "open", 2],
    ["quiet, then busy", [[settled], [stuck]], "closed", 2],
    ["busy: a second look would say nothing more", [[stuck], [settled]], "closed", 1],
  ] as const)("%s", async (_, looks, verdict, count) => {
    const seen = await twice(looks as unknown as Service[][], "manager");
    expect([seen.verdict, seen.looks, seen.slept]).toEqual([verdict, count, count === 2 ? [3] : []]);
  });

  it("needs no second look without a swarm", async () => {
    expect(await twice([], "none")).toEqual({ verdict: "open", looks: 0, slept: [] });
  });
});

it("a look counts as old as when it began", async () => {
  let elapsed = 0;
  const reader: Partial<EngineReader> = {
    containers: async () => [],
    services: async () => {
      elapsed += 6000;
      return [];
    },
    tasks: async () => [],
  };
  const clock = { now: () => NOW, elapsed: () => elapsed, sleep: async () => {} };
  const gatekeeper = new Gatekeeper({ reader: reader as EngineReader, settings, clock }, engine, {});
  await gatekeeper.look();
  expect([gatekeeper.askedAt, elapsed]).toEqual([0, 6000]);
});

describe("in mid-pass", () => {
  it("a manager that says it is in no swarm any more is unknown: it may be shutting down", async () => {
    const reader: Partial<EngineReader> = {
      containers: async () => [],
      services: async () => [],
      tasks: async () => [],
      info: async () => ({ ...info, swarm: { role: "none" } }),
    };
    const clock = { now: () => NOW, elapsed: () => 0, sleep: async () => {} };
    const gatekeeper = new Gatekeeper({ reader: reader as EngineReader, settings, clock }, engine, {});
    expect((await gatekeeper.lookAgain()).map(({ verdict }) => verdict)).toEqual(["unknown"]);
  });
});

describe("a worker that carries the label of a rule of orphans", () => {
  const rules = settingsOf({
    liveRuns: { services: [], labels: ["ci.managed"] },
    orphans: [{ name: "workers", label: "ci.managed", runningLongerThan: "6h" }],
  });
  const worker = container({ id: hexId("w"), labels: { "ci.managed": "" }, createdAt: hours(9) });

  async function liveRunOf(startedAt: number, inspection?: EngineError, summary = worker) {
    const inspected: string[] = [];
    const reader: Partial<EngineReader> = {
      containers: async () => [summary],
      services: async () => [],
      tasks: async () => [],
      container: async (id) => {
        inspected.push(id);
        if (inspection !== undefined) throw inspection;
        return containerDetail({ id, state: "running", startedAt, finishedAt: null });
      },
    };
    const clock = { now: () => NOW, elapsed: () => 0, sleep: async () => {} };
    const gatekeeper = new Gatekeeper({ reader: reader as EngineReader, settings: rules, clock }, engine, {});
    const [liveRun] = await gatekeeper.look();
    return { verdict: liveRun?.verdict, inspected };
  }

  it("is a live run for as long as its limit, counted from its last start, and none after it", async () => {
    expect(await liveRunOf(hours(6))).toMatchObject({ verdict: "closed" });
    expect(await liveRunOf(hours(6.001))).toMatchObject({ verdict: "open" });
  });

  it("need not be inspected before it can be past the limit", async () => {
    const young = { ...worker, createdAt: hours(5) };
    expect(await liveRunOf(hours(5), undefined, young)).toEqual({ verdict: "closed", inspected: [] });
  });

  it("is a live run where it alone cannot be inspected, and unknown where there is no engine", async () => {
    expect(await liveRunOf(hours(9), new EngineError("refused", "500", 500))).toMatchObject({
      verdict: "closed",
    });
    expect(await liveRunOf(hours(9), new EngineError("timeout", "no answer"))).toMatchObject({
      verdict: "closed",
    });
    expect(await liveRunOf(hours(9), new EngineError("unreachable", "no engine"))).toMatchObject({
      verdict: "unknown",
    });
  });
});
