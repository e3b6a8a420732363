import type { ContainerSummary, Service } from "../engine/types.ts";
import { matchingLabel, parseLabelRule } from "../settings/labels.ts";
import type { LabelRule, Settings } from "../settings/settings.ts";
import { type Observation, SERVICE_NAME_LABEL } from "./observation.ts";
import { PRESETS } from "./presets.ts";
import type { Verdict } from "./verdict.ts";

/** What marks a run: the operator's own rules and the rows of the chosen presets. */
export interface RunRules {
  readonly services: readonly RegExp[];
  readonly containers: readonly RegExp[];
  readonly networks: readonly RegExp[];
  readonly labels: readonly LabelRule[];
}

export interface LiveMatch {
  readonly kind: "service" | "container";
  readonly name: string;
  /** The rule that named it, as written. */
  readonly rule: string;
  readonly ageSeconds: number;
}

/** The log names this many; the count is always whole. */
const SHOWN = 10;

export function runRules(settings: Settings["liveRuns"]): RunRules {
  const rows = settings.presets.map((name) => PRESETS[name]);
  const regexes = (sources: readonly string[]) => sources.map((source) => new RegExp(source, "u"));
  return {
    services: [...settings.services, ...rows.flatMap((row) => regexes(row.services))],
    containers: [...settings.containers, ...rows.flatMap((row) => regexes(row.containers))],
    networks: rows.flatMap((row) => regexes(row.networks)),
    labels: [
      ...settings.labels,
      ...rows.flatMap((row) => row.labels.flatMap((text) => parseLabelRule(text) ?? [])),
    ],
  };
}

/**
 * Closed while a CI run is live. A service counts by its name, however many tasks it has; a container by its name, a
 * label, a network, or the service it is a task of, which counts even when that service has just been deleted (its
 * containers run on for 10 to 12 s). A container past the limit of a rule of `orphans` does not.
 * @param until seconds: a container that was created and never started counts while it is younger than this, since a
 *   runner may be about to start it; later it is a leftover
 * @param now milliseconds
 */
export function liveRun(rules: RunRules, observation: Observation, until: number, now: number): Verdict {
  const { services, live, overdue } = observation;
  const matches = [
    ...(services.known ? services.value.flatMap((service) => matchService(rules, service, now)) : []),
    ...(live.known
      ? live.value
          .filter(({ id }) => !overdue.has(id))
          .filter((container) => container.state !== "created" || now - container.createdAt < until * 1000)
          .flatMap((container) => matchContainer(rules, container, now))
      : []),
  ];
  const facts = { live: matches.slice(0, SHOWN), liveCount: matches.length };
  const [first] = matches;
  if (first !== undefined) {
    const more = matches.length === 1 ? "" : ` and ${matches.length - 1} more`;
    return {
      gate: "live-run",
      verdict: "closed",
      reason: `a CI run is live: ${first.kind} ${first.name}${more}`,
      facts,
    };
  }
  const unread = [services, live].flatMap((fact) => (fact.known ? [] : [`${fact.what}: ${fact.reason}`]));
  return unread.length > 0
    ? { gate: "live-run", verdict: "unknown", reason: unread.join("; "), facts }
    : { gate: "live-run", verdict: "open", reason: "no CI run is live", facts };
}

function matchService(rules: RunRules, service: Service, now: number): LiveMatch[] {
  const rule =
    rules.services.find((pattern) => pattern.test(service.name))?.source ??
    matchingLabel(service.labels, rules.labels)?.text;
  if (rule === undefined) return [];
  return [
    { kind: "service", name: service.name, rule, ageSeconds: Math.round((now - service.createdAt) / 1000) },
  ];
}

function matchContainer(rules: RunRules, container: ContainerSummary, now: number): LiveMatch[] {
  const service = container.labels[SERVICE_NAME_LABEL];
  const rule =
    rules.containers.find((pattern) => container.names.some((name) => pattern.test(name)))?.source ??
    matchingLabel(container.labels, rules.labels)?.text ??
    rules.networks.find((pattern) => container.networks.some((name) => pattern.test(name)))?.source ??
    rules.services.find((pattern) => service !== undefined && pattern.test(service))?.source;
  if (rule === undefined) return [];
  const name = container.names[0] ?? container.id.slice(0, 12);
  return [{ kind: "container", name, rule, ageSeconds: Math.round((now - container.createdAt) / 1000) }];
}
