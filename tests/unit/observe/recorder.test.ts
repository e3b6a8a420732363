import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { EngineError } from "../../../agent/engine/errors.ts";
import type { ImageDetail } from "../../../agent/engine/types.ts";
import { type EngineEvent, toEvent } from "../../../agent/engine/watcher.ts";
import { describeImage, Recorder, type RecorderEngine } from "../../../agent/observe/recorder.ts";
import { LEDGER_FILE } from "../../../agent/state/ledger.ts";
import { testFolder } from "../folder.ts";
import { ago, container, image as detailOf, hexId, imageId, NOW } from "../support.ts";

const APP: ImageDetail = detailOf({
  id: imageId("app"),
  tags: ["app:1"],
  digests: ["app@sha256:1"],
  sizeBytes: 260,
  lastTaggedAt: ago(20),
  layers: ["sha256:a", "sha256:b"],
});
const step = (sizeBytes: number) => ({ sizeBytes, mark: "" });
const start = (container: string, labels: Record<string, string> = {}, imageName = "app:1"): EngineEvent => ({
  kind: "start",
  at: ago(60),
  container: hexId(container),
  imageName,
  labels,
});

const image = (secondsAgo: number, name: string, pulled = false): EngineEvent => ({
  ...{ kind: "image", at: ago(secondsAgo), name, pulled },
});

describe("what is written of what was heard", () => {
  let dir: string;
  let asked: string[];
  let images: Map<string, ImageDetail>;
  let broken = false;
  let odd = false;
  beforeEach(() => {
    dir = testFolder();
    asked = [];
    broken = false;
    odd = false;
    images = new Map([[APP.id, APP]]);
  });

  const engine: RecorderEngine = {
    containersOf: async (ids) => {
      if (ids.length === 0) return [];
      asked.push("containers");
      if (broken) throw new EngineError("unreachable", "no engine");
      if (odd) throw new EngineError("malformed", "unexpected answer at 0.Names");
      return [container({ id: hexId("c1"), imageId: APP.id })];
    },
    namedImages: async ({ reference: [name = ""] = [] }) => {
      asked.push(`name ${name}`);
      return [...images.values()].filter(({ tags }) => tags.includes(name));
    },
    image: async (id) => {
      asked.push("image");
      const found = images.get(id);
      if (found === undefined) throw new EngineError("gone", "no such image", 404);
      return found;
    },
    // The one in between only changes the config.
    history: async () => [step(130), step(0), step(130)],
  };
  const recorder = () => new Recorder(engine, dir, ["ci.pipeline"]);
  const lines = () =>
    readFileSync(join(dir, LEDGER_FILE), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  it("a start: the image as it is, and its use, with what groups it", async () => {
    const one = recorder();
    one.hear(start("c1", { "com.docker.compose.project": "shop", other: "x" }));
    expect(await one.write(NOW)).toBe(true);
    expect(lines()).toEqual([
      {
        image: APP.id,
        at: ago(60),
        names: ["app:1"],
        digests: ["app@sha256:1"],
        bytes: 100,
        layers: [
          ["sha256:a", 50],
          ["sha256:b", 50],
        ],
        by: "watch",
      },
      { use: APP.id, at: ago(60), group: "com.docker.compose.project=shop", by: "watch" },
    ]);
  });

  it("a container that restarts counts once, and its image is described once", async () => {
    const one = recorder();
    one.hear(start("c1"));
    await one.write(NOW);
    one.hear(start("c1"));
    one.hear(start("c2"));
    expect(await one.write(NOW)).toBe(false);
    expect(lines().filter((line) => "use" in line)).toHaveLength(2);
    expect(lines().filter((line) => "image" in line)).toHaveLength(1);
  });

  it("2,000 starts at once are asked for together", async () => {
    const one = recorder();
    for (let at = 0; at < 2_000; at++) one.hear(start(`c${at}`));
    await one.write(NOW);
    expect(asked).toEqual(["containers", "name app:1", "image"]);
    expect(lines().filter((line) => "use" in line)).toHaveLength(2_000);
  });

  it("labels of the settings group as well; a container that is gone is told by its image's name", async () => {
    const one = recorder();
    one.hear(start("gone", { "ci.pipeline": "7" }));
    one.hear(start("lost", {}, "nobody:1"));
    await one.write(NOW);
    expect(lines().at(-1)).toMatchObject({ use: APP.id, group: "ci.pipeline=7" });
    expect(lines()).toHaveLength(2);
  });

  it("a list in which one container is odd costs no other its line: told by the names of the images", async () => {
    odd = true;
    const one = recorder();
    one.hear(start("c1"));
    one.hear(start("c2"));
    expect(await one.write(NOW)).toBe(true);
    expect(lines().filter((line) => "use" in line)).toHaveLength(2);
  });

  it("an image that came, and one whose names changed", async () => {
    const one = recorder();
    one.hear(image(9, "app:1"));
    expect(await one.write(NOW)).toBe(true);
    one.hear(image(8, "app:1"));
    expect(await one.write(NOW)).toBe(false);
    images.set(APP.id, { ...APP, tags: ["app:1", "app:latest"] });
    one.hear(image(7, APP.id));
    expect(await one.write(NOW)).toBe(true);
    expect(lines().map(({ names }) => names)).toEqual([["app:1"], ["app:1", "app:latest"]]);
  });

  it("an image that was deleted and comes again is told again", async () => {
    const one = recorder();
    for (const event of [image(9, "app:1", true), image(8, "app:1", true)]) one.hear(event);
    await one.write(NOW);
    one.hear({ kind: "gone", at: ago(7), image: APP.id });
    expect(await one.write(NOW)).toBe(false);
    one.hear(image(6, "app:1", true));
    expect(await one.write(NOW)).toBe(true);
    expect(lines().map(({ at }) => at)).toEqual([ago(9), ago(6)]);
  });

  it("a pull, by the name that was pulled: also of what was there, and once", async () => {
    const one = recorder();
    one.hear(start("c1"));
    for (const secondsAgo of [9, 8]) one.hear(image(secondsAgo, "app:1", true));
    await one.write(NOW);
    expect(lines().map(({ pulled }) => pulled)).toEqual([undefined, undefined, "app:1"]);
  });

  it.each([
    ["built or loaded by the same name since", ago(8)],
    ["undated, as where digests tell (classic store)", null],
  ])("no pull of what was %s", async (_, lastTaggedAt) => {
    images.set(APP.id, { ...APP, lastTaggedAt });
    const one = recorder();
    one.hear(image(9, "app:1", true));
    await one.write(NOW);
    expect(lines().map(({ pulled }) => pulled)).toEqual([undefined]);
  });

  it("what could not be written is kept, in order", async () => {
    const one = recorder();
    one.hear(start("c1"));
    broken = true;
    await expect(one.write(NOW)).rejects.toThrow("no engine");
    one.hear(start("c2"));
    expect(one.waiting).toBe(2);
    broken = false;
    await one.write(NOW);
    expect(lines().filter((line) => "use" in line)).toHaveLength(2);
  });
});

describe("an event of the engine", () => {
  const event = (changes: object) =>
    JSON.stringify({
      Type: "container",
      Action: "start",
      time: 5,
      timeNano: 5_250_000_000,
      Actor: { ID: "c", Attributes: { image: "app:1", "ci.run": "1" } },
      ...changes,
    });
  it.each([
    [
      "a start",
      event({}),
      {
        kind: "start",
        at: 5250,
        container: "c",
        imageName: "app:1",
        labels: { image: "app:1", "ci.run": "1" },
      },
    ],
    ["without nanoseconds", event({ timeNano: undefined }), { kind: "start", at: 5000 }],
    [
      "a pull",
      event({ Type: "image", Action: "pull", Actor: { ID: "app:1", Attributes: { name: "app" } } }),
      { kind: "image", at: 5250, name: "app:1", pulled: true },
    ],
    [
      "a load",
      event({ Type: "image", Action: "load", Actor: { ID: "sha256:1", Attributes: {} } }),
      { kind: "image", name: "sha256:1", pulled: false },
    ],
    [
      "a deletion",
      event({ Type: "image", Action: "delete", Actor: { ID: "sha256:1", Attributes: {} } }),
      { kind: "gone", at: 5250, image: "sha256:1" },
    ],
    ["another action", event({ Action: "die" }), null],
    ["no actor", event({ Actor: null }), null],
    ["rubbish", "{", null],
    [
      "a label named __proto__ is only a label",
      event({ Actor: { ID: "c", Attributes: JSON.parse('{"__proto__":"x","image":"a"}') } }),
      { kind: "start", imageName: "a" },
    ],
  ])("%s", (_, line, expected) => {
    if (expected === null) expect(toEvent(line)).toBeNull();
    else expect(toEvent(line)).toMatchObject(expected);
  });
});

describe("the facts of an image", () => {
  it("have no layers where the steps do not fit them, and no size where nothing tells it", () => {
    expect(describeImage(APP, [step(260)])).toMatchObject({ bytes: 100, layers: [] });
    expect(describeImage({ ...APP, sizeBytes: 0 }, [])).toMatchObject({ bytes: null, layers: [] });
    expect(describeImage(APP, [])).toMatchObject({ bytes: 100 });
  });
});
