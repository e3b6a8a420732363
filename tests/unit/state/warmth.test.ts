import { describe, expect, it } from "vitest";
import { type LedgerLine, readLedger } from "../../../agent/state/ledger.ts";
import { warmthOf } from "../../../agent/state/warmth.ts";
import { ago, DAY, HOUR, imageId, NOW } from "../support.ts";

const came = (name: string, secondsAgo: number, digests = [`${name}@sha256:1`]): LedgerLine => ({
  ...{ image: imageId(name), at: ago(secondsAgo), names: [`${name}:1`], digests, bytes: 1000, layers: [] },
});
const use = (name: string, secondsAgo: number): LedgerLine => ({
  ...{ use: imageId(name), at: ago(secondsAgo), group: null },
});
const evicted = (name: string, secondsAgo: number): LedgerLine => ({
  ...{ evicted: imageId(name), at: ago(secondsAgo) },
});
const warmth = (...lines: LedgerLine[]) =>
  warmthOf(
    readLedger(
      [{ engine: "E", at: 0 }, ...lines].map((line) => JSON.stringify(line)),
      "E",
      NOW,
    ),
    NOW,
  );

describe("how warm the cache is", () => {
  it("counts the first use of what came as cold, later ones as warm, by day", () => {
    const told = warmth(
      came("old", 20 * DAY),
      came("app", 2 * DAY - HOUR),
      ...[use("app", 2 * DAY - HOUR), use("app", DAY + HOUR), use("app", HOUR)],
    );
    expect(told).toMatchObject({ uses: 3, warmUses: 2, evictions: 0, regrets: 0, since: ago(20 * DAY) });
    expect(told.days.map(({ uses, warmUses }) => [uses, warmUses])).toEqual([
      ...Array.from({ length: 5 }, () => [0, 0]),
      [2, 1],
      [1, 1],
    ]);
    expect(told.days.at(-1)?.until).toBe(NOW);
    expect(told.workingSetBytes).toBe(2 * 2600);
  });

  it("takes what was there when the ledger began for warm", () => {
    expect(warmth(came("app", 3 * DAY), use("app", HOUR))).toMatchObject({ uses: 1, warmUses: 1 });
  });

  it("counts what came back after an eviction as cold, and as a regret", () => {
    const told = warmth(
      ...[came("app", 6 * DAY), use("app", 5 * DAY), evicted("app", 4 * DAY)],
      ...[came("app", 2 * DAY), use("app", 2 * DAY), use("app", DAY)],
    );
    expect(told).toMatchObject({ uses: 3, warmUses: 2, evictions: 1, regrets: 1 });
  });

  it("leaves out what was built here, what is older than a week, and that part of a gap", () => {
    const told = warmth(
      ...[came("own", 9 * DAY, []), use("own", HOUR), came("app", 9 * DAY), use("app", 8 * DAY)],
      ...[evicted("app", 8 * DAY), { gap: ago(8 * DAY), at: ago(6 * DAY) }],
    );
    expect(told).toMatchObject({ uses: 0, evictions: 0, gapSeconds: DAY });
  });

  it("is all zero for an empty ledger", () => {
    expect(warmth()).toMatchObject({ uses: 0, warmUses: 0, since: 0, workingSetBytes: 0 });
  });
});
