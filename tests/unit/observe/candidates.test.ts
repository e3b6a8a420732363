import { describe, expect, it } from "vitest";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { ImageSummary } from "../../../agent/engine/types.ts";
import { known, unknown } from "../../../agent/facts.ts";
import { observeCandidates } from "../../../agent/observe/candidates.ts";
import type { Engine } from "../../../agent/observe/engine.ts";
import { DAY, HOUR, image, imageId, NOW, PRUNE_ONLY, settingsOf } from "../support.ts";

const { prune } = settingsOf({ prune: { until: "24h", buildCache: false } });
const engine: Engine = {
  version: { version: "20.10.24", apiVersion: "1.41" },
  info: {
    rootDir: "/var/lib/docker",
    imageStore: "classic",
    swarm: { role: "none" },
  },
};

/** An engine with these dangling images; notes which of them are inspected. */
function engineWith(images: readonly ImageSummary[], inspected: string[]): EngineReader {
  const reader: Partial<EngineReader> = {
    containers: async () => [],
    danglingImages: async () => [...images],
    image: async (id) => {
      inspected.push(id);
      return image({ id });
    },
  };
  return reader as EngineReader;
}

describe("looking for candidates", () => {
  it("inspects only images that an inspection could let go", async () => {
    const listed = [
      image({ id: imageId("old"), createdAt: NOW - 2 * DAY * 1000 }),
      image({ id: imageId("undated"), createdAt: null }),
      image({ id: imageId("young"), createdAt: NOW - HOUR * 1000 }),
      image({ id: imageId("at the limit"), createdAt: NOW - DAY * 1000 }),
      image({ id: imageId("digest"), createdAt: NOW - 2 * DAY * 1000, digests: ["app@sha256:1"] }),
      image({ id: imageId("tagged"), createdAt: NOW - 2 * DAY * 1000, tags: ["app:1"] }),
    ];
    const inspected: string[] = [];
    await observeCandidates(
      engineWith(listed, inspected),
      { engine, live: known([]), services: known([]) },
      { ...PRUNE_ONLY, prune },
      NOW,
    );
    expect(inspected.sort()).toEqual([imageId("old"), imageId("undated")].sort());
  });

  it("is unknown where the live containers are: an image of theirs would look unused", async () => {
    const reader = engineWith([], []);
    const found = await observeCandidates(
      reader,
      { engine, live: unknown("the containers", "timeout"), services: known([]) },
      { ...PRUNE_ONLY, prune },
      NOW,
    );
    expect(found.known).toBe(false);
  });
});
