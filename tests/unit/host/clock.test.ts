import { expect, it } from "vitest";
import { commandClock } from "../../../agent/host/clock.ts";

it.each([
  ["runs on", 5000, 5000],
  ["is set forward by a day", 86_405_000, 5000],
  ["is set back by an hour", -3_595_000, -3_595_000],
])("five seconds into a command during which the clock %s", (_, wall, told) => {
  let [now, elapsed] = [1e12, 70];
  const clock = commandClock({ now: () => now, elapsed: () => elapsed, sleep: async () => {} });
  now += wall;
  elapsed += 5000;
  expect(clock.now() - 1e12).toBe(told);
});
