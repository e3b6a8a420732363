import { describe, expect, it } from "vitest";
import type { Service } from "../../../agent/engine/types.ts";
import { known, unknown } from "../../../agent/facts.ts";
import { busyServices, busyWhy, converging } from "../../../agent/gates/converging.ts";
import type { Observation } from "../../../agent/gates/observation.ts";
import { ago, container, DAY, HOUR, hexId, NOW, observation, service, settingsOf } from "../support.ts";

const DEFAULTS = settingsOf({}).convergence;
const TASK = { "com.docker.swarm.service.name": "web" };

const ask = (
  changes: Partial<Observation>,
  settings = DEFAULTS,
  busySince: Readonly<Record<string, number>> = {},
  now = NOW,
) => converging(settings, observation(changes), busySince, now);

/** `[R, D, C]` as ServiceStatus tells them. */
type Counts = readonly [number, number, number];

const status = ([running, desired, completed]: Counts) => ({ running, desired, completed });

describe("what converging means, row by row", () => {
  interface Row {
    readonly mode: Service["mode"];
    readonly counts: Counts;
    readonly more?: Partial<Service>;
    readonly failingGlobal?: boolean;
  }

  const BUSY: readonly (readonly [string, Row, string])[] = [
    ["a bad image, for ever", { mode: "replicated", counts: [0, 1, 0] }, "0 of 1 tasks run"],
    ["a one-shot service that has exited 0", { mode: "replicated", counts: [0, 1, 0] }, "0 of 1 tasks run"],
    ["a crash loop, seen while it is down", { mode: "replicated", counts: [0, 1, 0] }, "0 of 1 tasks run"],
    [
      "a global service with a bad image, seen at 0/1",
      { mode: "global", counts: [0, 1, 0] },
      "0 of 1 tasks run",
    ],
    [
      "a global service with a bad image, seen at 0/0",
      { mode: "global", counts: [0, 0, 0], failingGlobal: true },
      "its tasks fail or are rejected",
    ],
    [
      "a replicated job with one of two done",
      { mode: "replicated-job", counts: [1, 1, 1], more: { totalCompletions: 2 } },
      "1 of 2 completions",
    ],
    [
      "a replicated job that has not begun",
      { mode: "replicated-job", counts: [0, 1, 0] },
      "0 of 1 completions",
    ],
    ["a global job that runs", { mode: "global-job", counts: [1, 1, 0] }, "1 tasks to complete"],
    ["a global job that waits", { mode: "global-job", counts: [0, 1, 0] }, "1 tasks to complete"],
    [
      "an update in a state that this program does not know",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "draining" } },
      "update draining",
    ],
    [
      "a stop-first update",
      { mode: "replicated", counts: [1, 2, 0], more: { updateState: "updating" } },
      "update updating",
    ],
    [
      "a start-first update",
      { mode: "replicated", counts: [3, 2, 0], more: { updateState: "updating" } },
      "update updating",
    ],
    [
      "more tasks than desired, before the update shows",
      { mode: "replicated", counts: [3, 2, 0] },
      "3 of 2 tasks run",
    ],
    [
      "an update that looks settled",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "updating" } },
      "update updating",
    ],
    [
      "a failed update, paused at 2/2",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "paused" } },
      "update paused",
    ],
    [
      "a failed update, paused at 1/2",
      { mode: "replicated", counts: [1, 2, 0], more: { updateState: "paused" } },
      "update paused",
    ],
    [
      "a rollback at 2/2",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "rollback_started" } },
      "update rollback started",
    ],
    [
      "a rollback at 3/2",
      { mode: "replicated", counts: [3, 2, 0], more: { updateState: "rollback_started" } },
      "update rollback started",
    ],
    [
      "a paused rollback",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "rollback_paused" } },
      "update rollback paused",
    ],
    ["a drained node's replicated service", { mode: "replicated", counts: [0, 2, 0] }, "0 of 2 tasks run"],
    ["a global service on all nodes but one", { mode: "global", counts: [2, 3, 0] }, "2 of 3 tasks run"],
    [
      "a job under update though complete",
      { mode: "replicated-job", counts: [0, 1, 1], more: { updateState: "updating" } },
      "update updating",
    ],
  ];

  const SETTLED: readonly (readonly [string, Row])[] = [
    ["all replicas run", { mode: "replicated", counts: [2, 2, 0] }],
    ["scaled to 0", { mode: "replicated", counts: [0, 0, 0] }],
    ["scaled to 0, and its old tasks failed", { mode: "replicated", counts: [0, 0, 0], failingGlobal: true }],
    ["a crash loop, seen while it is up", { mode: "replicated", counts: [1, 1, 0] }],
    [
      "an update that is completed",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "completed" } },
    ],
    [
      "a rollback that is completed",
      { mode: "replicated", counts: [2, 2, 0], more: { updateState: "rollback_completed" } },
    ],
    [
      "a replicated job, done 2 of 2, which still desires 1",
      { mode: "replicated-job", counts: [0, 1, 2], more: { totalCompletions: 2 } },
    ],
    ["a global job that is done", { mode: "global-job", counts: [0, 0, 1] }],
    ["a global service on every node", { mode: "global", counts: [3, 3, 0] }],
    ["a drained node's global service", { mode: "global", counts: [0, 0, 0] }],
  ];

  const verdictOn = ({ mode, counts, more, failingGlobal = false }: Row) =>
    ask({
      services: known([service({ mode, status: status(counts), ...more })]),
      failingGlobals: known(new Set(failingGlobal ? ["s1"] : [])),
    });

  it.each(BUSY)("busy: %s", (_, row, why) => {
    const verdict = verdictOn(row);
    expect([verdict.verdict, verdict.reason]).toEqual(["closed", `a service is converging: web (${why})`]);
  });

  it.each(SETTLED)("settled: %s", (_, row) => {
    expect([verdictOn(row).verdict, verdictOn(row).reason]).toEqual(["open", "no service is converging"]);
  });

  it("busy: the engine does not say how many tasks a service has", () => {
    expect(busyWhy(service({ status: null }), false)).toBe("the engine does not say how many tasks it has");
    expect(ask({ services: known([service({ status: null })]) }).verdict).toBe("closed");
  });

  it("one busy service among settled ones closes the gate, and the others are counted", () => {
    const busy = ["b", "c", "d"].map((id) => service({ id, name: `svc-${id}`, status: status([0, 1, 0]) }));
    const verdict = ask({ services: known([service({ id: "a" }), ...busy]) });
    expect(verdict.verdict).toBe("closed");
    expect(verdict.reason).toBe("a service is converging: svc-b (0 of 1 tasks run) and 2 more");
    expect(verdict.facts).toMatchObject({ services: 4, busyCount: 3, ignored: [] });
  });

  it("of many busy services the log names ten and counts all", () => {
    const many = Array.from({ length: 25 }, (_, at) => service({ id: `s${at}`, status: status([0, 1, 0]) }));
    const { facts } = ask({ services: known(many) });
    expect([facts.busyCount, (facts.busy as unknown[]).length]).toEqual([25, 10]);
  });
});

describe("what cannot be told is unknown, never settled", () => {
  it.each<readonly [string, Partial<Observation>, string]>([
    ["the swarm's state", { swarm: unknown("the swarm", "timeout") }, "the swarm: timeout"],
    [
      "a locked or leaderless swarm",
      { swarm: known({ role: "unclear", why: "no leader" }) },
      "the swarm cannot be asked: no leader",
    ],
    ["the services", { services: unknown("the services", "500") }, "the services: 500"],
    [
      "the tasks of global services",
      { failingGlobals: unknown("the tasks", "cut off") },
      "the tasks: cut off",
    ],
  ])("%s", (_, changes, reason) => {
    const verdict = ask(changes);
    expect([verdict.verdict, verdict.reason]).toEqual(["unknown", reason]);
  });

  it("a worker, unless it is told to judge by its own tasks", () => {
    const worker = { swarm: known({ role: "worker" as const }) };
    expect(ask(worker).verdict).toBe("unknown");
    expect(ask(worker).reason).toContain("a worker cannot see the services of its swarm");
  });
});

describe("without a swarm", () => {
  it("nothing converges", () => {
    expect(ask({ swarm: known({ role: "none" }) }).verdict).toBe("open");
  });

  it("not even a container that restarts", () => {
    const live = known([container({ state: "restarting", labels: TASK })]);
    expect(ask({ swarm: known({ role: "none" }), live }).verdict).toBe("open");
  });
});

describe("a worker that judges by its local tasks", () => {
  const local = settingsOf({ convergence: { onWorker: "local-tasks" } }).convergence;
  const askWorker = (changes: Partial<Observation>) =>
    ask({ swarm: known({ role: "worker" }), ...changes }, local);

  it.each(["created", "restarting", "removing"])("is busy while a task container is %s", (state) => {
    const verdict = askWorker({ live: known([container({ state, labels: TASK })]) });
    expect([verdict.verdict, verdict.reason]).toEqual(["closed", "a task on this worker is starting: web"]);
  });

  it.each(["running", "paused"])("is settled when its task containers are %s", (state) => {
    expect(askWorker({ live: known([container({ state, labels: TASK })]) }).verdict).toBe("open");
  });

  it("is busy while a running task is not healthy yet", () => {
    const task = container({ labels: TASK });
    expect(askWorker({ live: known([task]), starting: known([task]) }).verdict).toBe("closed");
  });

  it("does not mind containers that are no tasks", () => {
    expect(
      askWorker({ live: known([container({ state: "restarting" })]), starting: known([container()]) })
        .verdict,
    ).toBe("open");
  });

  it("names a service once, however many of its tasks start", () => {
    const tasks = ["a", "b"].map((id) => container({ id: hexId(id), state: "created", labels: TASK }));
    expect(askWorker({ live: known(tasks) }).facts.startingServices).toEqual(["web"]);
  });

  it.each(["live", "starting"] as const)("is unknown when %s cannot be read", (part) => {
    const verdict = askWorker({ [part]: unknown(part, "timeout") });
    expect([verdict.verdict, verdict.reason]).toEqual(["unknown", `${part}: timeout`]);
  });
});

describe("a service that is stuck", () => {
  const limit = 6 * HOUR;
  const patient = settingsOf({ convergence: { ignoreStuckAfter: "6h" } }).convergence;
  const stuck = service({ status: status([0, 1, 0]), updatedAt: ago(30 * DAY) });
  const services = known([stuck]);

  it("blocks for ever when no limit is set", () => {
    expect(ask({ services }, DEFAULTS, { s1: ago(365 * DAY) }).verdict).toBe("closed");
  });

  it("still blocks when it is exactly as old as the limit", () => {
    const verdict = ask({ services }, patient, { s1: ago(limit) });
    expect([verdict.verdict, verdict.reason]).toEqual([
      "closed",
      "a service is converging: web (0 of 1 tasks run, for 6h)",
    ]);
  });

  it("no longer blocks a second later, and is named", () => {
    const verdict = ask({ services }, patient, { s1: ago(limit + 1) });
    expect(verdict.verdict).toBe("open");
    expect(verdict.facts).toMatchObject({
      busyCount: 0,
      ignored: [{ id: "s1", service: "web", busySeconds: limit + 1 }],
    });
  });

  it("does not take another one with it", () => {
    const fresh = service({ id: "s2", name: "api", status: status([0, 1, 0]) });
    const verdict = ask({ services: known([stuck, fresh]) }, patient, { s1: ago(limit + 1) });
    expect(verdict.reason).toBe("a service is converging: api (0 of 1 tasks run)");
  });

  it("is counted from now when no pass has seen it before, however old the service is", () => {
    expect(busyServices([stuck], new Set(), {}, NOW)).toMatchObject([{ busySeconds: 0 }]);
    expect(ask({ services }, patient, {}).verdict).toBe("closed");
  });

  it("is counted anew from a change of the service", () => {
    const changed = { ...stuck, updatedAt: ago(HOUR) };
    expect(busyServices([changed], new Set(), { s1: ago(10 * DAY) }, NOW)).toMatchObject([
      { busySeconds: HOUR },
    ]);
    expect(ask({ services: known([changed]) }, patient, { s1: ago(10 * DAY) }).verdict).toBe("closed");
  });

  it("is never negatively old when the manager's clock is ahead", () => {
    const ahead = { ...stuck, updatedAt: ago(-HOUR) };
    expect(busyServices([ahead], new Set(), { s1: ago(DAY) }, NOW)).toMatchObject([{ busySeconds: 0 }]);
  });

  it("is forgotten once it is settled", () => {
    expect(busyServices([service()], new Set(), { s1: ago(DAY) }, NOW)).toEqual([]);
  });
});

it("a service that blocks for long names the setting that would end it", () => {
  const stuck = service({ status: { running: 0, desired: 1, completed: 0 }, updatedAt: 0 });
  const since = (seconds: number) => ({ [stuck.id]: ago(seconds) });
  const seen = { services: known([stuck]) };
  expect(ask(seen, DEFAULTS, since(2 * HOUR)).reason).toMatch(
    /; convergence\.ignoreStuckAfter ends the wait/,
  );
  expect(ask(seen, DEFAULTS, since(60)).reason).not.toContain("ignoreStuckAfter");
});
