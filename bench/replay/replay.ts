/**
 * Replays loads of real CI hosts under the policies that tools offer (`npm run bench:replay`): what each pulls again,
 * and how often the disk is over its capacity. README.md has the sources, the model and the last table.
 */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import pMap from "p-map";
import { type Marks, type ReplayRun, replay, type Totals } from "../../agent/plan/replay.ts";
import { parseBytes, parsePercent } from "../../agent/units.ts";
import { LOADS } from "./loads.ts";
import { POLICIES } from "./policies.ts";
import { floorOf, readTrace, type TraceLine, toRuns } from "./trace.ts";

const USAGE = `bench:replay [--load NAME,… | --trace FILE.jsonl[.gz]] [--disks 50GB,…] [--policies NAME,…]
             [--marks 80%,70%] [--after-pulls] [--json]
loads: ${Object.keys(LOADS).join(", ")}
policies: ${Object.keys(POLICIES).join(", ")}`;

const run = promisify(execFile);

class UsageError extends Error {}

interface Options {
  readonly loads: readonly {
    readonly name: string;
    readonly disks: readonly string[];
    readonly lines: () => TraceLine[];
  }[];
  readonly disks: readonly string[] | undefined;
  readonly policies: readonly string[];
  readonly marks: Marks;
  readonly afterPulls: boolean;
  readonly json: boolean;
}

interface Cell {
  readonly policy: string;
  readonly disk: string;
  readonly diskBytes: number;
  readonly totals: Totals;
}

interface Result {
  readonly runs: readonly ReplayRun[];
  readonly floor: { readonly bytes: number; readonly pulls: number };
  readonly cells: readonly Cell[];
}

function options(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      load: { type: "string" },
      trace: { type: "string" },
      disks: { type: "string" },
      policies: { type: "string" },
      marks: { type: "string", default: "80%,70%" },
      "after-pulls": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const trace = values.trace;
  const [high, low] = values.marks.split(",").map((text) => parsePercent(text));
  if (high === undefined || low === undefined)
    throw new UsageError(`--marks: not two percentages: ${values.marks}`);
  const policies = values.policies?.split(",") ?? Object.keys(POLICIES);
  for (const policy of policies) known(POLICIES, "policy", policy);
  return {
    loads:
      trace === undefined
        ? (values.load?.split(",") ?? Object.keys(LOADS)).map((name) => ({
            name,
            ...known(LOADS, "load", name),
          }))
        : [{ name: trace, disks: ["50GB", "100GB", "200GB"], lines: () => readTrace(trace) }],
    disks: values.disks?.split(","),
    policies,
    marks: { high: high / 100, low: low / 100 },
    afterPulls: values["after-pulls"],
    json: values.json,
  };
}

function known<T>(table: Readonly<Record<string, T>>, what: string, name: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined)
    throw new UsageError(`no ${what} ${name}; there are ${Object.keys(table).join(", ")}`);
  return found;
}

function bytesOf(disk: string): number {
  const bytes = parseBytes(disk);
  if (bytes === undefined || bytes === 0) throw new UsageError(`--disks: not a size: ${disk}`);
  return bytes;
}

function replayAll(lines: readonly TraceLine[], disks: readonly string[], wanted: Options): Result {
  const runs = toRuns(lines);
  const cells = wanted.policies.flatMap((policy) => {
    const make = known(POLICIES, "policy", policy);
    return disks.map((disk): Cell => {
      const diskBytes = bytesOf(disk);
      const { marks, afterPulls } = wanted;
      return { policy, disk, diskBytes, totals: replay(runs, diskBytes, make({ marks, afterPulls, runs })) };
    });
  });
  return { runs, floor: floorOf(runs), cells };
}

function toJson({ floor, cells }: Result): string {
  return JSON.stringify({
    floorBytes: floor.bytes,
    floorPulls: floor.pulls,
    rows: cells.map(({ policy, diskBytes, totals }) => ({
      policy,
      diskBytes,
      pulledBytes: totals.pulledBytes,
      pulls: totals.pulls,
      runsOverCapacity: totals.runsOverCapacity,
      evictions: totals.evictions,
      regrets: totals.regrets,
    })),
  });
}

const HEAD = [
  ...["policy", "disk", "bytes over the floor", "GB a day", "of LRU's", "pulls over the floor", "of LRU's"],
  ...["cold runs", "runs over capacity", "evictions", "regrets"],
];

function toMarkdown(name: string, { runs, floor, cells }: Result): string {
  const days = ((runs.at(-1)?.at ?? 0) - (runs[0]?.at ?? 0)) / 86_400;
  const rows = cells.map(({ policy, disk, totals }) => {
    const lru = cells.find((other) => other.policy === "lru" && other.disk === disk)?.totals;
    const bytes = totals.pulledBytes - floor.bytes;
    const pulls = totals.pulls - floor.pulls;
    return [
      ...[policy, disk, percent(bytes, floor.bytes), (bytes / 1e9 / days).toFixed(3)],
      lru === undefined ? "" : percent(bytes, lru.pulledBytes - floor.bytes),
      pulls,
      lru === undefined ? "" : percent(pulls, lru.pulls - floor.pulls),
      ...[percent(totals.coldRuns, runs.length), totals.runsOverCapacity, totals.evictions, totals.regrets],
    ];
  });
  return [
    `### ${name}: ${runs.length} runs in ${days.toFixed(0)} days, floor ${(floor.bytes / 1e9).toFixed(1)} GB and ${floor.pulls} pulls\n`,
    ...[HEAD, HEAD.map((_, column) => (column < 2 ? "---" : "--:")), ...rows].map(
      (row) => `| ${row.join(" | ")} |`,
    ),
    "",
  ].join("\n");
}

const percent = (part: number, whole: number) =>
  whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;

/** Each load in a process of its own, as many at a time as there are cores; printed in order. */
async function inProcesses(loads: readonly string[], args: readonly string[]): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  const tables = await pMap(
    loads,
    (load) => run(process.execPath, [...process.execArgv, script, ...args, "--load", load]),
    { concurrency: availableParallelism() },
  );
  for (const { stdout } of tables) process.stdout.write(stdout);
}

try {
  const args = process.argv.slice(2);
  const wanted = options(args);
  const names = wanted.loads.map(({ name }) => name);
  if (wanted.json && names.length !== 1) throw new UsageError("--json takes one --load or --trace");
  if (names.length > 1) await inProcesses(names, args);
  for (const { disks, name, lines } of names.length > 1 ? [] : wanted.loads) {
    const result = replayAll(lines(), wanted.disks ?? disks, wanted);
    process.stdout.write(`${wanted.json ? toJson(result) : toMarkdown(name, result)}\n`);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`);
  process.exitCode = 64;
}
