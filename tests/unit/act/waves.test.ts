import { expect, it } from "vitest";
import { inWaves, type Made } from "../../../agent/act/waves.ts";
import type { Judged } from "../../../agent/plan/plan.ts";

/** The waves of images given as `"name parent layer,layer"`, in which `-` is no parent. */
function wavesOf(...texts: readonly string[]): string[] {
  const images = texts.map((text): Made => {
    const [id = "", parentId = "-", layers = ""] = text.split(" ");
    return { id, parentId: parentId === "-" ? "" : parentId, layers: layers === "" ? [] : layers.split(",") };
  });
  const objects = images.map(({ id }) => ({ id }) as Judged);
  const waves = inWaves(objects, new Map(images.map((image) => [image.id, image])));
  return waves.map((wave) => wave.map(({ id }) => id).join(" "));
}

it("what nothing was made on goes in one wave, in the order given", () => {
  expect(wavesOf("a - x", "b - y", "c - x")).toEqual(["a b c"]);
});

it("an image goes after those whose parent it is", () => {
  expect(wavesOf("a -", "b a", "c b", "d -")).toEqual(["c d", "b", "a"]);
});

it("an image goes after those whose layers begin with all of its own", () => {
  expect(wavesOf("a - x", "b - x,y", "c - x,y,z", "d - x,z")).toEqual(["c d", "b", "a"]);
});

it("an image without a layer is below none but its children", () => {
  expect(wavesOf("a -", "b - x")).toEqual(["a b"]);
});

it("what is known of no image goes first", () => {
  expect(inWaves([{ id: "c1" } as Judged, { id: "c2" } as Judged], new Map())).toHaveLength(1);
});

it("a circle, which no engine makes, ends", () => {
  expect(wavesOf("a b", "b a").join("").split("").sort()).toEqual(["a", "b"]);
});

it("5000 images of 60 layers take a moment", () => {
  const texts = Array.from(
    { length: 5000 },
    (_, nth) =>
      `i${nth} - ${Array.from({ length: 60 }, (_, at) => (at < 40 ? at : `${nth}.${at}`)).join(",")}`,
  );
  const startedAt = performance.now();
  expect(wavesOf(...texts)).toHaveLength(1);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
