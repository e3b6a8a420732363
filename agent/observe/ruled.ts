import { type Inspector, inParallel, orNull } from "../engine/tolerant.ts";
import type { ContainerSummary, ImageSummary, Service, Step } from "../engine/types.ts";
import type { Ruled } from "../plan/decide.ts";
import { claim, type Family, fits, unlabelled } from "../plan/family.ts";
import { judgeOrphan, type OrphanFacts, orphanRule, worthAsking } from "../plan/orphans.ts";
import { type Measured, NOT_MEASURED } from "../plan/prefixes.ts";
import { needsMeasuring } from "../plan/retention.ts";
import { CACHE_RULE } from "../settings/rule-names.ts";
import { inForce, type Rules } from "../settings/rules.ts";
import type { OrphanRule, RetentionRule, Settings } from "../settings/settings.ts";
import type { Engine } from "./engine.ts";

/** What runs and what may need an image, from the last look at the gates. */
export interface Seen {
  /** Every container there is, whatever its state. */
  readonly containers: readonly ContainerSummary[];
  readonly services: readonly Service[];
  readonly engine: Engine;
}

export const NOTHING_RULED: Ruled = {
  orphans: [],
  families: [],
  waiting: [],
  displaced: new Set(),
  measured: NOT_MEASURED,
  lookalikes: new Map(),
  named: new Set(),
  unread: [],
  users: { containers: [], services: [] },
  manager: false,
  servicesUnread: null,
};

/** What the rules name, as far as their verdicts need it. Throws EngineError. */
export async function observeRuled(
  inspector: Inspector,
  rules: Rules,
  { containers, services, engine }: Seen,
  now: number,
): Promise<Ruled> {
  const { swarm } = engine.info;
  const orphans = await observeOrphans(inspector, rules.orphans, containers, now);
  const { images, unread } = rules.retention.some((rule) => inForce(rules, rule))
    ? await observeNamed(inspector, rules.retention)
    : { images: [], unread: [] };
  // A name belongs to the first rule that names it, in force or not: else a later one would take it in quiet passes.
  const claimed = claim(rules.retention, images);
  const families = await inParallel(
    claimed.filter(({ rule }) => inForce(rules, rule)),
    (family) => withRegistries(inspector, family, engine),
    1,
  );
  return {
    orphans: orphans.filter(({ rule }) => inForce(rules, rule)),
    families,
    waiting: claimed.filter(({ rule }) => !inForce(rules, rule)),
    unread,
    displaced: families.some(({ members }) => members.length > 1)
      ? await readDisplaced(inspector, engine)
      : new Set(),
    named: new Set(
      rules.retention.filter((rule) => images.some((image) => fits(rule, image))).map(({ name }) => name),
    ),
    lookalikes: new Map(rules.retention.map((rule) => [rule.name, unlabelled(rule, images)])),
    measured: families.some(needsMeasuring)
      ? await measure(inspector, families.filter(needsMeasuring))
      : NOT_MEASURED,
    users: { containers, services },
    manager: swarm.role === "manager",
    servicesUnread:
      swarm.role === "worker" ? "on a swarm worker nobody can tell which images services use" : null,
  };
}

/**
 * On the containerd store an image that loses a name and keeps another one gets a nameless record beside it, which is
 * listed as dangling by the same id. Throws EngineError.
 */
async function readDisplaced({ reader }: Inspector, { info }: Engine): Promise<ReadonlySet<string>> {
  if (info.imageStore === "classic") return new Set();
  return new Set((await reader.danglingImages()).map(({ id }) => id));
}

/**
 * The images of the last tier, with where they were pulled from: on the containerd store their digests do not tell. One
 * of which that cannot be read stays. Throws EngineError.
 */
async function withRegistries(inspector: Inspector, family: Family, { info }: Engine): Promise<Family> {
  if (family.rule.name !== CACHE_RULE || info.imageStore === "classic") return family;
  const members = await inParallel(family.members, async ({ image, references }) => {
    const pulledFrom = orNull(await inspector.pulledFrom(image.id)) ?? [];
    return { image: { ...image, pulledFrom }, references };
  });
  return { ...family, members };
}

/** Containers that a rule names, inspected where they may be past its limit. Throws EngineError. */
export function observeOrphans(
  inspector: Inspector,
  rules: readonly OrphanRule[],
  containers: readonly ContainerSummary[],
  now: number,
): Promise<OrphanFacts[]> {
  const named = containers.flatMap((summary) => {
    const rule = orphanRule(rules, summary);
    return rule === undefined ? [] : [{ rule, summary }];
  });
  return inParallel(named, async ({ rule, summary }) => ({
    rule,
    summary,
    detail: worthAsking(rule, summary, now) ? orNull(await inspector.container(summary.id, false)) : null,
  }));
}

/** Those of them past the limit of their rule. Throws EngineError. */
export async function observeOverdue(
  inspector: Inspector,
  { orphans: rules, prune }: Pick<Settings, "orphans" | "prune">,
  live: readonly ContainerSummary[],
  now: number,
): Promise<ReadonlySet<string>> {
  const orphans = await observeOrphans(inspector, rules, live, now);
  return new Set(
    orphans
      .map((facts) => judgeOrphan(facts, prune.keepLabels, now))
      .filter(({ action }) => action === "remove")
      .map(({ id }) => id),
  );
}

/**
 * Every image that a rule may name, inspected. On the containerd store only the list tells the whole size, unpacked
 * layers and all; the inspection tells that of the blobs (28.5). There the full list takes 6 s for 1000 images, so the
 * engine is asked by name or label; its own pattern knows no `**`, and then it is the full list.
 */
async function observeNamed(inspector: Inspector, rules: readonly RetentionRule[]) {
  const byName = rules.flatMap(({ match }) => match.repositories.map(({ text }) => text));
  const labels = rules
    .filter(({ match }) => match.repositories.length === 0)
    .flatMap(({ match }) => match.labels);
  const lists: (readonly ImageSummary[])[] = [];
  if (byName.some((text) => text.includes("**"))) lists.push(await inspector.reader.namedImages({}));
  else if (byName.length > 0) lists.push(await inspector.reader.namedImages({ reference: byName }));
  // Several labels in one question mean all of them; a rule means any.
  for (const { text } of labels) lists.push(await inspector.reader.namedImages({ label: [text] }));
  const summaries = [...new Map(lists.flat().map((summary) => [summary.id, summary])).values()];
  const found = await inParallel(summaries, ({ id }) => inspector.image(id));
  return {
    images: found.flatMap((image, index) => {
      if (image === "gone" || image === "unread") return [];
      const { sizeBytes = 0, labels = {} } = summaries[index] ?? {};
      return [
        { ...image, sizeBytes: Math.max(image.sizeBytes, sizeBytes), labels: { ...labels, ...image.labels } },
      ];
    }),
    unread: summaries.filter((_, index) => found[index] === "unread"),
  };
}

/** The layers of every image, and the steps of those that share some with a member: what nobody else holds. */
export async function measure(inspector: Inspector, families: readonly Family[]): Promise<Measured> {
  const members = new Map(families.flatMap((family) => family.members.map(({ image }) => [image.id, image])));
  // Without their untagged parents: those hold what the family brought along, and go in later passes.
  const others = (await inspector.reader.namedImages({})).filter(({ id }) => !members.has(id));
  const found = await inParallel(others, async ({ id }) => inspector.image(id));
  // With one image unread nobody can say what it shares: then no size is known, and none is exceeded.
  const refused = others[found.indexOf("unread")];
  if (refused !== undefined) return { ...NOT_MEASURED, unread: nameOf(refused) };
  const images = [...members.values(), ...found.filter((image) => typeof image === "object")];
  const lowest = new Set([...members.values()].map(({ layers }) => layers[0]));
  const histories = await inParallel(
    images.filter(({ id, layers }) => members.has(id) || lowest.has(layers[0])),
    async ({ id }) => [id, await inspector.history(id)] as const,
  );
  const refusals = new Set(histories.filter(([, steps]) => steps === "unread").map(([id]) => id));
  const untold = [...members.values()].find(({ id }) => refusals.has(id));
  if (untold !== undefined) return { ...NOT_MEASURED, unread: nameOf(untold) };
  return {
    histories: new Map(histories.filter((entry): entry is [string, Step[]] => Array.isArray(entry[1]))),
    layers: new Map(images.map(({ id, layers }) => [id, layers])),
    unread: null,
  };
}

const nameOf = ({ id, tags, digests }: ImageSummary): string => tags[0] ?? digests[0] ?? id;
