import pMap from "p-map";
import { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { ContainerSummary, ImageSummary, Service, Step } from "../engine/types.ts";
import type { Ruled } from "../plan/decide.ts";
import { claim, type Family, fits, unlabelled } from "../plan/family.ts";
import { type Measured, NOT_MEASURED } from "../plan/footprint.ts";
import { judgeOrphan, type OrphanFacts, orphanRule, worthAsking } from "../plan/orphans.ts";
import { needsMeasuring } from "../plan/retention.ts";
import type { LabelRule, OrphanRule, RetentionRule, When } from "../settings/settings.ts";
import type { Engine } from "./candidates.ts";

/** Inspections under way at once, as in observe.ts. */
const CONCURRENCY = 4;

/** Every rule, and whether those that wait for pressure are in force. */
export interface Rules {
  readonly retention: readonly RetentionRule[];
  readonly orphans: readonly OrphanRule[];
  readonly pressed: boolean;
}

export const inForce = ({ pressed }: Pick<Rules, "pressed">, { when }: { readonly when: When }): boolean =>
  pressed || when === "always";

/** What runs and what may need an image, from the last look at the gates. */
export interface Seen {
  /** Every container there is, whatever its state. */
  readonly containers: readonly ContainerSummary[];
  readonly services: readonly Service[];
}

/** Nothing is named by a rule. */
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

/**
 * What the rules name, as far as their verdicts need it. Throws EngineError.
 * @param now milliseconds
 */
export async function observeRuled(
  reader: EngineReader,
  engine: Engine,
  rules: Rules,
  { containers, services }: Seen,
  now: number,
): Promise<Ruled> {
  const orphans = await observeOrphans(reader, rules.orphans, containers, now);
  const { images, unread } = rules.retention.some((rule) => inForce(rules, rule))
    ? await observeNamed(reader, rules.retention)
    : { images: [], unread: [] };
  // A name belongs to the first rule that names it, in force or not: else a later one would take it in quiet passes.
  const claimed = claim(rules.retention, images);
  const families = claimed.filter(({ rule }) => inForce(rules, rule));
  return {
    orphans: orphans.filter(({ rule }) => inForce(rules, rule)),
    families,
    waiting: claimed.filter(({ rule }) => !inForce(rules, rule)),
    unread,
    displaced: families.some(({ members }) => members.length > 1)
      ? await readDisplaced(reader, engine)
      : new Set(),
    named: new Set(
      rules.retention.filter((rule) => images.some((image) => fits(rule, image))).map(({ name }) => name),
    ),
    lookalikes: new Map(rules.retention.map((rule) => [rule.name, unlabelled(rule, images)])),
    measured: families.some(needsMeasuring)
      ? await measure(reader, families.filter(needsMeasuring))
      : NOT_MEASURED,
    users: { containers, services },
    manager: engine.info.swarm.role === "manager",
    servicesUnread:
      engine.info.swarm.role === "worker"
        ? "on a swarm worker nobody can tell which images services use"
        : null,
  };
}

/**
 * On the containerd store an image that loses a name and keeps another one gets a nameless record beside it, which is
 * listed as dangling by the same id. Throws EngineError.
 */
async function readDisplaced(reader: EngineReader, { info }: Engine): Promise<ReadonlySet<string>> {
  if (info.imageStore === "classic") return new Set();
  return new Set((await reader.danglingImages()).map(({ id }) => id));
}

/** Containers that a rule names, inspected where they may be past its limit. Throws EngineError. */
export function observeOrphans(
  reader: EngineReader,
  rules: readonly OrphanRule[],
  containers: readonly ContainerSummary[],
  now: number,
): Promise<OrphanFacts[]> {
  const named = containers.flatMap((summary) => {
    const rule = orphanRule(rules, summary);
    return rule === undefined ? [] : [{ rule, summary }];
  });
  return pMap(
    named,
    async ({ rule, summary }) => ({
      rule,
      summary,
      detail: worthAsking(rule, summary, now)
        ? read(await orUnread(reader.container(summary.id, false)))
        : null,
    }),
    { concurrency: CONCURRENCY },
  );
}

/** Those of them past the limit of their rule. Throws EngineError. @param now milliseconds */
export async function observeOverdue(
  reader: EngineReader,
  rules: readonly OrphanRule[],
  keepLabels: readonly LabelRule[],
  live: readonly ContainerSummary[],
  now: number,
): Promise<ReadonlySet<string>> {
  const orphans = await observeOrphans(reader, rules, live, now);
  return new Set(
    orphans
      .map((facts) => judgeOrphan(facts, keepLabels, now))
      .filter(({ action }) => action === "remove")
      .map(({ id }) => id),
  );
}

/**
 * Every image that a rule may name, inspected. On the containerd store only the list tells the whole size, unpacked
 * layers and all; the inspection tells that of the blobs (28.5). There the full list takes 6 s for 1000 images, so the
 * engine is asked by name or label; its own pattern knows no `**`, and then it is the full list.
 */
async function observeNamed(reader: EngineReader, rules: readonly RetentionRule[]) {
  const byName = rules.flatMap(({ match }) => match.repositories.map(({ text }) => text));
  const labels = rules
    .filter(({ match }) => match.repositories.length === 0)
    .flatMap(({ match }) => match.labels);
  const lists: ImageSummary[][] = [];
  if (byName.some((text) => text.includes("**"))) lists.push(await reader.namedImages({}));
  else if (byName.length > 0) lists.push(await reader.namedImages({ reference: byName }));
  // Several labels in one question mean all of them; a rule means any.
  for (const { text } of labels) lists.push(await reader.namedImages({ label: [text] }));
  const summaries = [...new Map(lists.flat().map((summary) => [summary.id, summary])).values()];
  const found = await pMap(summaries, ({ id }) => orUnread(reader.image(id)), { concurrency: CONCURRENCY });
  return {
    images: found.flatMap((image, index) => {
      if (image === "gone" || image === "refused") return [];
      const { sizeBytes = 0, labels = {} } = summaries[index] ?? {};
      return [
        { ...image, sizeBytes: Math.max(image.sizeBytes, sizeBytes), labels: { ...labels, ...image.labels } },
      ];
    }),
    unread: summaries.filter((_, index) => found[index] === "refused"),
  };
}

/** The layers of every image, and the steps of those that share some with a member: what nobody else holds. */
export async function measure(reader: EngineReader, families: readonly Family[]): Promise<Measured> {
  const members = new Map(families.flatMap((family) => family.members.map(({ image }) => [image.id, image])));
  // Without their untagged parents: those hold what the family brought along, and go in later passes.
  const others = (await reader.namedImages({})).filter(({ id }) => !members.has(id));
  const found = await pMap(others, async ({ id }) => orUnread(reader.image(id)), {
    concurrency: CONCURRENCY,
  });
  // With one image unread nobody can say what it shares: then no size is known, and none is exceeded.
  const refused = others[found.indexOf("refused")];
  if (refused !== undefined) return { ...NOT_MEASURED, unread: nameOf(refused) };
  const images = [...members.values(), ...found.filter((image) => typeof image === "object")];
  const lowest = new Set([...members.values()].map(({ layers }) => layers[0]));
  const histories = await pMap(
    images.filter(({ id, layers }) => members.has(id) || lowest.has(layers[0])),
    async ({ id }) => [id, await orUnread(reader.history(id))] as const,
    { concurrency: CONCURRENCY },
  );
  const refusals = new Set(histories.filter(([, steps]) => steps === "refused").map(([id]) => id));
  const untold = [...members.values()].find(({ id }) => refusals.has(id));
  if (untold !== undefined) return { ...NOT_MEASURED, unread: nameOf(untold) };
  return {
    histories: new Map(histories.filter((entry): entry is [string, Step[]] => Array.isArray(entry[1]))),
    layers: new Map(images.map(({ id, layers }) => [id, layers])),
    unread: null,
  };
}

const nameOf = ({ id, tags, digests }: ImageSummary): string => tags[0] ?? digests[0] ?? id;

/** One object that went since it was listed, or that the engine refuses to show; an engine that does not answer throws. */
async function orUnread<T>(question: Promise<T>): Promise<T | "gone" | "refused"> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof EngineError && !error.endsThePass) return error.kind === "gone" ? "gone" : "refused";
    throw error;
  }
}

const read = <T extends object>(answer: T | "gone" | "refused"): T | null =>
  answer === "gone" || answer === "refused" ? null : answer;
