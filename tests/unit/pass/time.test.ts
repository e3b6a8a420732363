import { describe, expect, it } from "vitest";
import { previewGates, previewPlan } from "../../../agent/pass/preview.ts";
import type { State } from "../../../agent/state/state.ts";
import { ago, DAY, HOUR, NOW, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { all, at, play, portsOf, relief, type Story } from "./play.ts";
import { BUSY, check, ends, failing, PLAN } from "./rows.ts";
import { dangling, exited, ROOT, running, world } from "./world.ts";

const UPTIME = 90 * DAY;
const later = (seconds: number) => NOW + seconds * 1000;

/** The state that a pass leaves. */
async function stateAfter(story: Story): Promise<State> {
  const { fake } = await play(story);
  return fake.world.state;
}

describe("a clock that is set between two passes", () => {
  it.each([
    ["2 h ahead", 2 * HOUR + 60, /set 2h forward/],
    ["a year ahead", 365 * DAY + 60, /set .* forward/],
    ["an hour back", 60 - HOUR, /set 1h back/],
  ])("makes no pass trust an age: %s", async (_, seconds, said) => {
    const state = await stateAfter({ hook: at("info", failing("refused"), 2) });
    const fake = await check({
      world: { state, uptime: UPTIME + 60 },
      now: later(seconds),
      ...ends("failed", 69),
    });
    expect(fake.said("fact.unknown")).toMatchObject([
      { what: "the time", reason: expect.stringMatching(said) },
    ]);
    // Said once, it is the usual again.
    const next = await play({
      world: { state: fake.world.state, uptime: UPTIME + 120 },
      now: later(seconds + 60),
      hook: relief,
    });
    expect(next.fake.said("fact.unknown")).toEqual([]);
    expect(next.exit).toBe(0);
  });

  it("makes no service stuck for longer than it is: a deploy in flight goes on blocking", async () => {
    const settings = { convergence: { ignoreStuckAfter: "1h", settle: "0s" } };
    const first = await stateAfter({ world: { services: [{ ...BUSY, updatedAt: ago(30) }] }, settings });
    const jumped = { services: [{ ...BUSY, updatedAt: ago(30) }], state: first, uptime: UPTIME + 60 };
    const second = await stateAfter({ world: jumped, settings, now: later(2 * HOUR + 60) });
    const third = await play({
      world: { ...jumped, state: second, uptime: UPTIME + 120 },
      settings,
      now: later(2 * HOUR + 120),
    });
    expect(third.fake.writes).toEqual([]);
    expect(third.fake.said("service.ignored")).toEqual([]);
    expect(third.fake.finished).toMatchObject({ outcome: "deferred", gate: "converging" });
  });

  it("makes no image dangle for longer than it does", async () => {
    const undated = { containers: [], cache: [], images: [dangling("i1", { createdAt: 0 })] };
    const first = await stateAfter({ world: undated });
    const jump = 23 * HOUR;
    const second = await stateAfter({
      world: { ...undated, state: first, uptime: UPTIME + 2 * HOUR },
      now: later(2 * HOUR + jump),
    });
    const third = await play({
      world: { ...undated, state: second, uptime: UPTIME + 4 * HOUR },
      now: later(4 * HOUR + jump),
    });
    const fourth = await play({
      world: { ...undated, state: third.fake.world.state, uptime: UPTIME + 25 * HOUR },
      now: later(25 * HOUR + jump),
    });
    expect([third, fourth].map(({ fake }) => fake.writes.includes("remove i1"))).toEqual([false, true]);
  });

  it.each([
    ["it drifts a little", { uptime: UPTIME + 60 }, later(260)],
    ["the host was off for a day", { uptime: 300, bootId: "b2" }, later(DAY)],
  ])("is none where %s", async (_, changes, now) => {
    const state = await stateAfter({ hook: relief });
    const { exit } = await play({ world: { ...changes, state }, now, hook: relief });
    expect(exit).toBe(0);
  });

  it("is seen over a boot where it was set back", async () => {
    const state = await stateAfter({ hook: relief });
    const { fake } = await play({ world: { state, uptime: 300, bootId: "b2" }, now: later(-DAY) });
    expect(fake.writes).toEqual([]);
    expect(fake.finished).toMatchObject({ outcome: "failed", exitCode: 69 });
  });

  it("is not said by a pass that does not come to it, and not forgotten either", async () => {
    const state = await stateAfter({ hook: relief });
    const held = await stateAfter({
      world: { state, lock: "held", uptime: UPTIME + 60 },
      now: later(7 * HOUR),
    });
    const { fake } = await play({ world: { state: held, uptime: UPTIME + 120 }, now: later(7 * HOUR + 60) });
    expect(fake.writes).toEqual([]);
    expect(fake.said("fact.unknown")).toMatchObject([{ what: "the time" }]);
  });
});

describe("a clock that is not the engine's", () => {
  const ahead = (seconds: number) => ({ info: { ...world().info, systemTime: NOW - seconds * 1000 } });

  it.each([7 * HOUR, -365 * DAY])("makes no pass trust an age: %i s ahead", async (seconds) => {
    const fake = await check({ world: ahead(seconds), ...ends("failed", 69) });
    expect(fake.finished.reason).toMatch(/of the engine's/);
  });

  it("may be some seconds off", async () => {
    await check({ world: ahead(100), hook: relief, ...ends("pruned", 0, PLAN) });
  });

  it("shows no plan in a preview", async () => {
    const fake = new Fake(world(ahead(7 * HOUR)));
    const ports = { ...portsOf(fake), settings: settingsOf({}) };
    const plan = await previewPlan(ports, await previewGates(ports, false));
    expect(plan).toMatchObject({ known: false, what: "the time" });
  });
});

describe("a worker", () => {
  const settings = { orphans: [{ name: "workers", label: "ci.worker", runningLongerThan: "6h" }] };
  const worker = running("c1", { labels: { "ci.worker": "1" }, startedAt: ago(7 * HOUR) });
  const host = { containers: [worker], images: [], cache: [] };

  it("that started before the host did was started by another clock: nobody knows when", async () => {
    const { fake } = await play({ world: { ...host, uptime: HOUR }, settings });
    expect(fake.writes).toEqual(["prune cache 86400"]);
    expect(fake.said("object.kept")).toMatchObject([{ rule: "undatable" }]);
  });

  it("past its limit is stopped on a host that is up for longer", async () => {
    const { fake } = await play({ world: { ...host, uptime: 8 * HOUR }, settings });
    expect(fake.writes.slice(0, 2)).toEqual(["stop c1", "remove c1"]);
  });
});

it("how long a pass takes does not follow the clock on the wall", async () => {
  const { fake } = await play({
    hook: all(
      relief,
      at("remove c1", (_request, _nth, _world, host) => {
        host.now -= HOUR * 1000;
      }),
    ),
  });
  expect(fake.finished.durationSeconds).toBeGreaterThan(0);
  expect(fake.finished.durationSeconds).toBeLessThan(60);
  expect(fake.said("step.finished").every(({ durationSeconds }) => Number(durationSeconds) >= 0)).toBe(true);
});

it("a pass that found no pressure leaves the clock to one that does", async () => {
  const state = await stateAfter({ hook: relief });
  const quiet = await stateAfter({
    world: { state, disk: { "/": 50, [ROOT]: 50 }, uptime: UPTIME + 60 },
    now: later(7 * HOUR),
  });
  expect(quiet.clock).toEqual(state.clock);
});

describe("what the future dates", () => {
  const ahead = NOW + 365 * DAY * 1000;
  const image = dangling("i1", { createdAt: ahead });
  const tagged = dangling("i2", { lastTaggedAt: ahead });
  const box = exited("c1", { createdAt: ahead, startedAt: ahead, finishedAt: ahead });
  const host = { containers: [box], images: [image, tagged], cache: [] };

  it("stays until passes have seen it for prune.until, with one warning each, and then goes", async () => {
    const first = await play({ world: host });
    const second = await play({
      world: { ...host, state: first.fake.world.state, uptime: UPTIME + 20 * HOUR },
      now: later(20 * HOUR),
    });
    const third = await play({
      world: { ...host, state: second.fake.world.state, uptime: UPTIME + 25 * HOUR },
      now: later(25 * HOUR),
    });
    expect([first, second].map(({ fake }) => fake.writes)).toEqual([
      ["prune cache 86400"],
      ["prune cache 86400"],
    ]);
    expect(third.fake.writes).toEqual(["remove c1", "remove i1", "remove i2", "prune cache 86400"]);
    for (const { fake } of [first, second, third]) {
      expect(fake.events.filter(({ event }) => event === "fact.unknown")).toMatchObject([
        { level: "warn", fields: { reason: expect.stringMatching(/^3 dated in the future/) } },
      ]);
    }
    const kept = first.fake.said("object.kept").map(({ rule }) => rule);
    expect(kept).toEqual(["undatable", "undatable", "undatable"]);
  });

  it("does not count as seen for what ran again meanwhile", async () => {
    const first = await play({ world: { ...host, images: [] } });
    const again = { startedAt: later(24 * HOUR), finishedAt: later(24.2 * HOUR) };
    const { fake } = await play({
      world: {
        ...{ containers: [exited("c1", { createdAt: ahead, ...again })], images: [], cache: [] },
        ...{ state: first.fake.world.state, uptime: UPTIME + 24.5 * HOUR },
      },
      now: later(24.5 * HOUR),
    });
    expect(fake.writes).toEqual(["prune cache 86400"]);
  });

  it("is no matter of a clock that is half an hour off", async () => {
    const near = NOW + 1800 * 1000;
    const { fake } = await play({
      world: { ...host, containers: [], images: [dangling("i1", { createdAt: near })] },
    });
    expect(fake.said("fact.unknown")).toEqual([]);
    expect(fake.said("object.kept")).toMatchObject([{ rule: "young" }]);
  });
});
