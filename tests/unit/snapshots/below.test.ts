import { expect, it } from "vitest";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { EngineWriter } from "../../../agent/engine/writer.ts";
import type { Family } from "../../../agent/plan/family.ts";
import type { Judged } from "../../../agent/plan/plan.ts";
import { removeBelow } from "../../../agent/snapshots/below.ts";
import { snapshotLabels } from "../../../agent/snapshots/identity.ts";
import { image, imageId, NOW } from "../support.ts";

const labels = snapshotLabels({ project: "web", workItem: "42" }, NOW, "24h");
const below = image({ id: imageId("below"), labels });
const above = image({ id: imageId("above"), parentId: below.id, labels, tags: ["x:1"] });

/** What is asked to go below an image that this rule removed. */
async function goneBelow(rule: string): Promise<string[]> {
  const deleted: string[] = [];
  const reader: Partial<EngineReader> = { image: async () => below };
  const writer: Partial<EngineWriter> = { removeImage: async (id) => void deleted.push(id) };
  const clock = { now: () => NOW, elapsed: () => 0, sleep: async () => {} };
  await removeBelow(
    {
      reader: reader as EngineReader,
      writer: writer as EngineWriter,
      clock,
      stop: new AbortController().signal,
    },
    [{ members: [{ image: above, references: ["x:1"] }] } as unknown as Family],
    [{ id: above.id, rule } as Judged],
  );
  return deleted;
}

it("what lies nameless below a snapshot goes with it", async () => {
  expect(await goneBelow("retention/snapshots")).toEqual([below.id]);
});

it("what lies below another image stays, though it inherited a snapshot's labels: a build may use it", async () => {
  expect(await goneBelow("retention/apps")).toEqual([]);
});
