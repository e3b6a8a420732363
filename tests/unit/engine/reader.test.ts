import { expect, it } from "vitest";
import type { DockerodeClient, EngineRequest } from "../../../agent/engine/client.ts";
import { Reader } from "../../../agent/engine/reader.ts";

it.each([
  ["older than the newest tested", "1.41", "1.12", "1.41"],
  ["newer than the newest tested", "1.55", "1.40", "1.51"],
  ["whose operator raised its minimum above the newest tested", "1.55", "1.52", "1.52"],
  ["that names no minimum", "1.51", undefined, "1.51"],
])(
  "to an engine %s it speaks its newest tested version, within what that engine takes",
  async (_, ApiVersion, MinAPIVersion, spoken) => {
    const used: string[] = [];
    const client = {
      call: async ({ versioned }: EngineRequest) => {
        expect(versioned).toBe(false);
        return { Version: "x", ApiVersion, MinAPIVersion };
      },
      useApiVersion: (version: string) => used.push(version),
    } as unknown as DockerodeClient;
    expect(await new Reader(client).version()).toEqual({ version: "x", apiVersion: spoken });
    expect(used).toEqual([spoken]);
  },
);
