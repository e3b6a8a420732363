import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { known, unknown } from "../../../agent/facts.ts";
import { diskPressure } from "../../../agent/gates/disk-pressure.ts";
import { type PageFacts, reportPage } from "../../../agent/page/page.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { disk, pass, week } from "../history/support.ts";
import { DAY, filesystem, GiB, imageId, NOW, settingsOf } from "../support.ts";

beforeAll(() => {
  process.env.TZ = "UTC";
});

const settings = settingsOf({});
const EVIL = `"><script>alert('x')</script><img src=x onerror=alert(1)>\u202egpj.\u001b[31m`;

function facts(changes: Partial<PageFacts> = {}): PageFacts {
  const filesystems = [known(filesystem({ usedPercent: 91 }))];
  return {
    version: "0.2.0",
    host: "build-7",
    madeAt: NOW,
    zone: "UTC",
    settings,
    pressure: { filesystems, verdict: diskPressure(settings.disk, filesystems) },
    engine: known({
      version: { version: "26.1.5", apiVersion: "1.45" },
      info: { rootDir: "/var/lib/docker", imageStore: "classic", swarm: { role: "none" } },
    }),
    history: { passes: week(), source: "the state in /x", since: null, skipped: null, unreadable: null },
    plan: known({ plan: { remove: [], keep: [] }, rules: [], idle: [] }),
    named: known([]),
    holders: known([]),
    suspicions: [],
    ...changes,
  };
}

const kept = (changes: Partial<Judged>): Judged => ({
  kind: "image",
  id: imageId(String(changes.names)),
  names: [],
  sizeBytes: GiB,
  ageSeconds: 3 * DAY,
  ageBasis: "created",
  action: "keep",
  rule: "tagged",
  reason: "it has a tag: tagged images are the cache",
  ...changes,
});

/** Every name and sentence that comes from outside is this text. */
const hostile = facts({
  host: EVIL,
  zone: EVIL,
  engine: known({
    version: { version: EVIL, apiVersion: EVIL },
    info: { rootDir: EVIL, imageStore: "classic", swarm: { role: "none" } },
  }),
  pressure: {
    filesystems: [known(filesystem({ paths: [EVIL] })), unknown(EVIL, EVIL)],
    verdict: { gate: "disk-pressure", verdict: "closed", reason: EVIL, facts: {} },
  },
  history: {
    passes: [
      ...week(),
      pass(0.1, {
        outcome: EVIL as never,
        gate: EVIL,
        reason: EVIL,
        filesystems: [disk(50, { path: EVIL })],
        rules: [{ list: "retention", name: EVIL, matched: 1, removed: 1, failed: 0, keptBytes: 1 }],
      }),
      pass(0, { outcome: "deferred", gate: EVIL, reason: EVIL }),
    ],
    source: EVIL,
    since: null,
    skipped: EVIL,
    unreadable: EVIL,
  },
  plan: known({
    plan: { remove: [], keep: [kept({ names: [EVIL], reason: EVIL })] },
    rules: [{ list: "retention", name: EVIL, matched: 1, removed: 0, failed: 0, keptBytes: 1 }],
    idle: [],
  }),
  named: known([kept({ id: EVIL, names: [], reason: EVIL })]),
  holders: known([{ what: "images", bytes: 1, count: 1, note: EVIL }]),
  suspicions: [{ setting: EVIL, why: EVIL }],
});
const blind = facts({
  engine: unknown("the engine", "connect ENOENT"),
  plan: unknown("the engine", "connect ENOENT"),
  named: unknown("the engine", "connect ENOENT"),
  holders: unknown("the engine", "connect ENOENT"),
});
const empty = facts({
  history: { passes: [], source: "the state", since: null, skipped: null, unreadable: null },
});

const VOID = ["meta", "link", "img", "br"];

/** Tags that are opened and not closed, or closed and not open. */
function unbalanced(page: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  const body = page.replace(/<style>[\s\S]*?<\/style>/, "").replace("<!doctype html>", "");
  for (const [, closing, name = "", rest = ""] of body.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*)>/g,
  )) {
    if (closing === "/") {
      const last = open.pop();
      if (last !== name) wrong.push(`${last} closed by ${name}`);
    } else if (!VOID.includes(name) && !rest.endsWith("/")) open.push(name);
  }
  return [...wrong, ...open];
}

describe.each([
  ["a week", facts()],
  ["hostile names", hostile],
  ["without an engine", blind],
  ["without a pass", empty],
])("the page of %s", (_, shown) => {
  const page = () => reportPage(shown);

  it("is whole HTML", () => {
    expect(page()).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(unbalanced(page())).toEqual([]);
    expect(page().match(/<h1>/g)).toHaveLength(1);
    expect(page()).toMatch(/<title>Disk report of /);
  });

  it("asks for nothing, and lets nothing be asked for", () => {
    const text = page();
    const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? "";
    const hash = createHash("sha256").update(style).digest("base64");
    expect(text).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'">`,
    );
    const tags = text.match(/<(?:"[^"]*"|[^">])*>/g) ?? [];
    expect(
      tags.filter((tag) =>
        /^<(?:script|iframe|object|embed|base|form|img|image|use|foreignObject)/i.test(tag),
      ),
    ).toEqual([]);
    expect(tags.filter((tag) => /\s(?:style|on[a-z]+|src|xlink:href)=/i.test(tag))).toEqual([]);
    const links = tags.flatMap((tag) => /\shref="([^"]*)"/.exec(tag)?.[1] ?? []);
    expect(links.filter((link) => !link.startsWith("data:image/svg+xml,"))).toEqual([]);
    expect(style).not.toMatch(/url\(|@import/);
  });

  it("names every figure and table", () => {
    const text = page();
    const figures = text.match(/<svg role="img"[^>]*>/g) ?? [];
    for (const figure of figures) {
      const label = /aria-label(?:ledby)?="([^"]+)"/.exec(figure)?.[1] ?? "";
      if (figure.includes("labelledby"))
        for (const id of label.split(" ")) expect(text).toContain(`id="${id}"`);
      else expect(label).toMatch(/\d/);
    }
    expect(text.match(/<table /g)?.length ?? 0).toBe(text.match(/<caption>[^<]/g)?.length ?? 0);
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("hostile names", () => {
  it("come out as text that does nothing", () => {
    const page = reportPage(hostile);
    expect(page.split("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;").length).toBeGreaterThan(15);
    expect(page).not.toMatch(/<script|<img|[\u202e\u001b]/);
    expect(page).toContain("\\u202egpj.\\u001b[31m");
  });
});

describe("the page tells", () => {
  const text = (changes: Partial<PageFacts> = {}) =>
    reportPage(facts(changes))
      .replace(/<style>[\s\S]*?<\/style>/, "")
      .replace(/<[^>]+>/g, " ")
      .replace(/\s+/g, " ");

  it.each([
    [
      "who, when and from what",
      "Disk report of build-7 2026-08-01 12:00 (UTC) · engine 26.1.5, classic image store · 8 passes since 2026-07-25 12:00, from the state in /x",
    ],
    ["pressure now", "91% 50.0 GiB of 100 GiB left, 10% of inodes. High watermark 80%: under pressure."],
    [
      "the curve in words",
      "Disk usage of / over time 8 passes; between 52% and 91% used, the high watermark is 80%. At the end 82% used, 11.5 GiB left.",
    ],
    [
      "each pass on its mark",
      "2026-07-29 12:00: pruned, 183 objects, 21.0 GiB gained, in 1m 14s: the plan is done",
    ],
    ["what was removed by kind", "containers 12 1.0 GiB images 31 15.0 GiB build cache 140 8.0 GiB"],
    [
      "why passes were put off",
      "converging service 1 2026-07-29 00:00 a service is converging: web (0 of 1 tasks run)",
    ],
    [
      "the passes, newest first",
      "2026-08-01 11:45 failed 82% 10ms GET /version: connect ENOENT /run/docker.sock 2026-07-31 12:00 below-watermark 73%",
    ],
  ])("%s", (_, words) => {
    expect(text()).toContain(words);
  });

  it("what stays and why, the largest first, of the plan and of named images", () => {
    const plan = {
      remove: [kept({ action: "remove", names: ["x"] })],
      keep: [
        kept({ names: ["young:1"], sizeBytes: 2 * GiB, rule: "young", reason: "younger than prune.until" }),
      ],
    };
    const page = text({
      plan: known({ plan, rules: [], idle: [] }),
      named: known([
        kept({ names: ["big:1"], sizeBytes: 9 * GiB }),
        kept({ names: ["small:1"], sizeBytes: 1 }),
      ]),
      holders: known([{ what: "images", bytes: 12 * GiB, count: 3, note: "the cache" }]),
    });
    expect(page).toContain("A pass that may go on would remove one object now, 1.0 GiB.");
    expect(page).toMatch(
      /image big:1 9\.0 GiB 3d it has a tag.* image young:1 2\.0 GiB 3d younger than prune\.until image small:1 1 B/,
    );
    expect(page).toContain("images (3) 12.0 GiB the cache");
  });

  it("what is not known, and is made all the same", () => {
    const page = reportPage(blind);
    expect(page).toContain("The engine could not be asked: connect ENOENT");
    expect(page).toContain("engine not reached");
    expect(page).toContain("Disk usage of");
  });

  it("nothing of what there is nothing of", () => {
    const page = reportPage(empty);
    expect(page).toContain("no pass on record");
    expect(page).toContain("None is on record.");
    expect(page).not.toMatch(/<h2>Rules|Disk usage of|NaN|Infinity|undefined|null/);
  });

  it("what its settings should be looked at for, and what could not be read", () => {
    const history = { ...facts().history, skipped: "Skipped lines: 3 too long.", unreadable: null };
    const page = text({ history, suspicions: [{ setting: "prune.until", why: "it is short" }] });
    expect(page).toContain("Skipped lines: 3 too long.");
    expect(page).toContain("Settings to look at prune.until : it is short");
  });
});
