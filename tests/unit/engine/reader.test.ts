import { expect, it } from "vitest";
import type { Door, EngineRequest } from "../../../agent/engine/door.ts";
import { Reader } from "../../../agent/engine/reader.ts";

it.each([
  ["older than the newest tested", "1.41", "1.12", "1.41", false],
  ["newer than the newest tested", "1.55", "1.40", "1.51", true],
  ["whose operator raised its minimum above the newest tested", "1.55", "1.52", "1.52", true],
  ["that names no minimum", "1.51", undefined, "1.51", false],
])(
  "to an engine %s it speaks its newest tested version, within what that engine takes",
  async (_, ApiVersion, MinAPIVersion, spoken, isNewer) => {
    const used: string[] = [];
    const client = {
      call: async ({ apiVersion }: EngineRequest) => {
        expect(apiVersion).toBe(null);
        return { Version: "x", ApiVersion, MinAPIVersion };
      },
      useApiVersion: (version: string) => used.push(version),
    } as unknown as Door;
    expect(await new Reader(client).version()).toEqual({ version: "x", apiVersion: spoken, isNewer });
    expect(used).toEqual([spoken]);
  },
);

it.each([
  ["1.53", { Identity: { Pull: [{ Repository: "docker.io/library/redis" }] } }, ["docker.io/library/redis"]],
  ["1.55", { Identity: { Build: [{ Ref: "x" }] } }, []],
  ["1.55", {}, []],
  ["1.52", "not asked", []],
])("where an image is from is asked in API 1.53, of an engine up to %s", async (ApiVersion, answer, from) => {
  const id = `sha256:${"a".repeat(64)}`;
  const asked: unknown[] = [];
  const client = {
    call: async ({ path, apiVersion }: EngineRequest) => {
      if (path === "/version") return { Version: "x", ApiVersion, MinAPIVersion: "1.40" };
      asked.push([path, apiVersion]);
      return answer;
    },
    useApiVersion: () => {},
  } as unknown as Door;
  const reader = new Reader(client);
  await reader.version();
  expect(await reader.pulledFrom(id)).toEqual(from);
  expect(asked).toEqual(answer === "not asked" ? [] : [[`/images/${id}/json`, "1.53"]]);
});

it("a container or network that only has the id of another for its name is not that other", async () => {
  const [asked, other] = ["a", "b"].map((digit) => digit.repeat(64));
  const answer = { Id: other, Name: asked, Scope: "local", Created: "", State: { Status: "exited" } };
  const reader = new Reader({ call: async () => answer } as unknown as Door);
  await expect(reader.container(asked as string, true)).rejects.toMatchObject({ kind: "gone" });
  await expect(reader.network(asked as string)).rejects.toMatchObject({ kind: "gone" });
  expect(await reader.container(other as string, true)).toMatchObject({ id: other });
});

it("containers are asked for by the first digits of their ids, in request lines that a proxy takes", async () => {
  const ids = Array.from({ length: 700 }, (_, at) => at.toString(16).padStart(64, "0"));
  const asked: string[] = [];
  const call = async ({ query }: EngineRequest) => {
    asked.push(new URLSearchParams(query as Record<string, string>).toString());
    return [];
  };
  await new Reader({ call } as unknown as Door).containersOf(ids);
  const filters = asked.map((query) => JSON.parse(new URLSearchParams(query).get("filters") ?? ""));
  expect(filters.flatMap(({ id }) => id)).toEqual(ids.map((id) => id.slice(0, 16)));
  expect(Math.max(...asked.map(({ length }) => length))).toBeLessThan(8000);
});
