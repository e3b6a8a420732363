import { expect, it } from "vitest";
import type { EngineReader } from "../../../agent/engine/reader.ts";
import type { EngineInfo } from "../../../agent/engine/types.ts";
import { known } from "../../../agent/facts.ts";
import { observeEngine } from "../../../agent/observe/engine.ts";

it.each([
  ["of a tested version once, while its version is", false, "/first"],
  ["newer than any tested again, in a version that was", true, "/second"],
])("an engine %s is asked what it is", async (_, isNewer, rootDir) => {
  const version = { version: "x", apiVersion: "1.51", isNewer };
  const infos = ["/first", "/second"].map(
    (root): EngineInfo => ({ rootDir: root, imageStore: "classic", swarm: { role: "none" } }),
  );
  const asked: string[] = [];
  const reader: Partial<EngineReader> = {
    version: async () => {
      asked.push("version");
      await new Promise(setImmediate);
      asked.push("told");
      return version;
    },
    info: async () => {
      asked.push("info");
      return infos.shift() as EngineInfo;
    },
  };
  expect(await observeEngine(reader as EngineReader)).toMatchObject(known({ version, info: { rootDir } }));
  expect(asked).toEqual(["version", "info", "told", ...(isNewer ? ["info"] : [])]);
});
