import { describe, expect, it } from "vitest";
import { type EngineReader, LIVE_STATES } from "../../agent/engine/reader.ts";
import { known } from "../../agent/facts.ts";
import { observeCandidates } from "../../agent/observe/candidates.ts";
import { decide } from "../../agent/plan/decide.ts";
import type { Judged } from "../../agent/plan/plan.ts";
import { formatDuration } from "../../agent/units.ts";
import { violations } from "../unit/plan/invariants.ts";
import { NOW, PRUNE_ONLY, rememberedDangling, settingsOf } from "../unit/support.ts";
import { listsOfHost, seenOnHost } from "./host.ts";
import { listedEngine } from "./listed-engine.ts";
import { goldenSections } from "./sections.ts";

/** One host (host.json), and what a pass by each of these settings makes of it: prune.txt, the first row whole. */
interface Row {
  readonly prune?: object;
  /** `false`: a pass that acts; the build cache is for the engine to decide over. */
  readonly forecastCache?: boolean;
  readonly imageStore?: "classic" | "containerd";
}

const ROWS: Readonly<Record<string, Row>> = {
  "by default": {},
  "with a shorter limit, the same for every kind": { prune: { until: "90m" } },
  "with limits of their own for containers and images": {
    prune: { containers: { until: "100d" }, images: { until: "90m" } },
  },
  "with labels, of which a keep label wins": {
    prune: { labels: ["cascade.managed=true", "team"], keepLabels: ["precious=yes"] },
  },
  "without containers: their images stay": { prune: { containers: false } },
  "without images": { prune: { images: false } },
  "without the build cache": { prune: { buildCache: false } },
  "with nothing switched on": { prune: { containers: false, images: false, buildCache: false } },
  "on the containerd store, which lists parents as dangling": { imageStore: "containerd" },
  "by a pass that acts": { forecastCache: false },
};

const FIRST = "by default";
const KINDS = ["container", "image", "build-cache"] as const;
const golden = goldenSections("prune.txt", Object.keys(ROWS));
type Decided = Awaited<ReturnType<typeof decided>>;

async function decided({ prune: raw = {}, forecastCache = true, imageStore = "classic" }: Row) {
  const { prune } = settingsOf({ prune: raw });
  const info = { rootDir: "/var/lib/docker", imageStore, swarm: { role: "none" } } as const;
  const asked: string[] = [];
  const reader = noting(listedEngine(listsOfHost()), asked);
  const live = known(await reader.containers(LIVE_STATES));
  asked.length = 0;
  const candidates = await observeCandidates(
    reader,
    { engine: { version: { version: "28.5.2", apiVersion: "1.51" }, info }, live, services: known([]) },
    { ...PRUNE_ONLY, prune, forecastCache },
    NOW,
  );
  if (!candidates.known) throw new Error(candidates.reason);
  const firstSeen = seenOnHost();
  const { plan } = decide(candidates.value, rememberedDangling(firstSeen), { prune }, NOW);
  return { candidates: candidates.value, firstSeen, prune, now: NOW, plan, asked };
}

/** The same engine; notes what is asked of it. */
const noting = (reader: EngineReader, asked: string[]): EngineReader =>
  Object.fromEntries(
    Object.entries(reader).map(([name, method]) => [
      name,
      (...args: readonly unknown[]) => {
        asked.push(name);
        return (method as (...args: readonly unknown[]) => unknown)(...args);
      },
    ]),
  ) as unknown as EngineReader;

const nameOf = ({ id, ageBasis, ageSeconds }: Judged) =>
  `${id.replace("sha256:", "")} (${ageSeconds === null ? "no age" : `${ageBasis} ${age(ageSeconds)}`})`;
const age = (seconds: number): string =>
  seconds < 0 ? `in ${age(-seconds)}` : seconds % 60 === 0 ? formatDuration(seconds) : `${seconds}s`;

/** In lines of at most 110 columns. */
function wrapped(names: readonly string[]): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length < 108) lines[lines.length - 1] = `${last}, ${name}`;
    else lines.push(`  ${name}`);
  }
  return lines;
}

const fateOf = (one: Judged) => `${one.action} ${one.kind} ${nameOf(one)} ${one.because}: ${one.reason}`;

/** What goes, in this order; then what stays, by reason. Of rows but the first: what is otherwise than there. */
function linesOf({ plan, asked }: Decided, first: Decided | null): string[] {
  const judged = [...plan.remove, ...plan.keep];
  const known = new Set(first === null ? [] : [...first.plan.remove, ...first.plan.keep].map(fateOf));
  const told = judged.filter((one) => !known.has(fateOf(one)));
  const kept = new Map<string, Judged[]>();
  for (const one of told.filter(({ action }) => action === "keep")) {
    const why = `keep ${one.kind} ${one.because}: ${one.reason}`;
    kept.set(why, [...(kept.get(why) ?? []), one]);
  }
  const count = (name: string) => asked.filter((one) => one === name).length;
  const ofKind = (kind: Judged["kind"]) => judged.filter((one) => one.kind === kind).length;
  return [
    `asked: ${[...new Set(asked)].map((name) => `${name} x${count(name)}`).join(", ") || "nothing"}`,
    `judged: ${KINDS.map((kind) => `${kind} x${ofKind(kind)}`).join(", ")}`,
    ...told.filter(({ action }) => action === "remove").map(fateOf),
    ...[...kept].flatMap(([reason, objects]) => [reason, ...wrapped(objects.map(nameOf))]),
  ];
}

const byDefault = decided({});

describe.each(Object.entries(ROWS))("%s", (name, row) => {
  it("goes what the golden says, in this order, and stays what it says, each with its reason", async () => {
    const found = name === FIRST ? await byDefault : await decided(row);
    // And what must hold of every plan.
    expect(violations(found)).toEqual([]);
    golden.check(name, linesOf(found, name === FIRST ? null : await byDefault));
  });
});
