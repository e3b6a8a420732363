import { describe, expect, it } from "vitest";
import { toImage, toImages } from "../../../agent/engine/wire.ts";

const DIGEST = `app@sha256:${"a".repeat(64)}`;

describe("the names of an image", () => {
  it.each<readonly [string, string[] | null, string[] | null, string[], string[]]>([
    ["a tag", ["app:1"], [], ["app:1"], []],
    ["none at all, as 20.10 writes it", ["<none>:<none>"], ["<none>@<none>"], [], []],
    ["none at all, as others do", null, null, [], []],
    ["a digest alone", [], [DIGEST], [], [DIGEST]],
    ["a digest alone, as the containerd store lists it among the tags", [DIGEST], [DIGEST], [], [DIGEST]],
    ["a tag and a digest, as that store lists them", ["app:1", DIGEST], [DIGEST], ["app:1"], [DIGEST]],
    [
      "of a layer that is missing: no name in RepoDigests",
      [DIGEST],
      [`sha256:${"a".repeat(64)}`],
      [],
      [`sha256:${"a".repeat(64)}`, DIGEST],
    ],
  ])("%s", (_, RepoTags, RepoDigests, tags, digests) => {
    const image = { Id: "sha256:1", RepoTags, RepoDigests, Size: 1 };
    expect(toImages([{ ...image, Created: 0 }])).toMatchObject([{ tags, digests }]);
    expect(toImage({ ...image, Created: "" })).toMatchObject({ tags, digests });
  });
});
