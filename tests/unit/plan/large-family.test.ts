import { expect, it } from "vitest";
import { decide } from "../../../agent/plan/decide.ts";
import { NOW } from "../support.ts";
import { largeHost } from "./large-family.ts";

/** How often deciding looks something up, and how often it reads what a service uses. */
function lookUps(images: number) {
  const { candidates, remembered, settings, reads } = largeHost({
    images,
    layers: 30,
    services: images / 10,
  });
  let count = 0;
  // By hand: a spy keeps each call.
  const { get } = Map.prototype;
  const { has } = Set.prototype;
  Map.prototype.get = function (key) {
    count++;
    return get.call(this, key);
  };
  Set.prototype.has = function (value) {
    count++;
    return has.call(this, value);
  };
  const { plan } = decide(candidates, remembered, settings, NOW);
  Object.assign(Map.prototype, { get });
  Object.assign(Set.prototype, { has });
  expect(plan.remove.length).toBeGreaterThan(images / 2);
  expect(plan.keep.length).toBeGreaterThan(0);
  return { count, reads: reads() };
}

it("deciding grows as n log n with a family, its layers and its services: ten times as many cost at most fifteen times as much", () => {
  const [small, large] = [lookUps(50), lookUps(500)];
  expect(large.count / small.count).toBeLessThan(15);
  expect([small.reads, large.reads]).toEqual([5, 50]);
});

it("each group of a family takes lists as long as its own images ask for, not as long as all do", () => {
  const filled = (groups: number) => {
    const { candidates, remembered, settings } = largeHost({ images: 500, layers: 30, services: 1, groups });
    let sum = 0;
    const { fill } = Array.prototype;
    Array.prototype.fill = function (value) {
      sum += this.length;
      return fill.call(this, value);
    };
    const { plan } = decide(candidates, remembered, settings, NOW);
    Object.assign(Array.prototype, { fill });
    expect(plan.remove.length).toBeGreaterThan(0);
    return sum;
  };
  expect(filled(100)).toBeLessThan(4 * filled(1));
});
