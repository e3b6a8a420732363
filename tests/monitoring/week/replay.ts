/**
 * A week of two CI hosts as their node_exporters would have told it: the disks are made up, what passes say of them is
 * not. Each pass goes through the functions that a real one goes through, at its simulated time.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { known } from "../../../agent/facts.ts";
import { diskPressure } from "../../../agent/gates/disk-pressure.ts";
import type { GateName } from "../../../agent/gates/verdict.ts";
import type { Filesystem } from "../../../agent/host/disk.ts";
import type { ObjectCount, PassFinished, RuleReport } from "../../../agent/log/events.ts";
import { renderMetrics } from "../../../agent/metrics/metrics.ts";
import { nextDeferrals } from "../../../agent/pass/memory.ts";
import { belowWatermark, reported } from "../../../agent/pass/pressure.ts";
import { allRules } from "../../../agent/settings/rules.ts";
import { EMPTY_STATE, type State, type Warmth } from "../../../agent/state/state.ts";
import { addToTotals } from "../../../agent/state/totals.ts";
import { parseExposition, type Series } from "../../support/exposition.ts";
import { GiB, HOUR, settingsOf } from "../../unit/support.ts";

/** A Monday, midnight UTC. */
export const START = Date.UTC(2026, 10, 2) / 1000;
export const END = START + 7 * 24 * HOUR;
/** Between two scrapes. */
export const SCRAPE = 600;
const INODE = 24 * 1024;

const SETTINGS = settingsOf({
  disk: { paths: ["/"], highWatermark: "80%", lowWatermark: "60%" },
  retention: [{ name: "sha-tags", match: { repositories: ["ci/app"] }, keepCount: 20, when: "pressure" }],
  orphans: [{ name: "workers", label: "ci.worker", stoppedLongerThan: "1h", when: "pressure" }],
});

/** What stands in the way of a pass, by hours since the start. */
type Trouble = GateName | "engine" | "refused" | null;

interface HostPlan {
  readonly instance: string;
  readonly diskBytes: number;
  readonly usedBytes: number;
  /** What jobs write in this hour of the week. */
  written(hour: number): number;
  /** Which hours have a pass. */
  hasPass(hour: number): boolean;
  /** What the ledger of uses tells in this hour; absent: the last tier is off. */
  readonly cache?: (hour: number) => Omit<Warmth, "at" | "since" | "gapSeconds">;
  trouble(hour: number): Trouble;
}

const between = (hour: number, from: number, to: number) => hour >= from && hour < to;
const weekday = (hour: number) => hour < 5 * 24;
const office = (hour: number) => weekday(hour) && between(hour % 24, 7, 20);

/** Busy on weekdays; under pressure from Tuesday on. */
const BUSY: HostPlan = {
  instance: "ci-1:9100",
  diskBytes: 200 * GiB,
  usedBytes: 104 * GiB,
  // On Saturday somebody restores a backup of 38 GiB, which is younger than any limit, and takes it away on Sunday.
  written: (hour) =>
    (office(hour) ? 2.2 + 1.2 * Math.sin(hour) : 0.2) * GiB +
    (hour === 5 * 24 + 10 ? 38 * GiB : hour === 6 * 24 + 9 ? -38 * GiB : 0),
  hasPass: (hour) => hour % 2 === 0,
  cache: (hour) => ({
    ...{ uses: 400 + hour, warmUses: 380 + Math.round(0.9 * hour), workingSetBytes: (120 + hour / 4) * GiB },
    ...{ evictions: Math.floor(hour / 6), regrets: Math.floor(hour / 48) },
  }),
  trouble: (hour) => {
    // Wednesday: one run after the other, a launcher's lock, a service that does not come up.
    if (between(hour, 2 * 24 + 8, 2 * 24 + 18)) return "live-run";
    if (between(hour, 2 * 24 + 18, 2 * 24 + 20)) return "lock";
    if (between(hour, 2 * 24 + 20, 2 * 24 + 22)) return "converging";
    if (between(hour, 3 * 24 + 18, 3 * 24 + 20)) return "engine";
    if (between(hour, 4 * 24 + 9, 4 * 24 + 20)) return "refused";
    return null;
  },
};

/** A daily pass that never finds anything to do. */
const QUIET: HostPlan = {
  instance: "ci-2:9100",
  diskBytes: 100 * GiB,
  usedBytes: 30 * GiB,
  written: (hour) => (office(hour) ? 0.2 : 0.01) * GiB,
  hasPass: (hour) => hour % 24 === 4,
  trouble: () => null,
};

/** Old build results, removable once they are a day old. */
interface Garbage {
  readonly since: number;
  readonly bytes: number;
}

class Host {
  readonly #plan: HostPlan;
  #used: number;
  #garbage: Garbage[] = [];
  #state: State = EMPTY_STATE;
  /** What the textfile collector would read. */
  #file: readonly Series[] = [];

  constructor(plan: HostPlan) {
    this.#plan = plan;
    this.#used = plan.usedBytes;
  }

  get #filesystem(): Filesystem {
    const { diskBytes } = this.#plan;
    const percent = Math.ceil((100 * this.#used) / diskBytes);
    const totalInodes = Math.round(diskBytes / INODE);
    const usedInodes = Math.round((0.7 * this.#used) / INODE);
    return {
      paths: ["/"],
      device: "1",
      totalBytes: diskBytes,
      usedBytes: this.#used,
      availableBytes: diskBytes - this.#used,
      usedPercent: percent,
      inodesUsedPercent: Math.ceil((100 * usedInodes) / totalInodes),
      totalInodes,
      freeInodes: totalInodes - usedInodes,
    };
  }

  /** Nearly all that is written comes to be garbage; the backup never does. */
  write(at: number, bytes: number): void {
    this.#used += Math.round(bytes);
    if (bytes > 0 && bytes < GiB) this.#garbage.push({ since: at, bytes: Math.round(0.97 * bytes) });
  }

  async pass(at: number, trouble: Trouble): Promise<void> {
    const filesystem = this.#filesystem;
    const verdict = diskPressure(SETTINGS.disk, [known(filesystem)]);
    const closed = verdict.verdict === "closed";
    const quiet = belowWatermark({ filesystems: [known(filesystem)], verdict }, SETTINGS.disk, 0.03);
    const fields = closed ? quiet : { ...quiet, gate: null, ...this.#underPressure(at, trouble) };
    const deferrals = nextDeferrals(this.#state, fields.outcome, at * 1000);
    const endedAt = (at + fields.durationSeconds) * 1000;
    const finished: PassFinished = {
      ...fields,
      filesystems: reported({ filesystems: [known(this.#filesystem)], verdict }, SETTINGS.disk),
      deferralsInARow: deferrals.count,
    };
    this.#state = {
      ...this.#state,
      engineVersion: closed ? this.#state.engineVersion : "28.5.1",
      deferrals,
      cache: this.#cache(at),
      totals: addToTotals(this.#state, finished, allRules(SETTINGS), endedAt),
    };
    const text = await renderMetrics({
      version: "0.2.0",
      endedAt,
      finished,
      state: this.#state,
      settings: SETTINGS,
      mountPoint: (path) => path,
    });
    this.#file = parseExposition(text).flatMap(({ series }) => series);
  }

  /** Watch began a week before, and was not there on the first morning. */
  #cache(at: number): State["cache"] {
    const told = this.#plan.cache?.((at - START) / HOUR);
    const gapSeconds = at - START > 8 * HOUR ? 6 * HOUR : 0;
    return told === undefined
      ? null
      : { ...told, at: at * 1000, since: (START - 7 * 24 * HOUR) * 1000, gapSeconds };
  }

  #underPressure(at: number, trouble: Trouble): Partial<PassFinished> & Pick<PassFinished, "outcome"> {
    if (trouble === "engine") return { outcome: "failed", exitCode: 69, durationSeconds: 0.4 };
    if (trouble !== null && trouble !== "refused") {
      return { outcome: "deferred", gate: trouble, durationSeconds: 3.6 };
    }
    const old = this.#garbage.filter(({ since }) => at - since > 24 * HOUR);
    this.#garbage = this.#garbage.filter((one) => !old.includes(one));
    const freedBytes = old.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#used -= freedBytes;
    const failed = trouble === "refused" ? 2 : 0;
    const gone = old.length;
    const pressed = diskPressure(SETTINGS.disk, [known(this.#filesystem)]).verdict === "open";
    return {
      outcome:
        failed > 0 ? "incomplete" : gone === 0 ? "nothing-eligible" : pressed ? "pressure-remains" : "pruned",
      exitCode: failed > 0 ? 75 : pressed ? 10 : 0,
      freedBytes,
      claimedBytes: Math.round(freedBytes * 1.4),
      durationSeconds: 4 + gone / 2,
      removed: { network: 0, container: gone, image: gone, "build-cache": gone > 0 ? 5 : 0 },
      objects: objects(gone, failed, this.#garbage.length),
      rules: rules(gone, failed, this.#used),
    };
  }

  /** What node_exporter says at this moment: the file, and what it measures itself. */
  scrape(): readonly Series[] {
    const { totalBytes, availableBytes } = this.#filesystem;
    const labels = { mountpoint: "/", device: "/dev/sda1", fstype: "ext4" };
    return [
      { name: "up", labels: {}, value: 1 },
      { name: "node_filesystem_size_bytes", labels, value: totalBytes },
      { name: "node_filesystem_free_bytes", labels, value: availableBytes },
      { name: "node_filesystem_avail_bytes", labels, value: availableBytes },
      ...this.#file,
    ];
  }
}

function objects(gone: number, failed: number, young: number): ObjectCount[] {
  const all: readonly ObjectCount[] = [
    { kind: "container", fate: "removed", reason: "expired", count: gone },
    { kind: "image", fate: "removed", reason: "expired", count: gone },
    { kind: "build-cache", fate: "removed", reason: "expired", count: gone > 0 ? 5 : 0 },
    { kind: "image", fate: "removed", reason: "over-count", count: Math.ceil(gone / 3) },
    { kind: "image", fate: "failed", reason: "refused", count: failed },
    { kind: "image", fate: "kept", reason: "young", count: young },
    { kind: "image", fate: "kept", reason: "in-use", count: 14 },
    { kind: "container", fate: "kept", reason: "in-use", count: 9 },
  ];
  return all.filter(({ count }) => count > 0);
}

/** The rule for workers names nothing, ever. */
function rules(gone: number, failed: number, used: number): RuleReport[] {
  const removed = Math.ceil(gone / 3);
  const keptBytes = Math.round(used / 10);
  return [
    { list: "retention", name: "sha-tags", matched: 20 + removed, removed, failed, keptBytes },
    { list: "retention", name: "snapshots", matched: 3, removed: 0, failed: 0, keptBytes: 2 * GiB },
    { list: "orphans", name: "workers", matched: 0, removed: 0, failed: 0, keptBytes: null },
  ];
}

/** Writes the week as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`. */
export async function writeWeek(file: string): Promise<void> {
  const out = createWriteStream(file);
  const hosts = [BUSY, QUIET].map((plan) => ({ plan, host: new Host(plan) }));
  for (let at = START; at <= END; at += SCRAPE) {
    const hour = Math.floor((at - START) / HOUR);
    for (const { plan, host } of hosts) {
      host.write(at, (plan.written(hour) * SCRAPE) / HOUR);
      if ((at - START) % HOUR === 0 && plan.hasPass(hour)) await host.pass(at, plan.trouble(hour));
      const lines = host.scrape().map((series) => openMetrics(series, plan.instance, at));
      if (!out.write(lines.join(""))) await once(out, "drain");
    }
  }
  out.end("# EOF\n");
  await once(out, "finish");
}

function openMetrics({ name, labels, value }: Series, instance: string, at: number): string {
  const all = { ...labels, job: "node", instance };
  const inner = Object.entries(all).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
  return `${name}{${inner.join(",")}} ${value} ${at}\n`;
}
