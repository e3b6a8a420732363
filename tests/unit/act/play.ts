/** Plays a pass that acts against an engine in memory. */
import { expect } from "vitest";
import { execute } from "../../../agent/act/execute.ts";
import type { ActPorts } from "../../../agent/act/ports.ts";
import { Tally } from "../../../agent/act/tally.ts";
import { EngineError, type EngineErrorKind } from "../../../agent/engine/errors.ts";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { CacheRecord, ContainerDetail, ImageDetail } from "../../../agent/engine/types.ts";
import type { EngineWriter } from "../../../agent/engine/writer.ts";
import type { Verdict } from "../../../agent/gates/verdict.ts";
import type { Clock } from "../../../agent/host/clock.ts";
import type { AuditEvent } from "../../../agent/log/events.ts";
import { decide } from "../../../agent/plan/decide.ts";
import {
  ago,
  container,
  containerDetail,
  DAY,
  hexId,
  image,
  imageId,
  NOW,
  rememberedDangling,
  settingsOf,
  unruled,
} from "../support.ts";

const WHY = "a CI run is live: service x";
export const CLOSED: Verdict = { gate: "live-run", verdict: "closed", reason: WHY, facts: {} };

export const KIND_STATUS: Readonly<Partial<Record<EngineErrorKind, number>>> = {
  gone: 404,
  "in-use": 409,
  unavailable: 503,
  refused: 500,
};
const failWith = (kind: EngineErrorKind) => new EngineError(kind, `engine says ${kind}`, KIND_STATUS[kind]);

interface Story {
  readonly containers?: number;
  readonly images?: number;
  readonly settings?: object;
  /** What the inspection immediately before the deletion says, by name. */
  readonly now?: Readonly<Record<string, Partial<ImageDetail & ContainerDetail> | EngineErrorKind>>;
  /** What the deletion of it comes to, by name; else it is removed. */
  readonly deletion?: Readonly<Record<string, EngineErrorKind>>;
  /** By name: the engine says that it was removed, and it was not. */
  readonly left?: readonly string[];
  /** By name: left until this call. */
  readonly leaves?: Readonly<Record<string, string>>;
  /** What the list of `"containers"` or `"images"` after that comes to, or the nth: `"containers 1"`. */
  readonly lists?: Readonly<Record<string, EngineErrorKind>>;
  /** Gets the events, also where the play throws. */
  readonly events?: AuditEvent[];
  readonly cache?: readonly CacheRecord[] | null | EngineErrorKind;
  readonly cachePrune?: { readonly ids: readonly string[]; readonly claimedBytes: number } | EngineErrorKind;
  /** Called before each request to the engine, with all calls so far. */
  readonly meanwhile?: (calls: readonly string[], stop: AbortController) => void;
  /** The verdict of the gates when they are asked for the nth time, from 1. */
  readonly gates?: (nth: number) => Verdict | null;
  /** Milliseconds each deletion takes. */
  readonly pace?: number;
  /** Milliseconds that a call takes the first time: `"look c1"`, `"list cache"`. */
  readonly slow?: Readonly<Record<string, number>>;
  /** Milliseconds that it takes to ask the gates, each time. */
  readonly gatesTake?: number;
  readonly roomAfter?: number;
}

/** Plays a pass against an engine in memory, which logs its calls: `"delete c1"`, `"look i2"`, `"gates"`. */
export async function play(story: Story) {
  const calls: string[] = [];
  const events = story.events ?? [];
  const progress: string[] = [];
  const stop = new AbortController();
  const names = new Map<string, string>();
  let now = NOW;
  let asked = 0;
  const clock: Clock = { now: () => now, elapsed: () => now, sleep: async () => {} };

  const count = (letter: string, total = 0) => Array.from({ length: total }, (_, at) => `${letter}${at + 1}`);
  const containers = count("c", story.containers).map((name) => {
    const id = hexId(name);
    names.set(id, name);
    return {
      summary: container({ id, names: [name], state: "exited", createdAt: ago(3 * DAY) }),
      detail: containerDetail({ id, sizeBytes: 10 }),
    };
  });
  const images = count("i", story.images).map((name) => {
    const id = imageId(name);
    names.set(id, name);
    const summary = image({ id, sizeBytes: 100 });
    return { summary, detail: summary };
  });
  const candidates = unruled({
    containers,
    images,
    everyContainer: [],
    parents: new Set(),
    buildCache: [],
  });
  const settings = settingsOf({ prune: { buildCache: false }, ...story.settings });
  const { plan, context } = decide(candidates, rememberedDangling({}), settings, now);
  expect(plan.remove).toHaveLength(containers.length + images.length);

  const sentAt: { readonly text: string; readonly gatesAge: number }[] = [];
  let gatesAt = now;
  const call = (text: string) => {
    story.meanwhile?.(calls, stop);
    if (!calls.includes(text)) now += story.slow?.[text] ?? 0;
    sentAt.push({ text, gatesAge: now - gatesAt });
    calls.push(text);
  };
  const removed = new Set<string>();
  const look = <T extends object>(id: string, usual: T): T => {
    const name = names.get(id) ?? "?";
    const gone = removed.has(name);
    call(`${gone ? "miss" : "look"} ${name}`);
    if (gone) throw failWith("gone");
    const said = story.now?.[name] ?? {};
    if (typeof said === "string") throw failWith(said);
    return { ...usual, ...said };
  };
  const remove = (id: string) => {
    const name = names.get(id) ?? "?";
    call(`delete ${name}`);
    now += story.pace ?? 0;
    const kind = story.deletion?.[name];
    if (kind !== undefined) throw failWith(kind);
    if (!story.left?.includes(name)) removed.add(name);
  };
  const still = <T extends { readonly id: string }>(
    what: string,
    facts: readonly { readonly summary: T }[],
  ) => {
    call(`list ${what}`);
    const nth = calls.filter((one) => one === `list ${what}`).length;
    const failure = story.lists?.[what] ?? story.lists?.[`${what} ${nth}`];
    if (failure !== undefined) throw failWith(failure);
    for (const [name, when] of Object.entries(story.leaves ?? {}))
      if (calls.includes(when)) removed.add(name);
    return facts.map(({ summary }) => summary).filter(({ id }) => !removed.has(names.get(id) ?? ""));
  };
  const never = (what: string) => async () => {
    throw new Error(`not to be asked while acting: ${what}`);
  };
  const reader: EngineReader = {
    version: never("version"),
    info: never("info"),
    services: never("services"),
    tasks: never("tasks"),
    containers: never("all containers"),
    containersOf: async (ids) => still("containers", containers).filter(({ id }) => ids.includes(id)),
    startingContainers: never("starting containers"),
    danglingImages: async () => still("images", images),
    allImages: never("all images"),
    diskUsage: never("disk usage"),
    namedImages: never("named images"),
    history: never("history"),
    pulledFrom: never("where an image is from"),
    networks: never("networks"),
    network: never("a network"),
    container: async (id) => look(id, containerDetail({ id, sizeBytes: 10 })),
    image: async (id) => look(id, image({ id, sizeBytes: 100 })),
    buildCache: async () => {
      call("list cache");
      const { cache = [] } = story;
      if (typeof cache === "string") throw failWith(cache);
      return cache === null ? null : [...cache];
    },
  };
  const writer: EngineWriter = {
    removeContainer: async (id) => remove(id),
    removeImage: async (id) => remove(id),
    removeNetwork: never("a network's removal"),
    removeTag: never("a tag's removal"),
    stopContainer: never("a stop"),
    commit: never("a commit"),
    pruneBuildCache: async (seconds) => {
      call(`prune cache ${seconds}`);
      const { cachePrune = { ids: [], claimedBytes: 0 } } = story;
      if (typeof cachePrune === "string") throw failWith(cachePrune);
      return cachePrune;
    },
  };
  const tally = new Tally();
  const ports: ActPorts = {
    reader,
    writer,
    journal: { emit: (event) => events.push(event) },
    clock,
    stop: stop.signal,
    tally,
    gatesAskedAt: now,
    askGates: async () => {
      gatesAt = now;
      now += story.gatesTake ?? 0;
      if (!calls.includes("gates")) now += story.slow?.gates ?? 0;
      calls.push("gates");
      const verdict = story.gates?.(++asked) ?? null;
      return verdict;
    },
    needsRoom: async () => false,
    emergency: () => null,
    roomEnough: async () =>
      calls.filter((text) => text.startsWith("delete")).length >= (story.roomAfter ?? 1e9),
    progress: (done, total) => progress.push(`${done}/${total}`),
  };
  const acted = await execute(ports, {
    ...{ plan, candidates, context, settings },
    pressed: true,
  });
  const told = events
    .filter(({ event }) => event.startsWith("object."))
    .map((one) => {
      const { id, rule } = one.fields as { id: string; rule: string };
      return `${one.event.slice(7)} ${names.get(id) ?? id}${one.event === "object.kept" ? ` ${rule}` : ""}`;
    });
  const deleted = calls.filter((text) => text.startsWith("delete")).map((text) => text.slice(7));
  return { calls, deleted, events, told, acted, tally, progress, sentAt };
}

export const eventNamed = (events: readonly AuditEvent[], name: string) =>
  events.filter(({ event }) => event === name).map(({ level, fields }) => ({ level, ...fields }));

export const counts = (tally: Tally) => ({
  removed: tally.count("removed"),
  kept: tally.count("kept"),
  failed: tally.count("failed"),
});
