import { readFileSync } from "node:fs";
import pc from "picocolors";
import { beforeAll, describe, expect, it } from "vitest";
import { type StatusFacts, statusDocument } from "../../../agent/cli/status-facts.ts";
import { statusScreen } from "../../../agent/cli/status-screen.ts";
import { known, unknown } from "../../../agent/facts.ts";
import { diskPressure } from "../../../agent/gates/disk-pressure.ts";
import type { Verdict } from "../../../agent/gates/verdict.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import type { PlanPreview } from "../../../agent/pass/preview.ts";
import type { Holder } from "../../../agent/plan/holders.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { type LedgerLine, readLedger } from "../../../agent/state/ledger.ts";
import type { PassRecord } from "../../../agent/state/state.ts";
import { pass, week } from "../past-passes.ts";
import { ago, DAY, filesystem, GiB, HOUR, imageId, NOW, settingsOf } from "../support.ts";

const PLAIN = pc.createColors(false);
const screenOf = (shown: StatusFacts, width: number, unicode = true, colours = PLAIN) =>
  statusScreen(shown, { width, unicode, colours }).join("\n");
const GOLDEN = "../../golden/screens";

beforeAll(() => {
  process.env.TZ = "UTC";
});

const open = (gate: Verdict["gate"], reason: string): Verdict => ({
  gate,
  verdict: "open",
  reason,
  facts: {},
});
const LOCK = open("lock", "no other pass and no launcher holds the lock");
const NO_RUN = open("live-run", "no CI run is live");
const SETTLED = open("converging", "no service is converging");
const LIVE: Verdict = {
  gate: "live-run",
  verdict: "closed",
  reason: "a CI run is live: service ab12-1f2e3d_ci_commoninternet_net_app and 2 more",
  facts: {
    live: [
      { kind: "service", name: "ab12-1f2e3d_ci_commoninternet_net_app", rule: "x", ageSeconds: 740 },
      { kind: "service", name: "ab12-1f2e3d_ci_commoninternet_net_db", rule: "x", ageSeconds: 738 },
      {
        kind: "container",
        name: "ab12-1f2e3d_ci_commoninternet_net_app.1.7sad8c8b",
        rule: "x",
        ageSeconds: 731,
      },
    ],
    liveCount: 3,
  },
};
const CONVERGING: Verdict = {
  gate: "converging",
  verdict: "closed",
  reason: "a service is converging: web (0 of 1 tasks run, for 2d 4h)",
  facts: {
    busy: [{ id: "s", service: "web", why: "0 of 1 tasks run", busySeconds: 2 * DAY + 4 * HOUR }],
    busyCount: 1,
  },
};

function facts(raw: object, disk: Partial<Filesystem>, changes: Partial<StatusFacts> = {}): StatusFacts {
  const settings = settingsOf(raw);
  const filesystems = [known(filesystem({ paths: ["/", "/var/lib/docker"], totalBytes: 64 * GiB, ...disk }))];
  const pressure = { filesystems, verdict: diskPressure(settings.disk, filesystems) };
  return {
    version: "0.2.0",
    host: "build-7",
    now: NOW,
    settings,
    engine: known({
      version: { version: "26.1.5", apiVersion: "1.45" },
      info: {
        rootDir: "/var/lib/docker",
        imageStore: "classic",
        swarm: { role: "manager" },
      },
    }),
    pressure,
    gates: [pressure.verdict, LOCK, NO_RUN, SETTLED],
    deferrals: { count: 0, since: null },
    passes: [],
    stateTrouble: null,
    plan: null,
    holders: null,
    timer: null,
    auth: null,
    suspicions: [],
    ledger: readLedger([], null, NOW),
    ...changes,
  };
}

const WEEK = week() as PassRecord[];

let ids = 0;
const judged = (changes: Partial<Judged>): Judged => ({
  kind: "image",
  id: imageId(`${ids++}`),
  names: [],
  sizeBytes: GiB,
  ageSeconds: 3 * DAY,
  ageBasis: "created",
  action: "remove",
  because: "expired",
  reason: "dangling and older than prune.until",
  ...changes,
});

const PLAN: PlanPreview = {
  plan: {
    remove: [
      judged({ kind: "container", sizeBytes: 12 * 2 ** 20 }),
      ...[1, 2, 3].map(() => judged({ sizeBytes: 0.4 * GiB })),
      ...[1, 2].map(() => judged({ rule: "retention/ci-snapshots", because: "over-count" })),
      judged({ kind: "build-cache", sizeBytes: null }),
    ],
    keep: [judged({ action: "keep", because: "tagged" })],
  },
  rules: [
    { list: "retention", name: "ci-snapshots", matched: 7, removed: 0, failed: 0, keptBytes: 21.5 * GiB },
    { list: "retention", name: "nightly", matched: 0, removed: 0, failed: 0, keptBytes: 0 },
    { list: "retention", name: "snapshots", matched: 0, removed: 0, failed: 0, keptBytes: 0 },
    { list: "orphans", name: "workers", matched: 1, removed: 0, failed: 0, keptBytes: null },
  ],
  idle: [],
  unread: [],
};

const APP = "registry.example.org/team/app";
const HOLDERS: readonly Holder[] = [
  {
    what: "images",
    bytes: 38 * GiB,
    count: 24,
    note: "20 of them tagged: the cache, which a pass never takes without a rule",
    largest: [
      { name: APP, bytes: 30 * GiB, note: "9 names, oldest 20d, none in use" },
      { name: "redis", bytes: 2 * GiB, note: "1 name, oldest 3d, 1 in use" },
    ],
    wayOut: `a rule of retention for ${APP}, or: docker image rm $(docker image ls -q ${APP})`,
  },
  { what: "volumes", bytes: GiB, count: 2, note: "a pass never takes volumes", largest: [], wayOut: null },
];

const TIMER = {
  unit: "ci-docker-prune.timer",
  installed: true,
  active: true,
  next: NOW + 12 * HOUR * 1000,
  last: ago(12 * HOUR),
};
const AUTH = {
  at: ago(3 * HOUR),
  checks: [
    {
      registry: "docker.io",
      username: "ci",
      result: "accepted" as const,
      reason: "the credentials work",
      rateLimit: { limit: 200, remaining: 176, windowSeconds: 6 * HOUR, source: null },
      rateLimitReason: null,
    },
    {
      registry: "ghcr.io",
      username: "ci",
      result: "wrong-password" as const,
      reason: "the registry refuses this username or password (denied)",
      rateLimit: null,
      rateLimitReason: null,
    },
  ],
};

const quiet = facts(
  {},
  { usedPercent: 58, availableBytes: 26.9 * GiB, usedBytes: 37 * GiB, inodesUsedPercent: 7 },
  {
    plan: known({ plan: { remove: [], keep: [] }, rules: [], idle: [], unread: [] }),
    timer: TIMER,
    passes: WEEK.slice(0, 3),
  },
);
const waiting = facts(
  { disk: { lowWatermark: "60%" } },
  { usedPercent: 91, availableBytes: 5.8 * GiB, usedBytes: 58.2 * GiB, inodesUsedPercent: 12 },
  {
    gates: [open("disk-pressure", "under pressure: / is 91% full, the mark is 80%"), LOCK, LIVE, CONVERGING],
    plan: known(PLAN),
    holders: known(HOLDERS),
    timer: TIMER,
    auth: AUTH,
    deferrals: { count: 3, since: ago(2 * DAY) },
    passes: WEEK,
    suspicions: [
      {
        setting: "prune.until",
        why: "what is 30m old goes: an image between two stages of a pipeline may be older",
      },
    ],
  },
);
/** What README shows. */
const full = facts(
  {},
  { usedPercent: 98, availableBytes: 1.3 * GiB, usedBytes: 62.7 * GiB, inodesUsedPercent: 9 },
  {
    plan: known({ plan: { remove: [], keep: [] }, rules: [], idle: [], unread: [] }),
    holders: known([
      { ...HOLDERS[0]!, bytes: 52 * GiB, count: 24 },
      {
        what: "container-logs",
        bytes: 6 * GiB,
        count: 3,
        note: "they go with their container",
        largest: [{ name: "web", bytes: 5.8 * GiB, note: "running" }],
        wayOut: null,
      },
      { ...HOLDERS[1]!, bytes: 2.5 * GiB },
    ]),
    timer: TIMER,
    passes: WEEK.slice(0, 2),
  },
);
const blind = facts(
  {},
  {},
  {
    engine: unknown("the engine", "GET /version: connect ENOENT /run/docker.sock"),
    pressure: {
      filesystems: [unknown("disk usage of /data", "EIO: i/o error, statfs")],
      verdict: {
        gate: "disk-pressure",
        verdict: "unknown",
        reason: "disk usage of /data: EIO: i/o error, statfs",
        facts: {},
      },
    },
    gates: [
      {
        gate: "disk-pressure",
        verdict: "unknown",
        reason: "disk usage of /data: EIO: i/o error, statfs",
        facts: {},
      },
      LOCK,
      {
        gate: "live-run",
        verdict: "unknown",
        reason: "GET /version: connect ENOENT /run/docker.sock",
        facts: {},
      },
      {
        gate: "converging",
        verdict: "unknown",
        reason: "GET /version: connect ENOENT /run/docker.sock",
        facts: {},
      },
    ],
    plan: unknown("the engine", "GET /version: connect ENOENT /run/docker.sock"),
    stateTrouble: "EACCES: permission denied, open '/var/lib/ci-docker-prune/state.json'",
    timer: { ...TIMER, active: false },
  },
);

const TERMINAL = { width: 80, unicode: true };

describe("the screen", () => {
  it.each([
    ["status-quiet-80", quiet, TERMINAL],
    ["status-waiting-80", waiting, TERMINAL],
    ["status-waiting-200", waiting, { width: 200, unicode: true }],
    ["status-blind-80", blind, TERMINAL],
  ])("%s", async (name, shown, screen) => {
    const text = screenOf(shown, screen.width, screen.unicode);
    await expect(`${text}\n`).toMatchFileSnapshot(`${GOLDEN}/${name}.txt`);
    // A way out stands in one piece, so that it can be copied.
    const lines = text.split("\n").filter((line) => !line.startsWith("  -> "));
    const widths = lines.map((line) => [...line].length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(screen.width);
  });

  it("says the same in ASCII", () => {
    const text = screenOf(waiting, 80, false);
    expect(text).toMatch(/^[\n -~]+$/);
    expect(text).toContain("\n  ################:#####|##...  91%  5.8 GiB of 64.0 GiB left");
    const words = (shown: string) => shown.replaceAll(/\P{L}+/gu, " ");
    expect(words(text)).toBe(words(screenOf(waiting, 80)));
  });

  it("is what README shows", () => {
    const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
    const [, shown = ""] = /```\n(● [\s\S]*?)```/.exec(readme) ?? [];
    const lines = statusScreen(full, { width: 100, unicode: true, colours: PLAIN });
    expect(shown.trimEnd()).toBe(lines.slice(0, lines.indexOf("Schedule") - 1).join("\n"));
  });

  it("says the same with colours", () => {
    for (const shown of [quiet, waiting, blind]) {
      const coloured = screenOf(shown, 80, true, pc.createColors(true));
      expect(coloured).toContain("\u001b[");
      expect(coloured.replaceAll(/\u001b\[\d+m/g, "")).toBe(screenOf(shown, 80));
    }
  });

  const said = (changes: Partial<StatusFacts>, base = quiet) =>
    screenOf({ ...base, ...changes }, 400).replaceAll(/\n {4,}/g, " ");

  it.each<readonly [string, Partial<StatusFacts>, RegExp]>([
    [
      "no timer",
      { timer: { ...TIMER, installed: false } },
      /there is no ci-docker-prune\.timer: passes start by hand/,
    ],
    [
      "a timer that is stopped",
      { timer: { ...TIMER, active: false } },
      /! ci-docker-prune\.timer is not active, so no pass will start: systemctl enable --now/,
    ],
    [
      "a timer that never fired",
      { timer: { ...TIMER, last: null } },
      /next pass 2026-08-02 00:00 \(in 12h\)\n/,
    ],
    [
      "a timer without a date",
      { timer: { ...TIMER, next: null } },
      /when the next pass starts is not known, last fired 2026-08-01 00:00/,
    ],
    ["no pass", { passes: [] }, /Last passes\n {2}none is recorded yet$/],
    [
      "one deferral",
      { deferrals: { count: 1, since: ago(60) } },
      /! put off 1 time under pressure, for 1m\n/,
    ],
  ])("%s", (_, changes, expected) => {
    expect(said(changes)).toMatch(expected);
  });

  it("leaves out what there is nothing to say of", () => {
    const text = said({ timer: null, plan: null, auth: null });
    for (const title of ["Schedule", "Rules", "Credentials", "Settings to look at"])
      expect(text).not.toContain(title);
  });

  it("lets no name end a line, colour the terminal or turn the text", () => {
    const evil = "x\n\u001b[31m\u202e";
    const disguised = facts(
      {},
      { paths: [evil] },
      {
        host: evil,
        gates: [
          {
            ...LIVE,
            facts: { live: [{ kind: "service", name: evil, rule: evil, ageSeconds: 1 }], liveCount: 1 },
          },
        ],
        plan: known({ ...PLAN, rules: [{ ...PLAN.rules[0]!, name: evil }] }),
        suspicions: [{ setting: evil, why: evil }],
        passes: [pass(1, { outcome: "failed", reason: evil }) as PassRecord],
        stateTrouble: null,
        auth: { ...AUTH, checks: [{ ...AUTH.checks[0]!, registry: evil, username: evil, reason: evil }] },
      },
    );
    const text = screenOf(disguised, 200);
    expect(text.split("x\\u000a\\u001b[31m\\u202e").length).toBeGreaterThan(8);
    expect(text).not.toMatch(/[\u001b\u202e]/);
  });
});

describe("the document", () => {
  it("has the same facts", () => {
    expect(statusDocument(waiting)).toMatchObject({
      version: "0.2.0",
      host: "build-7",
      highWatermark: "80%",
      lowWatermark: "60%",
      filesystems: [{ usedPercent: 91 }],
      gates: [{}, {}, { gate: "live-run", liveCount: 3 }, {}],
      plan: {
        remove: {
          container: { count: 1, sizeBytes: 12 * 2 ** 20 },
          image: { count: 5 },
          "build-cache": { count: 1, sizeBytes: 0 },
        },
        rules: [{ name: "ci-snapshots", wouldRemove: 2 }, { wouldRemove: 0 }, {}, {}],
      },
      timer: { next: NOW + 12 * HOUR * 1000 },
      deferrals: { count: 3 },
      suspicions: [{ setting: "prune.until" }],
      auth: { checks: [{}, {}] },
    });
    expect(statusDocument(waiting).passes).toHaveLength(8);
  });

  it("says what is not known, and what was not asked", () => {
    expect(statusDocument(blind)).toMatchObject({
      engine: { unknown: expect.stringContaining("ENOENT") },
      plan: { unknown: expect.stringContaining("ENOENT") },
      stateUnreadable: expect.stringContaining("EACCES"),
    });
    expect(statusDocument({ ...quiet, plan: null }).plan).toBeNull();
    expect(statusDocument(quiet)).not.toHaveProperty("stateUnreadable");
  });
});

describe("the section on the cache", () => {
  const CACHE = { cache: { evict: "under-pressure" } };
  const came = (name: string, days: number, bytes = GiB): LedgerLine => ({
    ...{ image: imageId(name), at: ago(days * DAY), names: [`${name}:1`], digests: [`${name}@sha256:1`] },
    ...{ bytes, layers: [] },
  });
  const use = (name: string, days: number): LedgerLine => ({
    ...{ use: imageId(name), at: ago(days * DAY), group: null },
  });
  const told = (lines: readonly LedgerLine[], changes: Partial<StatusFacts> = {}, raw: object = CACHE) => {
    const all = [{ engine: "E", at: 0 }, ...lines].map((line) => JSON.stringify(line));
    const ledger = readLedger(all, "E", NOW);
    const given = facts(raw, { usedBytes: 40 * GiB }, { ledger, ...changes });
    const screen = statusScreen(given, { width: 200, unicode: false, colours: PLAIN });
    const from = screen.indexOf("Cache");
    return {
      lines: from < 0 ? [] : screen.slice(from + 1, screen.indexOf("", from)),
      document: statusDocument(given),
    };
  };
  const LINES = [
    ...[came("app", 20), use("app", 6.5), use("app", 0.2), came("new", 0.3), use("new", 0.3)],
    ...[{ evicted: imageId("app"), at: ago(0.1 * DAY) }, came("app", 0.05), use("app", 0.05)],
    { gap: ago(3 * DAY), at: ago(2.5 * DAY) },
  ];

  it("says how warm it is by day, what evictions cost, and since when the ledger goes", () => {
    expect(told(LINES).lines).toEqual([
      "  50% of 4 uses in 7 days met an image that was here; by day: 100% - - - - - 33%",
      "  1 evicted, 1 came back (app:1)",
      "  ledger of uses since 2026-07-12 12:00 (19d 22h, 12h of it not heard)",
    ]);
    expect(told(LINES).document.cache).toMatchObject({ uses: 4, warmUses: 2, regretted: ["app:1"] });
  });

  it("asks for a larger disk where the images of 30 days do not fit below the low mark with all the rest", () => {
    const large = [came("app", 20, 18 * GiB), use("app", 1)];
    expect(told(large).lines.join("\n")).not.toContain("ask for a disk");
    const holders = known([
      { ...({} as Holder), what: "images", bytes: 30 * GiB, largest: [], note: "", count: 1 } as Holder,
    ]);
    // 46.8 GiB unpacked and 10 GiB that are not images, at 78 %.
    expect(told(large, { holders }).lines.at(-1)).toBe(
      "  the images of the last 30 days ask for a disk of 72.8 GiB to stay below 78%; this one has 64.0 GiB (ci-docker-prune forecast)",
    );
  });

  it("is not there without a ledger, unless the last tier is on", () => {
    expect(told([], {}, {})).toMatchObject({ lines: [], document: { cache: null } });
    expect(told([]).lines).toEqual(["  the ledger of uses is empty: the first pass learns"]);
  });
});
