import { describe, expect, it } from "vitest";
import type { CacheRecord, ContainerDetail, ImageDetail } from "../../../agent/engine/types.ts";
import type { AuditEvent } from "../../../agent/log/events.ts";
import { NONE_OF_EACH } from "../../../agent/plan/plan.ts";
import { ago, DAY, NOW } from "../support.ts";
import { CLOSED, counts, eventNamed, KIND_STATUS, play } from "./play.ts";

describe("a plan that meets no obstacle", () => {
  it("is gone through kind by kind: each object is looked at once more immediately before it goes", async () => {
    const { calls, told, acted, tally } = await play({ containers: 2, images: 2 });
    expect(calls).toEqual([
      ...["look c1", "delete c1", "list containers", "look c2", "delete c2", "list containers"],
      "gates",
      ...["look i1", "delete i1", "look i2", "delete i2", "list images"],
    ]);
    expect(told).toEqual(["removed c1", "removed c2", "removed i1", "removed i2"]);
    expect(counts(tally)).toEqual({ removed: 4, kept: 0, failed: 0 });
    expect([tally.claimedBytes, acted.ending]).toEqual([220, null]);
    expect(tally.claimedByKind).toEqual({ ...NONE_OF_EACH, container: 20, image: 200 });
  });

  it("ends each step with its sums, and says nothing of an early end", async () => {
    const { events, progress } = await play({ containers: 2, images: 1, pace: 500 });
    expect(eventNamed(events, "step.finished")).toEqual([
      {
        level: "info",
        by: "prune",
        kind: "container",
        removed: 2,
        kept: 0,
        failed: 0,
        claimedBytes: 20,
        gone: 0,
        durationSeconds: 1,
      },
      {
        level: "info",
        by: "prune",
        kind: "image",
        removed: 1,
        kept: 0,
        failed: 0,
        claimedBytes: 100,
        gone: 0,
        durationSeconds: 0.5,
      },
    ]);
    expect(eventNamed(events, "pass.ended-early")).toEqual([]);
    expect(progress).toEqual(["1/3", "2/3", "3/3"]);
  });
});

describe("a removal is told at once, once the engine's word has proved true", () => {
  it("by a look for the first one that went, before anything else is done", async () => {
    const { calls, told } = await play({ containers: 3, images: 2 });
    expect(calls.slice(0, 5)).toEqual(["look c1", "delete c1", "list containers", "look c2", "delete c2"]);
    expect(calls.filter((call) => call.startsWith("list"))).toEqual([
      "list containers",
      "list containers",
      "list images",
    ]);
    expect(told).toHaveLength(5);
  });

  it("so that no line waits: at each deletion, all those before it are out", async () => {
    const events: AuditEvent[] = [];
    const out: number[] = [];
    const meanwhile = (calls: readonly string[]) => {
      if (calls.at(-1)?.startsWith("look")) out.push(eventNamed(events, "object.removed").length);
    };
    await play({ containers: 50, events, meanwhile });
    expect(out).toHaveLength(50);
    // Four at once.
    for (const [at, lines] of out.entries()) expect(lines).toBeGreaterThan(at - 5);
  });

  it("an engine that says so and does nothing is not believed: what is still there has failed", async () => {
    const { told, events, tally } = await play({ containers: 2, images: 2, left: ["c1", "i2"] });
    expect(told).toEqual(["removed c2", "failed c1", "removed i1", "removed i2", "failed i2"]);
    expect(counts(tally)).toEqual({ removed: 2, kept: 0, failed: 2 });
    expect(eventNamed(events, "object.failed")).toMatchObject([
      { error: "the engine said that it was removed, and it is still there", removed: "no" },
      {},
    ]);
    expect(eventNamed(events, "step.finished")).toMatchObject([
      { removed: 1, failed: 1, claimedBytes: 10 },
      { removed: 1, failed: 1, claimedBytes: 100 },
    ]);
  });

  it("one whose word never proves true is asked each time, and told nothing of", async () => {
    const { told, calls } = await play({ containers: 3, left: ["c1", "c2", "c3"] });
    expect(told).toEqual(["failed c1", "failed c2", "failed c3"]);
    expect(calls.filter((call) => call.startsWith("list"))).toHaveLength(4);
  });

  it("one that begins to do so later is found out at the end of the kind, and its word taken back", async () => {
    const { told, events, tally } = await play({ containers: 3, left: ["c2"] });
    expect(told).toEqual(["removed c1", "removed c2", "removed c3", "failed c2"]);
    expect(counts(tally)).toEqual({ removed: 2, kept: 0, failed: 1 });
    expect(tally.removed.map(({ names }) => names[0])).toEqual(["c1", "c3"]);
    expect(tally.objects).toMatchObject([
      { fate: "removed", count: 2 },
      { fate: "failed", count: 1 },
    ]);
    expect(eventNamed(events, "step.finished")).toMatchObject([{ removed: 2, failed: 1, claimedBytes: 20 }]);
  });

  it("what goes slowly is told when it has gone, at the end of the kind", async () => {
    const { told } = await play({ containers: 30, left: ["c1"], leaves: { c1: "delete c20" } });
    expect(told.slice().sort()).toEqual(Array.from({ length: 30 }, (_, at) => `removed c${at + 1}`).sort());
  });

  it("and in the order of outcomes, with what was kept in between", async () => {
    const { told } = await play({ containers: 4, now: { c2: "gone", c3: { state: "running" } } });
    expect(told).toEqual(["removed c1", "gone c2", "kept c3 in-use", "removed c4"]);
  });

  it.each(["refused", "timeout", "stopped"] as const)(
    "the engine's word counts where there is no list (%s), and that is said",
    async (kind) => {
      const { told, events, tally } = await play({ containers: 2, lists: { containers: kind } });
      expect(told).toEqual(["removed c1", "removed c2"]);
      expect(counts(tally)).toEqual({ removed: 2, kept: 0, failed: 0 });
      const said = events.findIndex(({ event }) => event === "fact.unknown");
      expect(said).toBeGreaterThanOrEqual(0);
      expect(said).toBeLessThan(events.findIndex(({ event }) => event === "object.removed"));
    },
  );

  it("a bug in the middle loses none of them", async () => {
    const events: AuditEvent[] = [];
    const bug = play({
      containers: 3,
      events,
      meanwhile: (calls) => {
        if (calls.at(-1) === "look c2") throw new TypeError("a bug");
      },
    });
    await expect(bug).rejects.toThrow("a bug");
    expect(eventNamed(events, "object.removed")).toHaveLength(1);
  });
});

describe("the gates are asked again", () => {
  it.each([
    [300, 0],
    [300, 1500],
    [700, 0],
    [1900, 0],
    [5000, 0],
  ])(
    "so that no deletion is sent 2 s after the question: %s ms each, the gates %s ms",
    async (pace, gatesTake) => {
      const { sentAt, deleted } = await play({ containers: 25, images: 3, pace, gatesTake });
      expect(deleted).toHaveLength(28);
      const sent = sentAt.filter(({ text }) => text.startsWith("delete"));
      // Up to three others were sent in the same moment; this clock counts their times one after the other.
      expect(Math.max(...sent.map(({ gatesAge }) => gatesAge))).toBeLessThan(2000 + 3 * pace);
    },
  );

  it("by their age alone: among many fast deletions they are not asked", async () => {
    const { calls, deleted } = await play({ containers: 200 });
    expect([deleted.length, calls.filter((call) => call === "gates")]).toEqual([200, []]);
  });

  it("after a look that took too long, and then the object is looked at once more", async () => {
    const { calls } = await play({ containers: 1, slow: { "look c1": 6000 } });
    expect(calls).toEqual(["look c1", "gates", "look c1", "delete c1", "list containers"]);
  });

  it("and, where that took too long itself, once more: a run may have begun meanwhile", async () => {
    const gates = (nth: number) => (nth === 1 ? null : CLOSED);
    const { calls, deleted } = await play({ containers: 1, slow: { "look c1": 6000, gates: 6000 }, gates });
    expect(calls).toEqual(["look c1", "gates", "gates"]);
    expect(deleted).toEqual([]);
  });

  it("and where no answer comes within those 2 s, three times: then nobody knows, and nothing goes", async () => {
    const { calls, deleted, acted, events } = await play({
      containers: 2,
      slow: { "look c1": 6000 },
      gatesTake: 2000,
    });
    expect(calls).toEqual(["look c1", "gates", "gates", "gates"]);
    expect(deleted).toEqual([]);
    const reason = "the engine took 2.0 s to tell which runs are live; after 2 s nobody knows any more";
    const verdict = { gate: "live-run", verdict: "unknown", reason, facts: { tookSeconds: 2 } };
    expect(acted.ending).toEqual({ by: "gate", verdict });
    expect(eventNamed(events, "gate.verdict")).toMatchObject([{ verdict: "unknown", reason }]);
  });

  it("and a run that started during such a look keeps the object, and ends the pass", async () => {
    const { deleted, told, events, acted, tally } = await play({
      containers: 3,
      images: 2,
      slow: { "look c2": 6000 },
      gates: () => CLOSED,
    });
    expect(deleted).toEqual(["c1"]);
    expect(told.slice(1).sort()).toEqual(["c2", "c3", "i1", "i2"].map((name) => `kept ${name} not-reached`));
    expect(acted.ending).toEqual({ by: "gate", verdict: CLOSED });
    expect(counts(tally)).toEqual({ removed: 1, kept: 4, failed: 0 });
    expect(eventNamed(events, "pass.ended-early")).toEqual([
      { level: "warn", reason: CLOSED.reason, left: 4, stepsLeft: ["image"] },
    ]);
  });

  it("after a list of the build cache that took too long, before its prune is sent", async () => {
    const { calls, acted } = await play({
      settings: { prune: { buildCache: true } },
      slow: { "list cache": 6000 },
      gates: () => CLOSED,
    });
    expect(calls).toEqual(["list cache", "gates"]);
    expect(acted.ending).toEqual({ by: "gate", verdict: CLOSED });
  });
});

describe("an object that is not what it was when the plan was made", () => {
  it.each<readonly [string, Partial<ImageDetail & ContainerDetail>, string, string]>([
    ["has a digest by now", { digests: ["a@sha256:1"] }, "i1", "has-digest"],
    ["was tagged and untagged a moment ago", { lastTaggedAt: NOW }, "i1", "young"],
    ["carries a keep label", { labels: { "ci-docker-prune.keep": "" } }, "i1", "keep-label"],
    ["runs again", { state: "running" }, "c1", "in-use"],
    ["ran again and has just finished", { finishedAt: NOW }, "c1", "young"],
  ])("and %s stays", async (_, said, name, rule) => {
    const { deleted, told } = await play({ containers: 1, images: 1, now: { [name]: said } });
    expect(deleted).not.toContain(name);
    expect(told).toContain(`kept ${name} ${rule}`);
    expect(deleted).toHaveLength(1);
  });
});

describe("a deletion that the engine answers with", () => {
  it("404 notes it as gone, and claims no bytes for it", async () => {
    const { told, acted, tally } = await play({ images: 1, deletion: { i1: "gone" } });
    expect([told, tally.claimedBytes, acted.ending]).toEqual([["gone i1"], 0, null]);
  });

  it.each(["refused", "unavailable", "malformed"] as const)(
    "an error (%s) is a failure, and the next objects are tried",
    async (kind) => {
      const { told, acted, tally, events } = await play({ containers: 2, deletion: { c1: kind } });
      expect(told).toEqual(["failed c1", "removed c2"]);
      expect([counts(tally), acted.ending]).toEqual([{ removed: 1, kept: 0, failed: 1 }, null]);
      expect(eventNamed(events, "step.finished")).toMatchObject([{ level: "warn", removed: 1, failed: 1 }]);
      expect(eventNamed(events, "object.failed")).toMatchObject([
        { level: "error", error: `engine says ${kind}`, status: KIND_STATUS[kind] ?? null },
      ]);
    },
  );

  it.each(["timeout", "cut-off", "unreachable"] as const)(
    "nothing in time (%s) ends the pass: nothing more is sent",
    async (kind) => {
      const { deleted, told, acted, events } = await play({
        containers: 3,
        images: 1,
        deletion: { c1: kind },
      });
      expect(deleted).toEqual(["c1"]);
      expect(told).toEqual([
        "failed c1",
        "kept c2 not-reached",
        "kept c3 not-reached",
        "kept i1 not-reached",
      ]);
      expect(acted.ending).toMatchObject({ by: "engine", error: { kind } });
      expect(eventNamed(events, "pass.ended-early")).toEqual([
        { level: "error", reason: `engine says ${kind}`, left: 3, stepsLeft: ["image"] },
      ]);
    },
  );

  it("nothing in time, of several under way, ends them all before the next is sent", async () => {
    const { deleted, told, tally } = await play({ containers: 12, deletion: { c3: "timeout" } });
    expect(deleted).toEqual(["c1", "c2", "c3", "c4", "c5"]);
    expect(told).toEqual(expect.arrayContaining(["failed c3", "removed c5", "kept c6 not-reached"]));
    expect(counts(tally)).toEqual({ removed: 4, kept: 7, failed: 1 });
  });

  it("a bug of ours is not swallowed", async () => {
    await expect(
      play({
        containers: 1,
        meanwhile: () => {
          throw new TypeError("a bug");
        },
      }),
    ).rejects.toThrow("a bug");
  });
});

describe("a pass that is told to stop", () => {
  it("while the gates are asked is ended by that, not by what they say then", async () => {
    let controller: AbortController | undefined;
    const { acted } = await play({
      containers: 1,
      images: 1,
      meanwhile: (_, stop) => {
        controller = stop;
      },
      gates: () => {
        controller?.abort();
        return CLOSED;
      },
    });
    expect(acted.ending).toEqual({ by: "stop" });
  });

  it("in the middle of a request says so of that object", async () => {
    const { told, acted } = await play({ containers: 2, deletion: { c1: "stopped" } });
    expect(told).toEqual(["failed c1", "kept c2 not-reached"]);
    expect(acted.ending).toEqual({ by: "stop" });
  });
});

describe("the low watermark", () => {
  it("spares the build cache", async () => {
    const { calls } = await play({ images: 1, settings: { prune: { buildCache: true } }, roomAfter: 1 });
    expect(calls).toEqual(["look i1", "delete i1", "list images"]);
  });
});

describe("what was left over is counted without what is settled", () => {
  it("objects that were gone, in use or failed are not left", async () => {
    const { events } = await play({
      containers: 8,
      now: { c1: "gone" },
      deletion: { c2: "in-use", c3: "refused", c4: "timeout" },
    });
    expect(eventNamed(events, "pass.ended-early")).toMatchObject([{ left: 2 }]);
  });
});

describe("the build cache", () => {
  const settings = { prune: { buildCache: true } };
  const record = (id: string, changes: Partial<CacheRecord> = {}): CacheRecord => ({
    id,
    type: "regular",
    description: "",
    sizeBytes: 1,
    lastUsedAt: ago(2 * DAY),
    inUse: false,
    shared: false,
    parents: [],
    ...changes,
  });

  it("is recorded as the engine reports it: what it took, what it left, what was young", async () => {
    const { told, tally } = await play({
      settings,
      cache: [record("took"), record("left"), record("young", { lastUsedAt: NOW })],
      cachePrune: { ids: ["took", "unlisted"], claimedBytes: 7 },
    });
    expect(told).toEqual(["removed took", "removed unlisted", "kept left engine-kept", "kept young young"]);
    expect([counts(tally), tally.claimedBytes]).toEqual([{ removed: 2, kept: 2, failed: 0 }, 7]);
    expect(tally.claimedByKind).toEqual({ ...NONE_OF_EACH, "build-cache": 7 });
  });

  it.each([null, "refused"] as const)("is pruned also where it cannot be listed: %s", async (cache) => {
    const { told } = await play({ settings, cache, cachePrune: { ids: ["a"], claimedBytes: 1 } });
    expect(told).toEqual(["removed a"]);
  });

  it("is not pruned where the engine does not answer the listing: it would be asked for an hour", async () => {
    const { told, calls } = await play({
      settings,
      cache: "timeout",
      cachePrune: { ids: ["a"], claimedBytes: 1 },
    });
    expect([told, calls]).toEqual([["failed *"], ["list cache"]]);
  });

  it("that the engine refuses to prune is one failure, and nothing is left over", async () => {
    const { told, acted, tally, events } = await play({ images: 1, settings, cachePrune: "refused" });
    expect([told, counts(tally), acted.ending]).toEqual([
      ["removed i1", "failed *"],
      { removed: 1, kept: 0, failed: 1 },
      null,
    ]);
    expect(eventNamed(events, "step.finished").at(-1)).toMatchObject({ kind: "build-cache", failed: 1 });
  });

  it("that this engine does not have (404) is a step skipped, and all is well", async () => {
    const { tally, acted, events } = await play({ images: 1, settings, cachePrune: "gone" });
    expect([counts(tally), acted.ending]).toEqual([{ removed: 1, kept: 0, failed: 0 }, null]);
    expect(eventNamed(events, "step.skipped")).toMatchObject([{ kind: "build-cache", level: "info" }]);
  });

  it("whose prune is not answered ends the pass with nothing left over", async () => {
    const { events } = await play({ images: 1, settings, cachePrune: "cut-off" });
    expect(eventNamed(events, "pass.ended-early")).toMatchObject([{ level: "error", left: 0 }]);
  });

  it("whose prune was broken off says that its result is not known", async () => {
    const { events, acted } = await play({ settings, cachePrune: "stopped" });
    expect(acted.ending).toEqual({ by: "stop" });
    expect(eventNamed(events, "object.failed")).toMatchObject([
      { error: "engine says stopped", removed: "unknown" },
    ]);
  });
});
