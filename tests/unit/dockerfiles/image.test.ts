import { describe, expect, it } from "vitest";
import { imageOf } from "../../../agent/dockerfiles/image.ts";
import { parse } from "../../../agent/dockerfiles/parse.ts";
import { Refusal } from "../../../agent/dockerfiles/refusal.ts";
import { DOCKERFILES, type DockerfileCase } from "../../support/dockerfiles.ts";

function build({ text, buildArgs = {}, target }: DockerfileCase) {
  return imageOf(parse(text), { buildArgs: new Map(Object.entries(buildArgs)), target: target ?? null });
}

describe("the labels that a Dockerfile gives its image", () => {
  it.each(DOCKERFILES.filter(({ labels }) => labels !== null))("$name", (row) => {
    const { labels, unnamed, base } = build(row);
    expect({ unnamed, base }).toEqual({ unnamed: null, base: null });
    expect([...labels.keys()].sort()).toEqual(Object.keys(row.labels!).sort());
    for (const [name, { value }] of labels) {
      if (row.untold?.includes(name)) expect(value.unknown, name).toMatch(/\S/);
      else
        expect({ [name]: value.text, unknown: value.unknown }).toEqual({
          [name]: row.labels![name],
          unknown: null,
        });
    }
  });

  it.each(DOCKERFILES.filter(({ labels }) => labels === null))(
    "are none, and the file is refused: $name",
    (row) => {
      expect(() => build(row)).toThrow(Refusal);
    },
  );
});
