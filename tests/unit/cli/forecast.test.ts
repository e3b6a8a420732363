import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import yargs from "yargs";
import { saveLastCheck } from "../../../agent/auth/memory.ts";
import { forecastCommand } from "../../../agent/cli/forecast.ts";
import { EMPTY_STATE } from "../../../agent/state/state.ts";
import { testFolder } from "../folder.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

let dir: string;
beforeEach(() => {
  dir = testFolder();
  writeFileSync(join(dir, "settings.json"), JSON.stringify({ cache: { evict: "under-pressure" } }));
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function forecast(...args: string[]) {
  let out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  let code: number | null = null;
  const cli = yargs(["forecast", "--settings", join(dir, "settings.json"), "--state-dir", dir, ...args])
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    });
  await forecastCommand(cli, (result) => {
    code = result;
  }).parseAsync();
  vi.restoreAllMocks();
  return { out, code, json: args.includes("--json") ? JSON.parse(out) : null };
}

/** A host that runs `base` and a new `app` each six hours, up to now. @param digest of its images, by name */
function ledger(days: number, folder = dir, app = "app") {
  const start = Date.now() - days * DAY;
  const image = (name: string, at: number, bytes: number | null = 1e9) => ({
    ...{ image: `sha256:${name}`, at, names: [`${name}:1`], digests: [`${name}@sha256:${name}`] },
    ...{ bytes, layers: [] },
  });
  const runs = Array.from({ length: days * 4 }, (_, run) => start + run * 6 * HOUR);
  const lines = [
    { engine: "E", at: start },
    image("base", start),
    ...runs.flatMap((at, run) => [
      { use: "sha256:base", at, group: null },
      image(`${app}${run}`, at),
      { use: `sha256:${app}${run}`, at, group: null },
    ]),
    { gap: start + HOUR, at: start + 3 * HOUR },
    { ...image("local", start + 1), digests: [], bytes: null },
  ];
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "uses.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

describe("the forecast of a host", () => {
  it("replays its ledger for each disk and policy, beside what it has now", async () => {
    ledger(20);
    saveLastCheck(dir, {
      at: 0,
      checks: [
        {
          ...{ registry: "docker.io", username: null, result: "accepted", reason: "" },
          ...{
            rateLimit: { limit: 100, remaining: 9, windowSeconds: 3600, source: null },
            rateLimitReason: null,
          },
        },
      ],
    });
    writeFileSync(join(dir, "state.json"), JSON.stringify({ ...EMPTY_STATE, version: 2, engineRoot: dir }));
    const { json, code } = await forecast("--disk", "20GB,60GB", "--policy", "own,never", "--json");
    expect(code).toBe(0);
    expect(json).toMatchObject({ tooShort: false, gaps: 1, gapSeconds: 7200, imagesOfUnknownSize: 1 });
    expect(json.hub).toEqual({ limit: 100, windowSeconds: 3600 });
    expect(json.now.policy).toBe("own");
    const rows = json.rows.map((row: Record<string, unknown>) => [row.policy, row.diskBytes]);
    expect(rows).toEqual([
      ["own", 20e9],
      ["never", 20e9],
      ["own", 60e9],
      ["never", 60e9],
    ]);
    const [own, never] = json.rows;
    expect([own.pulls, own.runsOverCapacity, never.runsOverCapacity > 100]).toEqual([82, 0, true]);
    // 81 images of 1 GB, unpacked, below 78 %.
    expect(json.workingSetBytes).toBeCloseTo(2.6 * 81e9);
    expect(json.diskForWorkingSetBytes).toBe(270e9);
    const { out } = await forecast("--disk", "20GB");
    expect(out).toMatch(/^now \(own\) .* same +0 +\d of 100$/m);
    expect(out).toMatch(/^own +18\.6 GiB +75\.4 GiB +82 +.* 0 +\d of 100$/m);
    expect(out).toContain("take at least 196 GiB: a disk of 251 GiB holds them below the low mark (78%)");
    expect(out).toContain("Images of unknown size, which count as 0: 1.");
    // As `history` draws it, for the first policy on each disk.
    expect(
      out.match(/^own, a disk of 18\.6 GiB\n.* high watermark 80% .* low watermark 78%\n 100% /gm),
    ).toHaveLength(1);
    expect(out).toMatch(/[v▼] evicted images\n/);
    expect(out).not.toMatch(/^(lru|never), a disk/m);
  });

  it("says that a ledger is too short, and how long it needs", async () => {
    ledger(3);
    const { out } = await forecast("--disk", "20GB");
    expect(out).toMatch(/too short for a forecast: it covers 2d 18h and needs 14 days/);
    expect((await forecast("--disk", "20GB", "--json")).json).toMatchObject({ tooShort: true });
  });

  it("covers what is replayed: uses of more than a year ago do not count", async () => {
    ledger(3);
    const old = Date.now() - 400 * DAY;
    const image = { image: "sha256:old", at: old, names: ["old:1"], digests: [], bytes: 1, layers: [] };
    const text = readFileSync(join(dir, "uses.jsonl"), "utf8");
    writeFileSync(join(dir, "uses.jsonl"), text.replace("\n", `\n${JSON.stringify(image)}\n`));
    const { json } = await forecast("--disk", "20GB", "--json");
    expect([json.tooShort, json.coveredSeconds]).toEqual([true, 237_600]);
  });

  it("says that there is none, and who writes it", async () => {
    const { out, code } = await forecast("--disk", "20GB");
    expect([out.includes("0 uses of 0 images"), out.includes("docs/cache.md"), code]).toEqual([
      true,
      true,
      0,
    ]);
  });

  it.each([
    [["--disk", "20"], /--disk "20": expected sizes/],
    [[], /--disk "": expected sizes/],
    [["--disk", "20GB", "--policy", "fifo"], /--policy fifo: expected own, lru, never/],
  ])("refuses %j", async (args, message) => {
    ledger(3);
    await expect(forecast(...args)).rejects.toThrow(message);
  });
});

describe("the ledgers of several hosts", () => {
  it("tells what they pulled twice between them, by digest, without what no registry has", async () => {
    ledger(2, join(dir, "a"));
    ledger(2, join(dir, "b"));
    ledger(2, join(dir, "c"), "other");
    const paths = [join(dir, "a"), join(dir, "b", "uses.jsonl"), join(dir, "c")];
    const { json } = await forecast("--ledger", ...paths, "--json");
    expect(json.hosts.map(({ pulls, bytes }: Record<string, unknown>) => [pulls, bytes])).toEqual([
      [9, 9e9],
      [9, 9e9],
      [9, 9e9],
    ]);
    expect(json.twice).toEqual({ pulls: 10, bytes: 10e9 });
    const { out } = await forecast("--ledger", ...paths, join(dir, "none"));
    expect(out).toContain("Pulled twice between them: 9.3 GiB (37 %), 10 pulls.");
    expect(out).toContain(`! ${join(dir, "none")}: no ledger of uses, or nothing in it`);
  });

  it("replays another host's ledger, which has no disk of its own here", async () => {
    ledger(20, join(dir, "a"));
    const { json } = await forecast(
      "--ledger",
      join(dir, "a"),
      "--disk",
      "20GB",
      "--policy",
      "lru",
      "--json",
    );
    expect([json.now, json.rows.length, json.source]).toEqual([null, 1, join(dir, "a")]);
  });
});
