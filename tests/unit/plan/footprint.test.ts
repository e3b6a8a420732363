import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ImageDetail, Step } from "../../../agent/engine/types.ts";
import { footprint, sizesOf } from "../../../agent/plan/footprint.ts";
import type { Measured } from "../../../agent/plan/prefixes.ts";
import { image, imageId } from "../support.ts";

/** What made an image: a layer with its bytes, or a step that only changes the config. */
interface Made {
  readonly name: string;
  readonly layer: boolean;
  readonly bytes: number;
}

const layer = (name: string, bytes: number): Made => ({ name, bytes, layer: true });
const config = (name: string): Made => ({ name, bytes: 0, layer: false });

function build(name: string, made: readonly Made[], changes: Partial<ImageDetail> = {}) {
  return {
    made,
    detail: image({
      id: imageId(name),
      tags: [`worker:${name}`],
      layers: made.filter((one) => one.layer).map((one) => one.name),
      sizeBytes: made.reduce((sum, { bytes }) => sum + bytes, 0),
      ...changes,
    }),
  };
}

type Built = ReturnType<typeof build>;

const stepsOf = (made: readonly Made[]): Step[] =>
  made.map(({ name, bytes }) => ({ sizeBytes: bytes, mark: name }));

const measuredOf = (all: readonly Built[]): Measured => ({
  histories: new Map(all.map(({ detail, made }) => [detail.id, stepsOf(made)])),
  layers: new Map(all.map(({ detail }) => [detail.id, detail.layers])),
  unread: null,
});

const totalOf = (family: readonly Built[], others: readonly Built[] = []) =>
  footprint(
    family.map(({ detail }) => ({ image: detail, references: detail.tags })),
    measuredOf([...family, ...others]),
  ).total();

describe("what a family alone holds", () => {
  const BASE = [layer("base", 200), config("env")];

  it("of builds with an empty folder below what they add, and config steps above, is what each adds", () => {
    const builds = ["a", "b", "c"].map((name) =>
      build(name, [...BASE, layer("workdir", 0), layer(`copy ${name}`, 60), config(`cmd ${name}`)]),
    );
    expect(totalOf(builds)).toBe(200 + 3 * 60);
    expect(totalOf(builds, [build("base", BASE)])).toBe(3 * 60);
    // Known by what another image on the same folder adds, where the base has no image of its own.
    const other = build("other", [...BASE, layer("workdir", 0), layer("else", 1), config("label")]);
    expect(totalOf(builds, [other])).toBe(3 * 60);
  });

  it("of a lone build is never more than it adds, where nothing tells which steps were layers", () => {
    const alone = build("a", [...BASE, layer("workdir", 0), layer("copy", 60), config("cmd")]);
    expect(totalOf([alone])).toBe(260);
  });

  it("counts an image whose steps the engine does not tell by its size, in equal parts", () => {
    const untold = build("a", [layer("x", 70), layer("y", 30)]);
    const measured = { ...measuredOf([untold]), histories: new Map([[untold.detail.id, []]]) };
    expect(sizesOf(untold.detail, measured)).toEqual([50, 50]);
  });

  it("shares out what the size has more than the steps: on the containerd store each layer is a blob as well", () => {
    const twice = build("a", [layer("x", 70), config("env"), layer("y", 30)], { sizeBytes: 180 });
    expect(sizesOf(twice.detail, measuredOf([twice]))).toEqual([126, 54]);
  });

  it("is not led astray by an image that tells another history of the same layers", () => {
    const builds = ["a", "b"].map((name) => build(name, [...BASE, layer("w", 0), layer(`copy ${name}`, 60)]));
    const imported = build("imported", [
      { ...layer("base", 200), name: "base" },
      layer("w", 0),
      layer("z", 5),
    ]);
    const measured = measuredOf([...builds, imported]);
    const retold = new Map([
      ...measured.histories,
      [imported.detail.id, stepsOf([layer("all at once", 205)])],
    ]);
    const members = builds.map(({ detail }) => ({ image: detail, references: detail.tags }));
    expect(footprint(members, { ...measured, histories: retold }).total()).toBe(120);
  });

  it("knows the layers that two builds made anew and alike, though the steps were made at other times", () => {
    const builds = ["a", "b"].map((name) =>
      build(name, [
        layer("base", 200),
        config("env"),
        config("cmd"),
        layer("deps", 50),
        layer(`app ${name}`, 5),
      ]),
    );
    const measured = measuredOf(builds);
    const restamped = new Map(
      builds.map(({ detail, made }) => [
        detail.id,
        stepsOf(made).map((step, index) =>
          index < 3 ? step : { ...step, mark: `${step.mark} ${detail.id}` },
        ),
      ]),
    );
    const members = builds.map(({ detail }) => ({ image: detail, references: detail.tags }));
    expect(footprint(members, { ...measured, histories: restamped }).total()).toBe(200 + 50 + 2 * 5);
  });

  it("takes the least of what several images tell of a layer, in whatever order they come", () => {
    const told = (name: string, bytes: number) =>
      build(name, [layer("base", bytes), layer(`app ${name}`, 5)]);
    const builds = [told("a", 200), told("b", 50), told("c", 70)];
    expect([totalOf(builds), totalOf([...builds].reverse())]).toEqual([65, 65]);
  });

  it("is exactly the bytes of its layers, on every tree of builds", () => {
    const addition = fc.array(
      fc.record({ layer: fc.boolean(), bytes: fc.oneof(fc.constant(0), fc.nat(99)) }),
      { minLength: 1, maxLength: 4 },
    );
    // Each build stands on the one named, or on nothing.
    const tree = fc.array(fc.record({ on: fc.nat(6), addition, outside: fc.boolean() }), {
      minLength: 1,
      maxLength: 7,
    });
    fc.assert(
      fc.property(tree, (nodes) => {
        const all: Built[] = [];
        nodes.forEach(({ on, addition: added }, index) => {
          const made = added.map((one, step) => ({
            name: `${index}.${step}`,
            layer: one.layer || step === 0,
            bytes: one.layer || step === 0 ? one.bytes : 0,
          }));
          all.push(build(`n${index}`, [...(all[on]?.made ?? []), ...made]));
        });
        const family = all.filter((_, index) => nodes[index]?.outside === false);
        const others = all.filter((_, index) => nodes[index]?.outside === true);
        const bytesOf = (some: readonly Built[]) =>
          new Map(
            some.flatMap(({ made }) =>
              made.filter((one) => one.layer).map(({ name, bytes }) => [name, bytes]),
            ),
          );
        const held = bytesOf(others);
        const own = [...bytesOf(family)].filter(([name]) => !held.has(name));
        expect(totalOf(family, others)).toBeCloseTo(
          own.reduce((sum, [, bytes]) => sum + bytes, 0),
          6,
        );
      }),
      { numRuns: 150 },
    );
  });
});
