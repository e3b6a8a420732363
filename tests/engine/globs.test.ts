/** What rules take for the name of an image, against the engine's own `reference` filter, on the names it shows. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { namesTag, parseNameGlob } from "../../agent/settings/globs.ts";
import { parseSettings } from "../../agent/settings/parse.ts";
import { CiHost } from "../support/ci-host.ts";
import { onEngine } from "../support/engine-under-test.ts";

onEngine("names of images", () => {
  const TAGGED = [
    ["docker.io/acme/hub", "1", "acme/hub:1"],
    ["index.docker.io/acme/index", "1", "acme/index:1"],
    ["docker.io/library/official", "1", "official:1"],
    ["library/bare", "1", "bare:1"],
    ["localhost:5000/ci/app", "7", "localhost:5000/ci/app:7"],
    ["ghcr.io/acme/worker", "sha-0a1b2c3", "ghcr.io/acme/worker:sha-0a1b2c3"],
    ["ghcr.io/acme/worker", "Latest_1", "ghcr.io/acme/worker:Latest_1"],
    ["cascade-snapshot-proj-42", "latest", "cascade-snapshot-proj-42:latest"],
  ] as const;

  let host: CiHost;
  let names: readonly string[] = [];
  beforeAll(async () => {
    host = await CiHost.start({ name: "globs" });
    const image = host.docker.getImage(await host.loadImage({ ref: "acme/hub:1" }));
    for (const [repo, tag] of TAGGED) await image.tag({ repo, tag });
    names = (await image.inspect()).RepoTags;
  });
  afterAll(async () => {
    await host?.stop();
  });

  it("are shown without Docker Hub's host and library, so the settings refuse globs with them", () => {
    expect([...names].sort()).toEqual(TAGGED.map(([, , shown]) => shown).sort());
    const takes = (repository: string) =>
      parseSettings({ retention: [{ name: "a", match: { repositories: [repository] }, keepCount: 1 }] }).ok;
    for (const [repository, tag, shown] of TAGGED) {
      expect(takes(`${repository}:${tag}`), repository).toBe(shown === `${repository}:${tag}`);
    }
  });

  it.each([
    ...["*", "*/*", "acme/*", "acme/hub", "acme/hub:*", "acme/???", "acme/hub:?", "acme/hub:2", "official"],
    ...[
      "localhost:5000/ci/*",
      "localhost:5001/ci/*",
      "*:5000/ci/app",
      "localhost:5000/*",
      "localhost:5000/ci/app:7",
    ],
    ...["ghcr.io/acme/worker", "ghcr.io/acme/worker:sha-*", "ghcrxio/acme/worker", "ghcr.io/*/worker:*_1"],
    ...["cascade-snapshot-*", "cascade-snapshot-", "*-proj-42:latest", "Mirror/*"],
  ])("are meant by %s as the engine means them", async (text) => {
    const listed = await host.docker.listImages({ filters: { reference: [text] } });
    const glob = parseNameGlob(text);
    if (glob === undefined) throw new Error("no glob");
    const named = names.filter((name) => {
      const colon = name.lastIndexOf(":");
      const match = { repositories: [glob], labels: [] };
      return namesTag({ match }, name.slice(0, colon), name.slice(colon + 1));
    });
    expect(named.sort()).toEqual(listed.flatMap(({ RepoTags }) => RepoTags ?? []).sort());
  });

  it("hold no capital after the first component, nor does a glob", async () => {
    const image = host.docker.getImage(names[0] ?? "");
    await expect(image.tag({ repo: "acme/Upper", tag: "1" })).rejects.toThrow("must be lowercase");
    expect(parseNameGlob("acme/Upper")).toBeUndefined();
  });
});
