import { describe, expect, it } from "vitest";
import { type LedgerImage, projectOf } from "../../../agent/plan/ledger.ts";
import { OwnHistory, useStep } from "../../../agent/plan/own-history.ts";

const DAY = 86_400;
const HOUR = 3600;

function image(id: string, megabytes = 100, base: string[] = []): LedgerImage {
  const shared = base.map((digest) => ({ digest, bytes: (megabytes * 1e6) / (base.length + 1) }));
  const own = megabytes * 1e6 - shared.reduce((sum, { bytes }) => sum + bytes, 0);
  const repository = id.split(":")[0]!;
  return { id, repository, layers: [...shared, { digest: id, bytes: own }], bytes: megabytes * 1e6 };
}

class Host {
  readonly history = new OwnHistory();
  run(at: number, ...images: LedgerImage[]): this {
    this.history.record({ at, project: projectOf(images), images });
    return this;
  }
  order(now: number, ...ids: string[]): string[] {
    return this.history.order(ids, now).map(({ id }) => id);
  }
}

describe("steps of use", () => {
  it.each([
    [1, 1, 1],
    [2, 99, 2],
    [3, 99, 3],
    [5, 99, 3],
    [6, 1.49, 4],
    [6, 1.5, 5],
    [6, 3, 6],
    [100, 5.9, 6],
    [100, 6, 7],
    [1e4, 1.5 * 2 ** 11, 16],
    [1e6, 1e9, 16],
  ])("%d uses at a pace of %d: step %d", (uses, pace, step) => {
    expect(useStep(uses, pace)).toBe(step);
  });
});

describe("the order", () => {
  it("takes an image that no project names any more before one in use, and says by what", () => {
    const host = new Host().run(0, image("app:1"), image("db:1")).run(DAY, image("app:2"), image("db:1"));
    expect(host.order(2 * DAY, "db:1", "app:2", "app:1")[0]).toBe("app:1");
    expect(host.history.because("app:1", 2 * DAY)).toMatchObject({
      ...{ uses: 1, idle: 2 * DAY, superseded: true, supersededBy: "app:2" },
    });
    expect(host.history.because("app:2", 2 * DAY)).toMatchObject({ superseded: false, supersededBy: null });
  });

  it("keeps an image named while any project's newest run names it", () => {
    const host = new Host()
      .run(0, image("app:1"), image("one:1"))
      .run(HOUR, image("app:1"), image("two:1"))
      .run(2 * HOUR, image("app:2"), image("one:1"));
    expect(host.history.because("app:1", DAY)?.superseded).toBe(false);
    host.run(3 * HOUR, image("app:2"), image("two:1"));
    expect(host.history.because("app:1", DAY)?.superseded).toBe(true);
  });

  it("learns which images come back: a class whose images did goes after one whose images did not", () => {
    const host = new Host();
    for (let day = 0; day < 60; day += 1) {
      host.run(day * DAY, image("daily:1"), image(`once:${day}`));
      host.run(day * DAY + HOUR, image("daily:1"));
    }
    expect(host.order(60 * DAY, "daily:1", "once:58", "once:59").at(-1)).toBe("daily:1");
    const { alike, cameBack, expectedBack } = host.history.because("once:50", 60 * DAY)!;
    expect(alike).toBeGreaterThan(40);
    expect(cameBack).toBe(0);
    expect(expectedBack).toBeLessThan(0.02);
    expect(host.history.because("daily:1", 60 * DAY)?.cameBack).toBeGreaterThan(0.9);
  });

  it("learns from changes, not from repeated runs, whether an image outlives the next change", () => {
    const host = new Host();
    // Forty states of one project, twenty runs each: the application is new in each state, the database every tenth.
    for (let state = 0; state < 40; state += 1)
      for (let again = 0; again < 20; again += 1)
        host.run(
          state * 5 * DAY + again * HOUR,
          image(`app:${state}`),
          image(`db:${Math.floor((state + 1) / 10)}`),
        );
    const back = (id: string) => host.history.because(id, 199 * DAY)!.expectedBack;
    expect(back("db:4")).toBeGreaterThan(1.5 * back("app:39"));
  });

  it("takes the larger of two alike first, as a pull costs something whatever its size", () => {
    const host = new Host().run(0, image("a:1", 10)).run(0, image("b:1", 1000));
    for (let i = 0; i < 3; i += 1) host.run(i, image(`a:${i + 2}`, 10)).run(i, image(`b:${i + 2}`, 1000));
    expect(host.order(DAY, "a:1", "b:1")).toEqual(["b:1", "a:1"]);
  });

  it("values the newest image of a repository by what it saves of the next version", () => {
    const host = new Host();
    for (let version = 0; version < 10; version += 1) {
      host.run(version * 7 * DAY, image(`slim:${version}`, 100));
      host.run(version * 7 * DAY, image(`based:${version}`, 100, ["base"]));
    }
    expect(host.order(65 * DAY, "based:9", "slim:9")).toEqual(["slim:9", "based:9"]);
    const saves = (id: string) => host.history.because(id, 65 * DAY)!.savesNext;
    expect(saves("based:9")).toBeGreaterThan(5 * saves("slim:9"));
    expect(saves("based:8")).toBe(0);
  });

  it("takes the least recently used of equals, then goes by the order it was given", () => {
    const host = new Host().run(10, image("a:1")).run(10, image("b:1")).run(5000, image("c:1"));
    // The newest of their repositories, used once each, idle in the same cell of age.
    expect(host.order(40 * DAY, "c:1", "b:1", "a:1")).toEqual(["b:1", "a:1", "c:1"]);
    expect(host.order(40 * DAY, "c:1", "a:1", "b:1")).toEqual(["a:1", "b:1", "c:1"]);
  });

  it("leaves out what the ledger does not know", () => {
    const host = new Host().run(0, image("a:1"));
    expect(host.order(DAY, "other:1", "a:1")).toEqual(["a:1"]);
    expect(host.history.because("other:1", DAY)).toBeUndefined();
  });

  it("counts ten jobs within ten minutes as one use of late, and each of them as a use", () => {
    const host = new Host();
    const tenTimes = (at: number, every: number, what: LedgerImage) => {
      for (let i = 0; i < 10; i += 1) host.run(at + i * every, what);
    };
    for (let i = 0; i < 30; i += 1) {
      if (i < 20) tenTimes(i * DAY, 50, image(`burst-${i}:1`));
      tenTimes(i * DAY + HOUR, 700, image(`spread-${i}:1`));
    }
    tenTimes(40 * DAY, 50, image("burst:1"));
    tenTimes(40 * DAY + HOUR, 700, image("spread:1"));
    expect(host.history.because("burst:1", 44 * DAY)).toMatchObject({ uses: 10, alike: 20 });
    expect(host.history.because("spread:1", 44 * DAY)).toMatchObject({ uses: 10, alike: 30 });
  });

  it("does not make an image look idle when the clock goes back", () => {
    const host = new Host().run(10 * DAY, image("a:1")).run(5 * DAY, image("b:1"));
    expect(host.history.order(["a:1", "b:1"], 6 * DAY).map(({ idle }) => idle)).toEqual([0, 0]);
  });
});
