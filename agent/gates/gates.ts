import type { Settings } from "../settings/settings.ts";
import { converging } from "./converging.ts";
import { liveRun, type RunRules } from "./live-run.ts";
import type { Observation } from "./observation.ts";
import { type GateName, type Verdict, verdictsOf } from "./verdict.ts";

/** What the gates that are asked again and again judge by: one look at what runs on this host. */
export interface Evidence {
  readonly settings: Settings;
  readonly runRules: RunRules;
  readonly observation: Observation;
  /** Milliseconds by service id: since when it has been seen busy. */
  readonly busySince: Readonly<Record<string, number>>;
  readonly now: number;
}

/**
 * A row a gate, so that one that is added is asked; its name and title stand in verdict.ts. `once`: by the pass itself,
 * before it makes its first request; the others before the first deletion, and again between deletions.
 */
const GATES: Readonly<Record<GateName, "once" | ((evidence: Evidence) => Verdict)>> = {
  "disk-pressure": "once",
  lock: "once",
  "live-run": ({ runRules, observation, settings, now }) =>
    liveRun(runRules, observation, settings.prune.until, now),
  converging: ({ settings, observation, busySince, now }) =>
    converging(settings.convergence, observation, busySince, now),
};

const ASKED_AGAIN = (Object.keys(GATES) as GateName[]).flatMap((name) => {
  const ask = GATES[name];
  return ask === "once" ? [] : [{ name, ask }];
});

/** The verdicts of all gates that are asked again and again, in order. Pure. */
export const askGates = (evidence: Evidence): Verdict[] => ASKED_AGAIN.map(({ ask }) => ask(evidence));

/** The same gates where there was nothing to ask: none of them is known. */
export const unaskedGates = (reason: string): Verdict[] =>
  ASKED_AGAIN.map(({ name }) => verdictsOf(name).unknown(reason));
