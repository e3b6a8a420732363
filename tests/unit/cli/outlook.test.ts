import { describe, expect, it } from "vitest";
import { afterFreeing, outlook, type Seen } from "../../../agent/cli/outlook.ts";
import { known, unknown } from "../../../agent/facts.ts";
import { diskPressure } from "../../../agent/gates/disk-pressure.ts";
import type { Verdict } from "../../../agent/gates/verdict.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import type { Holder } from "../../../agent/plan/holders.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { DAY, filesystem, GiB, imageId, settingsOf } from "../support.ts";

const image = (sizeBytes: number): Judged => ({
  kind: "image",
  id: imageId("a"),
  names: [],
  sizeBytes,
  ageSeconds: DAY,
  ageBasis: "created",
  action: "remove",
  because: "expired",
  reason: "dangling",
});

const holder = (changes: Partial<Holder>): Holder => ({
  what: "images",
  bytes: 60 * GiB,
  count: 11,
  note: "",
  largest: [{ name: "team/app", bytes: 50 * GiB, note: "9 names, none in use" }],
  wayOut: "a rule",
  ...changes,
});

/** 100 GiB, 90 % in use, with the engine's data. */
function seen(changes: Partial<Seen> = {}, disk: Partial<Filesystem> = {}, raw: unknown = {}): Seen {
  const settings = settingsOf(raw);
  const one = filesystem({
    paths: ["/", "/var/lib/docker"],
    usedBytes: 90 * GiB,
    availableBytes: 10 * GiB,
    usedPercent: 90,
    ...disk,
  });
  const filesystems = [known(one)];
  const verdict = diskPressure(settings.disk, filesystems);
  return {
    settings,
    pressure: { filesystems, verdict },
    gates: [verdict],
    rootDir: "/var/lib/docker",
    plan: plan([]),
    holders: known([holder({})]),
    ...changes,
  };
}
const plan = (remove: readonly Judged[], evict: readonly Judged[] = []): Seen["plan"] =>
  known({ plan: { remove, keep: [], evict }, rules: [], idle: [], unread: [] });
const gate = (changes: Partial<Verdict>): Verdict => ({
  gate: "converging",
  verdict: "closed",
  reason: "a service is converging",
  facts: {},
  ...changes,
});
const stuck = (busySeconds: number) =>
  gate({
    facts: {
      busy: [{ id: "1", service: "backup_once", why: "0 of 1 tasks run", busySeconds }],
      busyCount: 1,
    },
  });
const STUCK_WAY_OUT =
  "docker service ps backup_once shows why; convergence.ignoreStuckAfter in the settings lets passes go on beside a stuck service";
const LOW = { usedPercent: 58, usedBytes: 58 * GiB, availableBytes: 42 * GiB };

describe("the verdict on a host", () => {
  it.each<readonly [string, Seen, ReturnType<typeof outlook>["state"], string, string | null]>([
    [
      "below the mark",
      seen({}, LOW),
      "good",
      "disk 58% full, below the high watermark: a pass would do nothing",
      null,
    ],
    [
      "below it, with rules that do not wait, that of the snapshots too",
      seen({}, LOW, { snapshots: { when: "always" } }),
      "good",
      "disk 58% full, below the high watermark: a pass would only apply what does not wait for pressure (rules: 1)",
      null,
    ],
    [
      "nothing may go: what holds the most, by name",
      seen(),
      "bad",
      "disk 90% full, and a pass cannot help: 50.0 GiB in team/app (images; 9 names, none in use)",
      "a rule",
    ],
    [
      "no part of it stands out: the kind",
      seen({ holders: known([holder({ what: "container-logs", count: 3, largest: [] })]) }),
      "bad",
      "disk 90% full, and a pass cannot help: 60.0 GiB logs of containers (3)",
      "a rule",
    ],
    [
      "what holds it took too long",
      seen({ holders: unknown("what holds the disk", "not known within 5 s") }),
      "bad",
      "disk 90% full, and a pass cannot help; what holds it: not known within 5 s",
      null,
    ],
    [
      "enough may go",
      seen({ plan: plan([image(20 * GiB)]) }),
      "waiting",
      "disk 90% full: a pass would remove one object, at most 20.0 GiB: the disk would be at 70%, the mark is 80%: enough",
      null,
    ],
    [
      "not enough may go",
      seen({ plan: plan([image(2 * GiB), image(3 * GiB)]) }),
      "bad",
      "disk 90% full, and a pass is not enough: it would remove 2 objects, at most 5.0 GiB: the disk would be at 85% or more, the mark is 80%: not enough: 50.0 GiB in team/app (images; 9 names, none in use)",
      "a rule",
    ],
    [
      "the last tier makes it enough, at its own mark",
      seen({
        plan: plan([image(2 * GiB)], [image(4 * GiB), image(5 * GiB), image(6 * GiB), image(7 * GiB)]),
      }),
      "waiting",
      "disk 90% full: a pass would remove one object, then evict about 3 images, at most 17.0 GiB: the disk would be at 73%, the mark is 78%: enough",
      null,
    ],
    [
      "the last tier alone, which ends above its mark and below the high one",
      seen({ plan: plan([], [image(11 * GiB)]) }),
      "waiting",
      "disk 90% full: a pass would evict about one image, at most 11.0 GiB: the disk would be at 79%, the mark is 80%: enough",
      null,
    ],
    [
      "all of the last tier is not enough",
      seen({ plan: plan([image(2 * GiB)], [image(GiB), image(GiB)]), holders: null }),
      "bad",
      "disk 90% full, and a pass is not enough: it would remove one object, then evict about 2 images, at most 4.0 GiB: the disk would be at 86% or more, the mark is 80%: not enough",
      null,
    ],
    [
      "the last tier is not needed",
      seen({ plan: plan([image(20 * GiB)], [image(GiB)]) }),
      "waiting",
      "disk 90% full: a pass would remove one object, at most 20.0 GiB: the disk would be at 70%, the mark is 80%: enough",
      null,
    ],
    ["the plan was not asked for", seen({ plan: null }), "waiting", "disk 90% full: a pass may run", null],
    [
      "the plan took too long",
      seen({ plan: unknown("the plan", "not known within 5 s") }),
      "waiting",
      "disk 90% full: a pass may run; what would go: not known within 5 s",
      null,
    ],
    [
      "put off by a deploy that has just begun",
      seen({ gates: [stuck(40)] }),
      "waiting",
      "disk 90% full, and no pass may run now: a service is converging",
      STUCK_WAY_OUT,
    ],
    [
      "put off by a service that is stuck",
      seen({ gates: [stuck(10 * DAY)], plan: plan([image(20 * GiB)]) }),
      "waiting",
      "disk 90% full, and no pass may run now: a service is converging; it would remove one object, at most 20.0 GiB: the disk would be at 70%, the mark is 80%: enough",
      STUCK_WAY_OUT,
    ],
    [
      "what could not be told comes first",
      seen({ gates: [stuck(40), gate({ gate: "live-run", verdict: "unknown", reason: "EIO" })] }),
      "bad",
      "disk 90% full, and no pass may run now: EIO",
      null,
    ],
    [
      "a run that has been live for days",
      seen({
        gates: [
          gate({
            gate: "live-run",
            reason: "a CI run is live",
            facts: {
              live: [{ kind: "container", name: "w1", rule: "x", ageSeconds: 3 * DAY }],
              liveCount: 1,
            },
          }),
        ],
      }),
      "waiting",
      "disk 90% full, and no pass may run now: a CI run is live",
      "if w1 is no run any more: docker container rm w1; liveRuns.ignoreOlderThan in the settings lets passes go on",
    ],
    [
      "inodes alone",
      seen({}, { ...LOW, inodesUsedPercent: 100 }),
      "bad",
      "disk has 100% of its inodes in use (58% of its bytes), and a pass cannot help: many small files",
      "du --inodes -xd2 / | sort -n | tail shows where they are",
    ],
    [
      "the disk that is full is not the engine's",
      seen({ rootDir: "/ssd/docker" }),
      "bad",
      "disk 90% full, and a pass cannot help: it is not the engine's disk (/ssd/docker lies elsewhere)",
      "du -xh -d2 / | sort -h | tail shows what fills it",
    ],
  ])("%s", (_, facts, state, text, wayOut) => {
    expect(outlook(facts)).toEqual({ state, text, wayOut });
  });

  it("a disk that cannot be read", () => {
    const filesystems = [unknown("disk usage of /data", "EIO")];
    const pressure = { filesystems, verdict: diskPressure(settingsOf({}).disk, filesystems) };
    expect(outlook(seen({ pressure }))).toEqual({
      state: "bad",
      text: "the disk cannot be read: disk usage of /data: EIO",
      wayOut: null,
    });
  });

  it("names the filesystem where there are several", () => {
    const two = [
      known(filesystem({ paths: ["/"], usedPercent: 20 })),
      known(filesystem({ paths: ["/ssd"], device: "2", usedPercent: 98 })),
    ];
    const pressure = { filesystems: two, verdict: diskPressure(settingsOf({}).disk, two) };
    expect(outlook(seen({ pressure, rootDir: "/ssd" })).text).toMatch(/^disk \/ssd 98% full/);
  });
});

describe("how full the disk would be", () => {
  it("is told in bytes for a mark in bytes", () => {
    const facts = seen({}, {}, { disk: { highWatermark: "30GiB free" } });
    expect(afterFreeing(facts, 5 * GiB)).toEqual({
      enough: false,
      text: "at most 5.0 GiB: at most 15.0 GiB would be left, the mark is 30.0 GiB: not enough",
    });
    expect(afterFreeing(facts, 25 * GiB)?.enough).toBe(true);
  });

  it("never promises inodes", () => {
    const facts = seen({}, { ...LOW, inodesUsedPercent: 90 });
    expect(afterFreeing(facts, 50 * GiB)).toEqual({
      enough: false,
      text: "at most 50.0 GiB: the disk would be at 8% or more, the mark is 80%; 90% of inodes are in use, the mark is 80%: not enough",
    });
  });

  it("is not known where the engine's disk is not", () => {
    expect(afterFreeing(seen({ rootDir: null }), 0)).toBeNull();
  });

  it("a disk under pressure that is not the engine's stays under pressure", () => {
    const two = [
      known(filesystem({ paths: ["/"], usedPercent: 90 })),
      known(filesystem({ paths: ["/ssd"], device: "2", usedPercent: 50 })),
    ];
    const pressure = { filesystems: two, verdict: diskPressure(settingsOf({}).disk, two) };
    expect(afterFreeing(seen({ pressure, rootDir: "/ssd" }), 9 * GiB)?.enough).toBe(false);
  });
});
