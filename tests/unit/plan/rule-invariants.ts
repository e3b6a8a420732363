import type { Remembered, Ruled } from "../../../agent/plan/decide.ts";
import type { Member } from "../../../agent/plan/family.ts";
import type { Judged, Plan } from "../../../agent/plan/plan.ts";
import type { Rules } from "../../../agent/settings/rules.ts";
import type { RetentionRule, Settings } from "../../../agent/settings/settings.ts";

export interface DecidedByRules {
  readonly settings: Settings;
  readonly rules: Rules;
  readonly ruled: Ruled;
  readonly remembered: Remembered;
  readonly plan: Plan;
  /** Milliseconds. */
  readonly now: number;
}

/** What must hold of every plan that rules made, in words of its own: the plan's code is not asked. */
export function violationsOfRules({ settings, ruled, plan, now, rules }: DecidedByRules): string[] {
  const found: string[] = [];
  const check = (holds: boolean, what: string) => {
    if (!holds) found.push(what);
  };
  const members = ruled.families.flatMap(({ rule, members: own }) =>
    own.map((member) => ({ rule, ...member })),
  );
  const nameOf = (rule: string | undefined, id: string) => `${rule} ${id}`;

  const all = [
    ...members.map(({ rule, image }) => nameOf(`retention/${rule.name}`, image.id)),
    ...ruled.orphans.map(({ rule, summary }) => nameOf(`orphans/${rule.name}`, summary.id)),
    ...ruled.unread.map(({ id }) => nameOf(undefined, id)),
  ].sort();
  const judged = [...plan.remove, ...plan.keep].map(({ rule, id }) => nameOf(rule, id)).sort();
  check(JSON.stringify(all) === JSON.stringify(judged), "removed and kept together are not all, each once");
  for (const object of [...plan.remove, ...plan.keep])
    check(object.reason !== "", `${object.id} has no reason`);

  const taken = members.flatMap(({ references }) => references);
  check(new Set(taken).size === taken.length, "a name belongs to two rules");

  for (const object of plan.remove) {
    if (object.kind === "image") imageMayGo(object);
    else containerMayGo(object);
  }
  return found;

  function imageMayGo(object: Judged): void {
    const what = object.names[0] ?? object.id;
    const member = members.find(
      ({ rule, image }) => image.id === object.id && `retention/${rule.name}` === object.rule,
    );
    check(member !== undefined, `${what} goes by a rule that does not name it`);
    if (member === undefined) return;
    const { rule, image } = member;
    check(rules.pressed || rule.when === "always", `${what} goes by a rule that is not in force`);
    check(
      !ruled.users.containers.some(({ imageId }) => imageId === image.id),
      `${what} is in use by a container`,
    );
    check(
      !ruled.users.services.some(({ images }) =>
        images.some((text) => image.tags.some((tag) => text === tag || text.startsWith(`${tag}@`))),
      ),
      `${what} is in use by a service`,
    );
    check(
      ruled.servicesUnread === null || rule.madeHere === true,
      `${what} goes though services are not known`,
    );
    for (const { key, value } of settings.prune.keepLabels) {
      const carried =
        Object.hasOwn(image.labels, key) && (value === undefined || image.labels[key] === value);
      check(!carried, `${what} carries a keep label`);
    }
    for (const moment of [image.lastTaggedAt, image.createdAt ?? 0].filter((time) => time !== null))
      check(now - moment > rule.grace * 1000, `${what} is within its grace`);
    check(namedInWords(rule, member), `${what} is not of the family`);
    for (const reference of object.references ?? [])
      check(image.tags.includes(reference), `${reference} is no name of ${what}`);
    check(
      (object.references ?? []).length > 0 || image.tags.length === 0,
      `${what} goes by its id though it has a tag`,
    );
  }

  function containerMayGo(object: Judged): void {
    const what = object.names[0] ?? object.id;
    const facts = ruled.orphans.find(({ summary }) => summary.id === object.id);
    check(facts !== undefined, `${what} goes by no rule`);
    if (facts === undefined) return;
    const { rule, summary, detail } = facts;
    const { key, value } = rule.label;
    check(
      Object.hasOwn(summary.labels, key) && (value === undefined || summary.labels[key] === value),
      `${what} does not carry the label`,
    );
    check(!("com.docker.swarm.service.name" in summary.labels), `${what} is a task`);
    const runs = ["running", "paused"].includes(detail?.state ?? "");
    const limit = runs ? rule.runningLongerThan : rule.stoppedLongerThan;
    const since = runs ? detail?.startedAt : (detail?.finishedAt ?? detail?.createdAt);
    check(
      limit !== null && typeof since === "number" && now - since > limit * 1000,
      `${what} is not past its limit`,
    );
  }
}

/** The family in words: literal prefixes and labels, not the globs' code. */
function namedInWords({ match }: RetentionRule, { image, references }: Member): boolean {
  const names = references.length > 0 ? references : image.digests;
  const literal = (text: string) => text.split(/[*?]/)[0] ?? "";
  return (
    (match.repositories.length === 0 ||
      names.every((name) => match.repositories.some(({ text }) => name.startsWith(literal(text))))) &&
    (match.labels.length === 0 ||
      match.labels.some(
        ({ key, value }) =>
          Object.hasOwn(image.labels, key) && (value === undefined || image.labels[key] === value),
      ))
  );
}
