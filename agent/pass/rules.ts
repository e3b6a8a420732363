import type { Tally } from "../act/tally.ts";
import { type AuditEvent, event, factUnknown, type RuleReport } from "../log/events.ts";
import { limitOf } from "../plan/age.ts";
import type { Ruled } from "../plan/decide.ts";
import type { Plan } from "../plan/plan.ts";
import { sizeOfFamily } from "../plan/retention.ts";
import { matchingLabel } from "../settings/labels.ts";
import { CACHE_RULE } from "../settings/rule-names.ts";
import { inForce, type Rules } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";

/** What each rule came to. Pure. @param tally what became of the objects; `null`: nothing was acted on */
export function reportRules(rules: Rules, ruled: Ruled, tally: Tally | null): RuleReport[] {
  const counted = (policy: string) => {
    const { removed = 0, untagged = 0, failed = 0 } = tally?.ofRule(policy) ?? {};
    return { removed: removed + untagged, failed };
  };
  const gone = new Set(tally?.removed.map(({ rule, id }) => `${rule} ${id}`));
  return [
    ...ruled.families
      .filter(({ rule }) => rule.name !== CACHE_RULE)
      .map(({ rule, members }) => {
        const policy = `retention/${rule.name}`;
        const left = members.filter(({ image }) => !gone.has(`${policy} ${image.id}`));
        return {
          list: "retention" as const,
          name: rule.name,
          matched: members.length,
          ...counted(policy),
          keptBytes: sizeOfFamily({ rule, members: left }, ruled.measured, members),
        };
      }),
    ...rules.orphans
      .filter((rule) => inForce(rules, rule))
      .map(({ name }) => ({
        list: "orphans" as const,
        name,
        matched: ruled.orphans.filter(({ rule }) => rule.name === name).length,
        ...counted(`orphans/${name}`),
        keptBytes: null,
      })),
  ];
}

/**
 * What a plan shows of the settings: rules that name nothing though they look as if they should, limits that nobody can
 * judge. Pure. @param prune `null`: this pass does not prune
 */
export function warnings(plan: Plan, ruled: Ruled, prune: Settings["prune"] | null) {
  return [...(prune === null ? [] : idleLabels(plan, prune)), ...idleRules(ruled), ...unjudged(ruled)];
}

/** A label rule that matches nothing while images without the label pile up: the oldest silent failure. */
function idleLabels(plan: Plan, prune: Settings["prune"]): AuditEvent<"pass.ineffective">[] {
  if (prune.labels.length === 0 || !prune.images) return [];
  const images = [...plan.remove, ...plan.keep].filter(
    ({ kind, rule }) => kind === "image" && rule === undefined,
  );
  const unselected = images.filter(({ because }) => because === "not-selected");
  const judgedByAge = images.filter(({ because }) => ["expired", "young", "undatable"].includes(because));
  const old = unselected.filter(
    ({ ageSeconds }) => ageSeconds !== null && ageSeconds > limitOf(prune, "images").seconds,
  );
  if (judgedByAge.length > 0 || old.length === 0) return [];
  return [
    event("pass.ineffective", {
      cause: "labels-match-nothing",
      reason: "no dangling image carries a label of prune.labels, while old ones without it pile up",
      labels: prune.labels.map(({ text }) => text),
      unselectedImages: old.length,
      unselectedBytes: old.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
    }),
  ];
}

/**
 * A rule that asks for a label and names nothing, while what looks like its family piles up without it: images of its
 * repositories, or the images of containers that carry the label (put on at run time, and on no image). Pure.
 */
export function idleRules({ families, users, lookalikes, named }: Ruled): AuditEvent<"pass.ineffective">[] {
  return families.flatMap((family) => {
    const { name, match } = family.rule;
    if (match.labels.length === 0 || named.has(name)) return [];
    const unlabelled = lookalikes.get(name) ?? [];
    const containers = users.containers.filter(
      ({ labels }) => matchingLabel(labels, match.labels) !== undefined,
    );
    if (unlabelled.length + containers.length === 0) return [];
    return [
      event("pass.ineffective", {
        cause: "rule-matches-nothing",
        reason: `no image carries a label of the rule "${name}", while ${
          unlabelled.length > 0 ? "images of its repositories" : "containers with it"
        } are there: is the LABEL in the Dockerfile?`,
        policy: `retention/${name}`,
        labels: match.labels.map(({ text }) => text),
        unlabelledImages: unlabelled.length,
        unlabelledBytes: unlabelled.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        labelledContainers: containers.length,
      }),
    ];
  });
}

/** Limits that nobody can judge: for want of one image, or on a swarm worker. Else they would be silent for ever. */
function unjudged({ measured, families, servicesUnread }: Ruled): AuditEvent<"fact.unknown">[] {
  const found: AuditEvent<"fact.unknown">[] = [];
  if (measured.unread !== null) {
    const why = `image ${measured.unread} cannot be read, and so not what it shares: no size limit is applied`;
    found.push(factUnknown("the size of retention families", why));
  }
  const waiting = families.filter(({ rule, members }) => rule.madeHere !== true && members.length > 0);
  if (servicesUnread !== null && waiting.length > 0) {
    const names = waiting.map(({ rule }) => `"${rule.name}"`).join(", ");
    found.push(factUnknown("the users of retention families", `${servicesUnread}: ${names} removes nothing`));
  }
  return found;
}
