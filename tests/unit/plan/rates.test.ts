import { describe, expect, it } from "vitest";
import { cellOf, Rates } from "../../../agent/plan/rates.ts";

const DAY = 86_400;

describe("cells of age", () => {
  it.each([
    [-5, 0],
    [0, 0],
    [59.9, 0],
    [60, 1],
    [106.9, 1],
    [107, 2],
    [120 * 2 ** 5, 8],
    [60 * 2 ** 20, 25],
    [1e12, 25],
  ])("%d s is in cell %d", (age, cell) => {
    expect(cellOf(age)).toBe(cell);
  });
});

describe("rates", () => {
  it("starts at one event in a hundred days where nothing was measured", () => {
    expect(new Rates().rate([0], DAY, DAY, 2) * 100 * DAY).toBeCloseTo(1);
    expect(new Rates().rate([0, 1, 2], DAY, DAY, 2) * 100 * DAY).toBeCloseTo(1);
  });

  it("is events over time at risk, in the cells of the age and of those ahead alone", () => {
    const rates = new Rates();
    for (let i = 0; i < 1000; i += 1) {
      rates.book([0], 0, 30 * DAY);
      if (i < 100) rates.hit([0], 4 * DAY);
    }
    // The cell that holds four days runs from 60 s * 2^(k/1.2), k = 14, to k = 15.
    const width = 60 * (2 ** (15 / 1.2) - 2 ** (14 / 1.2));
    const { waits, perSecond } = rates.measured(0, 4 * DAY, 0);
    expect(waits).toBe(1000);
    expect(perSecond).toBeCloseTo(100 / (1000 * width), 15);
    expect(rates.measured(0, 20 * DAY, DAY).perSecond).toBe(0);
  });

  it("counts a wait once in each cell it reached, also when it is booked in parts", () => {
    const rates = new Rates();
    rates.book([0], 0, 90);
    rates.book([0], 90, 5000);
    expect([0, 70, 1000, 10_000].map((age) => rates.measured(0, age, 0).waits)).toEqual([1, 1, 1, 0]);
  });

  it("shrinks a narrow class to the wider one by so many events' worth", () => {
    const rates = new Rates();
    for (let i = 0; i < 400; i += 1) {
      rates.book([0], 0, 60);
      if (i < 40) rates.hit([0], 30);
    }
    const wide = rates.rate([0], 30, 0, 2);
    expect(rates.rate([0, 7], 30, 0, 2)).toBeCloseTo(wide, 12);
    rates.book([7], 0, 60);
    rates.hit([7], 30);
    expect(rates.rate([0, 7], 30, 0, 2)).toBeCloseTo((1 + 2) / (60 + 2 / wide), 12);
  });
});
