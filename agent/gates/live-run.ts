import type { ContainerSummary, Service } from "../engine/types.ts";
import { whyUnknown } from "../facts.ts";
import { matchingLabel, parseLabelRule } from "../settings/labels.ts";
import { type Pattern, pattern } from "../settings/patterns.ts";
import type { LabelRule, Settings } from "../settings/settings.ts";
import { formatDuration, type Seconds } from "../units.ts";
import { type Observation, SERVICE_NAME_LABEL } from "./observation.ts";
import { PRESETS } from "./presets.ts";
import { type Verdict, verdictsOf } from "./verdict.ts";

/** What marks a run: the operator's own rules and the rows of the chosen presets. */
export interface RunRules {
  readonly services: readonly Pattern[];
  readonly containers: readonly Pattern[];
  readonly networks: readonly Pattern[];
  readonly labels: readonly LabelRule[];
  /** What was created longer ago no longer counts; `null`: it counts for as long as it is there. */
  readonly ignoreOlderThan: Seconds | null;
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
/** Seconds after which the reason names the setting that would end the wait. */
const LONG = 24 * 3600;

export function runRules(settings: Settings["liveRuns"]): RunRules {
  const rows = settings.presets.map((name) => PRESETS[name]);
  return {
    services: settings.services.map(pattern),
    containers: [...settings.containers, ...rows.flatMap((row) => row.containers)].map(pattern),
    networks: rows.flatMap((row) => row.networks).map(pattern),
    labels: [
      ...settings.labels,
      ...rows.flatMap((row) => row.labels.flatMap((text) => parseLabelRule(text) ?? [])),
    ],
    ignoreOlderThan: settings.ignoreOlderThan,
  };
}

/** Containers that no longer run, or do not yet: past `prune.until` they are leftovers. */
const IN_BETWEEN = ["created", "removing"];

/**
 * Closed while a CI run is live. A service counts by its name, however many tasks it has; a container by its name, a
 * label, a network, or the service it is a task of, which counts even when that service has just been deleted (its
 * containers run on for 10 to 12 s). A container past the limit of a rule of `orphans` does not, nor does a builder
 * that builds nothing.
 * @param until seconds: a container that was created and never started counts while it is younger than this, since a
 *   runner may be about to start it; so does one whose removal goes on
 */
export function liveRun(rules: RunRules, observation: Observation, until: Seconds, now: number): Verdict {
  const { open, closed, unknown } = verdictsOf("live-run");
  const { services, live, overdue, idleBuilders } = observation;
  const containers = (live.known ? live.value : [])
    .filter(({ id }) => !overdue.has(id) && !idleBuilders.has(id))
    .filter(({ state, createdAt }) => !IN_BETWEEN.includes(state) || now - createdAt < until * 1000);
  const found = [
    ...(services.known ? services.value.flatMap((service) => matchService(rules, service, now)) : []),
    ...containers.flatMap((container) => matchContainer(rules, container, now)),
  ];
  const { ignoreOlderThan: limit } = rules;
  const matches = found.filter(({ ageSeconds }) => limit === null || ageSeconds <= limit);
  const ignored = found.length - matches.length;
  const facts = {
    live: matches.slice(0, SHOWN),
    liveCount: matches.length,
    ...(ignored === 0 ? {} : { ignoredCount: ignored }),
  };
  const [first] = matches;
  if (first !== undefined) {
    const more = matches.length === 1 ? "" : ` and ${matches.length - 1} more`;
    const letGo =
      limit === null && first.ageSeconds > LONG
        ? `, ${formatDuration(first.ageSeconds)} old; liveRuns.ignoreOlderThan sets an end to that`
        : "";
    return closed(`a CI run is live: ${first.kind} ${first.name}${more}${letGo}`, facts);
  }
  const unread = whyUnknown(services, live);
  if (unread !== "") return unknown(unread, facts);
  const but =
    ignored === 0 ? "" : ` but ${ignored} that no longer counts, older than liveRuns.ignoreOlderThan`;
  return open(`no CI run is live${but}`, facts);
}

export const isRun = (rules: RunRules, container: ContainerSummary): boolean =>
  matchContainer(rules, container, 0).length > 0;

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
  const [known = container.id.slice(0, 12)] = container.names;
  const name = container.state === "removing" ? `${known} (being removed)` : known;
  return [{ kind: "container", name, rule, ageSeconds: Math.round((now - container.createdAt) / 1000) }];
}
