import { appendFileSync, chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  appendLedger,
  heardUntil,
  LEDGER_FILE,
  type LedgerLine,
  loadLedger,
  readLedger,
} from "../../../agent/state/ledger.ts";
import { testFolder } from "../folder.ts";
import { ago, DAY, HOUR, imageId, NOW } from "../support.ts";

const came = (name: string, secondsAgo: number, changes: object = {}): LedgerLine => ({
  image: imageId(name),
  at: ago(secondsAgo),
  names: [`${name}:1`],
  digests: [],
  bytes: 100,
  layers: [["sha256:a", 60]],
  ...changes,
});
const use = (name: string, secondsAgo: number, group: string | null = null): LedgerLine => ({
  use: imageId(name),
  at: ago(secondsAgo),
  group,
});
const ENGINE: LedgerLine = { engine: "E1", at: ago(100 * DAY) };
const read = (lines: readonly LedgerLine[], engine: string | null = "E1") =>
  readLedger([...lines.map((line) => JSON.stringify(line)), ""], engine, NOW);
const usesOf = (ledger: ReturnType<typeof readLedger>) =>
  ledger.uses.map(({ at, image, group }) => [Math.round(NOW / 1000 - at), image.repository, group]);

describe("what the lines say", () => {
  it("uses in order of time, with their image and group", () => {
    const ledger = read([ENGINE, came("app", DAY), use("app", HOUR), use("app", 2 * HOUR, "stack=a")]);
    expect(usesOf(ledger)).toEqual([
      [2 * HOUR, "app", "stack=a"],
      [HOUR, "app", null],
    ]);
    expect(ledger).toMatchObject({ engine: "E1", since: ago(DAY), until: ago(HOUR), warnings: [] });
    expect(ledger.images.get(imageId("app"))).toMatchObject({
      cameAt: ago(DAY),
      evictedAt: null,
      firstAt: ago(DAY),
      bytes: 100,
    });
  });

  it("an image that came and was never seen in use was wanted once, then", () => {
    expect(usesOf(read([ENGINE, came("app", DAY)]))).toEqual([[DAY, "app", null]]);
  });

  it("names that changed are no new arrival", () => {
    const ledger = read([ENGINE, came("app", DAY), came("app", HOUR, { names: ["app:2"] }), use("app", 60)]);
    expect(ledger.images.get(imageId("app"))).toMatchObject({ cameAt: ago(DAY), names: ["app:2"] });
    expect(usesOf(ledger)).toHaveLength(1);
  });

  it("one that came back after an eviction is a regret, and came anew", () => {
    const evicted: LedgerLine = { evicted: imageId("app"), at: ago(3 * HOUR) };
    const ledger = read([ENGINE, came("app", DAY), use("app", 20 * HOUR), evicted, came("app", HOUR)]);
    expect(ledger.regrets).toEqual([{ id: imageId("app"), evictedAt: ago(3 * HOUR), at: ago(HOUR) }]);
    expect(ledger.images.get(imageId("app"))?.cameAt).toBe(ago(HOUR));
    expect(usesOf(ledger).map(([at]) => at)).toEqual([20 * HOUR, HOUR]);
  });

  it("gaps", () => {
    expect(read([ENGINE, { gap: ago(HOUR), at: ago(60) }]).gaps).toEqual([{ from: ago(HOUR), to: ago(60) }]);
  });

  it("of another engine do not count, before or after", () => {
    const other: LedgerLine = { engine: "E2", at: ago(10 * DAY) };
    const lines = [
      ENGINE,
      came("a", 20 * DAY),
      other,
      came("b", 5 * DAY),
      { ...ENGINE, at: ago(DAY) },
      came("c", HOUR),
    ];
    expect(usesOf(read(lines)).map(([, name]) => name)).toEqual(["a", "c"]);
    expect(usesOf(read(lines, "E2")).map(([, name]) => name)).toEqual(["b"]);
    expect(usesOf(read(lines, "E3"))).toEqual([]);
    expect(usesOf(read(lines, null)).map(([, name]) => name)).toEqual(["a", "c"]);
  });

  it("from the future do not count, and that is said", () => {
    const ledger = read([ENGINE, came("app", DAY), use("app", -2 * HOUR)]);
    expect(usesOf(ledger)).toEqual([[DAY, "app", null]]);
    expect(ledger.warnings).toEqual(["the ledger of uses has 1 lines from the future, which do not count"]);
  });

  it("a torn last line is dropped with a warning, one in the middle too", () => {
    const whole = [ENGINE, came("app", DAY)].map((line) => JSON.stringify(line));
    expect(readLedger([...whole, '{"use":"sha'], "E1", NOW).warnings).toEqual([
      "the last line of the ledger of uses is torn",
    ]);
    expect(readLedger([whole[0]!, "{{{", whole[1]!, ""], "E1", NOW)).toMatchObject({
      uses: [{}],
      warnings: ["the ledger of uses has 1 lines that nobody understands"],
    });
  });

  it.each([
    ["no time", { use: "a", group: null }],
    ["a group that is none", { use: "a", at: 1, group: 7 }],
    ["layers that are none", { image: "a", at: 1, names: [], digests: [], bytes: 1, layers: [["a"]] }],
    ["names that are none", { image: "a", at: 1, names: [1], digests: [], bytes: 1, layers: [] }],
    ["an unknown kind", { hello: 1, at: 1 }],
    ["null", null],
  ])("is not understood: %s", (_, line) => {
    expect(readLedger([JSON.stringify(line), ""], null, NOW).warnings).toHaveLength(1);
  });
});

describe("the file", () => {
  let dir: string;
  beforeEach(() => {
    dir = testFolder();
  });
  const file = () => join(dir, LEDGER_FILE);

  it("is empty where there is none, and grows by whole lines", () => {
    expect(loadLedger(dir, "E1", NOW)).toMatchObject({ engine: null, uses: [], warnings: [] });
    appendLedger(dir, [ENGINE, came("app", DAY)], NOW);
    appendLedger(dir, [use("app", HOUR)], NOW);
    appendLedger(dir, [], NOW);
    expect(readFileSync(file(), "utf8").split("\n")).toHaveLength(4);
    expect(statSync(file()).mode & 0o777).toBe(0o644);
    expect(usesOf(loadLedger(dir, "E1", NOW))).toEqual([[HOUR, "app", null]]);
  });

  it("that every user may write to counts for nothing, and is told", () => {
    appendLedger(dir, [ENGINE, came("app", DAY), use("app", HOUR)], NOW);
    chmodSync(file(), 0o646);
    expect(loadLedger(dir, "E1", NOW)).toMatchObject({
      uses: [],
      warnings: [expect.stringMatching(/^the ledger of uses cannot be read: every user may write to /)],
    });
    // A copy decides nothing: it is for forecasts.
    expect(usesOf(loadLedger(dir, "E1", NOW, `./${LEDGER_FILE}`))).toEqual([[HOUR, "app", null]]);
  });

  it("that is too large, a folder, or rubbish is a warning and nothing else", () => {
    writeFileSync(file(), "");
    truncateSync(file(), 500 * 1024 * 1024);
    expect(loadLedger(dir, "E1", NOW)).toMatchObject({
      uses: [],
      warnings: [expect.stringMatching(/larger than/)],
    });
    writeFileSync(file(), Buffer.alloc(10_000, 200));
    expect(loadLedger(dir, "E1", NOW).warnings).toEqual(["the last line of the ledger of uses is torn"]);
  });

  it("is cut to a year and 100,000 uses once it has grown, with the images they are about", () => {
    const lines = [ENGINE, came("old", 500 * DAY), use("old", 400 * DAY), came("base", 390 * DAY)];
    const base = JSON.stringify(use("base", 7));
    const uses = Array.from({ length: 100_010 }, (_, nth) =>
      base.replace(`${ago(7)}`, `${ago((100_010 - nth) * 60)}`),
    );
    const text = [...lines, came("big", 2 * DAY)].map((line) => JSON.stringify(line));
    writeFileSync(file(), `${[...text, ...uses].join("\n")}\n`);
    // Damaged, so that it goes as well.
    appendFileSync(file(), `${"x".repeat(32 * 1024 * 1024 - statSync(file()).size)}\n`);
    appendLedger(dir, [use("base", 1)], NOW);
    expect(statSync(file()).size).toBeLessThan(16 * 1024 * 1024);
    const left = readFileSync(file(), "utf8").trim().split("\n");
    expect(left.filter((line) => line.startsWith('{"use"'))).toHaveLength(100_000);
    expect(JSON.parse(left.at(-1)!)).toEqual(use("base", 1));
    const images = left.filter((line) => line.startsWith('{"image"')).map((line) => JSON.parse(line).image);
    expect(images.sort()).toEqual([imageId("base"), imageId("big")].sort());
    expect(left.filter((line) => line.startsWith('{"engine"'))).toEqual([JSON.stringify(ENGINE)]);
  });

  it("tells when watch heard something last, whatever a pass wrote since", () => {
    expect(heardUntil(dir)).toBeNull();
    appendLedger(dir, [{ ...use("app", HOUR), by: "watch" }, use("app", 60)], NOW);
    expect(heardUntil(dir)).toEqual({ at: ago(HOUR), event: true });
  });

  it("does not take the moment when watch began to listen again for an event: killed then, it has yet to hear some", () => {
    appendLedger(dir, [{ ...ENGINE, by: "watch" }], NOW);
    expect(heardUntil(dir)).toEqual({ at: ENGINE.at, event: false });
    appendLedger(dir, [{ ...use("app", HOUR), by: "watch" }], NOW);
    appendLedger(dir, [{ ...ENGINE, at: ago(10), by: "watch" }], NOW);
    expect(heardUntil(dir)).toEqual({ at: ago(HOUR), event: true });
  });

  it("two writers at once lose nothing", async () => {
    const write = async (name: string) => {
      for (let at = 0; at < 200; at++) {
        appendLedger(dir, [use(name, at)], NOW);
        if (at % 20 === 0) await new Promise(setImmediate);
      }
    };
    await Promise.all([write("a"), write("b")]);
    expect(
      readFileSync(file(), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toHaveLength(400);
  });
});
