import { describe, expect, it } from "vitest";
import { diskFor, forecast, pulledTwice, workingSet } from "../../../agent/plan/forecast.ts";
import type { LedgerImage, LedgerUse } from "../../../agent/plan/ledger.ts";

const DAY = 86_400;
const HOUR = 3600;
const MB = 1e6;

function image(id: string, bytes: number | null, layers: Readonly<Record<string, number>> = {}): LedgerImage {
  const list = Object.entries(layers).map(([digest, size]) => ({ digest, bytes: size }));
  return { id, repository: id.slice(0, id.lastIndexOf(":")), layers: list, bytes };
}
const use = (at: number, one: LedgerImage): LedgerUse => ({ at, image: one, group: null });

describe("a forecast", () => {
  const warm = image("ghcr.io/acme/base:1", 100 * MB);
  /** One image that is used each hour, and a new one each hour that is never used again. */
  const uses = Array.from({ length: 48 }, (_, hour) => [
    use(hour * HOUR, warm),
    use(hour * HOUR + 60, image(`app:${hour}`, 100 * MB)),
  ]).flat();
  const marks = {
    high: { kind: "used-percent", percent: 80 } as const,
    low: { kind: "used-percent", percent: 60 } as const,
    window: 6 * HOUR,
  };
  const at = (
    policy: "own" | "lru" | "never",
    diskBytes: number,
    raw: Parameters<typeof forecast>[2] = marks,
  ) => forecast(uses, [{ policy, diskBytes }], raw)[0]?.row;

  it("without eviction pulls each image once, and says which runs did not fit", () => {
    // Ten images of 260 MB are 2.6 GB; the warm one and nine others fit.
    expect(at("never", 2600 * MB)).toMatchObject({
      ...{ policy: "never", diskBytes: 2600 * MB, pulls: 49, pulledBytes: 4900 * MB, regrets: 0 },
      runsOverCapacity: 96 - 19,
    });
  });

  it("with eviction keeps what is used again, and everything fits", () => {
    for (const policy of ["own", "lru"] as const)
      expect(at(policy, 2600 * MB)).toMatchObject({ pulls: 49, regrets: 0, runsOverCapacity: 0 });
  });

  it("counts what a small disk pulls again", () => {
    const row = at("lru", 400 * MB);
    expect(row?.regrets).toBeGreaterThan(0);
    expect(row?.pulls).toBe(49 + (row?.regrets ?? 0));
  });

  it("takes a mark in bytes as a share of each disk", () => {
    const free = (megabytes: number) => ({ kind: "free-bytes", bytes: megabytes * MB }) as const;
    const bytes = { ...marks, high: free(520), low: free(1040) };
    expect(at("lru", 2600 * MB, bytes)).toEqual(at("lru", 2600 * MB));
  });

  it("counts pulls from Docker Hub alone, within its window", () => {
    // app:N is Docker Hub's, ghcr.io is not: six in six hours.
    expect(at("never", 1e12)?.mostHubPulls).toBe(6);
    const names = ["docker.io/library/a", "localhost/b", "localhost:5000/c", "team/d", "quay.io/e/f"];
    const [told] = forecast(
      names.map((name, index) => use(index, image(`${name}:1`, MB))),
      [{ policy: "never", diskBytes: 1e12 }],
      { ...marks, window: HOUR },
    );
    expect(told?.row.mostHubPulls).toBe(2);
  });

  it("says the same for the same ledger, and nothing for an empty one", () => {
    expect(at("own", 600 * MB)).toEqual(at("own", 600 * MB));
    expect(forecast([], [{ policy: "own", diskBytes: 1 }], marks)).toMatchObject([
      { row: { pulls: 0, pulledBytes: 0, mostHubPulls: 0 }, moments: [] },
    ]);
  });

  it("tells how full the disk is over time, and since when runs do not fit", () => {
    const [told] = forecast(uses, [{ policy: "never", diskBytes: 2600 * MB }], marks);
    expect(told?.marks).toEqual({ high: 0.8, low: 0.6 });
    expect([told?.moments[0]?.usedPercent, Math.round(told?.moments.at(-1)?.usedPercent ?? 0)]).toEqual([
      10, 490,
    ]);
    expect(told?.moments.find(({ runsOverCapacity }) => runsOverCapacity > 0)?.at).toBe(10 * HOUR);
  });
});

describe("the images of the last 30 days", () => {
  it("counts each layer once and unpacked, and leaves out what was used before", () => {
    const uses = [
      use(0, image("old:1", 1000)),
      use(10 * DAY, image("a:1", 30, { base: 10, a: 20 })),
      use(11 * DAY, image("a:2", 40, { base: 10, b: 30 })),
      use(12 * DAY, image("unknown:1", null)),
      use(13 * DAY, image("whole:1", 40)),
    ];
    expect(workingSet(uses, 31 * DAY)).toBeCloseTo(2.6 * 100);
  });

  it("fit below the low mark on a disk so large", () => {
    expect(diskFor(78, { kind: "used-percent", percent: 78 })).toBeCloseTo(100);
    expect(diskFor(80, { kind: "free-bytes", bytes: 20 })).toBe(100);
  });
});

describe("what hosts pulled twice between them", () => {
  const one = image("d1", 30, { base: 10, a: 20 });
  const two = image("d2", 40, { base: 10, b: 30 });

  it("is nothing for one host that pulled each image once", () => {
    expect(
      pulledTwice([
        [
          { image: one, times: 1 },
          { image: two, times: 1 },
        ],
      ]),
    ).toEqual({
      hosts: [{ pulls: 2, bytes: 60 }],
      twice: { pulls: 0, bytes: 0 },
    });
  });

  it("counts the same image on two hosts, shared layers, and what came again on one", () => {
    const { hosts, twice } = pulledTwice([
      [{ image: one, times: 2 }],
      [
        { image: one, times: 1 },
        { image: two, times: 1 },
      ],
    ]);
    expect(hosts).toEqual([
      { pulls: 2, bytes: 60 },
      { pulls: 2, bytes: 60 },
    ]);
    expect(twice).toEqual({ pulls: 2, bytes: 60 });
  });
});
