import pc from "picocolors";
import { beforeAll, describe, expect, it } from "vitest";
import { type History, historyDocument, historyScreen } from "../../../agent/cli/history.ts";
import { screenOf } from "../../../agent/cli/screen.ts";
import { disk, pass, week } from "../past-passes.ts";
import { NOW } from "../support.ts";

const PLAIN = pc.createColors(false);
const TERMINAL = { width: 80 as number | null, unicode: true };
const GOLDEN = "../../golden/screens";

beforeAll(() => {
  process.env.TZ = "UTC";
});

const history = (changes: Partial<History> = {}): History => ({
  passes: week(),
  source: "the state in /var/lib/ci-docker-prune",
  since: null,
  unreadable: null,
  ...changes,
});

const screen = (changes: Partial<History> = {}, where = TERMINAL, limit = 20) =>
  historyScreen(history(changes), { wanted: ["/"], limit, now: NOW }, { ...where, colours: PLAIN }).join(
    "\n",
  );

describe("the screen of history", () => {
  it.each([
    ["history-80", TERMINAL],
    ["history-pipe", { width: null, unicode: true }],
  ])("%s", async (name, where) => {
    const text = screen({}, where);
    await expect(`${text}\n`).toMatchFileSnapshot(`${GOLDEN}/${name}.txt`);
    const widths = text.split("\n").map((line) => [...line].length);
    if (where.width !== null) expect(Math.max(...widths)).toBeLessThanOrEqual(where.width);
  });

  it("in ASCII has signs of its own", () => {
    const text = screen({}, { width: 80, unicode: false });
    expect(text).toMatch(/^[\n -~]+$/);
    expect(text).toMatch(
      /\npasses \. +\. +\. +o {4}o {4}v +\. +x\n +v removed something {3}o put off {3}x failed/,
    );
  });

  it("says when nothing is recorded, and since when", () => {
    expect(screen({ passes: [] })).toBe("No pass is recorded by the state in /var/lib/ci-docker-prune.");
    expect(screen({ passes: [], since: NOW - 86_400_000 })).toMatch(
      /^No pass is recorded since 2026-07-31 12:00 by/,
    );
  });

  it("says why a source cannot be read, and nothing of passes", () => {
    expect(screen({ passes: [], unreadable: "EACCES\u001b" })).toBe(
      "The state in /var/lib/ci-docker-prune cannot be read: EACCES\\u001b",
    );
  });

  it("names what else is watched", () => {
    const two = [disk(50), disk(20, { path: "/data\u202e" })];
    expect(screen({ passes: [pass(1, { filesystems: two })] })).toContain(
      "Also watched (--all): /data\\u202e 20%",
    );
  });

  it("has the newest pass first, and as many as were asked for", () => {
    const rows = (limit: number) =>
      screen({}, TERMINAL, limit)
        .split("\n")
        .filter((line) => /^\d\d-\d\d \d\d:\d\d /.test(line));
    expect(rows(3).map((line) => line.slice(0, 11))).toEqual(["08-01 11:45", "07-31 12:00", "07-29 12:00"]);
    expect([rows(0).length, rows(100).length]).toEqual([0, 8]);
    expect(screen({}, TERMINAL, 0)).not.toContain("OUTCOME");
  });

  it("lets no reason end a line or colour the terminal", () => {
    const reason = "x\n\u001b[31m{}\u2028";
    for (const width of [80, 200, null]) {
      const text = screen(
        { passes: [pass(1, { outcome: "failed", exitCode: 69, reason })] },
        { width, unicode: true },
      );
      expect(text).toContain("x\\u000a\\u001b[31m{}\\u2028");
    }
  });
});

describe("the document of history", () => {
  it("has each pass, the sums and the source", () => {
    const document = historyDocument(history({ since: 5 }));
    expect(document).toMatchObject({
      source: "the state in /var/lib/ci-docker-prune",
      since: 5,
      summary: { passes: 8, outcomes: { pruned: 1 } },
    });
    expect(document.passes).toHaveLength(8);
    expect(document).not.toHaveProperty("unknown");
    expect(historyDocument(history({ unreadable: "EIO" }))).toMatchObject({ unknown: "EIO" });
  });
});

describe("what is known of a screen", () => {
  it.each([
    ["a terminal has its width", { isTTY: true, columns: 132 }, {}, { width: 132 }],
    ["which COLUMNS does not change", { isTTY: true, columns: 132 }, { COLUMNS: "70" }, { width: 132 }],
    ["a pipe has none", {}, {}, { width: null }],
    ["unless it is said", {}, { COLUMNS: "70" }, { width: 70 }],
    ["as a number", {}, { COLUMNS: "wide" }, { width: null }],
    ["a very narrow one is taken for wider", { isTTY: true, columns: 10 }, {}, { width: 40 }],
    ["no locale is ASCII", {}, {}, { unicode: false }],
    ["LANG says UTF-8", {}, { LANG: "de_DE.UTF-8" }, { unicode: true }],
    ["in any spelling", {}, { LANG: "C.utf8" }, { unicode: true }],
    ["LC_ALL wins", {}, { LANG: "C.UTF-8", LC_ALL: "C" }, { unicode: false }],
    ["LC_CTYPE wins over LANG", {}, { LANG: "C", LC_CTYPE: "C.UTF-8" }, { unicode: true }],
    ["an empty one is none", {}, { LC_ALL: "", LANG: "C.UTF-8" }, { unicode: true }],
  ])("%s", (_, out, env, expected) => {
    expect(screenOf(out, env, false)).toMatchObject(expected);
  });

  it("ASCII can be asked for", () => {
    expect(screenOf({}, { LANG: "C.UTF-8" }, true).unicode).toBe(false);
  });
});
