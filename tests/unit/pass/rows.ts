import { expect } from "vitest";
import { service } from "../support.ts";
import { play, type Story } from "./play.ts";
import { dangling, fails, type Hook, ROOT, running } from "./world.ts";

/** Everything that the usual host has to give, in order. */
export const PLAN = ["remove c1", "remove c2", "remove i1", "remove i2", "prune cache 86400"];
export const RUN = running("job", { labels: { "ci.run": "1" } });
export const RUN_LABELS = { liveRuns: { labels: ["ci.run"] } };
export const BUSY = service({ status: { running: 0, desired: 1, completed: 0 } });

export const runStarts: Hook = (_request, _nth, host) => host.containers.push(RUN);
export const deployStarts: Hook = (_request, _nth, host) => host.services.push(BUSY);
export const toldToStop: Hook = (_request, _nth, _host, fake) => fake.stop.abort();
export const failing =
  (...kind: Parameters<typeof fails>): Hook =>
  () =>
    fails(...kind);
export const diskOf =
  (used: number | string): Hook =>
  (_request, _nth, host) => {
    host.disk = { "/": used, [ROOT]: used };
  };
export const manyImages = (count: number) =>
  Array.from({ length: count }, (_, nth) => dangling(`i${nth + 1}`));
export const removing = (images: number) => Array.from({ length: images }, (_, nth) => `remove i${nth + 1}`);

export type Row = Story & {
  /** Exactly what reaches the engine and may change it. */
  readonly writes: readonly string[];
  readonly outcome: string;
  readonly exit: number;
  readonly gate?: string;
};

/** How a row ends: `ends("deferred", 0, [], "lock")`. */
export const ends = (outcome: string, exit: number, writes: readonly string[] = [], gate?: string) => ({
  ...{ outcome, exit, writes },
  ...(gate === undefined ? {} : { gate }),
});

/** What holds of every row besides. */
export async function check({ writes, outcome, exit, gate, ...story }: Row) {
  const { fake, exit: ended } = await play(story);
  expect({ writes: fake.writes, outcome: fake.finished.outcome, exit: ended }).toEqual({
    writes,
    outcome,
    exit,
  });
  expect(fake.finished.exitCode).toBe(exit);
  expect(fake.finished.gate).toBe(gate ?? null);
  expect(fake.said("pass.finished")).toHaveLength(1);
  expect(fake.locksReleased).toBe(fake.locksTaken);
  // Nothing is sent outside the lock.
  const writeAt = fake.writes.map((write) => fake.log.indexOf(write));
  for (const index of writeAt) {
    expect(index).toBeGreaterThan(fake.log.indexOf("lock"));
    expect(index).toBeLessThan(fake.log.lastIndexOf("unlock"));
  }
  // The log tells outcomes: each object that is said to be removed was asked to go, and before that.
  for (const [index, line] of fake.log.entries()) {
    const [, name] = /^log object\.removed ([ci]\d+)$/.exec(line) ?? [];
    if (name !== undefined) expect(fake.log.slice(0, index)).toContain(`remove ${name}`);
  }
  return fake;
}
