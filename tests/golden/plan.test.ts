import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LIVE_STATES } from "../../agent/engine/reader.ts";
import { known } from "../../agent/facts.ts";
import { observeCandidates } from "../../agent/observe/candidates.ts";
import { decide } from "../../agent/plan/decide.ts";
import type { Judged } from "../../agent/plan/plan.ts";
import { violations } from "../unit/plan/invariants.ts";
import { PRUNE_ONLY, rememberedDangling, settingsOf } from "../unit/support.ts";
import { type EngineLists, listedEngine } from "./listed-engine.ts";

/** What the engine says, and what the plan must say to it; one file each, named by what happens. */
interface Scenario {
  readonly title: string;
  readonly now: string;
  readonly prune: object;
  /** Whether the plan is only shown, so that the build cache is listed; it is, unless the scenario says no. */
  readonly forecastCache?: boolean;
  readonly imageStore?: "classic" | "containerd";
  /** By image id. */
  readonly firstSeenDangling?: Readonly<Record<string, string>>;
  readonly engine: EngineLists;
  readonly expected: { readonly remove: readonly Row[]; readonly keep: readonly Row[] };
}

interface Row extends Pick<Judged, "kind" | "id" | "ageBasis" | "ageSeconds" | "reason"> {
  readonly rule: Judged["because"];
}

const toRow = ({ kind, id, because, ageBasis, ageSeconds, reason }: Judged): Row => ({
  kind,
  id,
  rule: because,
  ageBasis,
  ageSeconds,
  reason,
});

const scenarios = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({
    file,
    ...(JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, "utf8")) as Scenario),
  }));

async function decided(scenario: Scenario) {
  const now = Date.parse(scenario.now);
  const { prune } = settingsOf({ prune: scenario.prune });
  const engine = {
    version: { version: "28.5.2", apiVersion: "1.51" },
    info: {
      rootDir: "/var/lib/docker",
      imageStore: scenario.imageStore ?? "classic",
      swarm: { role: "none" },
    },
  } as const;
  // A scenario that says nothing of a kind that is switched on means: there is none.
  const lists: EngineLists = {
    ...(prune.images ? { danglingImages: [] } : {}),
    ...(prune.buildCache && scenario.forecastCache !== false ? { buildCache: [] } : {}),
    ...scenario.engine,
  };
  const reader = listedEngine(lists);
  const live = known(await reader.containers(LIVE_STATES));
  const forecast = scenario.forecastCache ?? true;
  const candidates = await observeCandidates(
    reader,
    { engine, live, services: known([]) },
    { ...PRUNE_ONLY, prune, forecastCache: forecast },
    now,
  );
  if (!candidates.known) throw new Error(candidates.reason);
  const firstSeen = Object.fromEntries(
    Object.entries(scenario.firstSeenDangling ?? {}).map(([id, at]) => [id, Date.parse(at)]),
  );
  const { plan } = decide(candidates.value, rememberedDangling(firstSeen), { prune }, now);
  return { candidates: candidates.value, firstSeen, prune, now, plan };
}

describe.each(scenarios)("$file: $title", (scenario) => {
  it("what goes, in this order, and what stays, each with its reason", async () => {
    const { plan } = await decided(scenario);
    expect({ remove: plan.remove.map(toRow), keep: plan.keep.map(toRow) }).toEqual(scenario.expected);
  });

  it("keeps to what must hold of every plan", async () => {
    expect(violations(await decided(scenario))).toEqual([]);
  });
});

it("there are scenarios, and among them both objects that go and objects that stay", () => {
  expect(scenarios.length).toBeGreaterThanOrEqual(20);
  expect(scenarios.flatMap(({ expected }) => expected.remove).length).toBeGreaterThan(20);
  expect(scenarios.flatMap(({ expected }) => expected.keep).length).toBeGreaterThan(20);
});
