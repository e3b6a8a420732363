import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ImageDetail } from "../../../agent/engine/types.ts";
import { NOTHING_RULED } from "../../../agent/observe/ruled.ts";
import { decide, type Ruled } from "../../../agent/plan/decide.ts";
import { claim } from "../../../agent/plan/family.ts";
import { layerSizes } from "../../../agent/plan/footprint.ts";
import type { Measured } from "../../../agent/plan/prefixes.ts";
import { sizeOfFamily } from "../../../agent/plan/retention.ts";
import { parseReference, userOf } from "../../../agent/plan/usage.ts";
import { rulesOf } from "../../../agent/settings/rules.ts";
import {
  container,
  DAY,
  HOUR,
  hexId,
  image,
  imageId,
  NOW,
  service,
  settingsOf,
  unruled,
} from "../support.ts";
import { violationsOfRules } from "./rule-invariants.ts";

describe("the bytes of each layer", () => {
  it.each<readonly [string, number, readonly number[], readonly number[]]>([
    ["one step a layer", 3, [100, 20, 3], [100, 20, 3]],
    ["steps that only change the config are passed over", 2, [0, 100, 0, 0, 20, 0], [100, 20]],
    ["a layer of no bytes is taken as late as it can be", 3, [0, 150, 0, 100], [150, 0, 100]],
    ["and never later than what comes after it", 3, [0, 150, 100], [0, 150, 100]],
    ["all of no bytes", 2, [0, 0, 0], [0, 0]],
    ["fewer steps than layers", 3, [20, 3], [0, 20, 3]],
    ["more bytes than layers", 1, [100, 20], [20]],
    ["nothing told", 2, [], [0, 0]],
    ["no layers", 0, [0, 0], []],
  ])("%s", (_, count, history, expected) => {
    const layers = Array.from({ length: count }, (_, index) => `l${index}`);
    expect(layerSizes({ layers }, history)).toEqual(expected);
  });

  it("are never more in a lower part of the image than the engine told up to there", () => {
    const steps = fc.array(fc.record({ bytes: fc.nat(9), layer: fc.boolean() }), { maxLength: 8 });
    fc.assert(
      fc.property(steps, (list) => {
        const truth = list.filter(({ bytes, layer }) => layer || bytes > 0);
        const sizes = layerSizes(
          { layers: truth.map((_, index) => `l${index}`) },
          list.map(({ bytes }) => bytes),
        );
        const sum = (some: readonly number[]) => some.reduce((total, bytes) => total + bytes, 0);
        expect(sum(sizes)).toBe(sum(truth.map(({ bytes }) => bytes)));
        // What lies above any point, and is the image's own, is never made out larger than it is.
        truth.forEach((_, at) => {
          expect(sum(sizes.slice(at))).toBeLessThanOrEqual(sum(truth.slice(at).map(({ bytes }) => bytes)));
        });
      }),
    );
  });
});

describe("who uses an image", () => {
  const mine = image({ id: imageId("mine"), tags: ["redis:7", "ci/app:1"], digests: ["redis@sha256:aa"] });
  const by = (imageName: string) =>
    userOf(mine, { containers: [], services: [service({ name: "web", images: [imageName] })] });

  it.each([
    "redis:7",
    "docker.io/library/redis:7",
    "index.docker.io/library/redis:7",
    "docker.io/redis:7",
    "redis:7@sha256:cc",
    "redis:other@sha256:aa",
    "redis@sha256:aa",
    `ci/app:1@sha256:dd`,
    imageId("mine"),
    hexId("mine"),
    hexId("mine").slice(0, 12),
  ])("a service of %s does", (reference) => {
    expect(by(reference)).toBe("service web");
  });

  it.each([
    "redis",
    "redis:latest",
    "ci/redis:7",
    "app:1",
    "redis@sha256:cc",
    "reg:5000/redis:7",
    hexId("x"),
  ])("a service of %s does not", (reference) => {
    expect(by(reference)).toBeNull();
  });

  it("an image tagged latest is what a name without a tag means", () => {
    const latest = image({ tags: ["redis:latest"] });
    expect(userOf(latest, { containers: [], services: [service({ images: ["redis"] })] })).toBe(
      "service web",
    );
  });

  it("a container does by its image's id, or by the name it was made with", () => {
    const use = (changes: object) => userOf(mine, { services: [], containers: [container(changes)] });
    expect(use({ imageId: mine.id, names: [] })).toBe(`container ${hexId("c1").slice(0, 12)}`);
    expect(use({ imageName: "redis:7", names: ["a"] })).toBe("container a");
    expect(use({ imageName: "" })).toBeNull();
  });

  it.each([
    ["redis", "redis", null, null],
    ["reg:5000/a/b", "reg:5000/a/b", null, null],
    ["reg:5000/a/b:1@sha256:f", "reg:5000/a/b", "1", "sha256:f"],
    ["docker.io/library/redis:7", "redis", "7", null],
    ["docker.io/acme/app:7", "acme/app", "7", null],
  ] as const)("%s is read as a name, a tag and a digest", (text, name, tag, digest) => {
    expect(parseReference(text)).toEqual({ name, tag, digest });
  });
});

/** A family, its rule and a host around it. */
interface Story {
  readonly rule: {
    keepNewest: number;
    keepCount: number | null;
    maxTotalSize: number | null;
    olderThan: number | null;
  };
  readonly perGroup: boolean;
  readonly images: readonly ImageStory[];
  readonly used: readonly number[];
}

interface ImageStory {
  readonly created: number | null;
  readonly tagged: number | null;
  readonly group: string | null;
  readonly ttl: string | null;
  readonly keep: boolean;
  readonly names: readonly string[];
  readonly base: number;
  readonly top: number;
}

const age = fc.oneof(fc.integer({ min: 0, max: 5 * DAY }), fc.constantFrom(HOUR, HOUR + 1, DAY, DAY + 1));
const imageStory: fc.Arbitrary<ImageStory> = fc.record({
  created: fc.option(age, { freq: 8 }),
  tagged: fc.option(age, { freq: 8 }),
  group: fc.option(fc.constantFrom("a", "b")),
  ttl: fc.option(fc.constantFrom("1h", "2d", "nonsense"), { freq: 3 }),
  keep: fc.boolean(),
  names: fc.uniqueArray(fc.constantFrom("worker", "mirror", "other"), { minLength: 1, maxLength: 3 }),
  base: fc.integer({ min: 0, max: 2 }),
  top: fc.nat(300),
});
const stories: fc.Arbitrary<Story> = fc.record({
  rule: fc.record({
    keepNewest: fc.integer({ min: 0, max: 2 }),
    keepCount: fc.option(fc.integer({ min: 2, max: 5 })),
    maxTotalSize: fc.option(fc.integer({ min: 1, max: 1500 })),
    olderThan: fc.option(fc.integer({ min: 1, max: 4 * DAY })),
  }),
  perGroup: fc.boolean(),
  images: fc.array(imageStory, { maxLength: 8 }),
  used: fc.array(fc.nat(7), { maxLength: 2 }),
});

const BASES = [0, 200, 700];
const step = (sizeBytes: number) => ({ sizeBytes, mark: "" });

function host({ images, used }: Story) {
  const all: ImageDetail[] = images.map((story, index) =>
    image({
      id: imageId(`i${index}`),
      tags: story.names.map((name) => `${name}:${index}`),
      createdAt: story.created === null ? null : NOW - story.created * 1000,
      lastTaggedAt: story.tagged === null ? null : NOW - story.tagged * 1000,
      labels: {
        ...(story.group === null ? {} : { group: story.group }),
        ...(story.ttl === null ? {} : { ttl: story.ttl }),
        ...(story.keep && index % 4 === 0 ? { "ci-docker-prune.keep": "" } : {}),
      },
      layers: [`base${story.base}`, `top${index}`],
      sizeBytes: (BASES[story.base] ?? 0) + story.top,
    }),
  );
  const measured: Measured = {
    histories: new Map(
      all.map((one, index) => [
        one.id,
        [BASES[images[index]?.base ?? 0] ?? 0, images[index]?.top ?? 0].map(step),
      ]),
    ),
    layers: new Map(all.map((one) => [one.id, one.layers])),
    unread: null,
  };
  const containers = used
    .filter((index) => index < all.length)
    .map((index) => container({ id: hexId(`c${index}`), imageId: imageId(`i${index}`), imageName: "" }));
  return { all, measured, containers };
}

/** Parsed once: what differs from story to story are numbers. */
const RULED = settingsOf({
  retention: [{ name: "f", match: { repositories: ["worker", "mirror"] }, keepCount: 2, ttlLabel: "ttl" }],
});
const RULE = RULED.retention[0]!;

function decided(story: Story) {
  const { keepNewest, keepCount, maxTotalSize, olderThan } = story.rule;
  const rule = {
    ...RULE,
    keepNewest: Math.min(keepNewest, keepCount ?? keepNewest),
    keepCount,
    maxTotalSize,
    olderThan,
    perGroup: story.perGroup ? "group" : null,
  };
  const settings = { ...RULED, retention: [rule] };
  const { all, measured, containers } = host(story);
  const rules = rulesOf(settings, true);
  const ruled: Ruled = {
    ...NOTHING_RULED,
    families: claim(rules.retention, all),
    measured,
    users: { containers, services: [] },
  };
  const remembered = { dangling: {}, firstSeen: {}, lastUsed: {} };
  const candidates = {
    ...unruled({
      containers: [],
      images: [],
      buildCache: [],
      parents: new Set<string>(),
      everyContainer: [],
    }),
    ruled,
  };
  const { plan } = decide(candidates, remembered, settings, NOW);
  return { settings, rules, ruled, remembered, plan, now: NOW };
}

const goneOf = (story: Story) => decided(story).plan.remove.map(({ id }) => id);
const isSubset = (some: readonly string[], all: readonly string[]) => some.every((id) => all.includes(id));

describe("on every family that can be thought of", () => {
  it("only what the rule lets go is taken, and everything is accounted for", () => {
    const rulesSeen = new Set<string>();
    fc.assert(
      fc.property(stories, (story) => {
        const found = decided(story);
        for (const { because } of [...found.plan.keep, ...found.plan.remove]) rulesSeen.add(because);
        expect(violationsOfRules(found)).toEqual([]);
      }),
      { numRuns: 100, seed: 20260801 },
    );
    expect([...rulesSeen].sort()).toEqual([
      ...["expired", "in-use", "keep-label", "newest", "over-count", "over-size"],
      ...["undatable", "unreadable", "within-limits", "young"],
    ]);
  });

  it.each<readonly [string, (rule: Story["rule"], more: number) => Partial<Story["rule"]>]>([
    [
      "a shorter time to live",
      ({ olderThan }, more) => ({ olderThan: Math.max(1, (olderThan ?? 5 * DAY) - more) }),
    ],
    [
      "a smaller count",
      ({ keepCount }) => ({ keepCount: keepCount === null ? 5 : Math.max(2, keepCount - 1) }),
    ],
    [
      "a smaller size",
      ({ maxTotalSize }, more) => ({ maxTotalSize: Math.max(1, (maxTotalSize ?? 1500) - more) }),
    ],
    ["fewer of the newest", ({ keepNewest }) => ({ keepNewest: Math.max(0, keepNewest - 1) })],
  ])("%s never takes less", (_, stricter) => {
    fc.assert(
      fc.property(stories, fc.integer({ min: 1, max: DAY }), (story, more) => {
        const rule = { ...story.rule, ...stricter(story.rule, more) };
        return isSubset(goneOf(story), goneOf({ ...story, rule }));
      }),
      { numRuns: 30 },
    );
  });

  it("one more user never makes more images go by time or count", () => {
    fc.assert(
      fc.property(stories, fc.nat(7), (story, index) => {
        const rule = { ...story.rule, maxTotalSize: null };
        const before = goneOf({ ...story, rule });
        expect(goneOf({ ...story, rule, used: [...story.used, index] })).toEqual(
          before.filter((id) => id !== imageId(`i${index}`)),
        );
      }),
      { numRuns: 30 },
    );
  });

  it("a size limit alone takes just enough: what is left fits, or is only what must stay, and one fewer would not do", () => {
    let exceeded = 0;
    fc.assert(
      fc.property(stories, (story) => {
        const rule = {
          keepNewest: 0,
          keepCount: null,
          olderThan: null,
          maxTotalSize: story.rule.maxTotalSize ?? 500,
        };
        const alone = {
          ...story,
          rule,
          perGroup: false,
          images: story.images.map((one) => ({ ...one, ttl: null })),
        };
        const { plan, ruled } = decided(alone);
        const [family] = ruled.families;
        if (family === undefined) throw new Error("no family");
        const sizeWithout = (ids: readonly string[]) =>
          sizeOfFamily(
            { rule: family.rule, members: family.members.filter(({ image: { id } }) => !ids.includes(id)) },
            ruled.measured,
            family.members,
          ) ?? Number.NaN;
        const gone = plan.remove.map(({ id }) => id);
        // One with other names gives nothing back.
        const movable = plan.keep.some(
          ({ because, names, references }) =>
            because === "within-limits" && names.length === references?.length,
        );
        if (movable) expect(sizeWithout(gone)).toBeLessThanOrEqual(rule.maxTotalSize);
        if (gone.length === 0) return;
        exceeded++;
        // In order of use: the last one is the most recently used of those that go.
        const last = gone.at(-1);
        expect(sizeWithout(gone.filter((id) => id !== last))).toBeGreaterThan(rule.maxTotalSize);
      }),
      { numRuns: 150 },
    );
    expect(exceeded).toBeGreaterThan(10);
  });

  it("the same family gives the same plan, in whatever order it is listed", () => {
    fc.assert(
      fc.property(stories, (story) => {
        const { ruled, remembered, settings } = decided(story);
        const planOf = (families: Ruled["families"]) => {
          const candidates = {
            ...unruled({
              containers: [],
              images: [],
              buildCache: [],
              parents: new Set<string>(),
              everyContainer: [],
            }),
            ruled: { ...ruled, families },
          };
          return decide(candidates, remembered, settings, NOW)
            .plan.remove.map(({ id, because }) => `${id} ${because}`)
            .sort();
        };
        const reversed = ruled.families.map((family) => ({
          ...family,
          members: [...family.members].reverse(),
        }));
        expect(planOf(reversed)).toEqual(planOf(ruled.families));
      }),
    );
  });
});
