import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CacheRecord, Labels } from "../../../agent/engine/types.ts";
import { worthInspecting } from "../../../agent/plan/containers.ts";
import { type Candidates, decide } from "../../../agent/plan/decide.ts";
import { keptByListing } from "../../../agent/plan/images.ts";
import { NONE_OF_EACH } from "../../../agent/plan/plan.ts";
import type { Settings } from "../../../agent/settings/settings.ts";
import {
  container,
  containerDetail,
  DAY,
  HOUR,
  hexId,
  image,
  imageId,
  NOW,
  rememberedDangling,
  settingsOf,
  unruled,
} from "../support.ts";
import { violations } from "./invariants.ts";

/** Hosts whose every fact sits near one of the boundaries. */

const LIMITS = { "1h": HOUR, "24h": DAY, "90s": 90 } as const;

const around = (limit: number) =>
  fc.oneof(
    fc.constantFrom(limit - 1, limit, limit + 1, 0, -HOUR, 10 * limit).map((seconds) => NOW - seconds * 1000),
    fc.integer({ min: -2 * limit, max: 4 * limit }).map((seconds) => NOW - seconds * 1000),
    // Milliseconds on either side of the limit: ages are whole seconds, limits are not.
    fc.constantFrom(-1, 0, 1, 999, 1000, 1001).map((ms) => NOW - limit * 1000 - ms),
  );

const imageCreated = (limit: number) =>
  fc.oneof(
    { weight: 3, arbitrary: around(limit) },
    fc.constant(null),
    fc.constantFrom(0, 1000, Date.UTC(1980, 0, 1), Date.UTC(2000, 0, 1) - 1, Date.UTC(2000, 0, 1)),
  );

const labels: fc.Arbitrary<Labels> = fc.dictionary(
  fc.constantFrom("ours", "theirs", "ci-docker-prune.keep", "precious"),
  fc.constantFrom("", "yes", "no"),
  { maxKeys: 2 },
);

const some = (letter: string) => fc.integer({ min: 0, max: 6 }).map((at) => `${letter}${at}`);

const parsed = new Map<string, Settings["prune"]>();
/** There are few of them, and thousands of hosts. */
function parsedOnce(prune: object): Settings["prune"] {
  const key = JSON.stringify(prune);
  const settings = parsed.get(key) ?? settingsOf({ prune }).prune;
  parsed.set(key, settings);
  return settings;
}

type Limit = keyof typeof LIMITS;
/** The age limit of every kind, and those of containers and images, where they have their own. */
interface Limits {
  readonly until: Limit;
  readonly containers: Limit | null;
  readonly images: Limit | null;
}

const limit = fc.constantFrom(...(Object.keys(LIMITS) as Limit[]));
const limits: fc.Arbitrary<Limits> = fc.record({
  until: limit,
  containers: fc.option(limit, { freq: 1 }),
  images: fc.option(limit, { freq: 1 }),
});

const pruneOf = ({ until, containers, images }: Limits): fc.Arbitrary<Settings["prune"]> =>
  fc
    .record({
      labels: fc.constantFrom<string[]>([], [], ["ours"], ["ours=yes", "theirs"]),
      keepLabels: fc.constantFrom<string[]>(["ci-docker-prune.keep"], [], ["precious=yes", "theirs=no"]),
    })
    .map((rules) =>
      parsedOnce({
        until,
        containers: containers === null || { until: containers },
        images: images === null || { until: images },
        ...rules,
      }),
    );

const containerFacts = (limit: number) =>
  fc
    .record({
      name: some("c"),
      listed: fc.constantFrom("exited", "dead", "created"),
      state: fc.constantFrom(
        "exited",
        "exited",
        "dead",
        "created",
        "running",
        "paused",
        "restarting",
        "removing",
      ),
      createdAt: around(limit),
      started: fc.boolean(),
      finishedAt: fc.option(around(limit), { freq: 5 }),
      labels,
      image: some("i"),
      volume: fc.constantFrom(null, null, null, "named", "_state", "a".repeat(64)),
      gone: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    })
    .map(({ name, listed, state, createdAt, started, finishedAt, labels, image, volume, gone }) => {
      const id = hexId(name);
      const summary = container({
        id,
        names: [name],
        state: listed,
        createdAt: Math.floor(createdAt / 1000) * 1000,
        labels,
        imageId: imageId(image),
        mounts:
          volume === null
            ? []
            : [
                {
                  type: "volume",
                  source: volume === "_state" ? `${name}_state` : volume,
                  destination: "/var/lib/buildkit",
                },
              ],
      });
      const startedAt = started ? createdAt : null;
      const detail = containerDetail({
        id,
        state,
        createdAt,
        startedAt,
        finishedAt: started ? finishedAt : null,
      });
      return { summary, detail: gone || !worthInspecting(summary, limit, NOW) ? null : detail };
    });

const imageFacts = (limit: number) =>
  fc
    .record({
      name: some("i"),
      listedTags: fc.constantFrom<string[]>([], [], [], [], ["app:1"]),
      tags: fc.constantFrom<string[]>([], [], [], [], ["app:2"]),
      listedDigests: fc.constantFrom<string[]>([], [], [], [], ["app@sha256:1"]),
      digests: fc.constantFrom<string[]>([], [], [], [], ["app@sha256:2"]),
      createdAt: imageCreated(limit),
      lastTaggedAt: fc.option(around(limit), { freq: 2 }),
      listedLabels: labels,
      labels,
      gone: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
    })
    .map(({ name, listedTags, listedDigests, listedLabels, gone, ...told }) => {
      const id = imageId(name);
      // Lists tell the same Created in whole seconds, and one up to 1970 as none.
      const seconds = Math.floor((told.createdAt ?? 0) / 1000);
      const summary = image({
        id,
        tags: listedTags,
        digests: listedDigests,
        labels: listedLabels,
        createdAt: seconds > 0 ? seconds * 1000 : null,
      });
      const detail = image({ id, ...told });
      return { summary, detail: gone || keptByListing(summary, limit, NOW) ? null : detail };
    });

const cacheRecord = (limit: number): fc.Arbitrary<CacheRecord> =>
  fc.record({
    id: some("b"),
    type: fc.constantFrom("regular", "regular", "internal", "frontend", "source.local", ""),
    description: fc.constantFrom("", "RUN make"),
    sizeBytes: fc.nat(1000),
    lastUsedAt: fc.option(around(limit), { freq: 4 }),
    inUse: fc.integer({ min: 0, max: 4 }).map((dice) => dice === 0),
    shared: fc.integer({ min: 0, max: 4 }).map((dice) => dice === 0),
    parents: fc.array(some("b"), { maxLength: 2 }),
  });

const host = limits.chain((chosen) => {
  const limit = LIMITS[chosen.until];
  const ofContainers = LIMITS[chosen.containers ?? chosen.until];
  const ofImages = LIMITS[chosen.images ?? chosen.until];
  return fc
    .record({
      prune: pruneOf(chosen),
      containers: fc.uniqueArray(containerFacts(ofContainers), {
        maxLength: 6,
        selector: ({ summary }) => summary.id,
      }),
      images: fc.uniqueArray(imageFacts(ofImages), { maxLength: 6, selector: ({ summary }) => summary.id }),
      buildCache: fc.uniqueArray(cacheRecord(limit), { maxLength: 5, selector: ({ id }) => id }),
      running: fc.array(some("i"), { maxLength: 2 }),
      parents: fc.array(some("i"), { maxLength: 2 }),
      firstSeen: fc.dictionary(some("i").map(imageId), around(limit), { maxKeys: 4 }),
    })
    .map(({ prune, containers, images, buildCache, running, parents, firstSeen }) => {
      const candidates = unruled({
        containers,
        images,
        buildCache,
        parents: new Set(parents.map(imageId)),
        everyContainer: [
          ...containers.map(({ summary }) => summary),
          ...running.map((name, at) => container({ id: hexId(`running-${at}`), imageId: imageId(name) })),
        ],
      });
      return { candidates, firstSeen, prune, now: NOW };
    });
});

describe("on every host that can be thought of", () => {
  it("the plan takes only what the rules let go, and accounts for everything", () => {
    const gone = { ...NONE_OF_EACH };
    const reasons = new Set<string>();
    fc.assert(
      fc.property(host, ({ candidates, firstSeen, prune, now }) => {
        const { plan } = decide(candidates, rememberedDangling(firstSeen), { prune }, now);
        for (const { kind } of plan.remove) gone[kind]++;
        for (const { kind, because } of plan.keep) reasons.add(`${kind} ${because}`);
        expect(violations({ candidates, firstSeen, prune, now, plan })).toEqual([]);
      }),
      { numRuns: 200, seed: 20260801 },
    );
    // The hosts were worth it: every kind went often, and stayed for every reason there is.
    expect(Math.min(gone.container, gone.image, gone["build-cache"])).toBeGreaterThan(10);
    expect([...reasons].sort()).toEqual([
      ...["build-cache in-use", "build-cache parent", "build-cache shared", "build-cache undatable"],
      ...["build-cache young", "container holds-volumes", "container in-use", "container keep-label"],
      ...["container not-selected", "container undatable", "container unreadable", "container young"],
      ...["image has-digest", "image in-use", "image keep-label", "image not-selected", "image parent"],
      ...["image tagged", "image undatable", "image unreadable", "image young"],
    ]);
  });

  it("a longer limit never takes more", () => {
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: DAY }), ({ candidates, firstSeen, prune, now }, more) => {
        // Containers stay as they are: that a container goes can only free its image.
        const ids = (until: number) =>
          decide(
            candidates,
            rememberedDangling(firstSeen),
            { prune: { ...prune, until } },
            now,
          ).plan.remove.map(({ id }) => id);
        const shorter = new Set(ids(prune.until));
        expect(ids(prune.until + more).filter((id) => !shorter.has(id))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it("an emergency takes what goes anyway first, and then only what its own limit lets go", () => {
    let only = 0;
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 90 }), ({ candidates, firstSeen, prune, now }, seconds) => {
        const shorter = { seconds, key: "prune.emergency.until" };
        const plan = (ages: object) =>
          decide(candidates, rememberedDangling(firstSeen), { prune: { ...prune, ...ages } }, now).plan;
        const usual = plan({}).remove;
        const { remove, keep } = plan({ shorter });
        expect(remove.slice(0, usual.length)).toEqual(usual);
        const early = remove.slice(usual.length);
        expect(early.every(({ inEmergency }) => inEmergency)).toBe(true);
        only += early.length;
        // All in all it is right by the rules of a host whose every limit is that one.
        const own = { until: seconds };
        const ages = { ...prune, ...own, containers: prune.containers && own, images: prune.images && own };
        const byKind = ["container", "image", "build-cache"].flatMap((kind) =>
          remove.filter((object) => object.kind === kind),
        );
        const whole = { remove: byKind, keep };
        expect(violations({ candidates, firstSeen, prune: ages, now, plan: whole })).toEqual([]);
      }),
      { numRuns: 100 },
    );
    expect(only).toBeGreaterThan(10);
  });

  it("one more running container never makes more images go", () => {
    fc.assert(
      fc.property(host, some("i"), ({ candidates, firstSeen, prune, now }, name) => {
        const images = (facts: Candidates) =>
          decide(facts, rememberedDangling(firstSeen), { prune }, now)
            .plan.remove.filter(({ kind }) => kind === "image")
            .map(({ id }) => id);
        const everyContainer = [
          ...candidates.everyContainer,
          container({ id: hexId("new"), imageId: imageId(name) }),
        ];
        const before = images(candidates);
        expect(images({ ...candidates, everyContainer })).toEqual(
          before.filter((id) => id !== imageId(name)),
        );
      }),
      { numRuns: 50 },
    );
  });

  it("the same facts give the same plan, in whatever order they are listed", () => {
    fc.assert(
      fc.property(host, ({ candidates, firstSeen, prune, now }) => {
        const ids = (facts: Candidates) =>
          decide(facts, rememberedDangling(firstSeen), { prune }, now)
            .plan.remove.map(({ kind, id }) => `${kind} ${id}`)
            .sort();
        const reversed = {
          ...candidates,
          containers: [...candidates.containers].reverse(),
          images: [...candidates.images].reverse(),
          buildCache: [...candidates.buildCache].reverse(),
        };
        expect(ids(reversed)).toEqual(ids(candidates));
      }),
      { numRuns: 50 },
    );
  });
});

describe("the check of the plans", () => {
  const prune = settingsOf({}).prune;
  const old = image({ id: imageId("old"), createdAt: NOW - 3 * DAY * 1000 });
  const candidates = unruled({
    containers: [],
    images: [{ summary: old, detail: old }],
    buildCache: [],
    parents: new Set(),
    everyContainer: [],
  });
  const check = (facts: Candidates) => {
    const { plan } = decide(candidates, rememberedDangling({}), { prune }, NOW);
    return violations({ candidates: facts, firstSeen: {}, prune, now: NOW, plan });
  };

  it("has nothing against a right plan", () => {
    expect(check(candidates)).toEqual([]);
  });

  it.each<readonly [string, Partial<Candidates>]>([
    ["is in use by a container that stays", { everyContainer: [container({ imageId: old.id })] }],
    ["is a parent", { parents: new Set([old.id]) }],
    ["has a tag", { images: [{ summary: old, detail: { ...old, tags: ["a:1"] } }] }],
    ["has a digest", { images: [{ summary: old, detail: { ...old, digests: ["a@b"] } }] }],
    ["is too young", { images: [{ summary: old, detail: { ...old, createdAt: NOW } }] }],
    ["was tagged lately", { images: [{ summary: old, detail: { ...old, lastTaggedAt: NOW } }] }],
    [
      "carries a keep label",
      { images: [{ summary: { ...old, labels: { "ci-docker-prune.keep": "" } }, detail: old }] },
    ],
    ["was never inspected", { images: [{ summary: old, detail: null }] }],
  ])("sees that an image which goes %s", (what, changes) => {
    expect(check({ ...candidates, ...changes })).toEqual([`image ${old.id} ${what}`]);
  });

  it("sees that an object is missing from the plan", () => {
    const other = image({ id: imageId("other") });
    expect(
      check({ ...candidates, images: [...candidates.images, { summary: other, detail: other }] }),
    ).toEqual(["removed and kept together are not all, each once"]);
  });
});
