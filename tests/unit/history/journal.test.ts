import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FilesystemReport, passFinished, passStarted } from "../../../agent/audit/events.ts";
import { auditLine } from "../../../agent/audit/line.ts";
import { known } from "../../../agent/facts.ts";
import { passesOfJournal } from "../../../agent/history/journal.ts";
import { belowWatermark, reported, toRecord } from "../../../agent/pressure.ts";
import { filesystem, GiB, HOUR, NOW, settingsOf } from "../support.ts";

const { disk } = settingsOf({});
const look = (usedPercent: number) => ({
  filesystems: [known(filesystem({ usedPercent }))],
  verdict: { gate: "disk-pressure", verdict: "closed", reason: "below", facts: {} } as const,
});
const ID = "0".repeat(31);
const PRUNED = {
  ...belowWatermark(look(60), disk, 90),
  outcome: "pruned" as const,
  reason: "the plan is done",
  gate: null,
  filesystems: reported(look(60), disk, look(90)),
  freedBytes: 30 * GiB,
  claimedBytes: 31 * GiB,
  removed: { container: 1, image: 2, "build-cache": 3 },
  removedBytes: { container: 0, image: 30 * GiB, "build-cache": GiB },
  objects: [{ kind: "image", fate: "removed", reason: "expired", count: 2 }] as const,
  rules: [{ list: "retention", name: "ci", matched: 3, removed: 1, failed: 0, keptBytes: null }] as const,
};

/** The agent's lines of a pass that starts this many hours after NOW. */
const started = (id: number, hours: number) =>
  auditLine(
    passStarted({
      version: "1",
      dryRun: false,
      withoutPressure: false,
      scope: "prune-and-rules",
      filesystems: [filesystem({ usedPercent: 90 })],
    }),
    `${ID}${id}`,
    NOW + hours * HOUR * 1000,
  ).trimEnd();
const finished = (id: number, hours: number, fields: object = PRUNED) =>
  auditLine(
    passFinished(fields as typeof PRUNED, "info"),
    `${ID}${id}`,
    NOW + hours * HOUR * 1000 + 90_000,
  ).trimEnd();

/** As `journalctl -o json --all` gives it. */
const entry = (MESSAGE: unknown, more: object = {}) =>
  JSON.stringify({
    __REALTIME_TIMESTAMP: "1785585600000000",
    PRIORITY: "6",
    SYSLOG_IDENTIFIER: "ci-docker-prune",
    _SYSTEMD_UNIT: "ci-docker-prune.service",
    MESSAGE,
    ...more,
  });

async function* source(lines: Iterable<string | null>) {
  yield* lines;
}
const read = (...lines: readonly (string | null)[]) => passesOfJournal(source(lines));
const NOTHING = { invalid: 0, tooLong: 0, withoutMessage: 0, others: 0, notUnderstood: 0, tooMany: 0 };

describe("a pass in the journal", () => {
  it("is what the state keeps of it", async () => {
    const { passes, skipped } = await read(entry(`pruned\t${finished(1, 0)}`));
    expect(passes).toEqual([toRecord(`${ID}1`, NOW, PRUNED)]);
    expect(skipped).toEqual(NOTHING);
  });

  it("begins when its first line says so", async () => {
    const early = started(1, -0.5);
    const [pass] = (await read(entry(early), entry(finished(1, 0)))).passes;
    expect(pass?.startedAt).toBe(NOW - 0.5 * HOUR * 1000);
  });

  it("without an end was killed, or still runs", async () => {
    const { passes } = await read(entry(started(1, 0)), entry(started(2, 1)), entry(finished(2, 1)));
    expect(passes.map(({ pass, outcome }) => [pass.at(-1), outcome])).toEqual([
      ["2", "pruned"],
      ["1", "no-end"],
    ]);
    expect(passes[1]?.filesystems).toMatchObject([{ path: "/", usedPercent: 90 }]);
  });

  it("that was saved twice is one pass", async () => {
    const line = entry(finished(1, 0));
    expect((await read(line, line)).passes).toHaveLength(1);
  });

  it("of a version before 0.2 has no bytes by kind, no watermark and no start", async () => {
    const { removedBytes: _, objects: __, rules: ___, filesystems, ...old } = PRUNED;
    const stripped = filesystems.map(
      ({ highWatermarkPercent: ____, before: _____, ...rest }: FilesystemReport) => rest,
    );
    const [pass] = (await read(entry(finished(1, 0, { ...old, filesystems: stripped })))).passes;
    expect(pass).toMatchObject({ outcome: "pruned", filesystems: [{ usedPercent: 60 }] });
    expect(pass).not.toHaveProperty("removedBytes");
    expect(pass?.filesystems[0]).not.toHaveProperty("highWatermarkPercent");
  });

  it.each([
    ["with bytes as its message", entry([...Buffer.from(finished(1, 0))])],
    ["as the agent wrote it", finished(1, 0)],
    ["as `-o cat` shows it", `pruned\t${finished(1, 0)}`],
    ["where the unit's name was left out of the output", entry(finished(1, 0), { _SYSTEMD_UNIT: undefined })],
  ])("%s", async (_, line) => {
    const { passes, skipped } = await read(line);
    expect([passes.length, skipped]).toEqual([1, NOTHING]);
  });
});

describe("what is no pass is left out and counted", () => {
  const good = finished(1, 0);
  it.each<readonly [string, string | null, object]>([
    ["a line that was cut off", entry(good).slice(0, -9), { invalid: 1 }],
    ["a message that was cut off", entry(good.slice(0, -9)), { others: 1 }],
    ["JSON that is no object", "[1,", { others: 1 }],
    ["a number", "7", { invalid: 1 }],
    ["null", "null", { invalid: 1 }],
    ["a line that was too long to be read", null, { tooLong: 1 }],
    ["a message that journalctl left out", entry(null), { withoutMessage: 1 }],
    [
      "a pass of nobody's: journald could not tell in time whose it was",
      entry(good, { _SYSTEMD_UNIT: undefined, _TRANSPORT: "syslog" }),
      { others: 1 },
    ],
    ["a pass in another unit's name", entry(good, { _SYSTEMD_UNIT: "docker.service" }), { others: 1 }],
    [
      "a unit that is no text",
      entry(good, { _SYSTEMD_UNIT: ["ci-docker-prune.service", "x"] }),
      { others: 1 },
    ],
    [
      "a line of systemd",
      entry("Starting ci-docker-prune.service", { _SYSTEMD_UNIT: "init.scope" }),
      { others: 1 },
    ],
    ["a sentence", "Nov 21 12:00:00 host systemd[1]: Starting", { others: 1 }],
    ["a pass without its outcome", entry(finished(1, 0, { ...PRUNED, outcome: 7 })), { notUnderstood: 1 }],
    [
      "a pass without filesystems",
      entry(finished(1, 0, { ...PRUNED, filesystems: "all" })),
      { notUnderstood: 1 },
    ],
    [
      "a filesystem that is null",
      entry(finished(1, 0, { ...PRUNED, filesystems: [null] })),
      { notUnderstood: 1 },
    ],
    [
      "a filesystem that is a number",
      entry(finished(1, 0, { ...PRUNED, filesystems: [7] })),
      { notUnderstood: 1 },
    ],
    [
      "a path that is none",
      entry(finished(1, 0, { ...PRUNED, filesystems: [{ ...PRUNED.filesystems[0], paths: [7] }] })),
      { notUnderstood: 1 },
    ],
    [
      "a duration without end",
      entry(finished(1, 0, { ...PRUNED, durationSeconds: 1e300 })),
      { notUnderstood: 1 },
    ],
    [
      "a duration below zero",
      entry(finished(1, 0, { ...PRUNED, durationSeconds: -1 })),
      { notUnderstood: 1 },
    ],
    [
      "a start without filesystems",
      entry(started(1, 0).replace('"filesystems":[', '"filesystem":[')),
      { notUnderstood: 1 },
    ],
  ])("%s", async (_, line, counted) => {
    const { passes, skipped } = await read(line, entry(finished(2, 1)));
    expect(passes.map(({ pass }) => pass)).toEqual([`${ID}2`]);
    expect(skipped).toEqual({ ...NOTHING, ...counted });
  });

  it("other events of the agent, and empty lines, are neither", async () => {
    const other = auditLine(
      { event: "gate.verdict", level: "info", msg: "x", fields: {} },
      ID,
      NOW,
    ).trimEnd();
    expect(await read(entry(other), "", "  ")).toEqual({ passes: [], skipped: NOTHING });
  });

  it("passes beyond the newest ten thousand go, and so do starts beyond a hundred", async () => {
    const many = (function* () {
      for (let count = 0; count < 10_003; count++) yield finished(count, count / 10);
      for (let count = 0; count < 102; count++) yield started(20_000 + count, 2000);
    })();
    const { passes, skipped } = await passesOfJournal(source(many));
    expect([passes.length, skipped.tooMany]).toEqual([10_100, 5]);
    expect(passes[0]?.pass).toBe(`${ID}3`);
  });

  it("whatever the lines hold, it never throws", async () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.jsonValue().map((value) => entry(value)),
      fc
        .tuple(fc.constantFrom(...Object.keys(PRUNED), "time", "pass"), fc.jsonValue())
        .map(([key, value]) => entry(JSON.stringify({ ...JSON.parse(good), [key]: value }))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { maxLength: 5 }), async (lines) => {
        const { passes } = await read(...lines);
        for (const { startedAt } of passes) expect(() => new Date(startedAt).toISOString()).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
