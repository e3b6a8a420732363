import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EngineError } from "../../agent/engine/errors.ts";
import type { EngineReader } from "../../agent/engine/reader.ts";
import { Inspector } from "../../agent/engine/tolerant.ts";
import type { ContainerSummary, ImageDetail, Service } from "../../agent/engine/types.ts";
import { observeRuled } from "../../agent/observe/ruled.ts";
import { idleRules } from "../../agent/pass/rules.ts";
import { decide } from "../../agent/plan/decide.ts";
import type { Judged } from "../../agent/plan/plan.ts";
import { rulesOf } from "../../agent/settings/rules.ts";
import { parseDuration } from "../../agent/units.ts";
import { violationsOfRules } from "../unit/plan/rule-invariants.ts";
import {
  container,
  containerDetail,
  hexId,
  image,
  imageId,
  NOW,
  service,
  settingsOf,
  unruled,
} from "../unit/support.ts";

import { goldenSections } from "./sections.ts";

/** A host and the rules for it (families.json); families.txt has what each rule says of each object. */
interface Scenario {
  readonly title: string;
  readonly retention?: readonly object[];
  readonly orphans?: readonly object[];
  readonly snapshots?: object;
  readonly prune?: object;
  /** The disk is under pressure; it is, unless the scenario says no. */
  readonly pressed?: boolean;
  readonly swarm?: "none" | "manager" | "worker";
  /** In short: its tags and digests, and when it was created: `"app:1 app@sha256:1 9d"`. */
  readonly images?: Readonly<Record<string, ImageStory | string>>;
  readonly containers?: Readonly<Record<string, ContainerStory>>;
  /** Name to the images of its spec and of the one before. */
  readonly services?: Readonly<Record<string, readonly string[]>>;
  /** What our own state remembers, as ages by image. */
  readonly firstSeen?: Readonly<Record<string, string>>;
  readonly lastUsed?: Readonly<Record<string, string>>;
}

/** Times are ages: `"3d"`; `"in 3d"` is in the future. */
interface ImageStory {
  readonly tags?: readonly string[];
  readonly digests?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly created?: string | null;
  /** LastTagTime; the same as `created` unless told. */
  readonly tagged?: string | null;
  /** Name and bytes, oldest first. */
  readonly layers?: readonly (readonly [string, number])[];
  /** Steps as the history tells them; those of the layers unless told. */
  readonly history?: readonly number[];
  /** The engine refuses to show it. */
  readonly refused?: boolean;
}

interface ContainerStory {
  readonly image?: string;
  readonly imageName?: string;
  readonly state?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly created?: string;
  readonly started?: string | null;
  readonly finished?: string | null;
}

const SCENARIOS = JSON.parse(readFileSync(join(import.meta.dirname, "families.json"), "utf8")) as Readonly<
  Record<string, Scenario>
>;
const golden = goldenSections("families.txt", Object.keys(SCENARIOS));

const at = (age: string | null): number | null =>
  age === null
    ? null
    : NOW - 1000 * (parseDuration(age.replace("in ", "")) ?? Number.NaN) * (age.startsWith("in ") ? -1 : 1);

function storyOf(told: ImageStory | string): ImageStory {
  if (typeof told !== "string") return told;
  const words = told.split(" ");
  const [created = "3d"] = words.filter((word) => !word.includes(":"));
  const digests = words.filter((word) => word.includes("@"));
  return { created, digests, tags: words.filter((word) => word.includes(":") && !digests.includes(word)) };
}

function toImage(name: string, story: ImageStory): ImageDetail {
  const { tags = [], digests = [], labels = {}, created = "3d", layers = [[`${name}-top`, 100]] } = story;
  return image({
    id: imageId(name),
    tags,
    digests,
    labels,
    createdAt: at(created),
    lastTaggedAt: at(story.tagged === undefined ? created : story.tagged),
    layers: layers.map(([layer]) => layer),
    sizeBytes: layers.reduce((sum, [, bytes]) => sum + bytes, 0),
  });
}

function toContainer(name: string, story: ContainerStory): ContainerSummary {
  return container({
    id: hexId(name),
    names: [name],
    imageId: imageId(story.image ?? "elsewhere"),
    imageName: story.imageName ?? "elsewhere",
    state: story.state ?? "running",
    labels: story.labels ?? {},
    createdAt: at(story.created ?? "3d") ?? 0,
  });
}

/** As Go's path.Match, which the engine's `reference` filter uses: `*` stops at a slash. */
const fits = (pattern: string, text: string) =>
  new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`).test(
    text,
  );

function engineOf({ images = {}, containers = {} }: Scenario): EngineReader {
  const all = Object.entries(images).map(([name, told]) => toImage(name, storyOf(told)));
  const storyById = (id: string) =>
    storyOf(Object.entries(images).find(([name]) => imageId(name) === id)?.[1] ?? {});
  const refuse = (id: string) => {
    if (storyById(id).refused) throw refusal();
  };
  return {
    namedImages: async ({ reference, label } = {}) =>
      all.filter(
        ({ tags, digests, labels }) =>
          (reference === undefined ||
            reference.some((pattern) =>
              [...tags, ...digests].some((text) =>
                [text, text.replace(/(?::[^:/]*|@.*)$/, "")].some((name) => fits(pattern, name)),
              ),
            )) &&
          (label ?? []).every((text) => {
            const [key = "", ...value] = text.split("=");
            return value.length === 0 ? key in labels : labels[key] === value.join("=");
          }),
      ),
    image: async (id: string) => {
      refuse(id);
      return all.find((candidate) => candidate.id === id) as ImageDetail;
    },
    history: async (id: string) => {
      const story = storyById(id);
      const steps = story.history ?? (story.layers ?? [["", 100]]).map(([, bytes]) => bytes);
      return steps.map((sizeBytes) => ({ sizeBytes, mark: "" }));
    },
    container: async (id: string) => {
      const [, story = {}] = Object.entries(containers).find(([name]) => hexId(name) === id) ?? [];
      const { state = "running", created = "3d", finished = null } = story;
      const started = story.started === undefined ? created : story.started;
      return containerDetail({
        id,
        state,
        createdAt: at(created),
        startedAt: at(started),
        finishedAt: at(finished),
      });
    },
  } as Partial<EngineReader> as EngineReader;
}

function refusal(): Error {
  return new EngineError("refused", "500 cannot be shown", 500);
}

async function decided(scenario: Scenario) {
  const { retention = [], orphans = [], snapshots = {}, prune = {} } = scenario;
  const settings = settingsOf({ retention, orphans, snapshots, prune });
  const engine = {
    version: { version: "28.5.2", apiVersion: "1.51" },
    info: {
      rootDir: "/var/lib/docker",
      imageStore: "classic",
      swarm: { role: scenario.swarm ?? "none" },
    },
  } as const;
  const containers = Object.entries(scenario.containers ?? {}).map(([name, story]) =>
    toContainer(name, story),
  );
  const services: Service[] = Object.entries(scenario.services ?? {}).map(([name, images]) =>
    service({ id: name, name, images }),
  );
  const rules = rulesOf(settings, scenario.pressed ?? true);
  const ruled = await observeRuled(
    new Inspector(engineOf(scenario)),
    rules,
    { containers, services, engine },
    NOW,
  );
  const times = (ages: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(ages).map(([name, age]) => [imageId(name), at(age) as number]));
  const remembered = {
    dangling: {},
    firstSeen: times(scenario.firstSeen),
    lastUsed: times(scenario.lastUsed),
  };
  const candidates = {
    ...unruled({
      containers: [],
      images: [],
      buildCache: [],
      parents: new Set<string>(),
      everyContainer: containers,
    }),
    ruled,
  };
  const { plan } = decide(candidates, remembered, settings, NOW);
  return { settings, ruled, remembered, plan, now: NOW, rules };
}

function toLine(scenario: Scenario) {
  const names = new Map([
    ...Object.keys(scenario.images ?? {}).map((name) => [imageId(name), name] as const),
    ...Object.keys(scenario.containers ?? {}).map((name) => [hexId(name), name] as const),
  ]);
  return ({ action, id, rule, because, reason, references }: Judged) => {
    const what = references?.length === 0 ? " by its id" : "";
    const some = action === "remove" && (references?.length ?? 0) > 0 ? ` (${references?.join(", ")})` : "";
    return `${action} ${names.get(id)}${what}${some}: ${rule} ${because}: ${reason}`;
  };
}

describe.each(Object.entries(SCENARIOS))("%s", (name, scenario) => {
  it(`${scenario.title}: what goes, in order, what stays, and which rules look as if they should name more`, async () => {
    const found = await decided(scenario);
    const { plan, ruled } = found;
    expect(violationsOfRules(found)).toEqual([]);
    golden.check(name, [
      ...[...plan.remove, ...plan.keep].map(toLine(scenario)),
      ...idleRules(ruled).map(({ fields }) => `idle: ${"policy" in fields && fields.policy}`),
    ]);
  });
});
