import type { Step } from "../../../agent/engine/types.ts";
import { NOTHING_RULED } from "../../../agent/observe/ruled.ts";
import type { Candidates, Remembered } from "../../../agent/plan/decide.ts";
import { claim } from "../../../agent/plan/family.ts";
import type { Settings } from "../../../agent/settings/settings.ts";
import { ago, container, HOUR, hexId, image, imageId, service, settingsOf, unruled } from "../support.ts";

/** How much of each a host holds. */
export interface Size {
  readonly images: number;
  readonly layers: number;
  readonly services: number;
  /** Groups of the family, each with its own size limit; absent: one. */
  readonly groups?: number;
}

export interface LargeHost {
  readonly candidates: Candidates;
  readonly remembered: Remembered;
  readonly settings: Settings;
  /** How often the images of a service were read. */
  readonly reads: () => number;
}

/** One family with a size limit: builds on a common base, in groups that share more of it, each with layers of its own. */
export function largeHost({ images, layers, services, groups = 1 }: Size): LargeHost {
  const settings = settingsOf({
    retention: [
      {
        name: "builds",
        match: { repositories: ["registry.example/team/app"] },
        olderThan: "30d",
        maxTotalSize: groups === 1 ? "1GiB" : "1MiB",
        ...(groups === 1 ? {} : { perGroup: "group" }),
        keepNewest: 3,
      },
    ],
  });
  const all = Array.from({ length: images }, (_, n) =>
    image({
      id: imageId(`i${n}`),
      tags: [`registry.example/team/app:sha-${n}`],
      createdAt: ago(HOUR * (2 + n / images)),
      lastTaggedAt: ago(HOUR * (2 + n / images)),
      sizeBytes: 10 * layers * 2 ** 20,
      labels: { group: `${n % groups}` },
      // Each level is shared by fewer: the lowest by all, the topmost by none.
      layers: Array.from({ length: layers }, (_, depth) => {
        const shared = Math.max(1, Math.ceil(images / 2 ** Math.max(0, depth - layers / 2)));
        return depth === layers - 1 ? `own ${n}` : `${depth} ${n % Math.ceil(images / shared)}`;
      }),
    }),
  );
  // As real ones: a step a layer, every fourth of no bytes, and one that only changes the config after each.
  const histories = new Map<string, Step[]>(
    all.map(({ id, layers: own }) => [
      id,
      own.flatMap((layer, depth) => [
        { sizeBytes: depth % 4 === 0 ? 0 : 10 * 2 ** 20, mark: layer },
        { sizeBytes: 0, mark: `ENV ${layer}` },
      ]),
    ]),
  );
  let reads = 0;
  const users = {
    containers: Array.from({ length: services }, (_, n) =>
      container({ id: hexId(`c${n}`), names: [`c${n}`], imageName: `web:${n}`, imageId: imageId(`w${n}`) }),
    ),
    services: Array.from({ length: services }, (_, n) => ({
      ...service({ id: `s${n}`, name: `s${n}` }),
      get images() {
        reads++;
        return [`registry.example/team/web:${n}@sha256:${hexId(`d${n}`)}`];
      },
    })),
  };
  const candidates = unruled({
    containers: [],
    images: [],
    buildCache: [],
    parents: new Set(),
    everyContainer: users.containers,
  });
  return {
    settings,
    remembered: { dangling: {}, firstSeen: {}, lastUsed: {} },
    reads: () => reads,
    candidates: {
      ...candidates,
      ruled: {
        ...NOTHING_RULED,
        families: claim(settings.retention, all),
        users,
        measured: {
          histories,
          layers: new Map(all.map(({ id, layers: own }) => [id, own])),
          unread: null,
        },
      },
    },
  };
}
