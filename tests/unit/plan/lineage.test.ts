import { describe, expect, it } from "vitest";
import { decide } from "../../../agent/plan/decide.ts";
import type { ImageFacts } from "../../../agent/plan/images.ts";
import { ago, HOUR, image, imageId, NOW, rememberedDangling, settingsOf, unruled } from "../support.ts";

/** An image on another one: `"i3 on i2"`. */
function made(text: string, changes: Partial<ImageFacts> & { readonly hours?: number } = {}): ImageFacts {
  const [name = "", parent] = text.split(" on ");
  const { hours = 72, ...more } = changes;
  const parentId = parent === undefined ? "" : imageId(parent);
  const summary = image({ id: imageId(name), parentId, createdAt: ago(hours * HOUR) });
  return { summary, detail: summary, ...more };
}
const below = { below: true } as const;

/** What the plan says of each: `"remove i1"`, `"keep i2 young"`. */
function planOf(images: readonly ImageFacts[], parents: readonly string[] = []): string[] {
  const candidates = unruled({
    containers: [],
    images,
    everyContainer: [],
    parents: new Set(parents.map(imageId)),
    buildCache: [],
  });
  const { plan } = decide(candidates, rememberedDangling({}), settingsOf({}), NOW);
  const nameOf = (id: string) => Buffer.from(id.slice(7), "hex").toString().replaceAll("\0", "");
  return [
    ...plan.remove.map(({ id }) => `remove ${nameOf(id)}`),
    ...plan.keep.map(({ id, because }) => `keep ${nameOf(id)} ${because}`),
  ];
}

describe("a chain of nameless images", () => {
  it("goes as a whole, where all of it is old", () => {
    const chain = [made("i3 on i2"), made("i2 on i1", below), made("i1", below)];
    expect(planOf(chain)).toEqual(["remove i3", "remove i2", "remove i1"]);
  });

  it("goes down to the first that is young", () => {
    const chain = [made("i3 on i2"), made("i2 on i1", below), made("i1", { ...below, hours: 2 })];
    expect(planOf(chain)).toEqual(["remove i3", "remove i2", "keep i1 young"]);
  });

  it("goes down to the first on which something else was made", () => {
    const chain = [made("i3 on i2"), made("i2 on i1", below), made("i1", below)];
    expect(planOf(chain, ["i1"])).toEqual(["remove i3", "remove i2", "keep i1 parent"]);
  });

  it("stays below one that stays, and only what the engine lists as dangling is told of", () => {
    const chain = [
      made("i3 on i2", { hours: 2 }),
      made("i4 on i2"),
      made("i2 on i1", below),
      made("i1", below),
    ];
    expect(planOf(chain)).toEqual(["remove i4", "keep i3 young"]);
  });

  it("of which two branches go is taken with the second of them", () => {
    const chain = [made("i3 on i2"), made("i4 on i2"), made("i2", below)];
    expect(planOf(chain)).toEqual(["remove i3", "remove i4", "remove i2"]);
  });
});
