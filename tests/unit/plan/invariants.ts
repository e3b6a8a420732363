import type { Candidates } from "../../../agent/plan/decide.ts";
import type { Judged, Plan } from "../../../agent/plan/plan.ts";
import type { LabelRule, Settings } from "../../../agent/settings/settings.ts";

export interface Decided {
  readonly candidates: Candidates;
  readonly firstSeen: Readonly<Record<string, number>>;
  readonly prune: Settings["prune"];
  readonly now: number;
  readonly plan: Plan;
}

const YEAR_2000 = Date.UTC(2000, 0, 1);

/** What must hold of every plan, in words of its own: the plan's code is not asked. Empty when all holds. */
export function violations({ candidates, firstSeen, prune, now, plan }: Decided): string[] {
  const found: string[] = [];
  const check = (holds: boolean, what: string) => {
    if (!holds) found.push(what);
  };
  const name = (kind: string, id: string) => `${kind} ${id}`;
  const cache = candidates.buildCache;

  const all = [
    ...candidates.containers.map(({ summary }) => name("container", summary.id)),
    ...candidates.images.map(({ summary }) => name("image", summary.id)),
    ...cache.map(({ id }) => name("build-cache", id)),
  ].sort();
  const judged = [...plan.remove, ...plan.keep].map(({ kind, id }) => name(kind, id)).sort();
  check(JSON.stringify(all) === JSON.stringify(judged), "removed and kept together are not all, each once");
  for (const object of plan.remove) check(object.action === "remove", `${object.id} is kept, yet in remove`);
  for (const object of plan.keep) check(object.action === "keep", `${object.id} is removed, yet in keep`);
  for (const object of [...plan.remove, ...plan.keep])
    check(object.reason !== "", `${object.id} has no reason`);

  const carries = (labels: Readonly<Record<string, string>>, rules: readonly LabelRule[]) =>
    rules.some(({ text }) =>
      Object.entries(labels).some(([key, value]) => text === key || text === `${key}=${value}`),
    );
  const older = (at: number | null, limit: number) => at !== null && Math.floor((now - at) / 1000) > limit;
  const old = (at: number | null) => older(at, prune.until);
  const oldContainer = (at: number | null) =>
    older(at, typeof prune.containers === "object" ? prune.containers.until : prune.until);
  const oldImage = (at: number | null) =>
    older(at, typeof prune.images === "object" ? prune.images.until : prune.until);
  const goes = (kind: Judged["kind"]) =>
    new Set(plan.remove.filter((object) => object.kind === kind).map(({ id }) => id));
  const labelsLetGo = (what: string, labels: Readonly<Record<string, string>>) => {
    check(!carries(labels, prune.keepLabels), `${what} carries a keep label`);
    check(prune.labels.length === 0 || carries(labels, prune.labels), `${what} carries no selected label`);
  };

  const leaving = goes("container");
  check(prune.containers !== false || leaving.size === 0, "containers are switched off");
  for (const { summary, detail } of candidates.containers.filter(({ summary: { id } }) => leaving.has(id))) {
    const what = name("container", summary.id);
    const state = detail?.state ?? "unknown";
    check(["exited", "dead", "created"].includes(state), `${what} is ${state}`);
    const never = state === "created" || detail?.startedAt === null;
    check(
      oldContainer(never ? (detail?.createdAt ?? null) : (detail?.finishedAt ?? null)),
      `${what} is too young`,
    );
    labelsLetGo(what, summary.labels);
    const volumes = summary.mounts.filter(({ type }) => type === "volume").map(({ source }) => source);
    check(summary.state !== "created" || volumes.length === 0, `${what} was never started and has volumes`);
    check(!volumes.includes(`${summary.names[0]}_state`), `${what} is a builder with its volume`);
  }

  const staying = candidates.everyContainer.filter(({ id }) => !leaving.has(id));
  const used = new Set(staying.map(({ imageId }) => imageId));
  const going = goes("image");
  check(prune.images !== false || going.size === 0, "images are switched off");
  for (const { summary, detail } of candidates.images.filter(({ summary: { id } }) => going.has(id))) {
    const what = name("image", summary.id);
    check(detail !== null, `${what} was never inspected`);
    if (detail === null) continue;
    check(detail.tags.length === 0, `${what} has a tag`);
    check(detail.digests.length === 0, `${what} has a digest`);
    check(!used.has(summary.id), `${what} is in use by a container that stays`);
    check(!candidates.parents.has(summary.id), `${what} is a parent`);
    // Before 2000, or more than an hour ahead: made by a clock, or a tool, that says nothing.
    const dated =
      detail.createdAt !== null && detail.createdAt >= YEAR_2000 && detail.createdAt - now <= 3_600_000;
    check(oldImage(dated ? detail.createdAt : (firstSeen[summary.id] ?? null)), `${what} is too young`);
    check(detail.lastTaggedAt === null || oldImage(detail.lastTaggedAt), `${what} was tagged lately`);
    labelsLetGo(what, { ...summary.labels, ...detail.labels });
  }

  const forecast = goes("build-cache");
  check(prune.buildCache || forecast.size === 0, "the build cache is switched off");
  for (const record of cache.filter(({ id }) => forecast.has(id))) {
    const what = name("build-cache", record.id);
    const child = cache.find(({ id, parents }) => parents.includes(record.id) && !forecast.has(id));
    check(child === undefined, `${what} has a child that stays`);
    check(!record.inUse, `${what} is in use`);
    check(!record.shared, `${what} is shared`);
    check(old(record.lastUsedAt), `${what} is too young`);
  }

  const order = plan.remove.map(({ kind }) => ["container", "image", "build-cache"].indexOf(kind));
  check(
    order.every((step, at) => at === 0 || step >= (order[at - 1] ?? 0)),
    "containers, images, build cache are not in this order",
  );
  return found;
}
